// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// These tests use the kernel's notifications and real time. What must come has
// a long time to do so; what must not come is waited for a little.
const (
	debounce = 30 * time.Millisecond
	patient  = 20 * time.Second
	brief    = 300 * time.Millisecond
)

// A lookout is a running Watcher, and what it logged.
type lookout struct {
	*watch.Watcher
	t   *testing.T
	log *buffer
}

func look(t *testing.T, o watch.Options, open func() (watch.Notifier, error), dirs ...string) *lookout {
	t.Helper()
	if open == nil {
		open = watch.Open
	}
	l := &lookout{t: t, log: &buffer{}}
	o.Log = hclog.New(&hclog.LoggerOptions{Output: l.log, Level: hclog.Debug})
	if o.Debounce == 0 {
		o.Debounce = debounce
	}
	if o.Scan == 0 {
		o.Scan = time.Hour
	}
	l.Watcher = watch.NewWith(o, open)
	l.Watch(dirs)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run returned %v, want nil", err)
			}
		case <-time.After(patient):
			t.Error("Run did not end")
		}
	})
	return l
}

// want waits for a change of dir.
func (l *lookout) want(dir string) watch.Change {
	l.t.Helper()
	deadline := time.After(patient)
	for {
		select {
		case c := <-l.Changes():
			if c.Dir == dir {
				return c
			}
		case <-deadline:
			l.t.Fatalf("no change of %s was reported\n%s", dir, l.log)
		}
	}
}

// still waits until nothing has been reported for a while.
func (l *lookout) still() {
	for {
		select {
		case c := <-l.Changes():
			if c.Scan { // it is asked for
				return
			}
		case <-time.After(brief):
			return
		}
	}
}

func (l *lookout) none() {
	l.t.Helper()
	select {
	case c := <-l.Changes():
		l.t.Fatalf("got %+v, want nothing", c)
	case <-time.After(brief):
	}
}

// notCompared says that everything is notified.
func (l *lookout) notCompared() {
	l.t.Helper()
	if got := l.Compared(); len(got) > 0 {
		l.t.Errorf("compared: %v, want nothing", got)
	}
}

// compared waits until dir is compared, and why is said.
func (l *lookout) compared(dir, why string) {
	l.t.Helper()
	var got []watch.Comparison
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = l.Compared(); len(got) == 1 && got[0].Dir == dir && strings.Contains(got[0].Why, why) {
			return
		}
	}
	l.t.Fatalf("compared: got %v, want %s because of %q", got, dir, why)
}

func TestChangesOfATree(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"a file written":            func(d string) error { return os.WriteFile(d+"/m/timestamp.json", []byte("{}"), 0o644) },
		"a file truncated in place": func(d string) error { return os.Truncate(d+"/m/root.json", 1) },
		"a file removed":            func(d string) error { return os.Remove(d + "/m/root.json") },
		"a mode changed":            func(d string) error { return os.Chmod(d+"/m/root.json", 0) },
		"the mode of the directory": func(d string) error { return os.Chmod(d, 0o755) },
		"a target replaced by go-tuf's client": func(d string) error {
			return errors.Join(os.WriteFile(d+"/m/targets/tuf_tmp1", nil, 0o600), os.Rename(d+"/m/targets/tuf_tmp1", d+"/m/targets/x"))
		},
		"a directory made": func(d string) error { return os.Mkdir(d+"/other", 0o755) },
		"a directory in a file's place": func(d string) error {
			return errors.Join(os.Remove(d+"/m/root.json"), os.Mkdir(d+"/m/root.json", 0o755))
		},
		"the directory removed":   os.RemoveAll,
		"the directory moved off": func(d string) error { return os.Rename(d, d+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, filepath.Join(t.TempDir(), "root"))
			l := look(t, watch.Options{}, nil, dir)
			l.want(dir) // it is watched
			l.still()
			start := time.Now()
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if c := l.want(dir); c.Scan || c.Overflow || c.At.Before(start) {
				t.Errorf("got %+v, want a notification after %s", c, start)
			}
		})
	}
}

func TestTemporaryFilesAreNotReported(t *testing.T) {
	dir := tree(t, t.TempDir())
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()
	for _, name := range []string{durable.TempPrefix + "1", "tuf_tmp2"} {
		path := filepath.Join(dir, "m", name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, 0o644), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
	l.none()
}

// cosign initialize removes the tree and makes it anew; what it writes into
// the new one must be seen.
func TestATreeDeletedAndMadeAgain(t *testing.T) {
	dir := tree(t, filepath.Join(t.TempDir(), ".sigstore", "root"))
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	for round := range 8 {
		top := dir
		if round%2 == 1 {
			top = filepath.Dir(dir) // with its parent
		}
		if err := os.RemoveAll(top); err != nil {
			t.Fatal(err)
		}
		if round%4 > 1 {
			l.want(dir)
		}
		tree(t, dir)
		l.want(dir)
		l.still()
		write(t, dir+"/m/targets/x")
		l.want(dir)
		l.still()
	}
}

func TestADirectoryPutInThePlaceOfAnother(t *testing.T) {
	for name, level := range map[string]string{"the directory": "a/root", "its parent": "a", "a mirror in it": "a/root/m"} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := tree(t, filepath.Join(top, "a/root"))
			moved := filepath.Join(top, level)
			l := look(t, watch.Options{}, nil, dir)
			l.want(dir)
			l.still()
			rest, _ := strings.CutPrefix(dir, moved)
			if level == "a/root/m" {
				if err := errors.Join(os.MkdirAll(top+"/new/targets", 0o755), os.Rename(moved, top+"/old"), os.Rename(top+"/new", moved)); err != nil {
					t.Fatal(err)
				}
			} else {
				tree(t, top+"/new"+rest)
				if err := errors.Join(os.Rename(moved, top+"/old"), os.Rename(top+"/new", moved)); err != nil {
					t.Fatal(err)
				}
			}
			l.want(dir)
			l.still()
			write(t, dir+"/m/targets/x")
			l.want(dir)
			l.still()
			write(t, strings.Replace(dir+"/m/targets/x", moved, top+"/old", 1))
			l.none() // the old one is nobody's any more
		})
	}
}

