// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"bytes"
	"context"
)

// OwnersInRPM looks up paths in an rpm database of that file name, held in memory.
func OwnersInRPM(ctx context.Context, name string, data, log []byte, paths ...string) (map[string]Package, error) {
	w := newWanted()
	for _, p := range paths {
		w.add(p, []string{p})
	}
	s := source{file: bytes.NewReader(data), size: int64(len(data))}
	if log != nil {
		s.log, s.logSize = bytes.NewReader(log), int64(len(log))
	}
	for _, d := range rpmDatabases {
		if d.name == name {
			err := d.each(ctx, s, func(header []byte) error { return findInHeader(header, w) })
			return w.found, err
		}
	}
	return nil, errTruncated
}

// Owner is Owners for one path, without what could not be read.
func (d *Distro) Owner(path string) (Package, bool) {
	owners, _ := d.Owners(context.Background(), []string{path})
	p, ok := owners[path]
	return p, ok
}
