// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// crowdEnv is how many files TestCrowds puts into one directory: 20,000 where it is
// not set. A million takes half a minute to make and a gigabyte for inodes.
const crowdEnv = "TUFKEEPER_TEST_CROWD"

// Many files, of 10 GB together, in any directory of a cache cost no more time and
// memory than a few: no directory is listed to its end.
func TestCrowds(t *testing.T) {
	size := 20_000
	if text := os.Getenv(crowdEnv); text != "" {
		var err error
		size, err = strconv.Atoi(text)
		must(t, err)
	}
	home := t.TempDir()
	crowd := filepath.Join(home, "crowd")
	must(t, os.Mkdir(crowd, 0o700))
	began := time.Now()
	for n := range size { // as roots of a history are named
		f, err := os.Create(filepath.Join(crowd, fmt.Sprintf("%d.root.json", n+1000)))
		must(t, err)
		must(t, f.Truncate(10<<30/int64(size)))
		must(t, f.Close())
	}
	t.Logf("%d files made in %s", size, time.Since(began).Round(time.Millisecond))

	eachForm(t, func(t *testing.T, d *den) {
		old := filepath.Dir(d.place)
		for _, path := range []*string{&d.place, &d.dir, &d.files} { // where the crowd can be renamed to
			inside, err := filepath.Rel(old, *path)
			must(t, err)
			*path = filepath.Join(home, string(d.reader), inside)
		}
		spots := map[string]string{"the base": d.place, "the directory": d.dir, "targets": d.files}
		if d.layout == cache.LayoutSigstorePython {
			spots["root_history"] = d.path("root_history")
		}
		for where, spot := range spots {
			t.Run(where, func(t *testing.T) {
				must(t, os.RemoveAll(filepath.Dir(d.place)))
				d.fill(t)
				must(t, os.MkdirAll(d.place, 0o700))
				must(t, d.BumpTimestamp())
				set := d.set(t)
				exchange(t, spot, crowd)
				defer exchange(t, spot, crowd)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := time.Now()
				first, last, done := d.endure(t, set, bounds{12, usual.time})
				took := time.Since(began)
				runtime.ReadMemStats(&after)
				t.Logf("found, inspected, replaced and done again in %s with %d MiB", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
				if len(first) != 1 || first[0].State != cache.Behind || last[0].State != cache.Fresh || done[0].Empty() {
					t.Errorf("found %+v, did %+v, left %+v", first, done, last)
				}
			})
		}
	})
}

// exchange puts the crowd in place of a directory, with what was in there, or takes it
// out again.
func exchange(t *testing.T, spot, crowd string) {
	t.Helper()
	names, err := os.ReadDir(spot)
	must(t, err)
	if len(names) > 1000 { // take it out
		must(t, os.Rename(spot, crowd))
		must(t, os.Mkdir(spot, 0o700))
		for _, e := range names {
			if to := filepath.Join(spot, e.Name()); e.IsDir() || !isOfTheCrowd(e.Name()) {
				must(t, os.Rename(filepath.Join(crowd, e.Name()), to))
			}
		}
		return
	}
	for _, e := range names {
		must(t, os.Rename(filepath.Join(spot, e.Name()), filepath.Join(crowd, e.Name())))
	}
	must(t, os.Remove(spot))
	must(t, os.Rename(crowd, spot))
}

// isOfTheCrowd says whether a name is one of the crowd's.
func isOfTheCrowd(name string) bool {
	var n int
	_, err := fmt.Sscanf(name, "%d.root.json", &n)
	return err == nil && n >= 1000
}
