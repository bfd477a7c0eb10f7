// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// layouts are where each client keeps the cache of a mirror, spelled out.
var layouts = []struct {
	reader  cache.Reader
	dir     func(url string) string // below the place
	targets string                  // below that directory; "" where they lie apart
	inPlace bool                    // its client writes in place: young damage may be its own
}{
	{cache.Cosign, cache.DirName, "targets", false},
	{cache.GH, cache.DirName, "targets", false},
	{cache.SigstoreJS, func(u string) string { return url.QueryEscape(strings.TrimPrefix(u, "http://")) }, "targets", true},
	{cache.NPM, func(u string) string { return url.QueryEscape(strings.TrimPrefix(u, "http://")) }, "targets", true},
	{cache.SigstorePython, url.QueryEscape, "", false},
	{cache.SigstoreRuby, url.QueryEscape, "", false},
	{cache.SigstoreJava, func(string) string { return "." }, "targets", true},
}

// damaged are the files of a cache that are damaged, each in a cache of its own.
var damaged = []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", "target file"}

// fillLayout writes the cache that a client of that layout would have.
func fillLayout(t *testing.T, h *host, i int, place, apart, url string) (file func(name string) string) {
	t.Helper()
	l, f := layouts[i], h.repo.Files()
	dir := filepath.Join(place, l.dir(url))
	files := filepath.Join(dir, l.targets)
	if l.targets == "" {
		files = filepath.Join(apart, l.dir(url))
	}
	file = func(name string) string {
		if name == "target file" {
			return filepath.Join(files, "trusted_root.json")
		}
		return filepath.Join(dir, name)
	}
	for _, d := range []string{dir, files} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path string, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(file("timestamp.json"), f.Timestamp)
	put(file("snapshot.json"), f.Snapshot)
	put(file("targets.json"), f.Targets)
	put(file("target file"), f.Artifacts["trusted_root.json"])
	if l.reader != cache.SigstorePython {
		put(file("root.json"), h.repo.InitialRoot())
		return file
	}
	if err := os.Mkdir(filepath.Join(dir, "root_history"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(dir, "root_history", "1.root.json"), h.repo.InitialRoot())
	if err := os.Symlink("root_history/1.root.json", file("root.json")); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDamageInEveryLayoutIsMendedInTime(t *testing.T) {
	const wait = 100 * time.Millisecond
	const inUse = 5 * time.Second
	h := newHost(t, sandbox.Options{Sigstore: true})
	type one struct {
		layout     int
		name, path string
	}
	var all []one
	r := run(t, h, nil, func(c *config.Config) {
		c.Caches.Debounce, c.Caches.Quiet = wait, wait
		c.Caches.Paths, c.Caches.Places = nil, nil
		c.Caches.Overrides = []config.CacheRule{{Path: "**", Policy: config.PolicyMend}}
		mirror := c.Mirrors[0].URL
		for i, l := range layouts {
			for j, name := range damaged {
				place := filepath.Join(h.dir, "places", fmt.Sprint(i, "-", j))
				p := config.CachePlace{Client: string(l.reader), Path: place}
				if l.targets == "" {
					p.Targets = place + "-targets"
				}
				if l.reader == cache.SigstoreJava {
					p.URL = mirror
				}
				c.Caches.Places = append(c.Caches.Places, p)
				file := fillLayout(t, h, i, place, p.Targets, mirror.String())
				all = append(all, one{i, name, file(name)})
			}
		}
	})
	until(t, "the first refresh", func() bool { return strings.Contains(r.said.String(), "refresh finished") })
	until(t, "the first look", func() bool {
		return len(r.report().Caches) == len(all) && !slices.ContainsFunc(r.report().Caches, func(c status.Cache) bool { return c.State != "fresh" })
	})
	time.Sleep(inUse) // what was written to make them is no client at work any more
	r.idle(t)
	stalled := stalls(t)
	took := make([]mend, len(all))
	var mending sync.WaitGroup
	for i, o := range all {
		mending.Go(func() {
			took[i] = mended(t, o.path, func(path string) error { return os.Truncate(path, 10) })
		})
		time.Sleep(50 * time.Millisecond)
	}
	mending.Wait()
	excused := stalled()
	for i, o := range all {
		limit := wait + slack + excused
		if layouts[o.layout].inPlace {
			limit = inUse + slack + excused
		}
		t.Logf("%-16s %-15s %s", layouts[o.layout].reader, o.name, took[i].took.Round(time.Millisecond))
		if took[i].own() > limit {
			t.Errorf("%s of %s was mended after %s, want %s", o.name, layouts[o.layout].reader, took[i].own(), limit)
		}
	}
}
