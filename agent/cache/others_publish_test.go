// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// What is published is what the client goes on with: it asks for no file that was
// published but the timestamp, which it always asks for.
func TestOthersReadWhatIsPublished(t *testing.T) {
	eachOther(t, func(t *testing.T, d *desk) {
		d.load(t, "a")
		must(t, d.RotateRoot(sandbox.Rotation{Online: true}))
		must(t, d.Publish(target, []byte("published\n")))
		change := d.replace(t)
		if in := d.inspect(t); in.State != cache.Fresh {
			t.Fatalf("published %+v: %s (%s), want fresh", change, in.State, in.Detail)
		}
		d.ResetRequests()
		d.mustRead(t)
		asked := d.Requests()
		t.Log("published", change.Written, "then asked for", asked)
		for _, request := range asked {
			switch {
			case request == "timestamp.json", strings.HasSuffix(request, ".root.json"):
			case d.reader == cache.SigstoreJava && strings.HasPrefix(request, "targets/"): // on every run
			default:
				t.Errorf("asked for %s", request)
			}
		}
		newest := d.Versions()["root"]
		if !d.embedded && len(asked) > 0 && slices.Contains(asked, versioned(newest)) {
			t.Errorf("asked for root %d, which was published", newest)
		}
		if d.reader == cache.SigstoreJS { // its one way to do without its mirror
			d.Down(true)
			if err := d.read(t, "FORCE_CACHE=1"); err != nil {
				t.Errorf("without its mirror: %v", err)
			}
			d.Down(false)
		}
		must(t, d.Publish(target, []byte("and on it goes\n")))
		d.mustRead(t) // and can write over what was published
	})
}

func versioned(version int64) string { return string(rune('0'+version)) + ".root.json" }

// Clients that run while their cache is published to fail no more often than they do
// by themselves, and are left with a cache that works.
func TestOthersRunWhileTheirCacheIsPublishedTo(t *testing.T) {
	eachOther(t, func(t *testing.T, d *desk) {
		alone := d.race(t, func() {})
		published := 0
		beside := d.race(t, func() {
			_, err := d.cache(t).Replace(d.set(t), later(), both)
			if err == nil {
				published++
			} else if !errors.Is(err, cache.ErrBusy) && !errors.Is(err, cache.ErrAhead) {
				t.Errorf("publishing: %v", err)
			}
		})
		t.Logf("of %d runs, %d failed alone, %d beside %d publishes", runs, alone, beside, published)
		if published == 0 {
			t.Error("nothing was published")
		}
		if d.replace(t); d.read(t) != nil {
			t.Errorf("the client fails afterwards: %v", d.read(t))
		}
	})
}

const runs = 24

// race runs the client three at a time, while its mirror changes and then does what
// is to be done beside it. It returns how many runs failed.
func (d *desk) race(t *testing.T, beside func()) (failed int) {
	t.Helper()
	d.load(t, "b")
	d.mustRead(t)
	var mu sync.Mutex
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			for range runs / 3 {
				if err := d.read(t); err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
					t.Log(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	for {
		must(t, d.BumpSnapshot())
		beside()
		select {
		case <-done:
			return failed
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// A client that is killed, whenever that is, leaves a cache that works or is mended.
func TestOthersKilled(t *testing.T) {
	eachOther(t, func(t *testing.T, d *desk) {
		start := time.Now()
		d.mustRead(t)
		usual := time.Since(start)
		for range 12 {
			d.load(t, "a")
			ctx, cancel := context.WithTimeout(t.Context(), usual/4+rand.N(usual))
			_ = d.run(ctx) // killed, or just in time
			cancel()
			if entries, err := os.ReadDir(d.cache(t).Path); err == nil {
				for _, e := range entries {
					if !strings.HasSuffix(e.Name(), ".json") && !e.IsDir() {
						t.Log("left:", e.Name())
					}
				}
			}
			d.replace(t)
			if in := d.inspect(t); in.State != cache.Fresh {
				t.Errorf("%s (%s), want fresh", in.State, in.Detail)
			}
			d.mustRead(t)
		}
	})
}
