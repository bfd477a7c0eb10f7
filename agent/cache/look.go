// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const (
	rootFile      = trust.Root + ".json"
	timestampFile = trust.Timestamp + ".json"
)

// grade is what a file of a cache is worth, held against the set of its mirror.
type grade int

const (
	missing grade = iota
	equal         // as good as ours
	older
	newer
	broken   // its client cannot use it, or should not
	unjudged // readable, and there is nothing to compare it with
	alien    // a root that is not of our chain, or what such a root may have signed
)

// file is one file of a cache, seen and judged.
type file struct {
	seen
	dir    *os.Root // it lies in
	base   string   // its name there
	name   string   // as told: relative to the cache's Path, absolute outside of it
	perm   fs.FileMode
	role   string // the role it holds; "" for a target file
	link   string // what it says, where it is the link of a root history
	ours   []byte // what the set has for it; nil for nothing
	grade  grade
	held   trust.Role // version and expiry, where they could be read
	signed bool       // by the set's root
	damage Damage     // when broken
}

// look is one look at a cache of plain files.
type look struct {
	cache     Cache
	rules     rules
	base, dir *os.Root
	set       *trust.Set // nil: nothing to compare with
	now       time.Time

	remote  remote
	dirInfo fs.FileInfo // what stands at Path when it is no directory; else nil
	empty   bool        // there is nothing in dir
	history history
	root    file
	roles   []file // timestamp, snapshot, targets, then delegated roles
	targets branch // of target files
	files   []file // target files
	checked file   // <directory>.json, which lies beside the directory
}

// branch is a directory of the cache beside the one of metadata.
type branch struct {
	seen
	parent *os.Root
	base   string   // its name in parent
	name   string   // as told
	dir    *os.Root // open; nil where it is no directory of ours
}

func (l *look) close() {
	for _, r := range []*os.Root{l.targets.dir, l.history.dir, l.dir, l.base} {
		if r != nil {
			r.Close()
		}
	}
	if l.rules.apart && l.targets.parent != nil {
		l.targets.parent.Close()
	}
}

