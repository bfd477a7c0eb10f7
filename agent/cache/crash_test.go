// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// TestMain lets the test binary be the writer that is killed, and the clients that
// run in processes of their own.
func TestMain(m *testing.M) {
	switch os.Getenv("CACHE_TEST_ROLE") {
	case "writer":
		dieAfter(os.Getenv("CACHE_TEST_DIR"), os.Getenv("CACHE_TEST_STEP"))
	case "obey":
		obey(os.Getenv("CACHE_TEST_DIR"))
	case "client":
		runClients(os.Getenv("CACHE_TEST_DIR"), os.Getenv("CACHE_TEST_URL"), os.Getenv("CACHE_TEST_RUNS"))
	default:
		m.Run()
	}
}

// dieAfter replaces the cache in dir/root by the repository in dir/repo, and kills
// itself, as a power cut would, after so many steps.
func dieAfter(dir, after string) {
	n, err := strconv.Atoi(after)
	fail(err)
	initial, err := os.ReadFile(filepath.Join(dir, "initial.json"))
	fail(err)
	files := trust.Files{Initial: initial, Artifacts: map[string][]byte{}}
	for name, to := range map[string]*[]byte{"timestamp": &files.Timestamp, "snapshot": &files.Snapshot, "targets": &files.Targets} {
		*to, err = os.ReadFile(filepath.Join(dir, name))
		fail(err)
	}
	files.Artifacts[target], err = os.ReadFile(filepath.Join(dir, "artifact"))
	fail(err)
	set, err := trust.Verify(files, time.Now())
	fail(err)
	c := cache.Cache{Base: filepath.Join(dir, "root"), Layout: cache.LayoutSigstoreGo, Mirror: "sandbox", Default: true}
	found, _ := cache.Find(cosignPlaces(c.Base), nil)
	c.Path = found[0].Path
	now := time.Now()
	_, err = c.Replace(set, now, cache.WithStep(cache.WriteOptions{Mend: true, Publish: true, Checked: now}, func(string) {
		if n--; n == 0 {
			fail(syscall.Kill(os.Getpid(), syscall.SIGKILL))
			select {}
		}
	}))
	fail(err)
}

// runClients runs clients one after the other and prints how many runs failed. A run
// that fails again at once fails the child: what a collision does is gone on retry.
func runClients(base, url, runs string) {
	n, err := strconv.Atoi(runs)
	fail(err)
	root, err := os.ReadFile(os.Getenv("CACHE_TEST_ROOT"))
	fail(err)
	failures := 0
	for range n {
		if _, err := sandbox.Read(base, url, root, target); err != nil {
			failures++
			_, err = sandbox.Read(base, url, root, target)
			fail(err)
		}
	}
	_, err = os.Stdout.WriteString(strconv.Itoa(failures))
	fail(err)
}

func fail(err error) {
	if err != nil {
		panic(err) // ends the child with status 2 and the reason on stderr
	}
}

// crash has a process of its own replace the cache and die after n steps. It returns
// false when there were fewer.
func crash(t *testing.T, r *rig, n int) bool {
	t.Helper()
	dir, files := filepath.Dir(r.base), r.Files()
	for name, data := range map[string][]byte{"initial.json": files.Initial, "timestamp": files.Timestamp,
		"snapshot": files.Snapshot, "targets": files.Targets, "artifact": files.Artifacts[target]} {
		put(t, filepath.Join(dir, name), data)
	}
	writer := exec.CommandContext(t.Context(), "/proc/self/exe")
	writer.Env = append(os.Environ(), "CACHE_TEST_ROLE=writer", "CACHE_TEST_DIR="+dir, "CACHE_TEST_STEP="+strconv.Itoa(n))
	out, err := writer.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := writer.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("step %d: the writer failed: %v\n%s", n, err, out)
	}
	return true
}

// Killed between any two steps, the writer leaves a cache that its client can read.
func TestCrashWhilePublishing(t *testing.T) {
	for n := 1; ; n++ {
		r := filled(t, sandbox.Options{})
		must(t, r.Publish(target, []byte("hello again\n")))
		if !crash(t, r, n) {
			if n != 7 { // staged, four renames, the target file, the time of the check
				t.Fatalf("%d steps, want 6", n-1)
			}
			return
		}
		if found := r.inspect(t); len(permanent(found.Damage)) > 0 {
			t.Errorf("step %d: left %v", n, found.Damage)
		}
		r.mustRead(t)
	}
}

// Killed while mending, it leaves no more damage than there was, and the next run
// comes to the same end.
func TestCrashWhileMending(t *testing.T) {
	for n := 1; ; n++ {
		r := filled(t, sandbox.Options{})
		put(t, r.path("snapshot.json"), nil)
		must(t, os.Remove(r.path("targets.json")))
		must(t, os.Mkdir(r.path("targets.json"), 0o700))
		must(t, r.Publish(target, []byte("hello again\n")))
		if !crash(t, r, n) {
			if n != 8 {
				t.Fatalf("%d steps, want 7", n-1)
			}
			return
		}
		if found := r.inspect(t); len(permanent(found.Damage)) > 2 {
			t.Errorf("step %d: left %v", n, found.Damage)
		}
		later := time.Now().Add(2 * time.Hour)
		if _, err := r.cache(t).Replace(r.set(t), later, both); err != nil {
			t.Fatalf("step %d: mending after the crash: %v", n, err)
		}
		r.mustRead(t)
		r.wantState(t, cache.Fresh)
		for _, where := range []string{r.path(), r.path("targets"), r.base} {
			if left, _ := filepath.Glob(filepath.Join(where, durable.TempPrefix+"*")); len(left) > 0 {
				t.Errorf("step %d: left %q", n, left)
			}
		}
	}
}

