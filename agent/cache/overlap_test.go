// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

func TestPlacesThatOverlap(t *testing.T) {
	type at struct {
		base   string
		reader cache.Reader
	}
	for name, tc := range map[string]struct {
		places []at
		kept   []string // bases
		want   []string // "same BASE BASE [unsafe]" or "in BASE BASE [unsafe]"
	}{
		"apart":                              {[]at{{"a", cache.Cosign}, {"ab", cache.NPM}}, []string{"a", "ab"}, nil},
		"one through a link":                 {[]at{{"a", cache.Cosign}, {"link", cache.GH}}, []string{"a"}, []string{"same a link"}},
		"one through a link in between":      {[]at{{"a/x", cache.NPM}, {"link/x", cache.SigstoreJS}}, []string{"a/x"}, []string{"same a/x link/x"}},
		"two clients that name files alike":  {[]at{{"a", cache.SigstoreJava}, {"link", cache.Cosign}}, []string{"a", "link"}, []string{"same a link unsafe"}},
		"one in the other":                   {[]at{{"a/x", cache.Cosign}, {"a", cache.Cosign}}, []string{"a/x", "a"}, []string{"in a a/x"}},
		"one in the other, through a link":   {[]at{{"a", cache.Cosign}, {"link/x", cache.NPM}}, []string{"a", "link/x"}, []string{"in a link/x"}},
		"a cache that would be found in two": {[]at{{"a", cache.SigstoreJS}, {"a/x", cache.SigstoreJava}}, []string{"a", "a/x"}, []string{"in a a/x unsafe"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, "a"), 0o700)) // a/x does not exist
			must(t, os.Symlink("a", filepath.Join(dir, "link")))
			var places []cache.Place
			for _, p := range tc.places {
				places = append(places, cache.Place{Base: filepath.Join(dir, p.base), Reader: p.reader})
			}
			short := func(base string) string {
				rel, err := filepath.Rel(dir, base)
				must(t, err)
				return rel
			}
			kept, overlaps := cache.Apart(places)
			var bases, got []string
			for _, p := range kept {
				bases = append(bases, short(p.Base))
			}
			for _, o := range overlaps {
				line := "in "
				if o.Same {
					line = "same "
				}
				line += short(o.One.Base) + " " + short(o.Other.Base)
				if o.Unsafe {
					line += " unsafe"
				}
				got = append(got, line)
			}
			if !slices.Equal(bases, tc.kept) || !slices.Equal(got, tc.want) {
				t.Errorf("kept %q, overlaps %q; want %q, %q", bases, got, tc.kept, tc.want)
			}
		})
	}
}
