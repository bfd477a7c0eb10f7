// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Threshold is how much time may be left to a role before it is a problem.
type Threshold struct {
	Warning, Critical time.Duration
}

// Limits is what Judge measures against. A zero field takes its default.
type Limits struct {
	// Thresholds are by top-level role; one that is missing takes its default.
	Thresholds map[string]Threshold
	// Inconsistent is the number of failures in a row before a mirror of two
	// minds is a problem: a CDN needs some time to agree with itself.
	Inconsistent int
	// Skew is how far the clock and a mirror's Date header may be apart.
	Skew time.Duration
	// Silence is how long a mirror may go without a success before that alone is
	// a problem, whatever the errors say; never less than three of its intervals.
	Silence time.Duration
}

// DefaultLimits suit Sigstore's public mirror: its timestamp lives 7 days and is
// signed daily, its root lives 197 days and is renewed from 46 days before expiry.
func DefaultLimits() Limits {
	const day = 24 * time.Hour
	return Limits{
		Thresholds: map[string]Threshold{
			trust.Timestamp: {Warning: 48 * time.Hour, Critical: 12 * time.Hour},
			trust.Root:      {Warning: 15 * day, Critical: 5 * day},
			trust.Snapshot:  {Warning: 15 * day, Critical: 5 * day},
			trust.Targets:   {Warning: 15 * day, Critical: 5 * day},
		},
		Inconsistent: 3,
		Skew:         5 * time.Minute,
		Silence:      day,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for role, t := range l.Thresholds {
		d.Thresholds[role] = t
	}
	if l.Inconsistent > 0 {
		d.Inconsistent = l.Inconsistent
	}
	if l.Skew > 0 {
		d.Skew = l.Skew
	}
	if l.Silence > 0 {
		d.Silence = l.Silence
	}
	return d
}

// Judge says which conditions hold in one look, worst first. It is pure: the
// time is f.At, and the same facts give the same findings. judged are the
// verdicts on the clients of f, one entry per client.
func Judge(f Facts, l Limits, judged []ClientJudgement) []Finding {
	j := judge{facts: f, limits: l.withDefaults(), catalogue: map[string]Condition{}}
	for _, c := range Catalogue() {
		j.catalogue[c.Code] = c
	}
	j.agent()
	j.clock()
	for _, m := range f.Mirrors {
		j.mirror(m)
	}
	j.collisions()
	outdated := j.clients(judged)
	for _, c := range f.Caches {
		j.cache(c, outdated)
	}
	slices.SortStableFunc(j.findings, func(a, b Finding) int { return compareProblems(a.problem(f.At), b.problem(f.At)) })
	return j.findings
}

// judge collects the findings of one look.
type judge struct {
	facts     Facts
	limits    Limits
	catalogue map[string]Condition
	findings  []Finding
}

// finding is one that is being written down: add fills its templates in.
type finding struct {
	code     string
	severity Severity // "" takes the catalogue's
	subject  Subject
	detail   string
	remedy   string        // "" takes the catalogue's
	longer   time.Duration // added to the catalogue's hold
	values   values
	fields   []any
}

// values fill the names in braces of a template. They are made safe to print
// here, except those whose name is in prose: text that was put together from
// safe parts already.
type values map[string]string

func (j *judge) add(f finding) {
	c := j.catalogue[f.code]
	if f.severity == "" {
		f.severity = c.Severity
	}
	if f.remedy == "" {
		f.remedy = fill(c.Remedy, f.values)
	}
	f.subject.ID, f.detail = Plain(f.subject.ID), Line(f.detail)
	j.findings = append(j.findings, Finding{
		Code: f.code, Severity: f.severity, Subject: f.subject, Detail: f.detail,
		Summary: Line(fill(c.Summary, f.values)), Remedy: Todo(f.remedy),
		Hold: c.Hold + f.longer, Fields: f.fields,
	})
}

// fill replaces in one pass, so that a value that looks like a name in braces
// stays what it is.
func fill(template string, v values) string {
	pairs := make([]string, 0, 2*len(v))
	for name, text := range v {
		pairs = append(pairs, "{"+name+"}", text)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// agent judges what the agent knows of itself.
func (j *judge) agent() {
	self := Subject{Kind: "agent", ID: "tufkeeper"}
	for _, s := range []struct {
		code, text string
		subject    Subject
	}{
		{StateUnwritable, j.facts.StateError, self},
		{WatchDegraded, j.facts.WatchDegraded, self},
		{AlertUndelivered, j.facts.AlertError, self},
		{ConfigInvalid, j.facts.ConfigError, Subject{Kind: "config", ID: "config"}},
	} {
		if s.text != "" {
			j.add(finding{code: s.code, subject: s.subject, values: values{"error": Line(s.text)}, fields: []any{"error", Line(s.text)}})
		}
	}
}

// clockBack says that this host's clock is before a time this agent has seen: no
// expiry can be judged then. A few seconds are forgiven, clocks are slewed.
func (j *judge) clockBack() bool {
	if j.facts.Clock.HighestSeen.Sub(j.facts.At) > j.limits.Skew {
		return true
	}
	return slices.ContainsFunc(j.facts.Mirrors, func(m MirrorFacts) bool { return m.Kind == FailClock })
}

// clock judges the clock. The Date header of a mirror is a hint and nothing
// more: it is not signed, so it can raise a warning but never silence a verdict.
func (j *judge) clock() {
	c, now := j.facts.Clock, j.facts.At
	self := Subject{Kind: "agent", ID: "clock"}
	if j.clockBack() {
		difference := "before a time this agent has seen"
		if d := c.HighestSeen.Sub(now); d > 0 {
			difference = Span(d) + " before the newest time this agent has seen"
		}
		j.add(finding{code: ClockSkewed, subject: self, values: values{
			"now": Instant(now), "difference": difference, "consequence": "no expiry is judged until it is right",
		}})
		return
	}
	if c.MirrorDate.IsZero() || c.MirrorSeen.IsZero() {
		return
	}
	d := c.MirrorSeen.Sub(c.MirrorDate)
	if d.Abs() <= j.limits.Skew {
		return
	}
	difference := Span(d) + " ahead of the mirror's"
	if d < 0 {
		difference = Span(d) + " behind the mirror's"
	}
	j.add(finding{code: ClockSkewed, severity: Warning, subject: self, values: values{
		"now": Instant(now), "difference": difference, "consequence": "expiry may be judged wrongly",
	}})
}

// collisions tells of directories that two caches would have.
func (j *judge) collisions() {
	for _, c := range j.facts.Collisions {
		consequence := "neither is written there"
		if c.Written {
			consequence = "what one of them removes there, the other loses"
		}
		j.add(finding{
			code: CacheCollision, subject: Subject{Kind: "cache", ID: c.Path}, detail: c.Other, remedy: c.Remedy,
			values: values{"path": Plain(c.Path), "one": Line(c.One), "other": Line(c.Other), "consequence": consequence},
			fields: []any{"path", c.Path},
		})
	}
}

func times(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return fmt.Sprintf("%d failures in a row", n)
}
