// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// A faulty notifier is the kernel's, with faults put in.
type faulty struct {
	*fsnotify.Watcher
	full   *atomic.Bool // no watches left
	errors chan error
}

func (f faulty) Events() <-chan fsnotify.Event { return f.Watcher.Events }
func (f faulty) Errors() <-chan error          { return f.errors }
func (f faulty) Add(dir string) error {
	if f.full.Load() {
		return fmt.Errorf("adding: %w", syscall.ENOSPC)
	}
	return f.Watcher.Add(dir)
}
func (f faulty) Close() error {
	defer close(f.errors)
	return f.Watcher.Close()
}

func openFaulty(t *testing.T) (faulty, func() (watch.Notifier, error)) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	f := faulty{Watcher: w, full: &atomic.Bool{}, errors: make(chan error)}
	return f, func() (watch.Notifier, error) { return f, nil }
}

func TestAnOverflowReportsEveryDirectory(t *testing.T) {
	a, b := tree(t, t.TempDir()), tree(t, t.TempDir())
	f, open := openFaulty(t)
	l := look(t, watch.Options{}, open, a, b)
	l.still()
	for range 50 {
		f.errors <- fsnotify.ErrEventOverflow
	}
	for range 2 {
		if c := <-l.Changes(); !c.Overflow {
			t.Errorf("got %+v, want an overflow", c)
		}
	}
	l.still()
	if n := strings.Count(l.log.String(), "watch overflowed"); n != 1 {
		t.Errorf("logged %d times, want once a burst:\n%s", n, l.log)
	}
	write(t, a+"/m/x")
	l.want(a)
}

func TestRunningOutOfWatches(t *testing.T) {
	dir := tree(t, t.TempDir())
	f, open := openFaulty(t)
	f.full.Store(true)
	l := look(t, watch.Options{Scan: 200 * time.Millisecond}, open, dir)
	l.want(dir)
	if got := l.Degraded(); !strings.Contains(got, "fs.inotify.max_user_watches") {
		t.Errorf("degraded: got %q, want the limit named", got)
	}
	f.full.Store(false)
	for end := time.Now().Add(patient); l.Degraded() != "" && time.Now().Before(end); {
		l.want(dir)
	}
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: got %q, want it tried again", got)
	}
	for _, event := range []string{"watch degraded", "watch recovered"} {
		if n := strings.Count(l.log.String(), event); n != 1 {
			t.Errorf("%q logged %d times, want once:\n%s", event, n, l.log)
		}
	}
}

func TestWithoutNotificationsScanningGoesOn(t *testing.T) {
	dir := tree(t, t.TempDir())
	var fail atomic.Bool
	fail.Store(true)
	l := look(t, watch.Options{Scan: 100 * time.Millisecond}, func() (watch.Notifier, error) {
		if fail.Load() {
			return nil, fmt.Errorf("couldn't initialize inotify: %w", syscall.EMFILE)
		}
		return watch.Open()
	}, dir)
	for i := range 3 {
		l.still()
		write(t, fmt.Sprintf("%s/m/%d", dir, i))
		l.want(dir)
	}
	if got := l.Degraded(); !strings.Contains(got, "fs.inotify.max_user_instances") {
		t.Errorf("degraded: got %q, want the limit named", got)
	}
	fail.Store(false)
	for end := time.Now().Add(patient); l.Degraded() != "" && time.Now().Before(end); {
		l.want(dir) // a scan, or what was found by comparing: it is not watched yet
	}
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: got %q, want none", got)
	}
}

// The kernel's own limits, in a user namespace whose limits are its own.
func TestTheKernelsLimitOfWatches(t *testing.T) {
	if !inside(t, 0, 0) {
		return
	}
	const limit = "/proc/sys/user/max_inotify_watches"
	if err := os.WriteFile(limit, []byte("3"), 0o644); err != nil {
		t.Skipf("lowering the limit of this namespace: %v", err)
	}
	var dirs []string
	for range 6 {
		dirs = append(dirs, tree(t, t.TempDir()))
	}
	l := look(t, watch.Options{Scan: 500 * time.Millisecond}, nil, dirs...)
	for _, dir := range dirs {
		l.want(dir)
	}
	if got := l.Degraded(); !strings.Contains(got, "fs.inotify.max_user_watches") {
		t.Fatalf("degraded: got %q, want the limit named", got)
	}
	if n := len(l.Compared()); n < 4 {
		t.Errorf("%d directories are compared, want those that have no watches: %v", n, l.Compared())
	}
	for _, dir := range dirs { // changes are seen all the same
		l.still()
		write(t, dir+"/m/targets/x")
		for c := l.want(dir); c.Scan; c = l.want(dir) {
		}
	}
	if err := os.WriteFile(limit, []byte("10000"), 0o644); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patient); l.Degraded() != "" && time.Now().Before(end); {
		l.want(dirs[0])
	}
	if got, compared := l.Degraded(), l.Compared(); got != "" || len(compared) > 0 {
		t.Errorf("degraded: got %q, compared %v, want it recovered by itself", got, compared)
	}
	for _, event := range []string{"watch degraded", "watch recovered"} {
		if n := strings.Count(l.log.String(), event); n != 1 {
			t.Errorf("%q logged %d times, want once:\n%s", event, n, l.log)
		}
	}
}

func TestTheKernelsLimitOfInstances(t *testing.T) {
	if !inside(t, 0, 0) {
		return
	}
	const limit = "/proc/sys/user/max_inotify_instances"
	if err := os.WriteFile(limit, []byte("0"), 0o644); err != nil {
		t.Skipf("lowering the limit of this namespace: %v", err)
	}
	dir := tree(t, t.TempDir())
	l := look(t, watch.Options{Scan: 500 * time.Millisecond}, nil, dir)
	l.want(dir)
	if got := l.Degraded(); !strings.Contains(got, "fs.inotify.max_user_instances") {
		t.Fatalf("degraded: got %q, want the limit named", got)
	}
	l.still()
	write(t, dir+"/m/x")
	for c := l.want(dir); c.Scan; c = l.want(dir) {
	}
	if err := os.WriteFile(limit, []byte("10"), 0o644); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patient); l.Degraded() != "" && time.Now().Before(end); {
		l.want(dir)
	}
	if got, compared := l.Degraded(), l.Compared(); got != "" || len(compared) > 0 {
		t.Errorf("degraded: got %q, compared %v, want it recovered by itself", got, compared)
	}
}
