// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// lookAtRoot judges root.json. Where it is what its client starts from, what it says
// tells whether it is a root of the verified chain.
func (l *look) lookAtRoot() {
	f := &l.root
	f.dir, f.base, f.name, f.role, f.perm = l.dir, rootFile, rootFile, trust.Root, l.rules.rolePerm
	f.seen = readFile(l.dir, rootFile, trust.MaxRoot)
	if l.rules.history {
		l.throughHistory(f)
	}
	if l.set != nil {
		f.ours = newestRoot(l.set)
	}
	// A client that brings its own root writes it over this file; only what cannot
	// be renamed over stops it (measured).
	heals := l.rules.rootHeals
	if !l.startsHere() {
		heals = content | locked | linked
	}
	if f.kind == unsteady && !l.startsHere() {
		return // every run of its client writes it, whatever it held
	}
	if f.obstructed(heals) {
		return
	}
	if f.kind == absent {
		if l.startsHere() && l.set != nil && !l.rules.brings && (!l.rules.anchored || Spelled(l.cache.URL) != publicMirror) {
			f.breaks("missing", false)
		}
		return
	}
	if !f.verified(l.set) && !l.readRoot(heals) {
		return
	}
	if (f.grade == equal || f.grade == older) && l.rules.inPlace && f.sealed() {
		f.obstructs(notWritable, false)
	}
}

// readRoot judges a root.json that is not the newest root to the letter, and says
// whether there is more to see.
func (l *look) readRoot(heals faults) bool {
	f := &l.root
	role, err := trust.Peek(trust.Root, f.data)
	if err != nil {
		f.malformed(heals)
		return false
	}
	f.held, f.grade = role, unjudged
	if l.set == nil {
		return false
	}
	f.grade, f.signed = gradeRoot(l.set, f.data, role.Version)
	if f.grade == broken {
		f.breaks("bad signature", heals&unsigned != 0)
	}
	return f.grade != broken
}

// gradeRoot holds a root that can be read against the chain. What lies behind the chain
// is newer; where the set's root did not sign it, nobody here can tell whose it is.
func gradeRoot(set *trust.Set, data []byte, says int64) (g grade, signed bool) {
	newest, _ := set.Role(trust.Root)
	version, onChain := set.RootVersion(data)
	switch {
	case onChain && version == newest.Version:
		return equal, true
	case onChain:
		return older, false
	case version > 0, trust.SelfSigned(data) != nil:
		return broken, false
	case says <= newest.Version:
		return alien, false // before our initial root, or of another repository
	}
	_, err := set.Check(trust.Root, data)
	if err != nil && says == newest.Version+1 {
		return alien, false // not signed by the root before it
	}
	return newer, err == nil
}

// lookAtRole judges one role other than root.
func (l *look) lookAtRole(role string, ours []byte) file {
	base := l.rules.role(role) + ".json"
	f := file{dir: l.dir, base: base, name: base, role: role, ours: ours, perm: l.rules.rolePerm}
	if plainName(base) == "" {
		return f // no client of this layout can keep it
	}
	f.seen = readFile(l.dir, f.base, trust.MaxSize(role))
	if f.kind == absent || f.obstructed(l.rules.roleHeals) {
		return f
	}
	if !f.verified(l.set) {
		held, err := trust.Peek(role, f.data)
		if err != nil {
			f.malformed(l.rules.roleHeals)
			return f
		}
		f.held, f.grade = held, unjudged
		if l.set != nil {
			l.compare(&f)
		}
	}
	if f.grade != broken && l.rules.inPlace && f.sealed() {
		f.obstructs(notWritable, false)
	}
	return f
}

