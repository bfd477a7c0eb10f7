// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const (
	attempts  = 3           // a client that overtakes us is given way to, then left alone
	retrySoon = time.Second // for a client that was seen at work
	leftover  = time.Hour   // the age at which a temporary file is nobody's any more
	checkPerm = 0o600
	maxName   = 255             // bytes, of what file systems allow
	inUse     = 5 * time.Second // the age of damage that may be a file being written
)

// errMoved: the cache changed between looking and writing.
var errMoved = errors.New("the cache changed while it was read")

// Replace brings the cache forward to set and mends it, as far as o allows, by the
// write protocol: look and judge first; stage every file beside its final name; see
// that nothing has moved; rename in the order root (only where its client starts from
// it), timestamp, snapshot, targets, delegated roles, target files; sync. For a client
// that verifies nothing it finds, the timestamp comes last instead. A crash between any
// two steps leaves a cache that its client can read. No version is ever lowered, and a
// cache that is as it should be is not written to.
//
// Set is the last good set of this cache's mirror, or nil where there is none; then
// only what stands in its client's way is removed. After an error, what the Change
// lists was done. Errors to decide on are [ErrBusy], [ErrAhead], [ErrLegacy],
// [ErrExpired], [ErrForeign] and [UnusableError].
func (c Cache) Replace(set *trust.Set, now time.Time, o WriteOptions) (done Change, err error) {
	if c.Layout == LayoutLegacy {
		return Change{}, ErrLegacy
	}
	if c.misplaced() {
		return Change{}, nil // not ours to touch
	}
	if !o.Mend && !o.Publish {
		return Change{}, nil
	}
	err = trust.Guard("writing to "+c.Path, func() error {
		var err error
		for range attempts {
			if err = c.replace(set, now, o, &done); !errors.Is(err, errMoved) {
				return err
			}
		}
		return &BusyError{RetryAfter: max(o.Quiet, retrySoon)}
	})
	return done, err
}

// replace is one attempt.
func (c Cache) replace(set *trust.Set, now time.Time, o WriteOptions, done *Change) error {
	l, err := c.lookAt(set, now)
	if err != nil {
		return err
	}
	defer l.close()
	steps, why := l.plan(o)
	if len(steps) == 0 {
		return errors.Join(why, l.sweep(o, done))
	}
	if wait := l.quietFor(o.Quiet); wait > 0 && done.Empty() {
		return &BusyError{RetryAfter: wait}
	}
	if wait := l.beingWritten(steps); wait > 0 {
		return &BusyError{RetryAfter: wait}
	}
	if again, err := l.fixFirst(steps, o, done); again || err != nil {
		return errors.Join(err, errIf(again, errMoved))
	}
	if err := l.carryOut(steps, o, done); err != nil {
		return err
	}
	return l.sweep(o, done)
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// quietFor is how long a client must still be left alone.
func (l *look) quietFor(quiet time.Duration) time.Duration {
	var last time.Time
	latest := func(info fs.FileInfo) {
		if info == nil {
			return
		}
		if at := l.written(info); at.After(last) && at.Sub(l.now) <= clockSlack {
			last = at
		}
	}
	for _, f := range l.all() {
		latest(f.info)
	}
	latest(l.targets.info)
	latest(l.dirInfo)
	if l.dir != nil {
		if info, err := l.dir.Stat("."); err == nil {
			latest(info)
		}
	}
	if quiet <= 0 {
		return 0
	}
	return quiet - max(0, l.now.Sub(last))
}

// written is when a file was written last. Its date may be anything that somebody gave
// it; where that is far in the future, it is the time of the last change to the file
// itself, which is the clock's. If that is in the future too, the clock was wrong.
func (l *look) written(info fs.FileInfo) time.Time {
	if info.ModTime().Sub(l.now) > clockSlack {
		return changeTime(info)
	}
	return info.ModTime()
}

// beingWritten is how long half a file of a client that writes in place may still be
// one that it is writing.
func (l *look) beingWritten(steps []step) time.Duration {
	var wait time.Duration
	for _, s := range steps {
		if !l.rules.inPlace || s.f.grade != broken || s.f.damage.Object || s.f.info == nil {
			continue
		}
		if age := l.now.Sub(l.written(s.f.info)); age > -clockSlack {
			wait = max(wait, inUse-max(0, age))
		}
	}
	return wait
}

// fixFirst makes unreadable files readable; what is in them is judged by another look.
func (l *look) fixFirst(steps []step, o WriteOptions, done *Change) (again bool, err error) {
	for _, s := range steps {
		if s.act != fix {
			continue
		}
		o.at("judged")
		if err := makeReadable(s.f); errors.Is(err, errMoved) {
			return true, nil
		} else if err != nil {
			return again, fmt.Errorf("making %q readable: %w", s.f.name, err)
		}
		again = true
		done.Fixed = append(done.Fixed, s.f.name)
		done.Mended = append(done.Mended, s.f.damage)
	}
	return again, nil
}

// carryOut does what was planned. Nothing has changed after errMoved.
func (l *look) carryOut(steps []step, o WriteOptions, done *Change) (err error) {
	if err := room(l.cache.Path, steps); err != nil {
		return err
	}
	staged := make([]*durable.Staged, len(steps))
	defer func() {
		for _, s := range staged {
			if s != nil {
				err = errors.Join(err, s.Discard())
			}
		}
	}()
	for i, s := range steps {
		if s.act != write {
			continue
		}
		if staged[i], err = durable.Stage(s.f.dir, s.f.base, s.data, s.f.perm); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return errMoved // the directory went away: cosign initialize makes a new one
			}
			return unwritable(l.cache.Path, err)
		}
	}
	o.at("staged")
	if !l.unmoved() {
		return errMoved
	}
	for i, s := range steps {
		if s.f == &l.checked { // last, and only of what would survive a power cut
			if err := l.sync(steps[:i]); err != nil {
				return err
			}
		}
		if err := l.take(s, staged[i], done); err != nil {
			return err
		}
		o.at(s.f.name)
	}
	return l.sync(steps)
}

