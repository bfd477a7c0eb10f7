// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"path/filepath"
	"strings"
)

// OverlapError is two places that are one directory, or of which one lies in the
// other. What a client removes or overwrites in its place then hits the other's.
type OverlapError struct {
	One, Other Place
	// Same says that both are one directory; else Other lies in One.
	Same bool
	// Unsafe says that files of the two clients have the same names there, so that
	// neither can be written without breaking the other.
	Unsafe bool
}

func (e *OverlapError) Error() string {
	text := fmt.Sprintf("the place %q of %s lies in the place %q of %s", e.Other.Base, e.Other.Reader, e.One.Base, e.One.Reader)
	if e.Same {
		text = fmt.Sprintf("the places %q of %s and %q of %s are one directory", e.One.Base, e.One.Reader, e.Other.Base, e.Other.Reader)
	}
	if e.Unsafe {
		text += ": nothing is written there"
	}
	return text
}

// Apart returns the places without those that are, through links, the directory of
// an earlier one with the same layout, and every overlap there is. It looks at the
// names on the way to each place and opens nothing.
func Apart(places []Place) (apart []Place, overlaps []*OverlapError) {
	real := make([]string, len(places))
	for i, p := range places {
		real[i] = resolved(p.Base)
	}
	for i, p := range places {
		twice := false
		for j, before := range places[:i] {
			alike := layoutOf(before.Reader) == layoutOf(p.Reader)
			flat := layoutOf(before.Reader).rules().dir == nil || layoutOf(p.Reader).rules().dir == nil // the base itself is the cache
			switch {
			case real[i] == real[j]:
				twice = twice || alike
				overlaps = append(overlaps, &OverlapError{One: before, Other: p, Same: true, Unsafe: !alike})
			case within(real[i], real[j]):
				overlaps = append(overlaps, &OverlapError{One: before, Other: p, Unsafe: flat})
			case within(real[j], real[i]):
				overlaps = append(overlaps, &OverlapError{One: p, Other: before, Unsafe: flat})
			}
		}
		if !twice {
			apart = append(apart, p)
		}
	}
	return apart, overlaps
}

// resolved follows the links on the way to path, as far as it exists.
func resolved(path string) string {
	path = filepath.Clean(path)
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// Concerned says whether a change of dir may be one of this place.
func (p Place) Concerned(dir string) bool {
	return holds(p.Base, dir) || holds(dir, p.Base) || p.Targets != "" && holds(p.Targets, dir)
}

// In says whether the cache, or its target files that lie apart, are dir or below it.
func (c Cache) In(dir string) bool {
	return holds(dir, c.Path) || c.Targets != "" && holds(dir, c.Targets)
}

// holds says whether path is dir or lies below it.
func holds(dir, path string) bool { return path == dir || within(path, dir) }

// within says whether path lies below dir.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}
