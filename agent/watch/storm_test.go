// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// spent is the processor time this program has taken.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// held is the memory this program holds from the system.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// stalls watches how late somebody wakes on this machine who only slept: what others
// make everybody wait is nobody's promise, and a report takes a few wakings.
func stalls() (slack func() time.Duration) {
	stop, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		var most time.Duration
		for {
			start := time.Now()
			select {
			case <-stop:
				longest <- most
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, time.Since(start)-10*time.Millisecond)
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return 4 * max(0, <-longest-25*time.Millisecond)
	}
}

// queued is how long the threads of this program have waited for a processor; 0 where
// the system does not tell.
func queued() time.Duration {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat") // the pattern is right
	var all time.Duration
	for _, name := range threads {
		data, _ := os.ReadFile(name) // a thread may have ended
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			all += time.Duration(n)
		}
	}
	return all
}

// A moment is when something happened, and how long this program had waited for a
// processor until then.
type moment struct {
	at     time.Time
	queued time.Duration
}

func now() moment { return moment{time.Now(), queued()} }

// since is how long it was from start to m, without what was waited for a processor.
func (m moment) since(start moment) time.Duration {
	return m.at.Sub(start.at) - (m.queued - start.queued)
}

// A counted notifier counts what the kernel tells.
type counted struct {
	watch.Notifier
	seen   *atomic.Int64
	events chan fsnotify.Event
}

func (c counted) Events() <-chan fsnotify.Event { return c.events }

func openCounted(seen *atomic.Int64) func() (watch.Notifier, error) {
	return func() (watch.Notifier, error) {
		n, err := watch.Open()
		if err != nil {
			return nil, err
		}
		c := counted{n, seen, make(chan fsnotify.Event)}
		go func() {
			defer close(c.events)
			for e := range n.Events() {
				seen.Add(1)
				c.events <- e
			}
		}()
		return c, nil
	}
}

func TestAStormIsReportedInTimeAndStarvesNobody(t *testing.T) {
	const wait = 200 * time.Millisecond
	for _, rate := range []int{10_000, 100_000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			const seconds = 5
			stormy, calm := tree(t, t.TempDir()), tree(t, t.TempDir())
			var seen atomic.Int64
			l := look(t, watch.Options{Debounce: wait}, openCounted(&seen), stormy, calm)
			l.want(stormy)
			l.want(calm)
			l.still()
			seen.Store(0)
			memory, cpu := held(), spent(t)
			stalled := stalls()
			began := now()
			events := startStorm(t, filepath.Join(stormy, "m"), rate, seconds)
			// Somebody damages the other directory now and then.
			type report struct {
				watch.Change
				moment
			}
			reports := make(chan report, 1000)
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case c := <-l.Changes():
						reports <- report{c, now()}
					case <-stop:
						close(reports)
						return
					}
				}
			}()
			var damaged []moment
			for i := range 8 {
				time.Sleep(500 * time.Millisecond)
				write(t, fmt.Sprintf("%s/m/damage%d", calm, i))
				damaged = append(damaged, now())
			}
			n := events()
			waited := queued() - began.queued
			cpu, memory = spent(t)-cpu, held()-memory
			time.Sleep(10 * wait)
			close(stop)
			slack := 100*time.Millisecond + stalled()
			if rate > 10_000 {
				slack += 2 * wait // the kernel's queue may overflow: it takes as long to be read, and then all is looked at
			}
			if n < rate*seconds*9/10 {
				t.Skipf("only %d events were made: this machine is too slow", n)
			}
			storms, first, last := 0, moment{}, moment{}
			calms := 0
			for r := range reports {
				if r.Dir == calm {
					if calms < len(damaged) && r.at.After(damaged[calms].at) {
						if took := r.since(damaged[calms]); took > wait+slack {
							t.Errorf("damage %d beside the storm was reported after %s, want %s", calms, took, wait)
						}
						calms++
					}
					continue
				}
				if storms++; storms == 1 {
					first = r.moment
				}
				last = r.moment
			}
			t.Logf("%d events made, %d told in %s; %d reports, the first after %s; %d of the other directory; %s of processor time, %s waited for, %d KiB more memory",
				n, seen.Load(), time.Since(began.at), storms, first.at.Sub(began.at), calms, cpu, waited, memory>>10)
			if calms != len(damaged) {
				t.Errorf("%d of %d damages beside the storm were reported", calms, len(damaged))
			}
			if limit := 5*wait + slack; first.since(began) > limit {
				t.Errorf("the storm was reported after %s, want %s at most", first.since(began), limit)
			}
			if least := int(seconds * time.Second / (5*wait + slack + waited/seconds)); storms < min(least, 4) || storms > 12 {
				t.Errorf("%d reports of the storm, want one each %s", storms, 5*wait)
			}
			if last.at.Before(began.at.Add(seconds * time.Second)) {
				t.Errorf("the end of the storm was not reported")
			}
			if memory > 32<<20 && memory < 1<<60 {
				t.Errorf("the storm took %d KiB of memory", memory>>10)
			}
		})
	}
}

// Most places do not exist, so the home is watched: what else happens there is
// nobody's affair.
func TestABusyHomeWakesNobody(t *testing.T) {
	home := t.TempDir()
	var dirs []string
	for _, d := range []string{".sigstore/root", ".cache/gh/.sigstore/root", ".local/share/sigstore-js", ".npm/_tuf",
		".local/share/sigstore-python/tuf", ".cache/sigstore-python/tuf", ".local/share/sigstore-ruby/sigstore/tuf",
		".cache/sigstore-ruby/sigstore/tuf", ".sigstore-java/root"} {
		dirs = append(dirs, filepath.Join(home, d))
	}
	var seen, adds atomic.Int64
	open := openCounted(&seen)
	l := look(t, watch.Options{}, func() (watch.Notifier, error) {
		n, err := open()
		return counting{n, &adds}, err
	}, dirs...)
	l.still()
	time.Sleep(brief)
	seen.Store(0)
	adds.Store(0)
	cpu := spent(t)
	for i := range 10_000 {
		write(t, fmt.Sprintf("%s/file%d", home, i))
	}
	l.none()
	t.Logf("10,000 files made in the home: %d notifications read, no report, %d watches set, %s of processor time, making them included", seen.Load(), adds.Load(), spent(t)-cpu)
	if adds.Load() > 0 {
		t.Errorf("%d watches were set for files that are nobody's affair", adds.Load())
	}
	// It is still seen when one of them comes.
	if err := os.MkdirAll(filepath.Join(home, ".npm/_tuf/m"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.want(filepath.Join(home, ".npm/_tuf"))
}
