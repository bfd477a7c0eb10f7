// SPDX-License-Identifier: Apache-2.0

package checkup

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// collisions are the places that overlap, and the mirrors of which errs say that they
// share a directory. The errors that say something else are handed on.
func collisions(overlaps []*cache.OverlapError, mirrors []cache.Mirror, errs []error) (found []health.CollisionFacts, rest []error) {
	for _, o := range overlaps {
		c := health.CollisionFacts{
			Path: o.Other.Base, Written: !o.Unsafe,
			One:    fmt.Sprintf("%s with its place %s", o.One.Reader, health.Plain(o.One.Base)),
			Other:  string(o.Other.Reader),
			Remedy: "name each client's own directory in the configuration; tufkeeper config show lists the places in force",
		}
		found = append(found, c)
	}
	for _, err := range errs {
		var others []error
		for _, e := range parts(err) {
			shared, ok := errors.AsType[*cache.CollisionError](e)
			if !ok {
				others = append(others, e)
				continue
			}
			// A URL with and without its last slash is one mirror with two directories.
			c := sharing(shared, mirrors)
			if !slices.ContainsFunc(found, func(f health.CollisionFacts) bool {
				return f.One == c.One && f.Other == c.Other && filepath.Dir(f.Path) == filepath.Dir(c.Path)
			}) {
				found = append(found, c)
			}
		}
		switch {
		case len(others) == len(parts(err)):
			rest = append(rest, err)
		default:
			rest = append(rest, others...)
		}
	}
	return found, rest
}

// sharing is one directory of two mirrors. One of them may not be configured: then
// it is what cosign was told.
func sharing(e *cache.CollisionError, mirrors []cache.Mirror) health.CollisionFacts {
	c := health.CollisionFacts{Path: e.Dir, Remedy: "keep one of the two mirrors in the configuration"}
	var names []string
	for _, url := range e.URLs {
		url = strings.TrimRight(url, "/")
		i := slices.IndexFunc(mirrors, func(m cache.Mirror) bool { return strings.TrimRight(m.URL, "/") == url })
		name := "mirror " + health.Plain(url)
		if i >= 0 {
			name = fmt.Sprintf("mirror %s (%s)", health.Plain(mirrors[i].Name), health.Plain(url))
		} else {
			name += ", which remote.json names"
			c.Remedy = "cosign initialize --mirror URL --root FILE, with the URL of the configuration"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	names = append(names, "another mirror", "another mirror") // never fewer than two
	c.One, c.Other = names[0], names[1]
	if e.Base != "" {
		c.Path = filepath.Join(e.Base, e.Dir)
	}
	return c
}

// parts takes apart what was joined or wrapped around something joined.
func parts(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, part := range joined.Unwrap() {
				all = append(all, parts(part)...)
			}
			return all
		}
	}
	return []error{err}
}
