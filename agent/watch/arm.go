// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// nodeID tells one directory from another that took its name.
type nodeID struct{ dev, ino uint64 }

// identify looks at a directory. What is there but is none is not there for us.
func identify(path string) (nodeID, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nodeID{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return nodeID{}, syscall.ENOTDIR
	}
	return nodeID{uint64(st.Dev), st.Ino}, nil
}

// vanished reports whether an error says that a directory went meanwhile.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// arm finds the routes of the dirty directories again and brings the watches
// in line. A directory that was not watched before is reported: what happened
// in it until now nobody knows.
//
// A route can change while its watches are set up. So it is found again until
// nothing new has to be watched for it; then whatever changes later is
// notified.
func (s *source) arm(ctx context.Context) {
	dirty := slices.Sorted(maps.Keys(s.dirty))
	clear(s.dirty)
	const rounds = 8
	fresh := map[string]bool{}
	for round := range rounds {
		for _, dir := range dirty {
			if _, ok := s.routes[dir]; ok {
				s.routes[dir] = find(dir)
			}
		}
		s.reindex()
		added, complete := s.sync()
		for _, path := range added {
			for _, dir := range s.index.content[path] {
				fresh[dir] = true
			}
		}
		if len(added) == 0 && complete {
			break
		}
		if round == rounds-1 { // it changes faster than we look
			for _, dir := range dirty {
				s.dirty[dir] = true
			}
		}
	}
	s.compare(ctx)
	s.judge()
	now := time.Now()
	for _, dir := range slices.Sorted(maps.Keys(fresh)) {
		s.send(ctx, Change{Dir: dir, At: now})
	}
}

// sync gives the notifier what the routes need and takes away what they do not.
// It returns what is watched now and was not before, and whether all that the
// routes name was still there.
func (s *source) sync() (added []string, complete bool) {
	s.failed = map[string]error{}
	if s.n == nil {
		return nil, true
	}
	complete = true
	wanted := map[string]bool{}
	for p := range s.index.turns {
		wanted[p] = true
	}
	for t := range s.index.content {
		wanted[t] = true
	}
	// First what is to go: a directory that was renamed keeps its watch, and
	// would keep its old name too.
	for path, was := range s.watched {
		if is, err := identify(path); !wanted[path] || err != nil || is != was {
			s.forget(path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		is, err := identify(path)
		if err == nil {
			// One that is watched already is added again: that costs nothing, and
			// heals a watch the kernel dropped unnoticed.
			err = s.n.Add(path)
		}
		switch {
		case vanished(err):
			complete = false
			continue
		case err != nil:
			s.failed[path] = err
			continue
		}
		if _, ok := s.watched[path]; !ok {
			added = append(added, path)
		}
		s.watched[path] = is
	}
	return added, complete
}

// forget takes a watch away. That it is gone already is no error.
func (s *source) forget(path string) {
	delete(s.watched, path)
	_ = s.n.Remove(path) // fails only for what is not watched any more
}

// judge says what cannot be watched though it should be, once when that begins and
// once when it ends. A directory that we may not read is its owner's affair.
func (s *source) judge() {
	text := ""
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(s.failed)) {
		if !errors.Is(s.failed[path], fs.ErrPermission) {
			paths = append(paths, path)
		}
	}
	switch {
	case s.failOpen != nil:
		text = explain("watching files", s.failOpen)
	case len(paths) > 0:
		text = explain(fmt.Sprintf("watching %q", paths[0]), s.failed[paths[0]])
		if len(paths) > 1 {
			text += fmt.Sprintf(" (and %d more)", len(paths)-1)
		}
	}
	s.w.mu.Lock()
	before := s.w.degraded
	s.w.degraded = text
	s.w.mu.Unlock()
	switch {
	case before == "" && text != "":
		s.w.o.Log.Warn(evDegraded, "next", s.w.o.pollEvery(), "error", text)
	case before != "" && text == "":
		s.w.o.Log.Info(evRecovered)
	}
}

// explain names the limit that was met, since the kernel's own words for it
// ("no space left on device") send people the wrong way.
func explain(doing string, err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return doing + ": this user has no inotify watches left; raise fs.inotify.max_user_watches with sysctl"
	case errors.Is(err, syscall.EMFILE):
		return doing + ": this user has no inotify instances left; raise fs.inotify.max_user_instances with sysctl, or the limit of open files"
	}
	return fmt.Sprintf("%s: %v", doing, err)
}
