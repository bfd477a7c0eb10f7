// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/store"
)

// These make this test binary refresh a store, and kill itself ahead of a change.
const (
	crashDirEnv  = "STORE_TEST_CRASH_DIR"
	crashURLEnv  = "STORE_TEST_CRASH_URL"
	crashStepEnv = "STORE_TEST_CRASH_STEP"
	initialFile  = "initial" // beside the store
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		holdLock(dir)
	}
	if dir := os.Getenv(crashDirEnv); dir != "" {
		crashingRefresh(dir, os.Getenv(crashURLEnv), os.Getenv(crashStepEnv))
	}
	os.Exit(m.Run()) //nolint:forbidigo // what TestMain is for
}

// crashingRefresh is the child: kill -9 between two system calls of a refresh.
func crashingRefresh(dir, url, at string) {
	n, err := strconv.Atoi(at)
	if err != nil {
		panic(err)
	}
	initial, err := os.ReadFile(filepath.Join(dir, initialFile))
	if err != nil {
		panic(err)
	}
	s, err := store.Open(filepath.Join(dir, "store"), nil)
	if err != nil {
		panic(err)
	}
	steps := 0
	s.Before(func(string) error {
		if steps++; steps == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // nobody is left to check
			select {}
		}
		return nil
	})
	_, err = refreshInto(s, url, initial)
	s.Close()
	if err != nil {
		panic(err)
	}
	os.Exit(0) //nolint:forbidigo // a child of a test
}

func refreshInto(s *store.Store, url string, initial []byte) (refresh.Result, error) {
	m, err := mirror.New(mirror.Options{Name: "test", URLs: []string{url}, Attempts: 1}, nil)
	if err != nil {
		return refresh.Result{}, err
	}
	r, err := refresh.New(refresh.Options{
		Name: "test", Mirror: m, Store: s, Initial: initial, Wanted: func(string) bool { return true },
	})
	if err != nil {
		return refresh.Result{}, err
	}
	return r.Refresh(context.Background(), time.Now())
}

// A crash at any step leaves a store that opens and loads the old set or the new
// one, and the next refresh ends as if nothing had happened.
func TestACrashAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	repo := newRepo(t, sandbox.Options{KeyType: "ed25519", Delegation: true})
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	dir := memoryDir(t)
	write(t, filepath.Join(dir, initialFile), string(repo.InitialRoot()))
	s := open(t, filepath.Join(dir, "store"))
	res, err := refreshInto(s, server.URL, repo.InitialRoot())
	must(t, err)
	must(t, s.Close())
	before := res.Set.ID()

	// A new root with new online keys, a new target file, everything signed anew.
	must(t, repo.RotateRoot(sandbox.Rotation{Online: true}))
	must(t, repo.Publish("more.txt", []byte("more\n")))
	after := verify(t, repo.Files()).ID()

	seen := map[string]int{}
	for step := 1; ; step++ {
		work := memoryDir(t)
		must(t, os.CopyFS(work, os.DirFS(dir)))
		must(t, os.Chmod(filepath.Join(work, "store"), 0o700))
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), crashDirEnv+"="+work, crashURLEnv+"="+server.URL, crashStepEnv+"="+strconv.Itoa(step))
		out, err := child.CombinedOutput()
		if err == nil {
			if step < 20 {
				t.Fatalf("the refresh made only %d changes: the crash points are not where they should be", step-1)
			}
			t.Logf("%d steps: the old set was loaded after %d of them, the new one after %d", step-1, seen[before], seen[after])
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the child ended with %v:\n%s", step, err, out)
		}

		s := open(t, filepath.Join(work, "store"))
		set, err := s.Load(repo.InitialRoot())
		if err != nil {
			t.Fatalf("after a crash ahead of step %d: %v", step, err)
		}
		if id := set.ID(); id != before && id != after {
			t.Errorf("after a crash ahead of step %d: loaded a set that is neither the old nor the new one", step)
		}
		seen[set.ID()]++
		res, err := refreshInto(s, server.URL, repo.InitialRoot())
		if err != nil {
			t.Errorf("after a crash ahead of step %d: refreshing: %v", step, err)
		} else if res.Set.ID() != after {
			t.Errorf("after a crash ahead of step %d: the refresh does not end with the new set", step)
		}
		if damaged := s.Damaged(); len(damaged) != 0 {
			t.Errorf("after a crash ahead of step %d: damaged: %q", step, damaged)
		}
		must(t, s.Close())
		noLeftovers(t, work, fmt.Sprintf("after a crash ahead of step %d", step))
		must(t, os.RemoveAll(work))
	}
	if seen[before] == 0 || seen[after] == 0 {
		t.Errorf("loaded %v: both sets should have been met", seen)
	}
}

// memoryDir is a directory without a disk under it, where there is one: these tests
// sync thousands of times, and nothing in them depends on it.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tufkeeper-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func noLeftovers(t *testing.T, dir, when string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.Contains(path, durable.TempPrefix) {
			t.Errorf("%s: %s was left", when, path)
		}
		return err
	}))
}

// A full disk, or any other error, at any step is an error of the store; the old set
// stays, nothing piles up, and the next refresh succeeds.
func TestAnErrorAtAnyStepKeepsTheOldSet(t *testing.T) {
	t.Parallel()
	repo := newRepo(t, sandbox.Options{KeyType: "ed25519"})
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	dir := memoryDir(t)
	s := open(t, dir)
	res, err := refreshInto(s, server.URL, repo.InitialRoot())
	must(t, err)
	before := res.Set.ID()
	must(t, repo.RotateRoot(sandbox.Rotation{Online: true}))
	must(t, repo.Publish("more.txt", []byte("more\n")))
	after := verify(t, repo.Files()).ID()
	must(t, s.Close())

	for step := 1; ; step++ {
		work := filepath.Join(memoryDir(t), "store")
		must(t, os.CopyFS(work, os.DirFS(dir)))
		must(t, os.Chmod(work, 0o700))
		s := open(t, work)
		steps, what := 0, ""
		s.Before(func(name string) error {
			if steps++; steps == step {
				what = name
				return syscall.ENOSPC
			}
			return nil
		})
		_, err := refreshInto(s, server.URL, repo.InitialRoot())
		if steps < step {
			must(t, err)
			if step < 20 {
				t.Fatalf("only %d steps", steps)
			}
			break
		}
		var storing *refresh.StoreError
		if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &storing) {
			t.Errorf("full at step %d (%s): got %v, want a StoreError with ENOSPC", step, what, err)
		}
		s.Before(nil)
		noLeftovers(t, work, fmt.Sprintf("full at step %d (%s)", step, what))
		set, err := s.Load(repo.InitialRoot())
		if err != nil || set.ID() != before && set.ID() != after {
			t.Errorf("full at step %d (%s): loading: %v", step, what, err)
		}
		res, err := refreshInto(s, server.URL, repo.InitialRoot())
		if err != nil || res.Set.ID() != after {
			t.Errorf("full at step %d (%s): refreshing again: %v", step, what, err)
		}
		entries, err := os.ReadDir(filepath.Join(work, "sets"))
		must(t, err)
		if len(entries) > 2 {
			t.Errorf("full at step %d (%s): %d sets pile up", step, what, len(entries))
		}
		must(t, s.Close())
		must(t, os.RemoveAll(work))
	}
}
