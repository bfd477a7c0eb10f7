// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// A place that hangs is mended once at a time, however often it changes, and once more
// when it goes on; the others are mended meanwhile.
func TestAPlaceThatHangsTakesOneSlot(t *testing.T) {
	const mirror = "http://127.0.0.1:1"
	hung, well := t.TempDir(), t.TempDir()
	for _, base := range []string{hung, well} {
		if err := os.MkdirAll(filepath.Join(base, cache.DirName(mirror)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	goOn := make(chan struct{})
	var mu sync.Mutex
	mends := map[string]int{}
	p := publish.New(publish.Options{Policy: func(c cache.Cache) (config.Policy, string) {
		mu.Lock()
		mends[c.Base]++
		mu.Unlock()
		if c.Base == hung {
			<-goOn
		}
		return config.PolicyReport, "only counted"
	}})
	w := watch.New(watch.Options{Debounce: 10 * time.Millisecond, Scan: time.Hour, Log: hclog.NewNullLogger()})
	m := newMender(p, w)
	m.learn(known{
		places:  []cache.Place{{Base: hung, Reader: cache.Cosign}, {Base: well, Reader: cache.Cosign}},
		mirrors: []cache.Mirror{{Name: "m", URL: mirror}},
	})
	w.Watch([]string{hung, well})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	running.Go(func() { m.run(ctx) })
	defer running.Wait()
	defer cancel()
	free := sync.OnceFunc(func() { close(goOn) })
	defer free()
	count := func(base string) int {
		mu.Lock()
		defer mu.Unlock()
		return mends[base]
	}
	changes := 0
	until := func(what string, base string, n int) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); count(base) < n; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: mended %d times, want %d", what, count(base), n)
			}
			changes++
			for _, dir := range []string{hung, well} {
				if err := os.WriteFile(filepath.Join(dir, cache.DirName(mirror), fmt.Sprint("f", changes)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	until("the place that hangs", hung, 1)
	until("the one beside it", well, menders+4)
	if n := count(hung); n != 1 {
		t.Errorf("the place that hangs is mended %d times at once", n)
	}
	if got := m.hung(); !slices.Contains(got, hung) {
		t.Errorf("%q are told to hang, want %q", got, hung)
	}
	free()
	for end := time.Now().Add(20 * time.Second); count(hung) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what changed meanwhile is not mended")
		}
	}
}

// What hangs is not waited for without end, and it is told.
func TestATaskThatHangsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		a := &Agent{log: hclog.New(&hclog.LoggerOptions{Output: &said})}
		ctx, cancel := context.WithCancel(t.Context())
		goOn, start := make(chan struct{}), time.Now()
		cancel()
		err := a.bounded(ctx, "mend", func() []string { return []string{"/dead"} }, func() error {
			<-goOn
			return nil
		})
		if took := time.Since(start); err != nil || took != farewell {
			t.Errorf("left after %s with %v, want %s", took, err, farewell)
		}
		if !strings.Contains(said.String(), evTaskLeft) || !strings.Contains(said.String(), "/dead") {
			t.Errorf("said %q", said.String())
		}
		close(goOn)
	})
}

// A cache whose set soaks for hours, and that is damaged meanwhile, is not put off
// until the set has soaked.
func TestTheSoonestRetryCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		asked []time.Duration // one after the other
		want  []time.Duration // when it is tried
	}{
		"a shorter wait after a longer one": {[]time.Duration{time.Hour, time.Second}, []time.Duration{time.Second}},
		"a longer wait after a shorter one": {[]time.Duration{time.Second, time.Hour}, []time.Duration{time.Second}},
		"no wait to speak of":               {[]time.Duration{1}, []time.Duration{shortest}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				m, retry, start := newMender(nil, nil), make(chan string), time.Now()
				for _, wait := range tc.asked {
					m.later(ctx, "/c", wait, retry)
				}
				var tried []time.Duration
				for ctx.Err() == nil {
					select {
					case <-retry:
						tried = append(tried, time.Since(start))
					case <-ctx.Done():
					}
				}
				if !slices.Equal(tried, tc.want) {
					t.Errorf("tried after %s, want %s", tried, tc.want)
				}
			})
		})
	}
}
