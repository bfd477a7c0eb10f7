// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

func TestWhatAChangeConcerns(t *testing.T) {
	place := cache.Place{Base: "/home/ada/data/tuf", Targets: "/home/ada/cache/tuf"}
	lies := cache.Cache{Base: place.Base, Path: "/home/ada/data/tuf/m", Targets: "/home/ada/cache/tuf/m"}
	for dir, want := range map[string]struct{ place, cache bool }{
		"/home/ada":              {true, true}, // the place moved with it
		"/home/ada/data/tuf":     {true, true},
		"/home/ada/data/tuf/m":   {true, true},
		"/home/ada/data/tuf/m2":  {true, false},
		"/home/ada/data/tuf2":    {false, false}, // its name only begins alike
		"/home/ada/cache/tuf":    {true, true},
		"/home/ada/cache/tuf/m":  {true, true},
		"/home/ada/cache/tuf/m2": {true, false},
		"/home/ada/cache":        {false, true}, // its place is seen by its own directory
		"/home/grace":            {false, false},
	} {
		if got := place.Concerned(dir); got != want.place {
			t.Errorf("%s concerns the place: %t", dir, got)
		}
		if got := lies.In(dir); got != want.cache {
			t.Errorf("%s holds the cache: %t", dir, got)
		}
	}
}
