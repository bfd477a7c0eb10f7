// SPDX-License-Identifier: Apache-2.0

// Package status tells how this host is.
//
// There is one report, built from the facts, the verdicts and the problems of
// one look. It is written as a file, read back, and rendered as text and as the
// line that a monitoring system expects; all of them say the same, because they
// are made from the same value. The JSON form is a contract: docs/status.md.
// Text from outside is quoted in every rendering, and kept as it is in the JSON.
// What is a problem is decided in package health.
package status

import (
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Schema is the version of the JSON form.
const Schema = 1

// Report is everything that is told of this host. A slice is never nil in one
// that Build or Read returned.
type Report struct {
	Schema    int       `json:"schema"`
	Generated time.Time `json:"generated"`
	Host      string    `json:"host,omitempty"`
	Version   string    `json:"version"` // of tufkeeper
	// IntervalSeconds is the longest time between two refreshes of a mirror: a
	// report older than three of it is not believed.
	IntervalSeconds int64 `json:"interval_seconds"`
	// Agent is nil when no agent made this report: somebody looked.
	Agent    *Agent           `json:"agent"`
	Table    *Table           `json:"table,omitempty"` // by which clients were judged
	Mirrors  []Mirror         `json:"mirrors"`
	Caches   []Cache          `json:"caches"`
	Clients  []Client         `json:"clients"`
	Problems []health.Problem `json:"problems"` // worst first
	// Unseen says what could not be looked at.
	Unseen []string `json:"unseen"`
}

// Mirror is one configured mirror.
type Mirror struct {
	Name        string     `json:"name"`
	URL         string     `json:"url"`
	Preview     bool       `json:"preview"`
	LastAttempt *time.Time `json:"last_attempt"` // nil: never
	LastSuccess *time.Time `json:"last_success"` // nil: never
	LastError   *string    `json:"last_error"`   // nil: none
	// FailureKind says what kind of error it was: "unreachable", "rollback" …
	FailureKind health.FailureKind `json:"failure_kind,omitempty"`
	// Unread is the key that could not be read, where that was the error.
	Unread *Key `json:"unread_key,omitempty"`
	// Forbidden says that it answers 403, not 404, for a root that it does not have.
	Forbidden   bool       `json:"forbidden,omitempty"`
	NextAttempt *time.Time `json:"next_attempt"` // nil: not planned
	Failures    int        `json:"failures"`     // in a row
	// Roles holds root, timestamp, snapshot and targets of the last good set;
	// empty before the first.
	Roles map[string]Role `json:"roles"`
}

// Key is a kind of key.
type Key struct {
	KeyType string `json:"keytype"`
	Scheme  string `json:"scheme"`
}

// Role is one role of a mirror.
type Role struct {
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
}

// Cache is one client's cache.
type Cache struct {
	Path        string `json:"path"`
	Owner       string `json:"owner"`
	Layout      string `json:"layout"`
	Reader      string `json:"reader"`  // the client whose place it lies in: "npm"
	ReadBy      string `json:"read_by"` // which programs read it, in words
	Mirror      string `json:"mirror"`  // "" for none of ours
	State       string `json:"state"`
	Detail      string `json:"detail"`
	Consequence string `json:"consequence,omitempty"`
	Remedy      string `json:"remedy,omitempty"`
	// Policy is what may be done to it, and PolicyWhy says why that is so.
	Policy    string `json:"policy"`
	PolicyWhy string `json:"policy_why,omitempty"`
	// Asks says when its client asks its mirror; NotBefore until when it does not.
	Asks      string           `json:"asks,omitempty"`
	NotBefore time.Time        `json:"not_before,omitzero"`
	Versions  map[string]int64 `json:"versions"` // by role, as found
	Damage    []Damage         `json:"damage"`
	// Compared says how often, and why, changes in it are found by comparing it.
	Compared string `json:"compared,omitempty"`
	// Left says why one cycle left it as it is, and when to try again.
	Left string `json:"left,omitempty"`
}

// Damage is one file of a cache that its client cannot use, or should not.
type Damage struct {
	File  string `json:"file"` // relative to the cache's path
	What  string `json:"what"`
	Heals bool   `json:"heals"` // its client repairs it by itself
}

// Client is one client and the verdicts on it.
type Client struct {
	client.Client
	System     bool               `json:"system"`
	Verdict    health.Verdict     `json:"verdict"` // the worst of the judgements
	Judgements []health.Judgement `json:"judgements"`
	// Advice are the lines to type on this host to replace it, in order; one that
	// begins with "# " is a comment. Empty when replacing it does not help.
	Advice []string `json:"advice"`
}

// Agent is the process that made a report.
type Agent struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// Table is the compatibility table that clients are judged by.
type Table struct {
	KnownAsOf string `json:"known_as_of"` // a day, 2006-01-02
	Path      string `json:"path"`        // "" for the one built in
}

// About is what a report says beside the facts.
type About struct {
	Version string // of tufkeeper
	Host    string // "" is left out
	Started time.Time
	PID     int // 0: no agent, somebody looked
	Table   *Table
}

// Build makes the report of one look, generated at f.At.
func Build(f health.Facts, judged []health.ClientJudgement, problems []health.Problem, about About) Report {
	r := Report{
		Schema: Schema, Generated: f.At.UTC().Truncate(time.Millisecond), Host: about.Host, Version: about.Version,
		Table: about.Table, Problems: problems, Unseen: f.Unseen,
	}
	if about.PID != 0 {
		r.Agent = &Agent{PID: about.PID, Started: about.Started.UTC().Truncate(time.Second)}
	}
	for _, m := range f.Mirrors {
		r.Mirrors = append(r.Mirrors, mirror(m))
		r.IntervalSeconds = max(r.IntervalSeconds, int64(m.Interval/time.Second))
	}
	for _, c := range f.Caches {
		r.Caches = append(r.Caches, cacheOf(c))
	}
	r.Clients = BuildClients(judged)
	return r.whole()
}

// BuildClients makes the clients part of a report alone.
func BuildClients(judged []health.ClientJudgement) []Client {
	clients := make([]Client, 0, len(judged))
	for _, j := range judged {
		clients = append(clients, Client{
			Client: j.Client, System: j.System, Verdict: health.Worst(j.Judgements), Judgements: j.Judgements,
			Advice: j.Advice.Steps,
		}.whole())
	}
	return clients
}

func cacheOf(c health.CacheFacts) Cache {
	in := c.Inspection
	out := Cache{
		Path: c.Cache.Path, Owner: c.Cache.Owner, Layout: string(c.Cache.Layout), Mirror: c.Cache.Mirror,
		Reader: string(c.Cache.Reader), ReadBy: c.Cache.ReadBy(), Policy: c.Policy, PolicyWhy: c.PolicyWhy, Compared: c.Compared, Left: c.Left,
		State: string(in.State), Detail: in.Detail, Consequence: in.Consequence, Remedy: c.ToDo(),
		Asks: string(in.Asks), Versions: in.Versions,
	}
	if !in.NotBefore.IsZero() {
		out.NotBefore = in.NotBefore.UTC().Truncate(time.Millisecond)
	}
	for _, d := range in.Damage {
		out.Damage = append(out.Damage, Damage{d.File, d.What, d.Heals})
	}
	return out
}

func mirror(m health.MirrorFacts) Mirror {
	out := Mirror{
		Name: m.Name, URL: m.URL, Preview: m.Preview, FailureKind: m.Kind, Forbidden: m.Forbidden, Failures: m.Failures, Roles: map[string]Role{},
		LastAttempt: instant(m.LastAttempt), LastSuccess: instant(m.LastSuccess), NextAttempt: instant(m.NextAttempt),
	}
	if m.LastError != "" {
		out.LastError = &m.LastError
	}
	if k := m.Unread; k.KeyType != "" {
		out.Unread = &Key{k.KeyType, k.Scheme}
	}
	if m.Set == nil {
		return out
	}
	for _, name := range roleNames {
		if role, ok := m.Set.Role(name); ok {
			out.Roles[name] = Role{role.Version, role.Expires.UTC()}
		}
	}
	return out
}

// roleNames are the roles of a mirror that are told, in the order of reading.
var roleNames = [...]string{trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// whole makes lists of what is absent, so that the JSON has no null in the place
// of a list.
func (r Report) whole() Report {
	r.Mirrors, r.Caches, r.Clients = list(r.Mirrors), list(r.Caches), list(r.Clients)
	r.Problems, r.Unseen = list(r.Problems), list(r.Unseen)
	for i := range r.Mirrors {
		if r.Mirrors[i].Roles == nil {
			r.Mirrors[i].Roles = map[string]Role{}
		}
	}
	for i := range r.Caches {
		if c := &r.Caches[i]; c.Versions == nil {
			c.Versions = map[string]int64{}
		}
		r.Caches[i].Damage = list(r.Caches[i].Damage)
	}
	for i := range r.Clients {
		r.Clients[i] = r.Clients[i].whole()
	}
	return r
}

func (c Client) whole() Client {
	if c.Libraries == nil {
		c.Libraries = map[string]string{}
	}
	c.EmbeddedRoots, c.Notes, c.Judgements = list(c.EmbeddedRoots), list(c.Notes), list(c.Judgements)
	c.Advice = list(c.Advice)
	if len(c.Judgements) > 0 {
		js := make([]health.Judgement, len(c.Judgements))
		for i, j := range c.Judgements {
			j.Reasons = list(j.Reasons)
			js[i] = j
		}
		c.Judgements = js
	}
	return c
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
