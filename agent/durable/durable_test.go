// SPDX-License-Identifier: Apache-2.0

package durable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
)

// child says, in the environment of a test binary that a test starts again, what to
// do instead of testing: a crash and a limit cannot be had in our own process.
const child = "TUFKEEPER_DURABLE_CHILD"

func TestMain(m *testing.M) {
	what, path, _ := strings.Cut(os.Getenv(child), ":")
	if what == "" {
		m.Run()
		return
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		panic(err)
	}
	switch what {
	case "killed":
		if _, err := durable.Stage(dir, "f", []byte("new"), 0o644); err != nil {
			panic(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "limited":
		signal.Ignore(syscall.SIGXFSZ) // so that write says EFBIG
		limit := syscall.Rlimit{Cur: 4096, Max: 4096}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
		err := durable.Replace(dir, "f", make([]byte, 100_000), 0o644)
		if !errors.Is(err, syscall.EFBIG) {
			panic(fmt.Sprintf("got %v, want EFBIG", err))
		}
	}
}

func runChild(t *testing.T, what, path string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+what+":"+path)
	out, err := cmd.CombinedOutput()
	if len(out) > 0 {
		t.Logf("%s", out)
	}
	return err
}

func open(t *testing.T) (*os.Root, string) {
	t.Helper()
	path := t.TempDir()
	dir, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir, path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v: want %q", filepath.Base(path), got, err, want)
	}
}

func wantNames(t *testing.T, path string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("the directory holds %q, want %q", names, want)
	}
}

func TestReplaceMakesAndReplaces(t *testing.T) {
	dir, path := open(t)
	if err := dir.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "sub/f"} {
		for _, content := range []string{"one", "", "three"} {
			if err := durable.Replace(dir, name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			wantContent(t, filepath.Join(path, name), content)
		}
	}
	wantNames(t, path, "f", "sub")
	wantNames(t, filepath.Join(path, "sub"), "f")
}

func TestModeIsExactWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0o077, 0o000, 0o777} {
		for _, perm := range []fs.FileMode{0o600, 0o640, 0o644, 0o666} {
			dir, _ := open(t)
			old := syscall.Umask(umask)
			err := durable.Replace(dir, "f", nil, perm)
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := dir.Lstat("f"); err != nil || info.Mode() != perm {
				t.Errorf("umask %03o: mode is %v, %v: want %v", umask, info.Mode(), err, perm)
			}
		}
	}
}

