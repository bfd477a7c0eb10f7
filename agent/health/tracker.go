// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Bounds of what a Tracker remembers.
const (
	maxTracked = 2000
	// MaxTrackerState is the largest state a Tracker writes or reads, in bytes.
	MaxTrackerState = 4 << 20
	trackerSchema   = 1
)

// ChangeKind says what happened to a problem.
type ChangeKind string

// What can happen to a problem. A change of severity raises it again.
const (
	Raised   ChangeKind = "raised"
	Cleared  ChangeKind = "cleared"
	Reminded ChangeKind = "reminded"
)

// Change is one thing that happened to a problem, worth telling once.
type Change struct {
	Kind    ChangeKind
	Problem Problem
}

// Tracker remembers which conditions hold, so that each is raised once when it
// has held for its hold time, and cleared once as soon as it is gone: what flaps
// is told at most once in its hold time. Its JSON form survives a restart. It is not safe for concurrent use.
type Tracker struct {
	entries map[trackKey]*entry
}

type trackKey struct{ code, kind, id, detail string }

// entry is one condition that holds, or is waiting to be raised.
type entry struct {
	Problem Problem       `json:"problem"` // Since: first seen in this streak
	Hold    time.Duration `json:"hold"`
	Raised  bool          `json:"raised"`
	ToldAt  time.Time     `json:"told_at,omitzero"` // raised or reminded
}

// NewTracker remembers nothing.
func NewTracker() *Tracker { return &Tracker{entries: map[trackKey]*entry{}} }

// LoadTracker reads what MarshalJSON wrote. It always returns a Tracker that
// works: with an error, one that starts afresh, which at worst tells of the
// problems that hold a second time.
func LoadTracker(data []byte) (*Tracker, error) {
	t := NewTracker()
	if len(data) > MaxTrackerState {
		return t, fmt.Errorf("reading the remembered problems: %d bytes are more than %d", len(data), MaxTrackerState)
	}
	var state trackerState
	if err := json.Unmarshal(data, &state); err != nil {
		return t, fmt.Errorf("reading the remembered problems: %w", err)
	}
	if state.Schema != trackerSchema {
		return t, fmt.Errorf("reading the remembered problems: schema %d is not known", state.Schema)
	}
	if len(state.Entries) > maxTracked {
		return t, fmt.Errorf("reading the remembered problems: %d entries are more than %d", len(state.Entries), maxTracked)
	}
	for i, e := range state.Entries {
		if e == nil || e.Problem.Code == "" || e.Problem.Severity.rank() == 0 || e.Problem.Since.IsZero() || e.Hold < 0 {
			return NewTracker(), fmt.Errorf("reading the remembered problems: entry %d is not complete", i)
		}
		t.entries[e.Problem.key()] = e
	}
	return t, nil
}

type trackerState struct {
	Schema  int      `json:"schema"`
	Entries []*entry `json:"entries"`
}

// MarshalJSON gives what LoadTracker reads; the same state gives the same bytes.
func (t *Tracker) MarshalJSON() ([]byte, error) {
	state := trackerState{Schema: trackerSchema, Entries: []*entry{}}
	for _, e := range t.entries {
		state.Entries = append(state.Entries, e)
	}
	slices.SortFunc(state.Entries, func(a, b *entry) int { return compareProblems(a.Problem, b.Problem) })
	state.Entries = state.Entries[:min(maxTracked, len(state.Entries))]
	return json.Marshal(state)
}

// Update takes what one look found and returns the problems that hold now,
// worst first, and what has changed since the last look, in the same order. With
// reminder > 0 a problem that lasts is told again that long after it was last
// told. At most 2000 conditions are followed, the worst ones.
func (t *Tracker) Update(now time.Time, findings []Finding, reminder time.Duration) ([]Problem, []Change) {
	var changes []Change
	seen := map[trackKey]bool{}
	for _, f := range worst(findings, maxTracked) {
		p := f.problem(now)
		k := p.key()
		if seen[k] {
			continue // the worst of the same name stands
		}
		seen[k] = true
		e, known := t.entries[k]
		if !known {
			e = &entry{Problem: p}
			t.entries[k] = e
		}
		if kind, tell := e.found(now, p, max(0, f.Hold), reminder); tell {
			changes = append(changes, Change{kind, e.Problem})
		}
	}
	blind := slices.ContainsFunc(findings, Finding.silencesExpiry)
	for k, e := range t.entries {
		if seen[k] || blind && (k.code == MetadataExpiring || k.code == MetadataExpired) {
			continue // what could not be judged is not gone
		}
		delete(t.entries, k)
		if e.Raised { // what did not hold long enough was nothing
			changes = append(changes, Change{Cleared, e.Problem})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return compareProblems(a.Problem, b.Problem) })
	return t.Problems(), changes
}

// found notes that the condition holds at now, and says what to tell of it.
func (e *entry) found(now time.Time, p Problem, hold, reminder time.Duration) (ChangeKind, bool) {
	e.notAfter(now)
	severer := e.Problem.Severity != p.Severity
	p.Since = e.Problem.Since
	e.Problem, e.Hold = p, hold
	switch {
	case !e.Raised && now.Sub(p.Since) < hold:
		return "", false
	case !e.Raised || severer:
		e.Raised, e.ToldAt = true, now.UTC()
		return Raised, true
	case reminder > 0 && now.Sub(e.ToldAt) >= reminder:
		e.ToldAt = now.UTC()
		return Reminded, true
	}
	return "", false
}

// notAfter keeps a clock that went back from holding a problem for ever.
func (e *entry) notAfter(now time.Time) {
	for _, t := range []*time.Time{&e.Problem.Since, &e.ToldAt} {
		if t.After(now) {
			*t = now.UTC()
		}
	}
}

// Problems returns the problems that hold, worst first.
func (t *Tracker) Problems() []Problem {
	problems := []Problem{}
	for _, e := range t.entries {
		if e.Raised {
			problems = append(problems, e.Problem)
		}
	}
	sortProblems(problems)
	return problems
}

// Next returns when the next Update can change something by the passing of time
// alone: when a condition will have held long enough. It is false when nothing
// waits.
func (t *Tracker) Next() (time.Time, bool) {
	var next time.Time
	for _, e := range t.entries {
		if e.Raised {
			continue
		}
		at := e.Problem.Since.Add(e.Hold)
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, !next.IsZero()
}

// silencesExpiry says that no expiry was judged in this look: the clock is wrong.
func (f Finding) silencesExpiry() bool { return f.Code == ClockSkewed && f.Severity == Critical }

func (p Problem) key() trackKey {
	return trackKey{p.Code, p.Subject.Kind, p.Subject.ID, p.Detail}
}

// worst returns the n worst findings, worst first.
func worst(findings []Finding, n int) []Finding {
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b Finding) int {
		return compareProblems(a.problem(time.Time{}), b.problem(time.Time{}))
	})
	return sorted[:min(n, len(sorted))]
}

func sortProblems(p []Problem) { slices.SortStableFunc(p, compareProblems) }

// compareProblems orders worst first, then by code, subject and detail, so that
// the same problems always read the same.
func compareProblems(a, b Problem) int {
	return cmp.Or(
		-cmp.Compare(a.Severity.rank(), b.Severity.rank()),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Subject.Kind, b.Subject.Kind),
		cmp.Compare(a.Subject.ID, b.Subject.ID),
		cmp.Compare(a.Detail, b.Detail),
	)
}