// at is the seam for crash tests.
func (o WriteOptions) at(done string) {
	if o.step != nil {
		o.step(done)
	}
}

// unmoved says whether what was judged is still as it was. The files that every run
// of a client rewrites are left out, or a busy host would never be published to:
// root.json where the client brings its own, and <mirror>.json.
func (l *look) unmoved() bool {
	if !l.inPlace() {
		return false
	}
	if l.dirInfo != nil {
		info, err := l.base.Lstat(filepath.Base(l.cache.Path))
		return err == nil && same(l.dirInfo, info)
	}
	for _, f := range l.all() {
		if f == &l.checked || f == &l.root && !l.startsHere() {
			continue
		}
		info, err := f.dir.Lstat(f.base)
		if err != nil {
			info = nil
		}
		if !same(f.info, info) {
			return false
		}
	}
	return true
}

// inPlace says whether the directories that are open are still where they were.
func (l *look) inPlace() bool {
	is := func(dir *os.Root, stat func() (fs.FileInfo, error)) bool {
		if dir == nil {
			return true
		}
		there, err := stat()
		here, err2 := dir.Stat(".")
		return err == nil && err2 == nil && os.SameFile(there, here)
	}
	in := func(parent *os.Root, base string) func() (fs.FileInfo, error) {
		return func() (fs.FileInfo, error) { return parent.Lstat(base) }
	}
	where := in(l.base, filepath.Base(l.cache.Path))
	if l.cache.whole() {
		where = func() (fs.FileInfo, error) { return os.Stat(l.cache.Base) }
	}
	return is(l.dir, where) && is(l.targets.dir, in(l.targets.parent, l.targets.base)) &&
		is(l.history.dir, in(l.history.parent, l.history.base))
}

// take takes one step.
func (l *look) take(s step, staged *durable.Staged, done *Change) error {
	switch s.act {
	case setAside:
		aside, err := l.moveAside(s.f)
		if err != nil {
			return fmt.Errorf("moving %q aside: %w", s.f.name, err)
		}
		done.Aside = append(done.Aside, aside)
	case remove:
		if err := s.f.dir.Remove(s.f.base); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %q: %w", s.f.name, err)
		}
		done.Removed = append(done.Removed, s.f.name)
	case write, relink:
		if s.act == relink {
			if err := durable.Relink(s.f.dir, s.f.base, s.to); err != nil {
				return err
			}
		} else if err := staged.Commit(); err != nil {
			return err
		}
		done.Written = append(done.Written, s.f.name)
		if ours, ok := l.version(s.f.role); ok && ours != s.f.held.Version && s.to != linkTo(s.f.held.Version) {
			done.Updates = append(done.Updates, Update{Role: s.f.role, File: s.f.name, Previous: s.f.held.Version, Version: ours})
		}
	case fix:
		return nil // done before, see fixFirst
	}
	done.mended(s)
	return nil
}

func (l *look) version(role string) (int64, bool) {
	if l.set == nil || role == "" {
		return 0, false
	}
	r, ok := l.set.Role(role)
	return r.Version, ok
}

// mended notes damage that is gone, once for a file that took two steps.
func (c *Change) mended(s step) {
	d := s.f.damage
	if s.act == setAside && d.What == "" {
		d = Damage{File: s.f.name, What: "not a directory"}
	}
	for _, known := range c.Mended {
		if known.File == d.File {
			return
		}
	}
	if d.What != "" {
		c.Mended = append(c.Mended, d)
	}
}

// moveAside gives what stands at a file's name a name of its own and returns it, as
// told. Nothing is ever overwritten by it.
func (l *look) moveAside(f *file) (string, error) {
	end := ".broken-" + l.now.UTC().Format("20060102T150405Z")
	for n := 1; n < 100; n++ {
		numbered := end
		if n > 1 {
			numbered += "-" + strconv.Itoa(n)
		}
		aside := f.base[:min(len(f.base), maxName-len(numbered))] + numbered
		err := renameNew(f.dir, f.base, aside)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		told := filepath.Join(filepath.Dir(f.name), aside)
		if f.name == "." {
			told = "../" + aside
		}
		return told, err
	}
	return "", fmt.Errorf("finding a free name: %w", fs.ErrExist)
}

// renameUnlessThere renames where there is no better way: what appears at the new name
// between two calls is overwritten.
func renameUnlessThere(dir *os.Root, from, to string) error {
	if _, err := dir.Lstat(to); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return dir.Rename(from, to)
}

// sync makes what was done survive a power cut.
func (l *look) sync(steps []step) error {
	var errs []error
	synced := map[*os.Root]bool{}
	for _, s := range steps {
		if !synced[s.f.dir] {
			synced[s.f.dir] = true
			errs = append(errs, durable.SyncDir(s.f.dir, "."))
		}
	}
	return errors.Join(errs...)
}
