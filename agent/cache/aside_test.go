// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// Whoever makes a file just where something is moved to keeps it.
func TestMovingAsideOverwritesNothing(t *testing.T) {
	path := t.TempDir()
	dir, err := os.OpenRoot(path)
	must(t, err)
	defer dir.Close()
	from, to := filepath.Join(path, "from"), filepath.Join(path, "to")
	end, overwritten := make(chan struct{}), make(chan int)
	go func() {
		lost := 0
		for {
			select {
			case <-end:
				overwritten <- lost
				return
			default:
			}
			f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				continue
			}
			var st syscall.Stat_t
			for range 20 {
				if syscall.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 0 {
					lost++
					break
				}
			}
			f.Close()
			if st.Nlink > 0 {
				os.Remove(to)
			}
		}
	}()
	moved, refused := 0, 0
	for began := time.Now(); time.Since(began) < time.Second; {
		put(t, from, nil)
		switch err := cache.RenameNew(dir, "from", "to"); {
		case err == nil:
			moved++
			must(t, os.Remove(to))
		case errors.Is(err, fs.ErrExist):
			refused++
		default:
			t.Fatal(err)
		}
	}
	close(end)
	if lost := <-overwritten; lost > 0 || moved == 0 || refused == 0 {
		t.Errorf("moved %d times, refused %d times, and overwrote %d files", moved, refused, lost)
	}
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
		must(t, filepath.WalkDir(d.place, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && (far > time.Hour || filepath.Base(path) == "snapshot.json") { // all of them, or one
				err = os.Chtimes(path, date, date)
			}
			return err
		}))
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
