// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

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
	name   string // relative to the cache's Path
	role   string // the role it holds; "" for a target file
	ours   []byte // what the set has for it; nil for nothing
	grade  grade
	held   trust.Role // version and expiry, where they could be read
	damage Damage     // when broken
}

// look is one look at a cache of the sigstore-go layout.
type look struct {
	cache     Cache
	base, dir *os.Root
	set       *trust.Set // nil: nothing to compare with
	now       time.Time

	remote  remote
	dirInfo fs.FileInfo // what stands at Path when it is no directory; else nil
	root    file
	roles   []file // timestamp, snapshot, targets, then delegated roles
	targets seen   // the directory of target files
	files   []file // target files
	checked file   // <mirror>.json, which lies beside the directory
}

func (l *look) close() {
	if l.dir != nil {
		l.dir.Close()
	}
	if l.base != nil {
		l.base.Close()
	}
}

// lookAt opens the cache and reads and judges everything in it that a client reads.
// The caller closes the look.
func (c Cache) lookAt(set *trust.Set, now time.Time) (*look, error) {
	l := &look{cache: c, set: set, now: now}
	var err error
	if l.base, err = openBase(c.Base); err != nil {
		return nil, err
	}
	l.remote = readRemote(l.base)
	if c.Path == c.Base {
		return l, nil // the base itself is all there is
	}
	info, err := l.base.Lstat(filepath.Base(c.Path))
	if err == nil && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
		l.dirInfo = info
		return l, nil
	}
	if errors.Is(err, fs.ErrNotExist) && c.URL != "" && l.remote.url == c.URL {
		l.close()
		return nil, &UnusableError{Path: c.Path,
			Reason: fmt.Sprintf("does not exist, and remote.json names its mirror, %q", c.URL),
			Remedy: "cosign initialize --mirror " + quote(c.URL) + " --root FILE"}
	}
	if l.dir, err = openIn(l.base, c); err != nil {
		l.close()
		return nil, err
	}
	l.lookAtRoot()
	for _, role := range []string{trust.Timestamp, trust.Snapshot, trust.Targets} {
		l.roles = append(l.roles, l.lookAtRole(role, fileOf(set, role)))
	}
	if set != nil {
		delegated := set.Files().Delegated
		for _, role := range slices.Sorted(maps.Keys(delegated)) {
			l.roles = append(l.roles, l.lookAtRole(role, delegated[role]))
		}
	}
	l.targets = readFile(l.dir, targetsDir, 0)
	if l.targets.kind == directory && set != nil {
		l.lookAtTargets()
	}
	l.lookAtChecked()
	if slices.ContainsFunc(l.all(), func(f *file) bool {
		return f.kind == unsteady && f != &l.checked && (f != &l.root || l.startsHere())
	}) {
		l.close()
		return nil, &BusyError{RetryAfter: retrySoon}
	}
	return l, nil
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

// lookAtRoot judges root.json. Where it is what its client starts from, its exact bytes
// tell whether it is a root of the verified chain.
func (l *look) lookAtRoot() {
	f := &l.root
	f.name, f.role = rootFile, trust.Root
	f.seen = readFile(l.dir, rootFile, trust.MaxRoot)
	if l.set != nil {
		f.ours = newestRoot(l.set)
	}
	if f.kind == unsteady && !l.startsHere() {
		return // every run of its client writes it, whatever it held
	}
	if what := f.unreadable(); what != "" {
		// A client that brings its own root writes it over this file; only what
		// cannot be renamed over stops it (measured).
		f.breaks(what, !l.startsHere() && f.kind != directory)
		return
	}
	if f.kind == absent {
		if l.startsHere() && l.set != nil {
			f.breaks("missing", false)
		}
		return
	}
	if f.verified(l.set) {
		return
	}
	role, err := trust.Peek(trust.Root, f.data)
	if err != nil {
		f.breaks(malformed(f.data), !l.startsHere())
		return
	}
	f.held, f.grade = role, unjudged
	if l.set == nil {
		return
	}
	ours, _ := l.set.Role(trust.Root)
	version, onChain := l.set.RootVersion(f.data)
	switch {
	case onChain && version == ours.Version:
		f.grade = equal
	case onChain:
		f.grade = older
	case role.Version > ours.Version:
		f.grade = newer
	default:
		f.grade = alien // before our initial root, or of another repository
	}
}

// startsHere says whether the client starts from the cached root.json.
func (l *look) startsHere() bool { return !l.cache.Default }

func newestRoot(set *trust.Set) []byte {
	f := set.Files()
	if n := len(f.Roots); n > 0 {
		return f.Roots[n-1]
	}
	return f.Initial
}

// lookAtRole judges one role other than root.
func (l *look) lookAtRole(role string, ours []byte) file {
	f := file{name: url.PathEscape(role) + ".json", role: role, ours: ours}
	f.seen = readFile(l.dir, f.name, trust.MaxSize(role))
	if f.kind == absent {
		return f
	}
	if what := f.unreadable(); what != "" {
		f.breaks(what, f.kind == symlink || f.kind == unreadable)
		return f
	}
	if f.verified(l.set) {
		return f
	}
	held, err := trust.Peek(role, f.data)
	if err != nil {
		f.breaks(malformed(f.data), false) // permanent, online too (measured)
		return f
	}
	f.held = held
	if l.set == nil {
		f.grade = unjudged
		return f
	}
	known, _ := l.set.Role(role)
	_, err = l.set.Check(role, f.data)
	var shapeless *trust.MalformedError
	switch {
	case err != nil && l.root.grade == newer:
		f.grade = newer // perhaps signed by keys of a root we have not seen yet
	case errors.As(err, &shapeless):
		f.breaks(malformed(f.data), false)
	case err != nil && l.signedBefore(role, f.data):
		f.grade = older // its client discards it, whatever its version (spec 5.3.11)
	case held.Version > known.Version:
		f.grade = newer // not ours to judge, even where the signature is not known here
	case err != nil && l.startsHere() && l.root.grade == alien:
		f.grade = alien
	case err != nil:
		f.breaks("bad signature", true) // its client discards it (measured)
	case held.Version < known.Version:
		f.grade = older
	default:
		f.grade = equal
	}
	return f
}

