// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"os"
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
)

// step is one act of a plan. A plan lists steps in the order of the write protocol.
type step struct {
	act  act
	f    *file
	data []byte // for write
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
			steps = append(steps, step{act: setAside, f: &file{name: "."}})
		}
		return steps, nil
	}
	if l.dir == nil {
		return nil, nil // the base itself is at fault; only its owner can act
	}
	switch {
	case !o.Publish || l.set == nil:
	case l.alien():
		why = ErrForeign
	case l.ahead():
		why = ErrAhead
	case expired && l.behind():
		why = ErrExpired
	}
	publish := o.Publish && settled && why == nil
	if o.Mend && l.targets.kind != absent && l.targets.kind != directory && l.targets.kind != symlink {
		steps = append(steps, step{act: setAside, f: &file{name: targetsDir}})
	}
	forward := false
	for _, f := range l.all() {
		switch {
		case f == &l.checked:
			// What was published was checked: told last, and never on its own, so
			// that an idle run writes nothing.
			if l.mayTell(o) && (forward && f.kind <= regular || f.grade == broken && o.Mend) {
				steps = append(steps, step{act: write, f: f, data: lastTimestamp(o.Checked)})
			}
		case f.grade == broken && o.Mend:
			steps = append(steps, l.mend(f, settled)...)
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
	copyOver := step{act: write, f: f, data: f.ours}
	have := settled && f.ours != nil
	solid := f.kind == directory || f.kind == special // cannot, or must not, be renamed over
	switch {
	case f.role == trust.Root && !l.startsHere():
		if f.kind == directory {
			return []step{{act: setAside, f: f}} // its client writes the file itself
		}
		return nil
	case f.role == trust.Root && (!have || f.kind == absent):
		return nil // without a root to start from the client fails as it does now
	case f.role != trust.Root && l.set == nil && l.root.grade != unjudged:
		return nil // perhaps no cache at all
	case f.kind == unreadable && fixable(f):
		return []step{{act: fix, f: f}}
	case solid && have:
		return []step{{act: setAside, f: f}, copyOver}
	case have:
		return []step{copyOver}
	case solid, f.role == "" && !f.damage.Heals:
		return []step{{act: setAside, f: f}}
	case f.damage.Heals:
		return nil
	}
	return []step{{act: remove, f: f}}
}

// fixable says whether a file is ours alone to make readable: a second hard link
// would be changed with it.
func fixable(f *file) bool {
	return f.info != nil && f.info.Mode().IsRegular() && links(f.info) == 1 &&
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
