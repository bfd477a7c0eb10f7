// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// act is one thing that is done to one file.
type act int

const (
	write    act = iota // verified bytes by rename, whatever file or link is there
	setAside            // rename what stands there to a name of its own
	remove              // for the client to download anew
	fix                 // make a file of ours readable again
	relink              // make root.json a link to the newest root of the history
)

// step is one act of a plan. A plan lists steps in the order of the write protocol.
type step struct {
	act  act
	f    *file
	data []byte // for write
	to   string // for relink
}

// wants says whether publishing writes f: what is older, and what is missing of the
// three roles once the client has got as far as the timestamp. Target files and
// delegated roles that the client never asked for are not added, and neither is a
// root: that would be trust on behalf of the user.
func (l *look) wants(f *file) bool {
	switch {
	case f.ours == nil || l.set == nil:
		return false
	case f.role == trust.Root:
		return f.grade == older && l.startsHere() || l.bare()
	case f.grade == missing && f.kind == absent:
		return topLevel(f.role) && (l.filled() || l.bare())
	}
	return f.grade == older
}

func topLevel(role string) bool {
	return role == trust.Timestamp || role == trust.Snapshot || role == trust.Targets
}

// plan decides what is done. The error says why a cache that is behind is not
// brought forward; mending may be planned all the same.
func (l *look) plan(o WriteOptions) (steps []step, why error) {
	expired := l.set != nil && len(l.set.Expired(l.now)) > 0
	settled := l.set != nil && !expired && (!o.Unsettled || l.roles != nil && l.roles[0].grade == equal)
	if l.dirInfo != nil {
		if o.Mend {
			steps = append(steps, step{act: setAside, f: &file{dir: l.base, base: filepath.Base(l.cache.Path), name: "."}})
		}
		return steps, nil
	}
	if l.dir == nil && l.targets.dir == nil {
		return nil, nil // the base itself is at fault; only its owner can act
	}
	if l.alien() { // whatever is wrong beside that root
		if o.Publish {
			why = ErrForeign
		}
		return nil, why
	}
	switch {
	case !o.Publish || l.set == nil:
	case l.ahead():
		why = ErrAhead
		if drop := l.drop(o); len(drop) > 0 {
			return drop, nil
		}
	case expired && l.behind():
		why = ErrExpired
	}
	publish := o.Publish && settled && why == nil
	for _, b := range []branch{l.history.branch, l.targets} {
		if o.Mend && b.occupied() {
			steps = append(steps, step{act: setAside, f: &file{dir: b.parent, base: b.base, name: b.name}})
		}
	}
	forward := false
	for _, f := range l.all() {
		switch {
		case f == &l.checked:
			// What was published was checked: told last, and never on its own, so
			// that an idle run writes nothing.
			switch {
			case l.mayTell(o) && (forward && f.kind <= regular || f.grade == broken && o.Mend):
				steps = append(steps, step{act: write, f: f, data: lastTimestamp(o.Checked)})
			case f.grade == broken && o.Mend:
				steps = append(steps, step{act: remove, f: f}) // which its client reads as "never"
			}
		case f.grade == broken && o.Mend && f.name == l.root.link:
			steps = append(steps, l.reanchor(l.mend(f, settled), settled)...)
		case f.grade == broken && o.Mend:
			steps = append(steps, l.mend(f, settled)...)
		case f == &l.root && reanchored(steps): // brought forward when it has its own file
		case publish && l.wants(f) && f == &l.root && l.linked():
			steps = append(steps, l.relink(f)...)
		case publish && l.wants(f):
			forward = forward || f.role != ""
			steps = append(steps, step{act: write, f: f, data: f.ours})
		}
	}
	return steps, why
}

// mend says how one broken file is repaired. With a settled set there are verified
// bytes; without, what cannot be read is taken out of its client's way.
func (l *look) mend(f *file, settled bool) []step {
	copyOver := []step{{act: write, f: f, data: f.ours}}
	if f == &l.root && l.linked() {
		copyOver = l.relink(f)
	}
	have := settled && f.ours != nil
	solid := f.kind == directory || f.kind == special // cannot, or must not, be renamed over
	switch {
	case f.role == trust.Root && !l.startsHere():
		if f.kind == directory {
			return []step{{act: setAside, f: f}} // its client writes the file itself
		}
		return nil
	case f.role == trust.Root && (!have || f.kind == absent && !l.linked()):
		return nil // without a root to start from the client fails as it does now
	case f.role != trust.Root && l.set == nil && l.root.grade != unjudged:
		return nil // perhaps no cache at all
	case f.kind == unreadable && fixable(f):
		return []step{{act: fix, f: f}}
	case solid && have:
		return append([]step{{act: setAside, f: f}}, copyOver...)
	case have:
		return copyOver
	case solid, f.role == "" && !f.damage.Heals:
		return []step{{act: setAside, f: f}}
	case f.damage.Heals:
		return nil
	}
	return []step{{act: remove, f: f}}
}

// relink brings a root history forward, and root.json with it: first every root that
// is missing, then the link.
func (l *look) relink(f *file) []step {
	ours, _ := l.set.Role(trust.Root)
	var steps []step
	for _, h := range l.lacks() {
		steps = append(steps, step{act: write, f: h, data: h.ours})
	}
	return append(steps, step{act: relink, f: f, to: linkTo(ours.Version)})
}

// drop removes metadata that the mirror has not: it answered with less when the file had
// stayed for as long as the operator allows. Nothing
// is removed that the set's root did not sign, for its client discards that by itself.
func (l *look) drop(o WriteOptions) []step {
	if !o.Mend || o.DropAhead <= 0 || o.Unsettled || l.root.grade == newer || l.root.grade == alien {
		return nil
	}
	var steps []step
	for _, f := range l.all() {
		if f.grade != newer || !f.signed || f.info == nil {
			continue
		}
		if o.Checked.After(l.now) || !o.Checked.After(since(f.info).Add(o.DropAhead)) {
			return nil // perhaps what its mirror is about to answer with
		}
		f.damage = Damage{File: f.name, What: "newer than its mirror's"}
		steps = append(steps, step{act: remove, f: f})
	}
	return steps
}

// since is from when on a file lies where it lies, as it is, at the latest. The time of
// its content alone is whatever a copy or a restored backup brought along.
func since(info fs.FileInfo) time.Time {
	at := info.ModTime()
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Now() // not known: never long enough ago
	}
	if there := changed(st); there.After(at) {
		return there
	}
	return at
}

// fixable says whether a file is ours alone to make readable: a second hard link
// would be changed with it.
func fixable(f *file) bool {
	return canFix && f.info != nil && f.info.Mode().IsRegular() && links(f.info) == 1 &&
		uidOf(f.info) == os.Geteuid() && f.info.Mode().Perm()&0o400 == 0
}

// mayTell says whether the time of the last check may be written: it is known, not
// in the future, and no step back from what the client wrote.
func (l *look) mayTell(o WriteOptions) bool {
	told := l.checked.held.Expires
	return !o.Checked.IsZero() && !o.Checked.After(l.now) &&
		(l.checked.grade == broken || o.Checked.After(told))
}

func lastTimestamp(checked time.Time) []byte {
	data, err := json.Marshal(struct {
		LastTimestamp time.Time `json:"lastTimestamp"`
	}{checked.UTC()})
	if err != nil {
		return []byte("{}") // a year beyond 9999; its client reads "never"
	}
	return data
}
