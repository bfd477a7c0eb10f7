// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// Somebody exchanges a directory of the cache for a link to another one, again and
// again, while it is published to and mended. The other one looks like an older cache,
// and is never written to.
func TestExchangedDirectoriesLeadNowhere(t *testing.T) {
	eachForm(t, func(t *testing.T, d *den) {
		t.Parallel()
		spots := map[string]string{"the directory": d.dir, "targets": d.files}
		if os.Geteuid() == 0 { // a base may be a link among the files of one user
			spots["the base"] = d.place
		}
		if d.dir == d.place {
			delete(spots, "the directory")
		}
		if d.layout == cache.LayoutSigstorePython {
			spots["root_history"] = d.path("root_history")
		}
		for where, spot := range spots {
			t.Run(where, func(t *testing.T) { d.exchanged(t, spot) })
		}
	})
}

func (d *den) exchanged(t *testing.T, spot string) {
	must(t, os.RemoveAll(filepath.Dir(d.place)))
	d.fill(t)
	canary := filepath.Join(t.TempDir(), "canary")
	must(t, os.CopyFS(canary, os.DirFS(filepath.Dir(d.place))))
	inside, err := filepath.Rel(filepath.Dir(d.place), spot)
	must(t, err)
	lure := filepath.Join(canary, inside)
	if spot == d.place {
		must(t, os.Chown(lure, 65534, 65534))
	}
	before := picture(t, canary)

	link := spot + ".link"
	must(t, os.Symlink(lure, link))
	stop := make(chan struct{})
	var exchanger sync.WaitGroup
	exchanges := 0
	exchanger.Go(func() {
		for ; ; exchanges++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, spot, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Duration(exchanges%40) * 25 * time.Microsecond)
		}
	})
	end := sync.OnceFunc(func() { close(stop); exchanger.Wait() })
	defer end()
	written, refused := 0, 0
	c := cache.Cache{Base: d.place, Path: d.dir, Layout: d.layout, Reader: d.reader, Mirror: "sandbox", URL: d.url}
	if place := d.cachePlace(); place.Targets != "" {
		c.Targets = d.files
	}
	began := time.Now()
	for time.Since(began) < time.Second || written == 0 && time.Since(began) < 20*time.Second {
		must(t, d.Publish(target, []byte(time.Now().String())))
		set := d.set(t)
		for range 10 {
			c.Inspect(set, later())
			change, err := c.Replace(set, later(), both)
			written += len(change.Written)
			if err != nil {
				refused++
			}
		}
	}
	end()
	wantUntouched(t, canary, before)
	t.Logf("%d exchanges, %d files written, %d times refused", exchanges, written, refused)
	if written == 0 || exchanges < 10 {
		t.Errorf("%d exchanges, %d files written: this shows little", exchanges, written)
	}
}

// A cache that its owner's other programs change all the while is never left worse: what
// is put into it while it is mended is looked at again, or left for later.
func TestFilesExchangedWhileTheyAreLookedAt(t *testing.T) {
	d := newDen(t, cache.Cosign)
	must(t, d.BumpTimestamp())
	set := d.set(t)
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("precious"), 0o600))
	link := d.path("a-link")
	must(t, os.Symlink(secret, link))
	stop := make(chan struct{})
	var exchanger sync.WaitGroup
	exchanger.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = unix.Renameat2(unix.AT_FDCWD, d.path("timestamp.json"), unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
		}
	})
	defer func() { close(stop); exchanger.Wait() }()
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		in := d.cache(t).Inspect(set, later())
		if strings.Contains(in.Detail, "precious") {
			t.Errorf("told what lies outside: %q", in.Detail)
		}
		if _, err := d.cache(t).Replace(set, later(), cache.WriteOptions{Mend: true}); err != nil && !errors.Is(err, cache.ErrBusy) {
			t.Errorf("replacing: %v", err)
		}
		if data, err := os.ReadFile(secret); err != nil || string(data) != "precious" {
			t.Fatalf("written through the link: %q, %v", data, err)
		}
	}
}
