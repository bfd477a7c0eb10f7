// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Verdict says whether a client can read a repository.
type Verdict string

// The verdicts, worst first.
const (
	Outdated   Verdict = "outdated"   // cannot read what is in force
	Unknown    Verdict = "unknown"    // not known to be able: never taken as fine
	Endangered Verdict = "endangered" // can today, cannot read a preview
	Vulnerable Verdict = "vulnerable" // can, and has a known advisory
	OK         Verdict = "ok"
)

// rank is 0 for the worst verdict. What is no verdict at all ranks as unknown.
func (v Verdict) rank() int {
	switch v {
	case Outdated:
		return 0
	case Endangered:
		return 2
	case Vulnerable:
		return 3
	case OK:
		return 4
	default:
		return 1
	}
}

// Worse says whether v is worse than o.
func (v Verdict) Worse(o Verdict) bool { return v.rank() < o.rank() }

// Worst returns the worst verdict of the judgements, and Unknown when there are
// none: a client that was not judged is never fine.
func Worst(judgements []Judgement) Verdict {
	if len(judgements) == 0 {
		return Unknown
	}
	worst := OK
	for _, j := range judgements {
		if j.Verdict.Worse(worst) {
			worst = j.Verdict
		}
	}
	return worst
}

// Reason is one rule that a client does not meet, or an advisory it has.
type Reason struct {
	Rule    string `json:"rule"`    // an id of compat.json: "R2", "key-type", or an advisory's id
	Summary string `json:"summary"` // one clause, without a full stop
	Remedy  string `json:"remedy"`

	open     bool // it is not known whether the rule is met
	advisory bool // it says nothing of reading
}

// Judgement is one client held against one repository.
type Judgement struct {
	Mirror  string   `json:"mirror"`
	Preview bool     `json:"preview"`
	Start   string   `json:"start"` // the root the client starts from, in words: "embedded root 2"
	Verdict Verdict  `json:"verdict"`
	Reasons []Reason `json:"reasons"`
	// Required is the oldest known release that can, and after which all known
	// ones can: "cosign 2.2.0". "" when none is needed or none is known.
	Required string `json:"required,omitempty"`
	// Until is when an outdated client stops to seem to work: the expiry of the
	// timestamp in its own legacy cache, before which it does not ask its mirror
	// (measured). Zero when it fails already, or when that is not known.
	Until time.Time `json:"until,omitzero"`
	// Probe is what the client did when it was run against this very set; nil where it was not.
	Probe  *ProbeOutcome `json:"probe,omitempty"`
	advice string        // one line of what to type for Required; "" where nothing is known
	// Fit is the verdict without regard to advisories and minimum versions:
	// whether the client reads the repository. "" takes Verdict for it.
	Fit Verdict `json:"-"`
	// Disagreement says how a probe and the table differ; "" where they agree.
	Disagreement string `json:"-"`
}

// fit is the verdict on reading alone.
func (j Judgement) fit() Verdict {
	if j.Fit == "" {
		return j.Verdict
	}
	return j.Fit
}

// Repository is what a client is held against.
type Repository struct {
	Mirror       string
	Preview      bool
	Requirements trust.Requirements
	// Caches are the caches of this mirror on this host: their cached roots are
	// where clients start that do not start from an embedded root.
	Caches []CacheFacts
	// At is the time at which expiry is judged; zero: expiry is not judged.
	At time.Time
	// Start overrides where clients start: "" or "embedded" for where they do,
	// "newest" for the newest root of the repository.
	Start string
	// StartRoot, when not nil, is the root every client is made to start from.
	StartRoot *trust.RootForm
	// Forbidden says that the mirror answers 403 for the root after its newest.
	Forbidden bool
	// Refused is a key for which this agent's own library refuses what the mirror
	// offers beyond Requirements (MirrorFacts.Unreadable); nil where it refuses nothing.
	Refused *trust.KeyForm
	// Probes are what clients did when they were run against this mirror's sets.
	Probes []ProbeFacts
	// releases remembers the verdicts on known releases, which are asked for again
	// for each client that is to be replaced; nil: nothing is remembered.
	releases *releases
	// Alone says that the one root in Requirements was given by itself: it is
	// judged as a root that the client must read, without a walk to it.
	Alone bool
}

