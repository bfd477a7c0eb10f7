// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

func TestAHostileTreeIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 400 {
		if err := os.MkdirAll(fmt.Sprintf("%s/d%d", dir, i), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("/", dir+"/slash"), os.Symlink("loop", dir+"/loop"), syscall.Mkfifo(dir+"/pipe", 0o644)); err != nil {
		t.Fatal(err)
	}
	var adds atomic.Int64
	l := look(t, watch.Options{}, func() (watch.Notifier, error) {
		n, err := watch.Open()
		return counting{n, &adds}, err
	}, dir, dir+"/loop")
	l.want(dir)
	l.still()
	if n := adds.Load(); n > 3*260 {
		t.Errorf("%d watches were set, want them bounded", n)
	}
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: %s", got)
	}
}

type counting struct {
	watch.Notifier
	adds *atomic.Int64
}

func (c counting) Add(dir string) error {
	c.adds.Add(1)
	return c.Notifier.Add(dir)
}

// fill makes n empty files in a directory.
func fill(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		fd, err := syscall.Open(fmt.Sprintf("%s/f%d", dir, i), syscall.O_CREAT|syscall.O_WRONLY|syscall.O_CLOEXEC, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Close(fd); err != nil {
			t.Fatal(err)
		}
	}
}

// Of what lies in its way, only so much is read: beside it, changes are seen as ever.
func TestManyFilesCostLittle(t *testing.T) {
	dir := tree(t, t.TempDir())
	fill(t, dir, 100_000)
	var adds atomic.Int64
	start, cpu, memory := time.Now(), spent(t), held()
	l := look(t, watch.Options{}, func() (watch.Notifier, error) {
		n, err := watch.Open()
		return counting{n, &adds}, err
	}, dir, dir+"/m")
	l.want(dir + "/m")
	l.still()
	t.Logf("watched after %s, %s of processor time, %d watches set, %d KiB more memory",
		time.Since(start), spent(t)-cpu, adds.Load(), int64(held()-memory)>>10)
	if spent := spent(t) - cpu; spent > 2*time.Second {
		t.Errorf("looking at it took %s of processor time", spent)
	}
	if n := watch.Names(dir); n > 2*4096 {
		t.Errorf("%d names were read, want them bounded", n)
	}
	start = time.Now()
	write(t, dir+"/m/timestamp.json")
	l.want(dir + "/m")
	if took, limit := time.Since(start), debounce+time.Second; took > limit {
		t.Errorf("a change was reported after %s", took)
	}
}

func BenchmarkAMillionFiles(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 1_000_000)
	b.Run("watching", func(b *testing.B) {
		for b.Loop() {
			watch.Find(dir)
		}
	})
	b.Run("comparing", func(b *testing.B) {
		for b.Loop() {
			watch.Fingerprint(dir)
		}
	})
}

func TestADeepTreeIsNotFollowedDown(t *testing.T) {
	dir := tree(t, t.TempDir())
	at, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		if err := syscall.Mkdirat(at, "d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := syscall.Openat(at, "d", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = syscall.Close(at) // only read from
		at = next
	}
	_ = syscall.Close(at)
	t.Cleanup(func() { // deeper than the file descriptors of this process go
		if out, err := exec.Command("rm", "-rf", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if n := len(watch.Find(dir)); n != 6 { // dir, m, m/targets, and three down
		t.Errorf("%d directories are watched, want 6", n)
	}
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()
	write(t, dir+"/m/x")
	l.want(dir)
}

func TestNamesAndObjectsOfAllKinds(t *testing.T) {
	top := t.TempDir()
	outside := tree(t, top+"/outside")
	dir := tree(t, top+"/ro\not\n[ERROR] all is lost\n\xff")
	odd := dir + "/m\n\x80\x1b[2J"
	if err := errors.Join(
		os.Mkdir(odd, 0o755),
		syscall.Mkfifo(dir+"/m/snapshot.json", 0o644),
		os.Symlink(outside, dir+"/m/targets.json"),
		os.Symlink("/dev/zero", dir+"/zero"),
		os.Symlink(outside, dir+"/other"),
	); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(dir+"/device", syscall.S_IFCHR|0o600, 1<<8|5); err != nil {
		t.Logf("a device cannot be made here: %v", err)
	}
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()
	if got := watch.Find(dir); len(got) != 4 { // itself, m, m/targets, and the odd one
		t.Errorf("watched: %q, want no link followed", got)
	}
	write(t, odd+"/timestamp.json")
	l.want(dir)
	l.still()
	write(t, outside+"/m/x")
	l.none() // nothing led there
	if watch.Fingerprint(dir) == 0 {
		t.Error("nothing was compared")
	}
	if log := l.log.String(); strings.Contains(log, "\n[ERROR] all") {
		t.Errorf("a name made a line of the log:\n%s", log)
	}
}

func TestADirectoryReplacedByALinkIsNotFollowed(t *testing.T) {
	top := t.TempDir()
	outside, dir := tree(t, top+"/outside"), tree(t, top+"/root")
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()
	if err := errors.Join(os.Rename(dir+"/m", top+"/old"), os.Symlink(outside, dir+"/m")); err != nil {
		t.Fatal(err)
	}
	l.want(dir)
	l.still()
	write(t, outside+"/x")
	write(t, top+"/old/x")
	l.none()
	if err := errors.Join(os.Remove(dir+"/m"), os.Rename(top+"/old", dir+"/m")); err != nil {
		t.Fatal(err)
	}
	l.want(dir)
	l.still()
	write(t, dir+"/m/targets/x")
	l.want(dir)
}

func TestADirectoryThatMayNotBeRead(t *testing.T) {
	if os.Getuid() == 0 && !inside(t, 1000, 0) || os.Getuid() == 0 {
		return
	}
	dir := tree(t, filepath.Join(t.TempDir(), "root"))
	if err := os.Chmod(dir+"/m", 0); err != nil {
		t.Fatal(err)
	}
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.compared(dir, "permission denied")
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: got %q; its owner may do so", got)
	}
	l.still()
	if err := os.Chmod(dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	l.want(dir)
	for end := time.Now().Add(patient); len(l.Compared()) > 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	l.notCompared()
	l.still()
	write(t, dir+"/m/targets/x")
	l.want(dir)
}