func TestADirectoryThatIsNotThereYet(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "a/b/.sigstore/root")
	l := look(t, watch.Options{}, nil, dir)
	write(t, home+"/noise") // beside the way
	l.none()
	for _, d := range []string{"a", "a/b", "a/b/.sigstore", "a/b/.sigstore/root", "a/b/.sigstore/root/m"} {
		if err := os.Mkdir(filepath.Join(home, d), 0o755); err != nil {
			t.Fatal(err)
		}
		l.want(dir)
		l.still()
	}
	write(t, dir+"/m/x")
	l.want(dir)
}

func TestAPathThroughSymbolicLinks(t *testing.T) {
	top := t.TempDir()
	tree(t, top+"/disk1/root")
	tree(t, top+"/disk2/root")
	if err := errors.Join(os.Symlink("disk1", top+"/home"), os.Mkdir(top+"/x", 0o755), os.Symlink("../home/root", top+"/x/root")); err != nil {
		t.Fatal(err)
	}
	dir := top + "/x/root"
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()
	write(t, top+"/disk1/root/m/x")
	l.want(dir)
	l.still()
	if err := errors.Join(os.Symlink("disk2", top+"/new"), os.Rename(top+"/new", top+"/home")); err != nil { // in the middle of the way
		t.Fatal(err)
	}
	l.want(dir)
	l.still()
	write(t, top+"/disk1/root/m/x")
	l.none()
	write(t, top+"/disk2/root/m/x")
	l.want(dir)
}

func TestTwoPathsToOneDirectory(t *testing.T) {
	top := t.TempDir()
	tree(t, top+"/real")
	if err := os.Symlink("real", top+"/link"); err != nil {
		t.Fatal(err)
	}
	l := look(t, watch.Options{}, nil, top+"/real", top+"/link")
	l.still()
	write(t, top+"/real/m/x")
	got := []string{(<-l.Changes()).Dir, (<-l.Changes()).Dir}
	slices.Sort(got)
	if want := []string{top + "/link", top + "/real"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestADirectoryTakenOutOfTheSet(t *testing.T) {
	a, b := tree(t, t.TempDir()), tree(t, t.TempDir())
	l := look(t, watch.Options{}, nil, a)
	l.want(a)
	l.Watch([]string{b})
	l.want(b)
	l.still()
	write(t, a+"/m/x")
	l.none()
	l.Watch([]string{b}) // the same again
	l.none()
}

func TestOwnWritesAreNotReported(t *testing.T) {
	dir := tree(t, t.TempDir())
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	publish := func() {
		for _, name := range []string{"m/timestamp.json", "m/snapshot.json", "m/targets/x"} {
			if err := durable.Replace(root, name, []byte("ours"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.still()

	done := l.Expect(dir)
	publish()
	done()
	l.none()

	for name, foreign := range map[string]func() error{
		"a rename": func() error {
			return errors.Join(os.WriteFile(dir+"/m/tuf_tmp", nil, 0o600), os.Rename(dir+"/m/tuf_tmp", dir+"/m/timestamp.json"))
		},
		"a write in place": func() error { return os.WriteFile(dir+"/m/timestamp.json", []byte("x"), 0o644) },
		"a removal":        func() error { return os.Remove(dir + "/m/timestamp.json") },
	} {
		done := l.Expect(dir)
		publish()
		if err := foreign(); err != nil {
			t.Fatal(err)
		}
		publish()
		done()
		t.Log("a client's own write meanwhile:", name)
		l.want(dir)
		l.still()
	}

	time.Sleep(1100 * time.Millisecond) // the window is closed
	publish()
	l.want(dir) // another process of ours
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "m/targets"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "m/root.json"))
	return dir
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(path), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// fsnotify reports some errors while it holds the lock that adding a watch
// needs: directories that are moved and removed at once bring that about.
func TestMovesAndRemovalsAtOnceDoNotLockUp(t *testing.T) {
	top := t.TempDir()
	dir := top + "/a/root"
	l := look(t, watch.Options{Debounce: 10 * time.Millisecond, Scan: 20 * time.Millisecond}, nil, dir)
	end := time.Now().Add(3 * time.Second)
	for i := 0; time.Now().Before(end); i++ {
		tree(t, dir)
		gone := fmt.Sprintf("%s/gone%d", top, i)
		if err := errors.Join(os.Rename(top+"/a", gone), os.RemoveAll(gone)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.Changes():
		default:
		}
	}
	tree(t, dir)
	l.want(dir)
}

func TestNothingStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("a watcher", func(t *testing.T) {
		dir := tree(t, t.TempDir())
		l := look(t, watch.Options{}, nil, dir)
		l.want(dir)
		write(t, dir+"/m/x") // on its way while it ends
	})
	for end := time.Now().Add(patient); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, n, stacks[:runtime.Stack(stacks, true)])
	}
}
