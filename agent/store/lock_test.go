// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/store"
)

// holdEnv makes this test binary lock a directory and wait to be killed.
const holdEnv = "STORE_TEST_HOLD_LOCK_ON"

func TestTwoAgentsOnOneDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if pid, running, err := store.ReadLock(dir); pid != 0 || running || err != nil {
		t.Errorf("before the first: got %d, %v, %v", pid, running, err)
	}
	l, err := store.LockDir(dir)
	must(t, err)
	if l.PID() != os.Getpid() {
		t.Errorf("the holder is %d, want %d", l.PID(), os.Getpid())
	}
	_, err = store.LockDir(dir)
	var locked *store.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v, want a LockedError that names pid %d", err, os.Getpid())
	}
	if pid, running, err := store.ReadLock(dir); pid != os.Getpid() || !running || err != nil {
		t.Errorf("while it runs: got %d, %v, %v", pid, running, err)
	}
	must(t, l.Release())
	if pid, running, err := store.ReadLock(dir); pid != 0 || running || err != nil {
		t.Errorf("after it ended: got %d, %v, %v", pid, running, err)
	}
	l, err = store.LockDir(dir)
	must(t, err)
	must(t, l.Release())
}

func TestALockDiesWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), holdEnv+"="+dir)
	must(t, child.Start())
	t.Cleanup(func() {
		child.Process.Kill() //nolint:errcheck // it may have ended
		child.Wait()         //nolint:errcheck // it was killed
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		pid, running, err := store.ReadLock(dir)
		must(t, err)
		if running && pid == child.Process.Pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the child did not take the lock")
		}
	}
	_, err := store.LockDir(dir)
	var locked *store.LockedError
	if !errors.As(err, &locked) || locked.PID != child.Process.Pid {
		t.Errorf("got %v, want a LockedError that names the child", err)
	}
	must(t, child.Process.Kill())
	child.Wait() //nolint:errcheck // it was killed
	l, err := store.LockDir(dir)
	if err != nil {
		t.Fatalf("the pid file of a dead agent keeps the next one out: %v", err)
	}
	must(t, l.Release())
}

func holdLock(dir string) {
	if _, err := store.LockDir(dir); err != nil {
		panic(err)
	}
	time.Sleep(time.Minute)
}

// Whoever can write to the state directory can put another mirrors directory there.
func TestAStateDirectoryThatOthersCanWriteIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	var unsafe *store.UnsafeDirError
	if _, err := store.LockDir(dir); !errors.As(err, &unsafe) || unsafe.Remedy == "" {
		t.Errorf("got %v, want an UnsafeDirError with what to type", err)
	}
}
