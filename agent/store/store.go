// SPDX-License-Identifier: Apache-2.0

// Package store is our private copy of one mirror.
//
// It has two tiers. The trusted state is what the client workflow of the TUF
// specification keeps between two refreshes: every root since the initial one,
// timestamp, snapshot, targets and delegated roles, each persisted as soon as it
// is accepted. The last good set is one complete repository that was verified as
// a whole; only a set is ever handed to clients, and only a complete one
// replaces another.
//
//	root_history/7.root.json    every root that was accepted
//	root.json                   a link to the newest of them
//	timestamp.json …            the other roles of the trusted state
//	seen                        the highest versions and the highest time seen
//	sets/<id>/                  the last good set, and the one before it
//	current                     a link to the last good set
//
// Every change survives a power cut once the call that made it has returned, and
// a crash at any point leaves a store that opens. What cannot be parsed is set
// aside under a name of its own and reported by Damaged; it is never simply
// absent, since absence would let a mirror go back in time. Nothing here decides
// what may be trusted: the bytes come from package refresh, and a set is verified
// again from the initial root when it is loaded.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/durable"
)

// Names in the directory of a store. Only metadata ends in ".json".
const (
	rootHistory = "root_history"
	setsDir     = "sets"
	currentLink = "current"
	seenFile    = "seen"

	// brokenMark joins the name of a file that was set aside and the time of it.
	brokenMark = ".broken-"
	// maxBroken bounds the files kept aside in one directory; the oldest go.
	maxBroken = 8

	dirPerm  fs.FileMode = 0o700
	filePerm fs.FileMode = 0o600
)

// A Store is the directory of one mirror. It is the only writer there: the
// caller sees to that with LockDir. Its methods are called from one goroutine at
// a time, except HighestTime, Writes and Damaged, which any goroutine may call.
type Store struct {
	dir *os.Root
	log hclog.Logger

	mu     sync.Mutex
	seen   Seen
	saved  time.Time         // the highest time on disk
	damage map[string]string // name in the directory -> what is wrong with it
	good   string            // the set that was loaded or committed last
	writes int64

	// before runs ahead of every change to the directory; an error of it stops
	// the change. Only tests set it, to crash there.
	before func(step string) error
}

// UnsafeDirError says that a store's directory may not be used as it is.
type UnsafeDirError struct {
	Path, Reason, Remedy string
}

func (e *UnsafeDirError) Error() string {
	return fmt.Sprintf("directory %q %s (%s)", e.Path, e.Reason, e.Remedy)
}

// Open opens the store in dir, which is created with mode 0700 if need be, and
// removes what a crash left half-written. A directory that belongs to another
// user, or that others may write to, is refused with an *UnsafeDirError.
func Open(dir string, log hclog.Logger) (*Store, error) {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, fmt.Errorf("creating store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s := &Store{dir: root, log: log, damage: map[string]string{}}
	if err := s.prepare(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("opening store %q: %w", dir, err), root.Close())
	}
	return s, nil
}

func (s *Store) prepare(path string) error {
	if err := checkOwner(s.dir, path); err != nil {
		return err
	}
	for _, sub := range []string{rootHistory, setsDir} {
		if err := s.dir.Mkdir(sub, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, sub := range []string{".", rootHistory, setsDir} {
		// Nobody else writes here, so a leftover of any age is one.
		if err := durable.Sweep(s.dir, sub, math.MinInt64, time.Now()); err != nil {
			return err
		}
		broken, err := listBroken(s.dir, sub)
		if err != nil {
			return err
		}
		for _, name := range broken {
			s.damage[name] = "set aside earlier"
		}
	}
	return s.readSeen()
}

// checkOwner refuses a directory in which somebody else could plant files.
func checkOwner(dir *os.Root, path string) error {
	info, err := dir.Stat(".")
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UnsafeDirError{path, "may be written to by others", fmt.Sprintf("chmod go-w %q", path)}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return &UnsafeDirError{path, fmt.Sprintf("belongs to uid %d, and this is uid %d", st.Uid, os.Geteuid()),
			fmt.Sprintf("chown -R %d %q", os.Geteuid(), path)}
	}
	return nil
}

// Close saves the highest time seen and lets go of the directory.
func (s *Store) Close() error {
	return errors.Join(s.saveTime(0), s.dir.Close())
}

// Writes counts the changes made to the directory since Open: files written,
// renamed and removed, links switched. A refresh with nothing new makes none.
func (s *Store) Writes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Damaged lists what was found damaged and is still there, sorted, each as its
// name in the store and what is wrong with it. It is empty again when the files
// that were set aside have been removed and a new set has replaced a damaged one.
func (s *Store) Damaged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for name, reason := range s.damage {
		if _, err := s.dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			delete(s.damage, name)
			continue
		}
		all = append(all, fmt.Sprintf("%s: %s", filepath.Join(s.dir.Name(), name), reason))
	}
	slices.Sort(all)
	return all
}

