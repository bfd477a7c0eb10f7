// SPDX-License-Identifier: Apache-2.0

// Package chart draws what the compatibility table and the judge of package health
// know of Sigstore's public instance: every release of cosign against every root,
// as a picture (SVG) and as a page of tables (Markdown). Nothing in them is written
// by hand: a new table gives new ones. It does no I/O.
package chart

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Outcomes of a release that meets a root, beside the id of the first rule that it
// does not meet.
const (
	reads   = "ok"
	older   = "older"   // the mirror is older than the release
	none    = "none"    // the release has no TUF client
	unknown = "unknown" // whether it can is not known
)

// state is the public instance between two of its changes.
type state struct {
	root, targets int64
	since         string // day
}

// row is one release with what becomes of it.
type row struct {
	release  client.Release
	name     string   // "cosign"
	outcomes []string // by root, as it stood under the newest targets of that root
	newest   int64    // public root that it reads, 0 for none
	fails    string   // the rule that it fails by first, "" for none
	since    string   // day of that
	starts   []string // "root 12": the roots compiled in
}

// table is everything that both drawings show.
type table struct {
	m      *client.Model
	states []state
	rows   []row // of cosign, in the order of the table
	others []row
	// incident is the index of the root that uses the key type "ecdsa" first.
	incident int
}

// tabulate judges every known release against every known state.
func tabulate(m *client.Model) (table, error) {
	t := table{m: m, incident: slices.IndexFunc(m.Roots, func(r client.KnownRoot) bool { return r.KeyType == "ecdsa" })}
	for _, r := range m.Roots {
		t.states = append(t.states, statesOf(m, r)...)
	}
	for _, r := range m.Releases {
		row, err := t.row("cosign", r)
		if err != nil {
			return table{}, err
		}
		t.rows = append(t.rows, row)
	}
	for _, r := range m.OtherReleases {
		row, err := t.row(r.Of, r)
		if err != nil {
			return table{}, err
		}
		t.others = append(t.others, row)
	}
	return t, nil
}

// statesOf are the states of the public instance under one root, oldest first.
func statesOf(m *client.Model, r client.KnownRoot) []state {
	var out []state
	last := int64(0)
	for _, known := range m.Targets {
		switch {
		case known.Root < r.Version:
			last = known.Version
		case known.Root == r.Version:
			if len(out) == 0 && known.Published > r.Published && last != 0 {
				out = append(out, state{r.Version, last, r.Published})
			}
			out = append(out, state{r.Version, known.Version, known.Published})
		}
	}
	if len(out) == 0 {
		out = append(out, state{r.Version, last, r.Published})
	}
	return out
}

func (t table) row(name string, r client.Release) (row, error) {
	out := row{release: r, name: name}
	c, err := t.m.Assume(name + "@" + r.Version)
	if err != nil {
		return out, fmt.Errorf("tabulating %s %s: %w", name, r.Version, err)
	}
	for _, e := range c.EmbeddedRoots {
		out.starts = append(out.starts, fmt.Sprint("root ", e.Version))
	}
	for _, s := range t.states {
		repository, ok := health.PublicRepository(t.m, s.root, s.targets)
		if !ok {
			return out, fmt.Errorf("tabulating %s %s: nothing is known of root %d with targets %d", name, r.Version, s.root, s.targets)
		}
		j := health.Fit(t.m, c, repository)
		outcome := outcomeOf(r, j)
		switch outcome {
		case reads:
			out.newest, out.fails, out.since = s.root, "", ""
		case older, none, unknown:
		default:
			if out.fails == "" {
				out.fails, out.since = outcome, s.since
			}
		}
		if n := len(out.outcomes); n == int(s.root-t.states[0].root)+1 {
			out.outcomes[n-1] = outcome // newer targets under the same root
		} else {
			out.outcomes = append(out.outcomes, outcome)
		}
	}
	return out, nil
}

func outcomeOf(r client.Release, j health.Judgement) string {
	switch {
	case r.Client == "none":
		return none
	case j.Verdict == health.OK:
		return reads
	case j.Verdict != health.Outdated || len(j.Reasons) == 0:
		return unknown
	case j.Reasons[0].Rule == "R7":
		return older
	}
	return j.Reasons[0].Rule
}

// run is a stretch of roots with one outcome.
type run struct {
	outcome  string
	from, to int // indexes of roots, to exclusive
}

func runs(outcomes []string) []run {
	var out []run
	for i, o := range outcomes {
		if n := len(out); n > 0 && out[n-1].outcome == o {
			out[n-1].to = i + 1
			continue
		}
		out = append(out, run{o, i, i + 1})
	}
	return out
}

// says tells a row in words: "reads roots 2 to 8; from root 9 on it fails by R2".
func (t table) says(r row) string {
	if r.release.Client == "none" {
		return "has no TUF client: its keys are compiled in"
	}
	var parts []string
	for _, s := range runs(r.outcomes) {
		which := fmt.Sprintf("root %d", t.m.Roots[s.from].Version)
		if s.to-s.from > 1 {
			which = fmt.Sprintf("roots %d to %d", t.m.Roots[s.from].Version, t.m.Roots[s.to-1].Version)
		}
		switch s.outcome {
		case reads:
			parts = append(parts, "reads "+which)
		case older:
			parts = append(parts, which+" are older than the release")
		case unknown:
			parts = append(parts, which+": not known")
		default:
			parts = append(parts, which+" fail by "+s.outcome)
		}
	}
	return strings.Join(parts, "; ")
}

// byDate returns the rows of cosign by their day.
func (t table) byDate() []row {
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.release.Date, b.release.Date) })
	return rows
}