// compare holds a role that can be read against the set.
func (l *look) compare(f *file) {
	known, _ := l.set.Role(f.role)
	_, err := l.set.Check(f.role, f.data)
	f.signed = err == nil
	var shapeless *trust.MalformedError
	switch {
	case err != nil && l.root.grade == newer && (l.root.signed || l.startsHere()):
		f.grade = newer // perhaps signed by keys of a root we have not seen yet
	case errors.As(err, &shapeless):
		f.malformed(l.rules.roleHeals)
	case err != nil && l.signedBefore(f.role, f.data):
		f.grade = older // its client discards it, whatever its version (spec 5.3.11)
	case f.held.Version > known.Version && (f.signed || l.newerTargets(f)):
		f.grade = newer
	case err != nil && l.startsHere() && l.root.grade == alien:
		f.grade = alien
	case err != nil:
		f.breaks("bad signature", l.rules.roleHeals&unsigned != 0)
	case f.held.Version < known.Version:
		f.grade = older
	default:
		f.grade = equal
	}
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

// newerTargets says whether the cache has newer targets, which may delegate f to other
// keys.
func (l *look) newerTargets(f *file) bool {
	return !topLevel(f.role) && slices.ContainsFunc(l.roles, func(r file) bool { return r.role == trust.Targets && r.grade == newer })
}

// holdTogether judges the roles of a client that compares none of them: beside the
// mirror's timestamp it goes on with whatever is there.
func (l *look) holdTogether() {
	if l.roles[0].grade != equal {
		return
	}
	for i := range l.roles[1:] {
		if f := &l.roles[1+i]; f.grade == older && topLevel(f.role) {
			f.breaks("older than its timestamp lists", false)
		}
	}
}

// lookAtTargets judges the target files that the set lists and the cache holds.
func (l *look) lookAtTargets() {
	artifacts := l.set.Files().Artifacts
	cached := l.cachedTargets()
	for _, t := range l.set.Targets() {
		base := plainName(l.rules.target(t.Path))
		if base == "" || t.Length > trust.MaxTargetFile { // too much to read: not judged
			continue
		}
		f := file{dir: l.targets.dir, base: base, name: filepath.Join(l.targets.name, base),
			ours: artifacts[t.Path], perm: l.rules.targetPerm}
		f.seen = readFile(f.dir, f.base, max(t.Length, min(cached[t.Path].Length, trust.MaxTargetFile)))
		switch {
		case f.kind == absent:
			continue
		case f.kind == regular && t.Verify(f.data) == nil:
			f.grade = equal
		case f.kind == tooLarge, f.kind == regular:
			f.grade = older // another release's, or damaged: its client fetches it anew either way
			before, listed := cached[t.Path]
			if ours, held := l.versionOf(t.Role); held == ours || listed && before.Verify(f.data) != nil {
				f.breaks("not what its metadata lists", l.rules.targetHeals&unsigned != 0)
			}
			if f.sealed() {
				f.obstructs(notWritable, false)
			}
		default:
			// Opened in place by its client: permanent; a link is written through.
			f.obstructs(f.kind.String(), false)
		}
		f.data = nil // judged; there may be many
		l.files = append(l.files, f)
	}
}

// cachedTargets are the target files that the cached top-level targets list, where
// those are older than the set's and were its mirror's all the same.
func (l *look) cachedTargets() map[string]trust.Target {
	for _, f := range l.roles {
		if f.role == trust.Targets && f.grade == older {
			return trust.TargetsOf(f.data)
		}
	}
	return nil
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

// lookAtChecked judges <directory>.json. Garbage in it means "never" to its client and
// is no damage; a time in the future stops refreshes, a link is written through.
func (l *look) lookAtChecked() {
	f := &l.checked
	f.dir, f.base, f.perm = l.base, filepath.Base(l.cache.Path)+".json", checkPerm
	f.name = filepath.Join("..", f.base)
	f.seen = readFile(l.base, f.base, maxSmall)
	switch f.kind {
	case symlink:
		f.obstructs(f.kind.String(), false)
	case tooLarge:
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

const notWritable = "not writable by its client"

// sealed says whether a client cannot write into the file.
func (f *file) sealed() bool {
	if f.kind != regular || os.Geteuid() == 0 {
		return false
	}
	if uidOf(f.info) == os.Geteuid() {
		return f.info.Mode().Perm()&0o200 == 0
	}
	return f.info.Mode().Perm()&0o022 == 0
}

// breaks notes content that its client cannot use.
func (f *file) breaks(what string, heals bool) {
	f.grade = broken
	f.damage = Damage{File: f.name, What: what, Heals: heals}
}

// obstructs notes that the file itself is at fault, whatever it holds.
func (f *file) obstructs(what string, heals bool) {
	f.breaks(what, heals)
	f.damage.Object = true
}

// obstructed notes what stands in place of a regular file we can read, if anything.
func (f *file) obstructed(heals faults) bool {
	fault := occupied
	switch f.kind {
	case absent, regular:
		return false
	case tooLarge:
		f.breaks(f.kind.String(), heals&noJSON != 0)
		return true
	case symlink:
		fault = linked
	case unreadable:
		fault = locked
	case special:
		if f.role == trust.Root { // renamed over where the client brings its own
			fault = linked
		}
	}
	f.obstructs(f.kind.String(), heals&fault != 0)
	return true
}

// malformed notes bytes that do not parse as metadata.
func (f *file) malformed(heals faults) {
	fault := noJSON
	what := malformed(f.data)
	if what == wrongShape {
		fault = noRole
	}
	f.breaks(what, heals&fault != 0)
}

// malformed says what is wrong with bytes that do not parse as metadata.
func malformed(data []byte) string {
	if what := shape(data); what != "" {
		return what
	}
	return wrongShape
}
