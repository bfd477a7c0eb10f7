// SPDX-License-Identifier: Apache-2.0

// Package watch tells when something changes in a few directories.
//
// It promises that no change is lost: what the kernel's notifications miss (a
// directory that is not there yet, one that is deleted and made again or put
// in the place of another, a full queue, no watches left, a network file
// system) is found by comparing, every two seconds as a rule, and by a scan at the
// latest. In return a Change may be reported for which nothing changed; its reader
// looks, finds nothing to do, and goes on.
//
// A Change names a directory, never a file, and comes when the directory has
// been still for a moment. The agent's own temporary files and those of go-tuf
// are not reported, nor are the agent's own writes between Expect and done.
//
// What a change means is left to the reader. Below a watched directory three
// levels and 256 directories are watched, and no symbolic link is followed;
// what lies deeper is found by the scan.
package watch

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Names of the events this package logs.
const (
	evOverflowed = "watch overflowed" // the kernel dropped notifications; everything is looked at again
	evDegraded   = "watch degraded"   // some changes are found by comparing only, for want of watches
	evCompared   = "watch compared"   // a directory is compared from now on: not every change of it is told
	evRecovered  = "watch recovered"  // all is watched again
	evDisturbed  = "watch disturbed"  // an error of the watch that it recovers from by itself
)

// Options tune a Watcher.
type Options struct {
	// Debounce is how long a directory must have been still before its change is
	// reported. One that is never still is reported after five times that.
	Debounce time.Duration
	// Scan is how often every directory is reported whether or not a
	// notification came, and the watches are checked. 0 means five minutes.
	Scan time.Duration
	Log  hclog.Logger // nil means none
}

// Change says that something may have changed in a directory.
type Change struct {
	Dir string    // as it was given to Watch
	At  time.Time // of the first notification
	// Overflow: notifications were lost.
	Overflow bool
	// Scan: no notification came; it is time for a look.
	Scan bool
}

// A Watcher watches directories. Its methods may be called from any goroutine.
type Watcher struct {
	o    Options
	open func() (notifier, error)
	out  chan Change
	kick chan struct{} // the set of directories was changed

	mu       sync.Mutex
	dirs     []string
	degraded string
	compared []Comparison
	windows  []*window
}

// New returns a Watcher, which watches while Run runs.
func New(o Options) *Watcher { return newWatcher(o, openInotify) }

func newWatcher(o Options, open func() (notifier, error)) *Watcher {
	if o.Scan <= 0 {
		o.Scan = 5 * time.Minute
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	return &Watcher{o: o, open: open, out: make(chan Change), kick: make(chan struct{}, 1)}
}

// Watch replaces the set of directories. They are absolute, need not exist, and
// may be symbolic links. A directory that is new to the set is reported once as
// soon as it is watched, since nobody knows what happened before.
func (w *Watcher) Watch(dirs []string) {
	w.mu.Lock()
	w.dirs = slices.Clone(dirs)
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default: // it has yet to see the last one, and will see both
	}
}

// Changes returns the channel on which changes arrive, each directory at most
// once until it is received. It is not closed.
func (w *Watcher) Changes() <-chan Change { return w.out }

// Degraded says which limit of this host keeps directories from being watched, and
// what to do about it; "" when none does. They are compared meanwhile.
func (w *Watcher) Degraded() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.degraded
}

// Compared lists the directories in which changes are found by comparing: where the
// host's limits keep us from watching, where the file system does not tell of every
// change, where we may not look.
func (w *Watcher) Compared() []Comparison {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.compared)
}

// Expect says that the agent itself writes below dir until done is called, by
// renaming its own temporary files (durable.Replace). Such renames are not
// reported. Everything else is, also meanwhile: a client's rename, a write in
// place, a removal.
func (w *Watcher) Expect(dir string) (done func()) {
	if real, err := filepath.EvalSymlinks(dir); err == nil { // otherwise it is not there, and neither are its changes
		dir = real
	}
	dir = filepath.Clean(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closeWindows(time.Now())
	i := slices.IndexFunc(w.windows, func(o *window) bool { return o.dir == dir })
	if i < 0 {
		i, w.windows = len(w.windows), append(w.windows, &window{dir: dir})
	}
	o := w.windows[i]
	o.open++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		o.open--
		o.until = time.Now().Add(tail)
	})
}

// Run watches until ctx ends, and returns nil then. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	d := newDebouncer(w.o.Debounce, w.out)
	s := newSource(w, d.in)
	var both sync.WaitGroup
	both.Go(func() { d.run(ctx) })
	both.Go(func() { s.run(ctx) })
	both.Wait()
	return nil
}
