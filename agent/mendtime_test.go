// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// slack is what a mend may take beyond the time that is waited for on purpose.
const slack = 100 * time.Millisecond

// bases are n cache directories of cosign, each with the cache of h's mirror.
func bases(t *testing.T, h *host, url string, n int) []string {
	t.Helper()
	first := filepath.Join(h.dir, "caches", "0")
	if _, err := sandbox.Read(first, url, h.repo.InitialRoot(), "trusted_root.json"); err != nil {
		t.Fatal(err)
	}
	all := []string{first}
	for i := 1; i < n; i++ {
		dir := filepath.Join(h.dir, "caches", fmt.Sprint(i))
		if err := os.CopyFS(dir, os.DirFS(first)); err != nil {
			t.Fatal(err)
		}
		if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		all = append(all, dir)
	}
	return all
}

// A mend is how long it took until a file was as before, and how long the threads of
// this program waited for a processor meanwhile, which is the machine's doing.
type mend struct{ took, queued time.Duration }

// own is what of it was not the machine's doing.
func (m mend) own() time.Duration { return m.took - m.queued }

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

// mended damages a file and waits until it is as before.
func mended(t *testing.T, file string, damage func(string) error) mend {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return mend{}
	}
	start, before := time.Now(), queued()
	if err := damage(file); err != nil {
		t.Error(err)
		return mend{}
	}
	for time.Since(start) < 30*time.Second {
		if data, err := os.ReadFile(file); err == nil && bytes.Equal(data, whole) {
			return mend{time.Since(start), queued() - before}
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%s was not mended", file)
	return mend{time.Since(start), queued() - before}
}

// damages are the ways in which files of a cache are damaged here, one after the other.
var damages = []struct {
	file   string
	damage func(string) error
}{
	{"timestamp.json", func(f string) error { return os.Truncate(f, 10) }},
	{"snapshot.json", func(f string) error { return os.WriteFile(f, []byte("{"), 0o644) }},
	{"targets.json", func(f string) error { return os.WriteFile(f, nil, 0o644) }},
	{"timestamp.json", func(f string) error { return os.WriteFile(f, bytes.Repeat([]byte("x"), 1000), 0o644) }},
}

// mendAll damages the cache of each base, one every step, and returns how long each took
// in all, shortest first, and the longest that is not the machine's doing.
func mendAll(t *testing.T, bases []string, name string, step time.Duration) (took []time.Duration, longest time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, base := range bases {
		d := damages[i%len(damages)]
		all.Go(func() {
			one := mended(t, filepath.Join(base, name, d.file), d.damage)
			mu.Lock()
			defer mu.Unlock()
			took, longest = append(took, one.took), max(longest, one.own())
		})
		time.Sleep(step)
	}
	all.Wait()
	slices.Sort(took)
	return took, longest
}

// watching starts the agent of h over n caches, and waits until it has seen them all.
func watching(t *testing.T, h *host, n int, change func(*config.Config)) (*running, []string) {
	t.Helper()
	var all []string
	r := run(t, h, nil, func(c *config.Config) {
		all = bases(t, h, c.Mirrors[0].URL.String(), n)
		c.Caches.Paths = all
		change(c)
	})
	until(t, "the first refresh", func() bool { return strings.Contains(r.said.String(), "refresh finished") })
	until(t, "the first look at the caches", func() bool { return len(r.report().Caches) == n })
	return r, all
}

// idle waits until no cycle has ended for a while.
func (r *running) idle(t *testing.T) {
	t.Helper()
	last, since := -1, time.Now()
	until(t, "the agent to be idle", func() bool {
		if n := strings.Count(r.said.String(), "cycle finished"); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > max(500*time.Millisecond, 2*r.h.cfg.Caches.Debounce)
	})
}

// stalls watches this machine while a test runs: how late does somebody wake who
// slept, and wrote a file as a mend does? What others (the tests of another package,
// a slow disk) make everybody wait is nobody's promise, and a mend wakes a few times.
func stalls(t *testing.T) func() time.Duration {
	t.Helper()
	var longest time.Duration
	dir, stop := t.TempDir(), make(chan struct{})
	var canary sync.WaitGroup
	canary.Go(func() {
		for {
			start := time.Now()
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			f, err := os.CreateTemp(dir, "")
			if err == nil {
				_, err = f.WriteString("x")
				err = errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), filepath.Join(dir, "file")))
			}
			if err != nil {
				t.Error(err)
				return
			}
			if late := time.Since(start) - 20*time.Millisecond; late > longest {
				longest = late
			}
		}
	})
	return sync.OnceValue(func() time.Duration {
		close(stop)
		canary.Wait()
		t.Logf("this machine stalls everybody for up to %s", longest)
		return 4 * max(0, longest-25*time.Millisecond)
	})
}

