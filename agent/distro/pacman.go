// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"context"
	"fmt"
	"path"
	"slices"
)

// findPacman reads pacman's directory of installed packages: for each its files
// in "files" and its name and version in "desc".
func findPacman(ctx context.Context, h host, dir string, w *wanted) error {
	names, err := h.list(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		files := path.Join(dir, name, "files")
		if _, info, err := h.resolve(files); err != nil || info == nil {
			continue // ALPM_DB_VERSION, and what is being installed just now
		}
		var hits []string
		err := h.sections(ctx, files, func(section string, line []byte) bool {
			full := append([]byte("/"), line...)
			if section == "%FILES%" && w.has(full) {
				hits = append(hits, string(full))
			}
			return len(hits) < maxPaths
		})
		if err != nil {
			return err
		}
		if len(hits) == 0 {
			continue
		}
		pkg := Package{Manager: "pacman"}
		desc := path.Join(dir, name, "desc")
		err = h.sections(ctx, desc, func(section string, line []byte) bool {
			switch section {
			case "%NAME%":
				pkg.Name = fit(string(line))
			case "%VERSION%":
				pkg.Version = fit(string(line))
			}
			return true
		})
		if err != nil {
			return err
		}
		if pkg.Name == "" || pkg.Version == "" {
			return fmt.Errorf("reading %q: no name and version", desc)
		}
		for _, hit := range hits {
			w.take(hit, pkg)
		}
	}
	return nil
}

// sections reads a file of pacman's: a %NAME% on a line of its own, and the lines
// below it up to an empty one.
func (h host) sections(ctx context.Context, file string, each func(section string, line []byte) bool) error {
	section := ""
	return h.lines(ctx, file, func(line []byte) bool {
		switch {
		case len(line) == 0:
			section = ""
		case section == "" && line[0] == '%' && len(line) < maxText:
			section = string(line)
		default:
			return each(section, line)
		}
		return true
	})
}