// newest returns the newest root that is known of the repository.
func (r Repository) newest() (trust.RootForm, bool) {
	if len(r.Requirements.Roots) == 0 {
		return trust.RootForm{}, false
	}
	return r.Requirements.Roots[len(r.Requirements.Roots)-1], true
}

// JudgeClient holds what a client can against what a repository requires of it,
// along the chain of roots that this client walks from where it starts. The rules
// are those of the compatibility table; a preview is judged on its newest root and
// its targets only, since nobody starts there yet.
func JudgeClient(m *client.Model, c client.Client, r Repository) Judgement {
	j := judgeFit(m, c, r)
	j.probed(m, c, r)
	if r.Refused != nil {
		j.refuses(m, c, *r.Refused)
	}
	j.Fit = j.Verdict
	switch j.Verdict {
	case Outdated:
		j.Required = required(m, c, r, j)
		if r.Preview {
			j.Verdict, j.Fit = Endangered, Endangered
			break
		}
		j.Reasons = append(j.Reasons, advisories(m, c)...)
	case OK:
		if r.Preview {
			break // an advisory is no matter of what is coming
		}
		if reasons := advisories(m, c); len(reasons) > 0 {
			j.Verdict, j.Reasons, j.Required = Vulnerable, reasons, freeOfAdvisories(m, c, r)
		}
	}
	for i, reason := range j.Reasons {
		if !reason.advisory || j.Verdict == Vulnerable { // what it must be to read may have one, too
			j.Reasons[i].Remedy = remedy(c, reason, j.Required)
		}
	}
	return j
}

// judgeFit judges without regard to advisories: the worst of all the ways in
// which the client may start and all the TUF clients it uses.
func judgeFit(m *client.Model, c client.Client, r Repository) Judgement {
	j := Judgement{Mirror: r.Mirror, Preview: r.Preview, Verdict: OK, Reasons: []Reason{}}
	uses := m.Uses(c)
	if len(uses) == 0 {
		t := trial{m: m, c: c, r: r}
		if known, ok := m.Release(c.Version); ok && c.Name == cosignName && known.Client == "none" {
			t.fails("R17", "")
		} else {
			t.unclear("unknown", nothingKnown(m, c))
		}
		return t.into(j)
	}
	first := true
	var until []time.Time
	capabilities := m.Capabilities(c)
	for _, impl := range uses {
		stale := impl == client.V2 && r.StartRoot == nil && staleRemote(m, c, r.Caches) != ""
		if stale {
			impl = client.Legacy // it finds no root, says so, and goes on with the other one
		}
		for _, s := range starts(m, c, impl, r) {
			t := trial{m: m, c: c, r: r, impl: impl, can: capabilities, start: s}
			t.run()
			if stale && t.failed {
				t.fails("R11", "")
			}
			if t.failed && t.gotOn && !s.expires.IsZero() {
				until = append(until, s.expires)
			}
			if tried := t.into(j); first || tried.Verdict.Worse(j.Verdict) {
				j, first = tried, false
			}
		}
	}
	if j.Verdict == Outdated {
		j.Until = next(until, r.At)
	}
	return j
}

// nothingKnown says why nothing can be said of a client.
func nothingKnown(m *client.Model, c client.Client) string {
	release := Plain(clientName(c))
	switch {
	case c.VersionSource != "assumed":
		return "what this client can read is not known"
	case slices.Contains(c.Notes, client.NoteNoClient):
		return release + " has no TUF client: it reads no root, and needs none"
	case c.Name == cosignName:
		return fmt.Sprintf("no release of cosign like %s is known (releases are known as of %s)", Plain(c.Version), m.KnownAsOf)
	}
	return "which libraries " + release + " is built with is not known"
}

// next returns the first of the times after at, or else the last of them.
func next(times []time.Time, at time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	slices.SortFunc(times, time.Time.Compare)
	if !at.IsZero() {
		for _, t := range times {
			if t.After(at) {
				return t
			}
		}
	}
	return times[len(times)-1]
}
