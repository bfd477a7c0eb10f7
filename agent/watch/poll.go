// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	pollEvery = 2 * time.Second // between two comparisons of a directory, at best
	pollShare = 100             // at most one part in this many of the time is spent on comparing
)

// A Comparison is a directory in which changes are found by comparing it with how
// it was, since notifications of it are missing or cannot be relied on.
type Comparison struct {
	Dir   string        // as it was given to Watch
	Why   string        // in words
	Every time.Duration // at best: comparing a large directory takes its time
}

// A poller compares one directory with how it was, beside the source: a file
// system that hangs holds up nothing but its own poller.
type poller struct{ stop context.CancelFunc }

// compare has those directories compared of which not every change is told, and
// nothing else.
func (s *source) compare(ctx context.Context) {
	var all []Comparison
	for _, dir := range slices.Sorted(maps.Keys(s.routes)) {
		why, limit := s.untold(dir)
		p := s.pollers[dir]
		switch {
		case why == "" && p != nil:
			p.stop()
			delete(s.pollers, dir)
		case why != "" && p == nil:
			if !limit { // that is told of all directories at once
				s.w.o.Log.Info(evCompared, "path", dir, "next", s.w.o.pollEvery(), "error", why)
			}
			s.pollers[dir] = poll(ctx, dir, s.w.o, s.polled)
		}
		if why != "" {
			all = append(all, Comparison{Dir: dir, Why: why, Every: s.w.o.pollEvery()})
		}
	}
	for dir, p := range s.pollers {
		if _, ok := s.routes[dir]; !ok {
			p.stop()
			delete(s.pollers, dir)
		}
	}
	s.w.mu.Lock()
	s.w.compared = all
	s.w.mu.Unlock()
}

// untold is why not every change of dir is told, "" when it is, and whether a limit
// of this host is the reason.
func (s *source) untold(dir string) (why string, limit bool) {
	if s.failOpen != nil {
		return explain("watching files", s.failOpen), true
	}
	r := s.routes[dir]
	paths := slices.Clone(r.tree)
	for _, p := range r.points {
		paths = append(paths, p.dir)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	for _, path := range paths {
		if err := s.failed[path]; err != nil {
			return explain(fmt.Sprintf("watching %q", path), err), !errors.Is(err, fs.ErrPermission)
		}
	}
	for _, path := range paths {
		if name := fileSystem(path); name != "" {
			return fmt.Sprintf("the file system of %q (%s) does not tell of every change", path, name), false
		}
	}
	return "", false
}

// pollEvery of this watcher: a scan may be asked for more often.
func (o Options) pollEvery() time.Duration { return min(pollEvery, o.Scan) }

// poll starts a poller. It sends dir when it has seen it for the first time, and
// after that whenever something is different.
func poll(ctx context.Context, dir string, o Options, changed chan<- string) *poller {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		seed := maphash.MakeSeed()
		var before uint64
		for first := true; ; first = false {
			start := time.Now()
			now := fingerprint(seed, dir)
			if first || now != before {
				select {
				case changed <- dir:
				case <-ctx.Done():
					return
				}
			}
			before = now
			pause := min(max(o.pollEvery(), pollShare*time.Since(start)), o.Scan)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}()
	return &poller{stop}
}

// fingerprint sums up where a path leads and what lies there: names, owners,
// modes, sizes and times, never contents. It reads as many names as a look for
// directories to watch does, follows no links, and does not see temporary files.
func fingerprint(seed maphash.Seed, dir string) uint64 {
	var sum uint64 // of all names, so that their order does not matter
	add := func(path string, info fs.FileInfo) {
		var h maphash.Hash
		h.SetSeed(seed)
		stamp := []int64{-1}
		if info != nil {
			stamp = stampOf(info)
		}
		_, _ = h.WriteString(path) // a hash takes everything
		for _, n := range stamp {
			_ = binary.Write(&h, binary.LittleEndian, n)
		}
		sum += h.Sum64()
	}
	r := walk(dir, func(path string, e fs.DirEntry) {
		if ignored(e.Name()) {
			return
		}
		info, err := e.Info()
		if err != nil { // gone again
			info = nil
		}
		add(path, info)
	})
	for _, p := range r.points {
		path := filepath.Join(p.dir, p.name)
		info, err := os.Lstat(path)
		if err != nil {
			info = nil
		}
		add(path, info)
	}
	for _, t := range r.tree {
		if info, err := os.Lstat(t); err == nil {
			add(t, info)
		}
	}
	return sum
}

// stampOf is what changes with a file. The times of a directory change with each
// temporary file in it, and its names are seen anyway.
func stampOf(info fs.FileInfo) []int64 {
	stamp := []int64{int64(info.Mode())}
	if !info.IsDir() {
		stamp = append(stamp, info.Size(), info.ModTime().UnixNano())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		stamp = append(stamp, int64(st.Ino), int64(st.Uid), int64(st.Gid))
		if !info.IsDir() {
			stamp = append(stamp, changedAt(st))
		}
	}
	return stamp
}
