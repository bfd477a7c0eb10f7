// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// room says, before anything is staged, whether everything that is to be written has
// room: the old files keep theirs until the last rename. A file system that does not
// count (or a quota, which is not asked here) is found out by staging.
func room(path string, steps []step) error {
	type need struct {
		dir          *os.Root
		bytes, files uint64
	}
	var needs []*need
	for _, s := range steps {
		if s.act != write && s.act != relink {
			continue
		}
		var n *need
		for _, known := range needs {
			if known.dir == s.f.dir {
				n = known
			}
		}
		if n == nil {
			n = &need{dir: s.f.dir}
			needs = append(needs, n)
		}
		n.files++
		n.bytes += uint64(len(s.data))
	}
	for _, n := range needs {
		free, err := statfs(n.dir)
		if err != nil {
			continue
		}
		block := max(uint64(free.Bsize), 1)     //nolint:gosec,unconvert // its type differs from system to system; a size is not negative
		want := n.bytes + n.files*block + block // every file begins a block, and the directory may grow
		have := uint64(free.Bavail) * block     //nolint:gosec,unconvert // as above
		what, show := "", "df -h "
		switch {
		case free.Blocks > 0 && have < want:
			what = fmt.Sprintf("has no room left: %d bytes free, %d needed", have, want)
		case free.Files > 0 && uint64(free.Ffree) <= n.files: //nolint:gosec,unconvert // as above
			what, show = fmt.Sprintf("has no inodes left: %d free, more than %d needed", free.Ffree, n.files), "df -i "
		default:
			continue
		}
		return &UnusableError{Path: path, Reason: what, Remedy: show + quote(path)}
	}
	return nil
}

func statfs(dir *os.Root) (unix.Statfs_t, error) {
	var free unix.Statfs_t
	d, err := dir.Open(".")
	if err != nil {
		return free, err
	}
	defer d.Close()
	err = unix.Fstatfs(int(d.Fd()), &free) //nolint:gosec // a descriptor fits
	return free, err
}
