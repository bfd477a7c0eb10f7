// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

const wait = 2 * time.Second

// A bubble is a debouncer in false time.
type bubble struct {
	t     *testing.T
	start time.Time
	in    chan<- watch.Change
	out   chan watch.Change
}

func inBubble(t *testing.T, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // a goroutine that stays makes the bubble fail
		b := &bubble{t: t, start: time.Now(), out: make(chan watch.Change)}
		in, run := watch.Debounce(ctx, wait, b.out)
		b.in = in
		go run()
		f(b)
	})
}

func (b *bubble) put(c watch.Change) {
	c.At = time.Now()
	b.in <- c
}

// next returns the next change and when it came.
func (b *bubble) next(within time.Duration) (watch.Change, time.Duration) {
	b.t.Helper()
	select {
	case c := <-b.out:
		return c, time.Since(b.start)
	case <-time.After(within):
		b.t.Fatalf("no change came within %s", within)
		return watch.Change{}, 0
	}
}

func (b *bubble) none(within time.Duration) {
	b.t.Helper()
	select {
	case c := <-b.out:
		b.t.Fatalf("got %+v, want nothing", c)
	case <-time.After(within):
	}
}

func TestAChangeIsReportedWhenItsDirectoryIsStill(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.put(watch.Change{Dir: "/a"})
		time.Sleep(1500 * time.Millisecond)
		b.put(watch.Change{Dir: "/a"})
		c, at := b.next(time.Minute)
		if want := 3500 * time.Millisecond; at != want {
			t.Errorf("reported after %s, want %s", at, want)
		}
		if !c.At.Equal(b.start) {
			t.Errorf("At is %s, want the first change at %s", c.At, b.start)
		}
		b.none(time.Hour)
	})
}

func TestAStormCannotPostponeForEver(t *testing.T) {
	inBubble(t, func(b *bubble) {
		stop := time.After(21 * time.Second)
		var reports []time.Duration
		for done := false; !done; {
			select {
			case <-b.out:
				reports = append(reports, time.Since(b.start))
			case <-time.After(100 * time.Microsecond): // 10,000 a second
				b.put(watch.Change{Dir: "/a"})
			case <-stop:
				done = true
			}
		}
		if len(reports) != 2 {
			t.Errorf("%d reports in 21 seconds of storm, want 2: %v", len(reports), reports)
		}
		if len(reports) > 0 && reports[0] > 5*wait+time.Millisecond {
			t.Errorf("first report after %s, want at most %s", reports[0], 5*wait)
		}
	})
}

func TestDirectoriesDoNotHoldEachOtherUp(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.put(watch.Change{Dir: "/still"})
		for range 10 { // the other one changes on
			time.Sleep(190 * time.Millisecond)
			b.put(watch.Change{Dir: "/busy"})
		}
		c, at := b.next(time.Minute)
		if c.Dir != "/still" || at != wait {
			t.Errorf("got %s after %s, want /still after %s", c.Dir, at, wait)
		}
		if c, _ := b.next(time.Minute); c.Dir != "/busy" {
			t.Errorf("got %s, want /busy", c.Dir)
		}
	})
}

// Where notifications are lost all the time, every directory is looked at again and
// again; one that did change is not put off by that.
func TestAnothersStormPutsNothingOff(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.put(watch.Change{Dir: "/a"})
		for range 19 {
			time.Sleep(100 * time.Millisecond)
			b.put(watch.Change{Dir: "/a", Overflow: true})
		}
		if _, at := b.next(time.Minute); at != wait {
			t.Errorf("reported after %s, want %s", at, wait)
		}
	})
}

func TestTheDeeperOfTwoIsToldFirst(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for _, dir := range []string{"/base", "/base/cache", "/b"} { // by one notification
			b.put(watch.Change{Dir: dir})
		}
		for _, want := range []string{"/base/cache", "/base", "/b"} {
			if c, _ := b.next(time.Minute); c.Dir != want {
				t.Errorf("got %s, want %s", c.Dir, want)
			}
		}
	})
}

func TestChangesMergeWhileNobodyReads(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for range 1000 {
			b.put(watch.Change{Dir: "/a"})
			b.put(watch.Change{Dir: "/b"})
			time.Sleep(time.Second)
		}
		got := map[string]int{}
		for range 2 {
			c, _ := b.next(time.Minute)
			got[c.Dir]++
		}
		if got["/a"] != 1 || got["/b"] != 1 {
			t.Errorf("got %v, want one report for each", got)
		}
		b.none(time.Hour)
	})
}

func TestMergedFlags(t *testing.T) {
	scan, overflow, real := watch.Change{Scan: true}, watch.Change{Overflow: true}, watch.Change{}
	for name, tc := range map[string]struct {
		put  []watch.Change
		want watch.Change
	}{
		"a scan alone is a scan":                       {[]watch.Change{scan, scan}, scan},
		"a scan and a notification is a notification":  {[]watch.Change{scan, real}, real},
		"a notification and a scan is a notification":  {[]watch.Change{real, scan}, real},
		"an overflow stays one":                        {[]watch.Change{overflow, real}, overflow},
		"an overflow after a scan is no scan":          {[]watch.Change{scan, overflow, scan}, overflow},
		"an overflow after a notification is not lost": {[]watch.Change{real, overflow}, overflow},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bubble) {
				for _, c := range tc.put {
					c.Dir = "/a"
					b.put(c)
				}
				c, _ := b.next(time.Minute)
				if c.Scan != tc.want.Scan || c.Overflow != tc.want.Overflow {
					t.Errorf("got scan %t overflow %t, want scan %t overflow %t", c.Scan, c.Overflow, tc.want.Scan, tc.want.Overflow)
				}
			})
		})
	}
}

func TestAScanDoesNotPostponeAReport(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.put(watch.Change{Dir: "/a"})
		time.Sleep(wait / 2)
		b.put(watch.Change{Dir: "/a", Scan: true})
		if _, at := b.next(time.Minute); at != wait {
			t.Errorf("reported after %s, want %s", at, wait)
		}
	})
}
