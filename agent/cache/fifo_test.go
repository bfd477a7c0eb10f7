// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// exchanging exchanges what two names stand for, over and over, until the function
// it returns is called.
func exchanging(a, b string) (stop func()) {
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	})
	return func() {
		close(done)
		over.Wait()
	}
}

// Between the look at a name and the opening of it a directory can become a FIFO,
// whose opening waits for a writer.
func TestADirectoryExchangedForAFIFOHoldsNobody(t *testing.T) {
	for name, spot := range map[string]struct {
		reader cache.Reader
		path   func(*den) string
	}{
		"the base":                 {cache.Cosign, func(d *den) string { return d.place }},
		"a mirror's directory":     {cache.Cosign, func(d *den) string { return d.dir }},
		"its target files":         {cache.Cosign, func(d *den) string { return d.files }},
		"a tree of target files":   {cache.SigstorePython, func(d *den) string { return d.files }},
		"the place of that tree":   {cache.SigstorePython, func(d *den) string { return filepath.Dir(d.files) }},
		"a history of roots":       {cache.SigstorePython, func(d *den) string { return d.path("root_history") }},
		"the database of a client": {cache.Cosign, func(d *den) string { return filepath.Join(d.place, "tuf.db") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDen(t, spot.reader)
			c, set, path := d.cache(t), d.set(t), spot.path(d)
			if filepath.Base(path) == "tuf.db" {
				must(t, os.Mkdir(path, 0o700))
				c = cache.Cache{Base: d.place, Path: path, Layout: cache.LayoutLegacy, Reader: cache.Cosign}
			}
			fifo := filepath.Join(t.TempDir(), "fifo")
			must(t, syscall.Mkfifo(fifo, 0o600))
			stop := exchanging(path, fifo)
			for began := time.Now(); time.Since(began) < 2*time.Second; {
				done := make(chan struct{})
				go func() {
					c.Inspect(set, time.Now())
					close(done)
				}()
				select {
				case <-done:
				case <-time.After(20 * time.Second):
					t.Error("still waiting for a writer to the FIFO")
					began = time.Time{}
				}
			}
			stop()
		})
	}
}
