// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle   = 10 * time.Millisecond // new directories are looked for this long after one came,
	armShare = 10                    // or this many times what the last such look took
	burst    = 10 * time.Second      // overflows this close together are logged once
)

// A notifier is the kernel's notifications of the directories it is given.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Events() <-chan fsnotify.Event
	Errors() <-chan error
	Close() error
}

// inotify is the real notifier.
type inotify struct{ *fsnotify.Watcher }

func (i inotify) Events() <-chan fsnotify.Event { return i.Watcher.Events }
func (i inotify) Errors() <-chan error          { return i.Watcher.Errors }

func openInotify() (notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return inotify{w}, nil
}

// A source keeps the kernel's watches where the directories are, and turns
// notifications into changes. All of it runs in one goroutine.
type source struct {
	w   *Watcher
	out chan<- Change

	n        notifier // nil when the kernel gives none
	errs     chan error
	routes   map[string]route   // by directory of interest
	watched  map[string]nodeID  // what the notifier was given
	failed   map[string]error   // what it did not take
	failOpen error              // why there is no notifier
	pollers  map[string]*poller // by directory of interest
	polled   chan string        // which of them has seen something new
	index    index
	dirty    map[string]bool // directories whose route has to be found again
	burstEnd time.Time
}

// index finds the directories of interest that a notification concerns.
type index struct {
	points  map[point][]string  // the name is a turn on the route
	turns   map[string][]string // the directory that holds such a name
	content map[string][]string // the directory belongs to the tree
}

func newSource(w *Watcher, out chan<- Change) *source {
	return &source{
		w: w, out: out,
		errs:    make(chan error, 1),
		routes:  map[string]route{},
		watched: map[string]nodeID{},
		dirty:   map[string]bool{},
		pollers: map[string]*poller{},
		polled:  make(chan string),
	}
}

// run works until ctx ends.
func (s *source) run(ctx context.Context) {
	scan := time.NewTicker(s.w.o.Scan)
	defer scan.Stop()
	rearm, due, pause := time.NewTimer(0), true, settle
	defer rearm.Stop()
	defer s.close()
	s.start()
	for {
		var events <-chan fsnotify.Event
		if s.n != nil {
			events = s.n.Events()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.w.kick:
			s.adopt()
		case e, ok := <-events:
			if !ok { // nobody but us closes it: start anew
				s.close()
				s.start()
				s.everything(ctx, Change{Overflow: true})
				break
			}
			s.event(ctx, e)
		case err := <-s.errs:
			s.trouble(ctx, err)
		case dir := <-s.polled:
			if _, ok := s.routes[dir]; ok {
				s.dirty[dir] = true
				s.send(ctx, Change{Dir: dir, At: time.Now()})
			}
		case <-scan.C:
			if s.n == nil {
				s.start()
			}
			s.everything(ctx, Change{Scan: true})
		case <-rearm.C:
			due = false
			start := time.Now()
			s.arm(ctx)
			pause = max(settle, armShare*time.Since(start))
		}
		if len(s.dirty) > 0 && !due { // not put off by what comes meanwhile
			rearm.Reset(pause)
			due = true
		}
	}
}

// start opens a notifier. Without one, scanning goes on.
func (s *source) start() {
	s.n, s.failOpen = s.w.open()
	if s.failOpen != nil {
		s.n = nil
		return
	}
	// Its errors are taken by a goroutine of their own: the notifier may hold
	// its lock while it reports one, and adding a watch needs that lock.
	errs := s.n.Errors()
	go func() {
		for err := range errs {
			select {
			case s.errs <- err:
			default: // one is waiting to be seen, and all are answered alike
			}
		}
	}()
}

// close ends the notifier, and with it the goroutine that takes its errors.
func (s *source) close() {
	if s.n == nil {
		return
	}
	if err := s.n.Close(); err != nil {
		s.w.o.Log.Debug(evDisturbed, "error", err)
	}
	s.n = nil
	clear(s.watched)
}

// adopt takes over the set of directories that was given to Watch.
func (s *source) adopt() {
	s.w.mu.Lock()
	dirs := slices.Clone(s.w.dirs)
	s.w.mu.Unlock()
	for dir := range s.routes {
		if !slices.Contains(dirs, dir) {
			delete(s.routes, dir)
			s.dirty[dir] = true // its watches go
		}
	}
	for _, dir := range dirs {
		if _, ok := s.routes[dir]; !ok {
			s.routes[dir] = route{}
			s.dirty[dir] = true
		}
	}
}

// event answers one notification.
func (s *source) event(ctx context.Context, e fsnotify.Event) {
	now := time.Now()
	dir, name := filepath.Split(e.Name)
	dir = filepath.Clean(dir)
	gone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)

	hit := map[string]bool{}
	turn := func(dirs []string) { // the route may lead elsewhere now
		for _, d := range dirs {
			hit[d], s.dirty[d] = true, true
		}
	}
	turn(s.index.points[point{dir, name}])
	if gone {
		turn(s.index.turns[e.Name])
		if _, ok := s.watched[e.Name]; ok { // the kernel's watch is gone too, or is about to be
			s.forget(e.Name)
			turn(s.index.content[e.Name])
		}
	}
	for _, d := range s.index.content[e.Name] { // the directory itself changed
		hit[d] = true
		if s.failed[e.Name] != nil { // it may be watched from now on
			s.dirty[d] = true
		}
	}
	if inside := s.index.content[dir]; len(inside) > 0 && !s.w.own(e, now) && !ignored(name) {
		if e.Has(fsnotify.Create) && isDir(e.Name) {
			turn(inside)
		}
		for _, d := range inside {
			hit[d] = true
		}
	}
	for d := range hit {
		s.send(ctx, Change{Dir: d, At: now})
	}
}

// trouble answers an error of the notifier: what it told may not be all.
func (s *source) trouble(ctx context.Context, err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		s.w.o.Log.Debug(evDisturbed, "error", err)
		s.everything(ctx, Change{})
		return
	}
	now := time.Now()
	if now.After(s.burstEnd) {
		s.w.o.Log.Warn(evOverflowed, "directories", len(s.routes))
	}
	s.burstEnd = now.Add(burst)
	s.everything(ctx, Change{Overflow: true})
}

// everything reports all directories, and has all routes found again.
func (s *source) everything(ctx context.Context, c Change) {
	c.At = time.Now()
	for dir := range s.routes {
		s.dirty[dir] = true
		c.Dir = dir
		s.send(ctx, c)
	}
}

func (s *source) send(ctx context.Context, c Change) {
	select {
	case s.out <- c:
	case <-ctx.Done():
	}
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// reindex makes the index of all routes anew.
func (s *source) reindex() {
	s.index = index{map[point][]string{}, map[string][]string{}, map[string][]string{}}
	for _, dir := range slices.Sorted(maps.Keys(s.routes)) {
		r := s.routes[dir]
		for _, p := range r.points {
			s.index.points[p] = append(s.index.points[p], dir)
			s.index.turns[p.dir] = append(s.index.turns[p.dir], dir)
		}
		for _, t := range r.tree {
			s.index.content[t] = append(s.index.content[t], dir)
		}
	}
}