// verified grades a file that holds what the set holds, byte for byte: it was
// verified there, and looking at many caches costs little.
func (f *file) verified(set *trust.Set) bool {
	if set == nil || len(f.ours) == 0 || !bytes.Equal(f.data, f.ours) {
		return false
	}
	known, ok := set.Role(f.role)
	if ok {
		f.held, f.grade = known, equal
	}
	return ok
}

// signedBefore says whether data is left over from before the keys changed.
func (l *look) signedBefore(role string, data []byte) bool {
	_, err := l.set.CheckFormer(role, data)
	return err == nil
}

// lookAtTargets judges the target files that the set lists and the cache holds.
func (l *look) lookAtTargets() {
	artifacts := l.set.Files().Artifacts
	for _, t := range l.set.Targets() {
		name := plainName(url.PathEscape(t.Path))
		if name == "" {
			continue
		}
		f := file{name: filepath.Join(targetsDir, name), ours: artifacts[t.Path]}
		f.seen = readFile(l.dir, f.name, min(t.Length, trust.MaxTargetFile))
		switch {
		case f.kind == absent:
			continue
		case f.kind == tooLarge, f.kind == regular && t.Verify(f.data) != nil:
			f.grade = older // another release's, or damaged: its client fetches it anew either way
			if role, held := l.versionOf(t.Role); held == role {
				f.breaks("not what its metadata lists", true)
			}
		case f.kind == regular:
			f.grade = equal
		default:
			// Opened in place by its client: permanent; a link is written through.
			f.breaks(f.kind.String(), false)
		}
		f.data = nil // judged; there may be many
		l.files = append(l.files, f)
	}
}

// versionOf returns the set's version of a role and the cache's, 0 for none.
func (l *look) versionOf(role string) (ours, held int64) {
	r, _ := l.set.Role(role)
	for _, f := range l.roles {
		if f.role == role && f.grade == equal {
			return r.Version, f.held.Version
		}
	}
	return r.Version, 0
}

// lookAtChecked judges <mirror>.json. Garbage in it means "never" to its client and
// is no damage; a time in the future stops refreshes, a link is written through.
func (l *look) lookAtChecked() {
	f := &l.checked
	beside := filepath.Base(l.cache.Path) + ".json"
	f.name = filepath.Join("..", beside)
	f.seen = readFile(l.base, beside, maxSmall)
	switch f.kind {
	case symlink, tooLarge:
		f.breaks(f.kind.String(), false)
	case regular:
		var content struct {
			LastTimestamp time.Time `json:"lastTimestamp"`
		}
		if err := json.Unmarshal(f.data, &content); err != nil {
			return
		}
		f.held.Expires = content.LastTimestamp
		if content.LastTimestamp.After(l.now.Add(clockSlack)) {
			f.breaks("a time in the future", false)
		}
	}
}

// clockSlack is how far two clocks on one host's file systems may disagree.
const clockSlack = 5 * time.Minute

func (f *file) breaks(what string, heals bool) {
	f.grade = broken
	f.damage = Damage{File: f.name, What: what, Heals: heals}
}

// unreadable says what stands in place of a regular file we can read; "" for nothing.
func (f *file) unreadable() string {
	switch f.kind {
	case absent, regular:
		return ""
	}
	return f.kind.String()
}

// malformed says what is wrong with bytes that do not parse as metadata.
func malformed(data []byte) string {
	if what := shape(data); what != "" {
		return what
	}
	return wrongShape
}

// all lists every file of the look in the order of the write protocol.
func (l *look) all() []*file {
	var fs []*file
	if l.dir != nil {
		fs = append(fs, &l.root)
	}
	for i := range l.roles {
		fs = append(fs, &l.roles[i])
	}
	for i := range l.files {
		fs = append(fs, &l.files[i])
	}
	if l.dir != nil {
		fs = append(fs, &l.checked)
	}
	return fs
}

// ahead says whether anything valid in the cache is newer than the set.
func (l *look) ahead() bool {
	return slices.ContainsFunc(l.all(), func(f *file) bool { return f.grade == newer })
}

// alien says whether the client starts from a root that is not ours.
func (l *look) alien() bool {
	return l.set != nil && l.startsHere() && l.root.grade == alien &&
		slices.ContainsFunc(l.roles, func(f file) bool { return f.grade == alien })
}

// filled says whether the client ever got as far as the timestamp.
func (l *look) filled() bool {
	return slices.ContainsFunc(l.roles, func(f file) bool { return topLevel(f.role) && f.kind != absent })
}

// bare says whether a default mirror's directory holds nothing yet: made by hand,
// for a client always begins with root.json.
func (l *look) bare() bool {
	return !l.startsHere() && l.root.kind == absent && !l.filled()
}
