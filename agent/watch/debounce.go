// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// patience is how many debounce times a directory may go on changing before
// it is reported all the same.
const patience = 5

// A debouncer turns many changes of a directory into one, sent when the
// directory has been still for wait, and at the latest patience*wait after the
// first. It never makes its source wait for its reader: what nobody has taken
// yet is merged.
type debouncer struct {
	wait time.Duration
	in   chan Change
	out  chan<- Change
}

// A pending change waits for its directory to be still.
type pending struct {
	Change
	due time.Time
}

func newDebouncer(wait time.Duration, out chan<- Change) *debouncer {
	return &debouncer{wait: wait, in: make(chan Change), out: out}
}

// run works until ctx ends.
func (d *debouncer) run(ctx context.Context) {
	var waiting []pending // one for each directory
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		// The next to send is the one that is due first; of two that are due at once,
		// the one that tells more.
		var out chan<- Change
		var next Change
		if len(waiting) > 0 {
			first := slices.MinFunc(waiting, sooner)
			if left := time.Until(first.due); left <= 0 {
				out, next = d.out, first.Change
			} else {
				timer.Reset(left)
			}
		}
		select {
		case <-ctx.Done():
			return
		case c := <-d.in:
			waiting = d.merge(waiting, c)
		case out <- next:
			waiting = slices.DeleteFunc(waiting, func(p pending) bool { return p.Dir == next.Dir })
		case <-timer.C:
		}
	}
}

// merge adds a change to those that wait.
func (d *debouncer) merge(waiting []pending, c Change) []pending {
	i := slices.IndexFunc(waiting, func(p pending) bool { return p.Dir == c.Dir })
	if i < 0 {
		return append(waiting, pending{Change: c, due: c.At.Add(d.wait)})
	}
	p := &waiting[i]
	p.Overflow = p.Overflow || c.Overflow
	if c.Scan {
		return waiting // it needs no stillness of its own
	}
	if c.Overflow && !p.Scan {
		return waiting // nobody knows whether this directory changed: another's storm does not put it off
	}
	p.Scan = false
	p.due = c.At.Add(d.wait)
	if last := p.At.Add(patience * d.wait); p.due.After(last) {
		p.due = last
	}
	return waiting
}

// sooner orders what waits. A cache is named with its base, by one notification:
// the deeper of the two says where to look.
func sooner(a, b pending) int {
	return cmp.Or(a.due.Compare(b.due), cmp.Compare(len(b.Dir), len(a.Dir)))
}