// spin keeps every processor busy twice over until the test ends.
func spin(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		c := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		if err := c.Start(); err != nil {
			t.Skipf("starting a load: %v", err)
		}
		t.Cleanup(func() { _ = c.Wait() }) // it was killed when the test's context ended
	}
}

func TestDamageIsMendedWithinTheDebounceTime(t *testing.T) {
	const n = 24
	for name, tc := range map[string]struct {
		debounce, quiet time.Duration
		loaded          bool
	}{
		"debounce 100ms":             {debounce: 100 * time.Millisecond, quiet: 100 * time.Millisecond},
		"debounce 500ms":             {debounce: 500 * time.Millisecond, quiet: 500 * time.Millisecond},
		"the defaults":               {debounce: 2 * time.Second, quiet: 2 * time.Second},
		"debounce 100ms under load":  {debounce: 100 * time.Millisecond, quiet: 100 * time.Millisecond, loaded: true},
		"the defaults under load":    {debounce: 2 * time.Second, quiet: 2 * time.Second, loaded: true},
		"quiet longer than debounce": {debounce: 100 * time.Millisecond, quiet: 500 * time.Millisecond},
		"no quiet":                   {debounce: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, sandbox.Options{Sigstore: true})
			r, all := watching(t, h, n, func(c *config.Config) {
				c.Caches.Debounce, c.Caches.Quiet = tc.debounce, tc.quiet
			})
			if tc.loaded {
				spin(t)
			}
			r.idle(t)
			stalled := stalls(t)
			took, longest := mendAll(t, all, cache.DirName(r.url), 60*time.Millisecond)
			if early := max(tc.quiet-10*time.Millisecond, 0); took[0] < early { // the clock of a file is a tick behind
				t.Errorf("mended after %s, while it was in use", took[0])
			}
			limit := max(tc.debounce, tc.quiet) + slack + stalled()
			t.Logf("%d damages mended after %s to %s, median %s, the longest less what was waited for a processor %s; limit %s", n, took[0], took[n-1], took[n/2], longest, limit)
			if longest > limit {
				t.Errorf("mended after %s, want less than %s: %s", longest, limit, took)
			}
		})
	}
}

// However much there is to look at, a mend does not wait for it.
func TestAMendWaitsForNoLook(t *testing.T) {
	const n, clients = 50, 200
	h := newHost(t, sandbox.Options{Sigstore: true})
	for i := range clients {
		dir := filepath.Join(h.dir, "python", fmt.Sprint(i), "sigstore-4.5.0.dist-info")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "METADATA"), []byte("Metadata-Version: 2.4\nName: sigstore\nVersion: 4.5.0\n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, all := watching(t, h, n, func(c *config.Config) {
		c.Caches.Debounce, c.Caches.Quiet = 100*time.Millisecond, 100*time.Millisecond
		c.Clients.Packages = []config.Glob{config.Glob(filepath.Join(h.dir, "python", "*"))}
		c.Clients.Scan = time.Millisecond // every cycle looks at all of them, and there is always one
	})
	if got := len(r.report().Clients); got != clients {
		t.Errorf("%d clients are looked at, want %d", got, clients)
	}
	stalled := stalls(t)
	took, longest := mendAll(t, all, cache.DirName(r.url), 60*time.Millisecond)
	t.Logf("%d damages mended after %s to %s, median %s, the longest less what was waited for a processor %s", n, took[0], took[n-1], took[n/2], longest)
	if limit := 100*time.Millisecond + slack + stalled(); longest > limit {
		t.Errorf("mended after %s, want less than %s: %s", longest, limit, took)
	}
}
