// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// order is what a writer that will be killed is told.
type order struct {
	Place  cache.Place
	Mirror cache.Mirror
	Files  trust.Files
	Step   int
}

// obey replaces the cache and kills itself, as a power cut would, after so many steps.
func obey(path string) {
	data, err := os.ReadFile(path)
	fail(err)
	var o order
	fail(json.Unmarshal(data, &o))
	set, err := trust.Verify(o.Files, time.Now())
	fail(err)
	found, _ := cache.Find([]cache.Place{o.Place}, []cache.Mirror{o.Mirror})
	_, err = found[0].Replace(set, later(), cache.WithStep(both, func(string) {
		if o.Step--; o.Step == 0 {
			fail(syscall.Kill(os.Getpid(), syscall.SIGKILL))
			select {}
		}
	}))
	fail(err)
}

// crash has a process of its own replace the cache and die after n steps. It returns
// false when there were fewer.
func (d *den) crash(t *testing.T, n int) bool {
	t.Helper()
	data, err := json.Marshal(order{d.cachePlace(), d.mirror(), d.Files(), n})
	must(t, err)
	path := filepath.Join(t.TempDir(), "order.json")
	put(t, path, data)
	writer := exec.CommandContext(t.Context(), "/proc/self/exe")
	writer.Env = append(os.Environ(), "CACHE_TEST_ROLE=obey", "CACHE_TEST_DIR="+path, "CACHE_TEST_STEP="+strconv.Itoa(n))
	out, err := writer.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := writer.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("step %d: the writer failed: %v\n%s", n, err, out)
	}
	return true
}

// Killed between any two steps, the writer leaves a cache of any layout that can be
// read as a whole by the rules of its client, and the next run comes to the same end.
func TestCrashInEveryLayout(t *testing.T) {
	const files = 5 // staged, three roles, the target file
	roots := map[cache.Reader]int{cache.GH: 0, cache.SigstorePython: 3}
	eachReader(t, func(t *testing.T, d *den) {
		steps, ok := roots[d.reader]
		if !ok {
			steps = 1
		}
		for n := 1; ; n++ {
			d = newDen(t, d.reader)
			d.newer(t)
			if !d.crash(t, n) {
				if n-1 != files+steps {
					t.Fatalf("%d steps, want %d", n-1, files+steps)
				}
				return
			}
			d.wantWhole(t, n)
			// The old target file beside new targets is what a client leaves, too: it
			// downloads the new one.
			for _, left := range permanent(d.inspect(t).Damage) {
				if !strings.HasSuffix(left.File, "/"+target) {
					t.Errorf("step %d: left %v", n, left)
				}
			}
			d.replace(t, both)
			d.wantState(t, cache.Fresh)
			d.wantModes(t)
		}
	})
}

// wantWhole reads the cache as its client would with the mirror gone: from its root,
// every file it finds is signed and none is newer than what leads to it.
func (d *den) wantWhole(t *testing.T, step int) {
	t.Helper()
	set := d.set(t)
	data, err := os.ReadFile(d.path("root.json")) // through the link of a history
	if err != nil {
		t.Errorf("step %d: nothing to start from: %v", step, err)
		return
	}
	root, ok := set.RootVersion(data)
	if !ok {
		t.Errorf("step %d: the cached root is not of the chain", step)
	}
	now := map[string]bool{trust.Root: root == d.Versions()[trust.Root]}
	for _, role := range []string{trust.Timestamp, trust.Snapshot, trust.Targets} {
		data, err := os.ReadFile(d.path(role + ".json"))
		if err != nil {
			t.Errorf("step %d: %s cannot be read: %v", step, role, err)
			continue
		}
		_, current := set.Check(role, data)
		_, former := set.CheckFormer(role, data)
		if current != nil && former != nil {
			t.Errorf("step %d: %s is signed by no root of the chain", step, role)
		}
		peek, err := trust.Peek(role, data)
		must(t, err)
		now[role] = peek.Version == d.Versions()[role]
	}
	chain := []string{trust.Targets, trust.Snapshot, trust.Timestamp} // who is new needs the next one new
	if d.layout == cache.LayoutSigstoreJava {
		chain = []string{trust.Timestamp, trust.Snapshot, trust.Targets}
	}
	for i, role := range chain[1:] {
		if now[chain[i]] && !now[role] {
			t.Errorf("step %d: %s is new beside an old %s", step, chain[i], role)
		}
	}
	if !d.embedded && now[chain[len(chain)-1]] && !now[trust.Root] {
		t.Errorf("step %d: %s is new beside an old root", step, chain[len(chain)-1])
	}
}