func TestLinkAtTheFinalNameIsReplacedNotFollowed(t *testing.T) {
	dir, path := open(t)
	write(t, filepath.Join(path, "victim"), "precious")
	for _, target := range []string{"victim", "/etc/passwd", "nowhere"} {
		if err := os.Symlink(target, filepath.Join(path, "f")); err != nil {
			t.Fatal(err)
		}
		if err := durable.Replace(dir, "f", []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		if info, err := dir.Lstat("f"); err != nil || !info.Mode().IsRegular() {
			t.Errorf("link to %s: f is %v, %v", target, info.Mode(), err)
		}
		wantContent(t, filepath.Join(path, "f"), "new")
		if err := dir.Remove("f"); err != nil {
			t.Fatal(err)
		}
	}
	wantContent(t, filepath.Join(path, "victim"), "precious")
	wantNames(t, path, "victim")
}

func TestNothingLeavesTheDirectory(t *testing.T) {
	dir, path := open(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(path, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../f", "out/f", "/f", "missing/f"} {
		if err := durable.Replace(dir, name, nil, 0o644); err == nil {
			t.Errorf("%s was written", name)
		}
		if err := durable.Relink(dir, name, "x"); err == nil {
			t.Errorf("%s was linked", name)
		}
	}
	wantNames(t, outside)
	wantNames(t, path, "out")
}

func TestADirectoryInTheWayIsAnErrorAndNothingIsLeft(t *testing.T) {
	dir, path := open(t)
	if err := os.MkdirAll(filepath.Join(path, "f", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(dir, "f", []byte("new"), 0o644); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if err := durable.Relink(dir, "f", "x"); err == nil {
		t.Error("a directory was replaced by a link")
	}
	wantNames(t, path, "f")
	wantNames(t, filepath.Join(path, "f"), "sub")
}

func TestKilledBetweenStageAndCommitLeavesTheOldFile(t *testing.T) {
	dir, path := open(t)
	write(t, filepath.Join(path, "f"), "old")
	err := runChild(t, "killed", path)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want SIGKILL", err)
	}
	wantContent(t, filepath.Join(path, "f"), "old")
	left, err := filepath.Glob(filepath.Join(path, durable.TempPrefix+"*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("staged: %v, %v: want one file", left, err)
	}
	wantContent(t, left[0], "new")
	if err := durable.Sweep(dir, ".", time.Hour, time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantNames(t, path, "f")
}

func TestAWriteThatDoesNotFitLeavesTheOldFileAndNothingElse(t *testing.T) {
	_, path := open(t)
	write(t, filepath.Join(path, "f"), "old")
	if err := runChild(t, "limited", path); err != nil {
		t.Fatal(err)
	}
	wantContent(t, filepath.Join(path, "f"), "old")
	wantNames(t, path, "f")
}

func TestReadersSeeOldOrNew(t *testing.T) {
	dir, path := open(t)
	contents := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := durable.Replace(dir, "f", contents[0], 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		var err error
		for i := 0; i < 100 && err == nil; i++ {
			err = durable.Replace(dir, "f", contents[i%2], 0o644)
		}
		done <- err
	}()
	for reads := 0; ; reads++ {
		select {
		case err := <-done:
			if err != nil || reads == 0 {
				t.Errorf("%d reads, %v", reads, err)
			}
			return
		default:
		}
		got, err := os.ReadFile(filepath.Join(path, "f"))
		if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
}

func TestStagedIsInvisibleUntilCommit(t *testing.T) {
	dir, path := open(t)
	write(t, filepath.Join(path, "f"), "old")
	s, err := durable.Stage(dir, "f", []byte("new"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, filepath.Join(path, "f"), "old")
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, filepath.Join(path, "f"), "new")
	if err := s.Discard(); err != nil {
		t.Errorf("discarding after commit: %v", err)
	}
	wantContent(t, filepath.Join(path, "f"), "new")
	if err := s.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a second commit: got %v, want ErrClosed", err)
	}

	s, err = durable.Stage(dir, "f", []byte("newer"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Discard(), s.Discard()); err != nil {
		t.Errorf("discarding twice: %v", err)
	}
	if err := s.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a commit after discard: got %v, want ErrClosed", err)
	}
	wantContent(t, filepath.Join(path, "f"), "new")
	wantNames(t, path, "f")
}

func TestRelinkPointsElsewhereAtOnce(t *testing.T) {
	dir, path := open(t)
	write(t, filepath.Join(path, "current"), "a file in the way is replaced too")
	for _, target := range []string{"sets/1", "sets/2", "sets/2"} {
		if err := durable.Relink(dir, "current", target); err != nil {
			t.Fatal(err)
		}
		if got, err := dir.Readlink("current"); err != nil || got != target {
			t.Errorf("current points to %q, %v: want %q", got, err, target)
		}
	}
	wantNames(t, path, "current")
}

func TestSweepTakesOnlyItsOwnOldLeftovers(t *testing.T) {
	dir, path := open(t)
	outside := t.TempDir()
	write(t, filepath.Join(outside, "precious"), "x")
	now := time.Now()
	temp := func(kind string) string { return durable.TempPrefix + strings.Repeat("A", 26-len(kind)) + kind }
	for _, kind := range []string{"OLD", "YOUNG", "LINK", "SET"} {
		name := filepath.Join(path, temp(kind))
		switch kind {
		case "LINK":
			if err := os.Symlink(outside, name); err != nil {
				t.Fatal(err)
			}
		case "SET":
			if err := os.Mkdir(name, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(name, "f"), "")
		default:
			write(t, name, "")
		}
	}
	others := []string{"tuf_tmp1", durable.TempPrefix + "notes", durable.TempPrefix + "CONFIG.HCL-OF-LAST-YEAR-00", temp("OLD") + "~", durable.TempPrefix}
	for _, name := range others {
		write(t, filepath.Join(path, name), "")
	}
	young := filepath.Join(path, temp("YOUNG"))
	if err := os.Chtimes(young, now, now.Add(90*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := durable.Sweep(dir, ".", time.Hour, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := append(others, temp("YOUNG"))
	slices.Sort(want)
	wantNames(t, path, want...)
	wantContent(t, filepath.Join(outside, "precious"), "x")
	if err := durable.Sweep(dir, "missing", 0, now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: got %v", err)
	}
	if err := durable.Sweep(dir, "../..", 0, now); err == nil {
		t.Error("swept outside the directory")
	}
}

// A FIFO in place of a directory must not hold us for ever.
func TestAFIFOInPlaceOfADirectoryIsAnError(t *testing.T) {
	path := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(path, "sub"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	done := make(chan error, 2)
	go func() { done <- durable.Sweep(dir, "sub", 0, time.Now()) }()
	go func() { done <- durable.SyncDir(dir, "sub") }()
	for range 2 {
		select {
		case err := <-done:
			if err == nil {
				t.Error("no error")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("still waiting for a writer")
		}
	}
}
