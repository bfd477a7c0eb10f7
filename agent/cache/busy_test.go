// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

func TestBusyCacheIsLeftAlone(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	o := cache.WriteOptions{Publish: true, Quiet: time.Hour}
	before := picture(t, r.base)
	_, err := r.cache(t).Replace(r.set(t), time.Now(), o)
	var busy *cache.BusyError
	if !errors.As(err, &busy) || !errors.Is(err, cache.ErrBusy) || busy.RetryAfter <= 0 || busy.RetryAfter > time.Hour {
		t.Fatalf("error %v, want busy for less than an hour", err)
	}
	wantUntouched(t, r.base, before)
	if _, err := r.cache(t).Replace(r.set(t), time.Now().Add(2*time.Hour), o); err != nil {
		t.Errorf("after a quiet hour: %v", err)
	}
	r.wantState(t, cache.Fresh)
}

func TestClientThatOvertakesIsGivenWayTo(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	set := r.set(t)
	must(t, r.BumpTimestamp())
	ran := 0
	o := cache.WithStep(both, func(done string) {
		if done == "staged" && ran == 0 {
			ran++
			r.mustRead(t) // the client gets timestamp 3, we hold 2
		}
	})
	if _, err := r.cache(t).Replace(set, time.Now(), o); !errors.Is(err, cache.ErrAhead) {
		t.Errorf("error %v, want ErrAhead", err)
	}
	if got := r.version(t, "timestamp"); got != 3 {
		t.Errorf("timestamp %d, want 3", got)
	}
	if left, _ := filepath.Glob(r.path(".tufkeeper-*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

func TestCacheThatNeverHoldsStillIsBusy(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	n := 0
	o := cache.WithStep(both, func(done string) {
		if done == "staged" {
			n++
			must(t, os.Chtimes(r.path("snapshot.json"), time.Time{}, time.Unix(int64(n), 0)))
		}
	})
	if _, err := r.cache(t).Replace(r.set(t), time.Now(), o); !errors.Is(err, cache.ErrBusy) {
		t.Errorf("error %v, want ErrBusy", err)
	}
	if got := r.version(t, "timestamp"); got != 1 {
		t.Errorf("timestamp %d, want 1", got)
	}
}

// cosign initialize removes the whole tree and makes it anew.
func TestDirectoryMadeAnewIsNotWrittenBlindly(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	n := 0
	o := cache.WithStep(both, func(done string) {
		if n++; n == 1 {
			must(t, os.RemoveAll(r.path()))
			r.mustRead(t)
		}
	})
	change, err := r.cache(t).Replace(r.set(t), time.Now(), o)
	if err != nil || !change.Empty() {
		t.Errorf("change %+v, %v; want none: its client has just filled it", change, err)
	}
	r.wantState(t, cache.Fresh)
}
