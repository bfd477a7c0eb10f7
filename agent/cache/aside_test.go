// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// Whoever makes a file just where something is moved to keeps it.
func TestMovingAsideOverwritesNothing(t *testing.T) {
	d := newDen(t, cache.Cosign)
	c, set := d.cache(t), d.set(t)
	kept := 0
	for began := time.Now(); time.Since(began) < time.Second; {
		must(t, os.RemoveAll(d.dir))
		must(t, os.Mkdir(d.dir, 0o700))
		d.fill(t)
		must(t, os.RemoveAll(d.files))
		put(t, d.files, []byte("in the way"))
		now := time.Now()
		aside := d.path("targets.broken-" + now.UTC().Format("20060102T150405Z"))
		made := make(chan bool)
		go func() {
			for time.Since(now) < 100*time.Millisecond {
				f, err := os.OpenFile(aside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				if err != nil {
					break // ours was first
				}
				info, err := f.Stat()
				f.Close()
				if there, err2 := os.Lstat(aside); err != nil || err2 != nil || !os.SameFile(info, there) {
					made <- false
					return
				}
				if os.Remove(aside) != nil {
					break
				}
			}
			made <- true
		}()
		if _, err := c.Replace(set, now, cache.WriteOptions{Mend: true}); err == nil {
			kept++
		}
		if !<-made {
			t.Fatal("a file was overwritten that somebody made just before")
		}
	}
	t.Logf("moved aside %d times", kept)
}

func TestALongNameIsMovedAside(t *testing.T) {
	d := newDen(t, cache.Cosign)
	url := "https://" + strings.Repeat("a", 240) + ".test"
	dir := filepath.Join(d.place, cache.DirName(url))
	mirrors := []cache.Mirror{{Name: "long", URL: url, Default: true}}
	for range 2 { // in one second
		put(t, dir, []byte("a file in place of the directory"))
		found, _ := cache.Find(cosignPlaces(d.place), mirrors)
		for _, c := range found {
			if c.Mirror != "long" {
				continue
			}
			change, err := c.Replace(d.set(t), time.Unix(1e9, 0), cache.WriteOptions{Mend: true})
			if err != nil || len(change.Aside) != 1 {
				t.Errorf("change %+v, %v; want it moved aside", change, err)
			}
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(d.place, "aaa*.broken-20010909T014640Z*")); len(aside) != 2 {
		t.Errorf("aside is %q, want two files", aside)
	}
}

// A file may bear any date; a client was at work in the cache all the same.
func TestADateInTheFutureIsNoEndOfQuiet(t *testing.T) {
	for _, far := range []time.Duration{10 * time.Minute, 1000 * time.Hour} {
		d := newDen(t, cache.Cosign)
		must(t, d.BumpTimestamp())
		date := time.Now().Add(far)
		must(t, os.Chtimes(d.path("snapshot.json"), date, date))
		o := cache.WriteOptions{Mend: true, Publish: true, Quiet: time.Minute}
		var busy *cache.BusyError
		if change, err := d.cache(t).Replace(d.set(t), time.Now(), o); !errors.As(err, &busy) || busy.RetryAfter > time.Minute {
			t.Errorf("%v ahead: change %+v, %v; want busy for a minute", far, change, err)
		}
		if change, err := d.cache(t).Replace(d.set(t), time.Now().Add(2*time.Minute), o); err != nil || len(change.Written) == 0 {
			t.Errorf("%v ahead, later: change %+v, %v; want it published", far, change, err)
		}
	}
}