func permanent(all []cache.Damage) []cache.Damage {
	return slices.DeleteFunc(all, func(d cache.Damage) bool { return d.Heals })
}

// Clients with a current root run beside a publisher that writes a new timestamp
// twenty times a second. The client checks what it has just renamed into place, so
// that our rename in that instant fails one run (measured: 1 in 1000); it never fails
// the next, and no more of them than that. In-place writes fail 60 in 100.
func TestPublishingUnderRunningClients(t *testing.T) {
	const processes, runs = 3, 10
	r := filled(t, sandbox.Options{})
	root := filepath.Join(t.TempDir(), "root.json")
	put(t, root, r.RootJSON(1))

	storm := func() (failures int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range processes {
			wg.Go(func() {
				client := exec.CommandContext(t.Context(), "/proc/self/exe")
				client.Env = append(os.Environ(), "CACHE_TEST_ROLE=client", "CACHE_TEST_DIR="+r.base,
					"CACHE_TEST_URL="+r.url, "CACHE_TEST_ROOT="+root, "CACHE_TEST_RUNS="+strconv.Itoa(runs))
				out, err := client.Output()
				n, _ := strconv.Atoi(string(out))
				mu.Lock()
				defer mu.Unlock()
				failures += n
				if err != nil {
					t.Errorf("a client fails twice in a row: %v", err)
				}
			})
		}
		wg.Wait()
		return failures
	}
	if n := storm(); n > 0 {
		t.Fatalf("without a writer %d runs fail: this test shows nothing", n)
	}
	c := r.cache(t)
	stop := make(chan struct{})
	var written atomic.Int64
	var failed error
	var writer sync.WaitGroup
	writer.Go(func() {
		for every := time.NewTicker(50 * time.Millisecond); failed == nil; {
			select {
			case <-stop:
				return
			case <-every.C: // a mirror that publishes twenty times a second
			}
			if failed = r.BumpTimestamp(); failed != nil {
				return
			}
			set, err := trust.Verify(r.Files(), time.Now())
			if err != nil {
				failed = err
				return
			}
			change, err := c.Replace(set, time.Now(), both)
			if err != nil && !errors.Is(err, cache.ErrAhead) && !errors.Is(err, cache.ErrBusy) {
				failed = err
			}
			if len(change.Written) > 0 {
				written.Add(1)
			}
		}
	})
	failures, rounds := 0, 0
	for ; rounds < 20 && written.Load() < 3; rounds++ { // mostly a client is first
		failures += storm()
	}
	close(stop)
	writer.Wait()
	if failures > 1+rounds*processes*runs/20 {
		t.Errorf("beside a writer %d of %d runs fail", failures, rounds*processes*runs)
	}
	if failed != nil || written.Load() < 3 {
		t.Errorf("published %d times in %d rounds (%v): this test shows nothing", written.Load(), rounds, failed)
	}
	r.mustRead(t)
}

// Whatever was done to a cache, no version that can be read ever goes down.
func TestNoVersionIsEverLowered(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	r := filled(t, sandbox.Options{})
	sets := []*trust.Set{r.set(t)}
	roles := []string{"timestamp", "snapshot", "targets"}
	versions := func() map[string]int64 {
		all := map[string]int64{}
		for _, role := range roles {
			if data, err := os.ReadFile(r.path(role + ".json")); err == nil {
				if peek, err := trust.Peek(role, data); err == nil {
					all[role] = peek.Version
				}
			}
		}
		return all
	}
	written := 0
	for range 80 {
		role := roles[random.IntN(len(roles))]
		switch random.IntN(7) {
		case 0:
			must(t, r.BumpTimestamp())
			sets = append(sets, r.set(t))
		case 1:
			must(t, r.Publish(target, []byte(strconv.Itoa(random.Int()))))
			sets = append(sets, r.set(t))
		case 2:
			_ = r.read() // may fail on what the other cases did
		case 3:
			put(t, r.path(role+".json"), []byte("{")[:random.IntN(2)])
		case 4:
			os.Remove(r.path(role + ".json"))
		case 5: // another state's file, validly signed
			f := sets[random.IntN(len(sets))].Files()
			put(t, r.path(role+".json"), map[string][]byte{"timestamp": f.Timestamp, "snapshot": f.Snapshot, "targets": f.Targets}[role])
		case 6:
			os.RemoveAll(r.path("targets"))
		}
		set := sets[random.IntN(len(sets))]
		o := cache.WriteOptions{Mend: random.IntN(2) == 0, Publish: random.IntN(2) == 0, Unsettled: random.IntN(2) == 0}
		before := versions()
		change, err := r.cache(t).Replace(set, time.Now(), o)
		if !change.Empty() {
			written++
		}
		after := versions()
		for _, role := range roles {
			if after[role] < before[role] {
				t.Fatalf("%s went from %d to %d by %+v %+v (%v)", role, before[role], after[role], o, change, err)
			}
		}
	}
	if written < 5 {
		t.Errorf("only %d runs wrote anything: this test shows little", written)
	}
}