// lookAt opens the cache and reads and judges everything in it that a client reads.
// The caller closes the look.
func (c Cache) lookAt(set *trust.Set, now time.Time) (*look, error) {
	l := &look{cache: c, rules: c.Layout.rules(), set: set, now: now}
	err := l.open()
	if err == nil && (l.dir != nil || l.targets.dir != nil) {
		err = l.lookInside()
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// open opens the directories. None is open where the base as a whole is at fault, or
// Path is no directory.
func (l *look) open() (err error) {
	c := l.cache
	if _, missing := os.Lstat(c.Path); l.rules.apart && errors.Is(missing, fs.ErrNotExist) {
		err = l.openTargets()
		if err == nil && l.targets.kind == symlink {
			_, err = openIn(l.targets.parent, c.Targets) // which says why not
		}
		if err == nil && l.targets.dir == nil {
			err = unusable(c.Path, missing)
		}
		return err
	}
	if l.base, err = openBase(c.Base); err != nil {
		return err
	}
	if c.habits().remote {
		l.remote = readRemote(l.base)
	}
	if c.whole() {
		if l.rules.dir == nil {
			l.dir, err = l.base.OpenRoot(".")
		}
		return err
	}
	info, err := l.base.Lstat(filepath.Base(c.Path))
	if err == nil && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
		l.dirInfo = info
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) && c.URL != "" && l.remote.url == c.URL {
		return &UnusableError{Path: c.Path,
			Reason: "does not exist, and remote.json names " + named(c.URL),
			Remedy: c.initialize(c.URL), Consequence: "cosign 2.5.1 and newer: could not find cached root.json"}
	}
	if l.dir, err = openIn(l.base, c.Path); err != nil {
		return err
	}
	return l.openTargets()
}

// openTargets opens the directory of target files, if there is one.
func (l *look) openTargets() (err error) {
	t := &l.targets
	path := filepath.Join(l.cache.Path, targetsDir)
	t.parent, t.base, t.name = l.dir, targetsDir, targetsDir
	if l.rules.apart {
		path = l.cache.Targets
		t.parent, t.base, t.name = nil, filepath.Base(path), path
		if l.cache.Targets == "" {
			return nil // not known
		}
		parent := filepath.Dir(path)
		if _, err := os.Lstat(parent); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if t.parent, err = openBase(parent); err != nil {
			return err
		}
	}
	t.seen = readFile(t.parent, t.base, 0)
	if t.kind == directory {
		t.dir, err = openIn(t.parent, path)
	}
	return err
}

func (l *look) lookInside() error {
	if l.cache.whole() {
		if err := l.openTargets(); err != nil {
			return err
		}
	}
	if l.dir != nil {
		if err := l.lookAtMetadata(); err != nil {
			return err
		}
	}
	if l.targets.dir != nil && l.set != nil {
		l.lookAtTargets()
	}
	if slices.ContainsFunc(l.all(), func(f *file) bool {
		return f.kind == unsteady && f != &l.checked && (f != &l.root || l.startsHere())
	}) {
		return &BusyError{RetryAfter: retrySoon}
	}
	return nil
}

func (l *look) lookAtMetadata() error {
	l.empty = isEmpty(l.dir)
	if err := l.openHistory(); err != nil {
		return err
	}
	l.lookAtRoot()
	l.lookAtHistory()
	for _, role := range []string{trust.Timestamp, trust.Snapshot, trust.Targets} {
		l.roles = append(l.roles, l.lookAtRole(role, fileOf(l.set, role)))
	}
	if l.set != nil {
		delegated := l.set.Files().Delegated
		for _, role := range slices.Sorted(maps.Keys(delegated)) {
			l.roles = append(l.roles, l.lookAtRole(role, delegated[role]))
		}
	}
	if l.rules.believes {
		l.holdTogether()
	}
	if l.rules.told {
		l.lookAtChecked()
	}
	return nil
}

// fileOf returns the bytes of a top-level role other than root.
func fileOf(set *trust.Set, role string) []byte {
	if set == nil {
		return nil
	}
	switch f := set.Files(); role {
	case trust.Timestamp:
		return f.Timestamp
	case trust.Snapshot:
		return f.Snapshot
	default:
		return f.Targets
	}
}

func newestRoot(set *trust.Set) []byte {
	f := set.Files()
	if n := len(f.Roots); n > 0 {
		return f.Roots[n-1]
	}
	return f.Initial
}

// startsHere says whether the client starts from the cached root.json. So does an older
// one that keeps no history, whichever the mirror.
func (l *look) startsHere() bool {
	if !l.cache.Default {
		return true
	}
	switch l.root.kind {
	case regular:
		return l.rules.history && l.root.link == ""
	case unreadable, symlink:
		return l.rules.history && l.history.dir == nil
	}
	return false
}

// all lists every file of the look in the order in which they are written.
func (l *look) all() []*file {
	var fs []*file
	for i := range l.history.files {
		fs = append(fs, &l.history.files[i])
	}
	if l.dir != nil {
		fs = append(fs, &l.root)
	}
	for i := range l.roles {
		fs = append(fs, &l.roles[i])
	}
	if l.rules.believes {
		slices.Reverse(fs[1:]) // which has no history
	}
	for i := range l.files {
		fs = append(fs, &l.files[i])
	}
	if l.rules.told && l.dir != nil {
		fs = append(fs, &l.checked)
	}
	return fs
}

// ahead says whether anything valid in the cache is newer than the set.
func (l *look) ahead() bool {
	return slices.ContainsFunc(l.all(), func(f *file) bool { return f.grade == newer })
}

// alien says whether the client starts from a root that is not ours, whatever lies
// beside it.
func (l *look) alien() bool { return l.startsHere() && l.root.grade == alien }

// filled says whether the client ever got as far as the timestamp.
func (l *look) filled() bool {
	return slices.ContainsFunc(l.roles, func(f file) bool { return topLevel(f.role) && f.kind != absent })
}

// bare says whether the directory of a client that brings its root is empty: made by
// hand, for a client always begins with root.json. It is filled with all of it then.
func (l *look) bare() bool {
	return l.empty && !l.startsHere() && !l.rules.history
}

// isEmpty says whether there is nothing in dir but what we staged ourselves.
func isEmpty(dir *os.Root) bool {
	names, truncated, err := entries(dir)
	return err == nil && !truncated && !slices.ContainsFunc(names, func(name string) bool { return !durable.IsTemp(name) })
}