func (s *Store) reportDamage(name, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage[name] = reason
}

const evSetAside = "file set aside"

// setAside renames a file that cannot be used, and keeps the reason for Damaged.
func (s *Store) setAside(name, reason string) error {
	to := name + brokenMark + time.Now().UTC().Format("20060102T150405.000Z")
	for i := 2; ; i++ {
		if _, err := s.dir.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = fmt.Sprintf("%s%s%s-%d", name, brokenMark, time.Now().UTC().Format("20060102T150405.000Z"), i)
	}
	parent := filepath.Dir(name)
	err := s.change("set aside "+name, func() error { return s.dir.Rename(name, to) })
	if err == nil {
		err = s.change("sync "+parent, func() error { return durable.SyncDir(s.dir, parent) })
	}
	if err != nil {
		return fmt.Errorf("setting aside %q: %w", name, err)
	}
	s.log.Warn(evSetAside, "path", filepath.Join(s.dir.Name(), to), "error", reason)
	s.reportDamage(to, reason)
	return s.pruneBroken(parent)
}

func (s *Store) pruneBroken(sub string) error {
	broken, err := listBroken(s.dir, sub)
	if err != nil {
		return err
	}
	slices.SortFunc(broken, func(a, b string) int { return strings.Compare(brokenTime(a), brokenTime(b)) })
	for len(broken) > maxBroken {
		if err := s.remove(broken[0]); err != nil {
			return err
		}
		broken = broken[1:]
	}
	return nil
}

func brokenTime(name string) string {
	_, t, _ := strings.Cut(name, brokenMark)
	return t
}

// listBroken returns the names of what was set aside in one directory.
func listBroken(dir *os.Root, sub string) ([]string, error) {
	entries, err := readDir(dir, sub)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.Contains(e.Name(), brokenMark) {
			names = append(names, filepath.Join(sub, e.Name()))
		}
	}
	return names, nil
}

// change makes one change to the directory, and counts it.
func (s *Store) change(step string, f func() error) error {
	if s.before != nil {
		if err := s.before(step); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.writes++
	s.mu.Unlock()
	return f()
}

// replace makes data the content of name, durably.
func (s *Store) replace(name string, data []byte) error {
	if err := s.put(name, data); err != nil {
		return err
	}
	return s.sync(filepath.Dir(name))
}

// put is replace without the sync of the directory.
func (s *Store) put(name string, data []byte) error {
	var staged *durable.Staged
	err := s.change("stage "+name, func() (err error) {
		staged, err = durable.Stage(s.dir, name, data, filePerm)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(s.change("commit "+name, staged.Commit), staged.Discard())
}

func (s *Store) sync(sub string) error {
	return s.change("sync "+sub, func() error { return durable.SyncDir(s.dir, sub) })
}

func (s *Store) link(name, target string) error {
	return s.change("link "+name, func() error { return durable.Relink(s.dir, name, target) })
}

// remove removes a file or a directory with all that is in it; what is not
// there is fine.
func (s *Store) remove(name string) error {
	return s.change("remove "+name, func() error { return s.dir.RemoveAll(name) })
}
