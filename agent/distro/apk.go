// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"context"
)

// findAPK reads apk's one file: the packages one after another, each with its
// name (P), version (V), directories (F) and the files (R) in the last of them.
func findAPK(ctx context.Context, h host, file string, w *wanted) error {
	var pkg Package
	dir := []byte("/")
	name := make([]byte, 0, maxLine)
	packages := 0
	return h.lines(ctx, file, func(line []byte) bool {
		if len(line) < 2 || line[1] != ':' {
			if len(line) == 0 {
				pkg, dir = Package{}, append(dir[:0], '/')
				packages++
			}
			return packages < maxEntries
		}
		value := line[2:]
		switch line[0] {
		case 'P':
			pkg.Manager, pkg.Name = "apk", fit(string(value))
		case 'V':
			pkg.Version = fit(string(value))
		case 'F':
			dir = append(append(dir[:0], '/'), value...)
			if len(value) > 0 {
				dir = append(dir, '/')
			}
		case 'R':
			name = append(append(name[:0], dir...), value...)
			if w.has(name) && pkg.Name != "" && pkg.Version != "" {
				w.take(string(name), pkg)
			}
		}
		return true
	})
}
