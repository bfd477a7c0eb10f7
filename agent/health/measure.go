// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
)

// ruleMinimum is the rule of a reason that the operator gave.
const ruleMinimum = "minimum"

// Minimum is the oldest version of a client that the operator accepts.
type Minimum struct{ Client, Version string }

// Measure is what clients are judged by beside the repositories.
type Measure struct {
	Model    *client.Model
	Minimums []Minimum
	Host     HostFacts // what to type depends on it
}

// ClientJudgement is one client with the verdicts on it, one per mirror.
type ClientJudgement struct {
	Client client.Client
	System bool // outside every home
	// Judgements is empty when there was no mirror to judge against.
	Judgements []Judgement
	// Minimum is the reason for which it does not meet the operator's minimum, or
	// is not known to; nil when it does, or when there is none.
	Minimum *Reason
	// Advice is what to type on this host to replace it; nothing when that does not help.
	Advice Advice
}

// Clients judges every client against every repository, as it is at that time.
func (m Measure) Clients(found []ClientFacts, repos []Repository, at time.Time) []ClientJudgement {
	repos = slices.Clone(repos)
	for i := range repos {
		repos[i].releases = &releases{}
	}
	judged := make([]ClientJudgement, 0, len(found))
	for _, c := range found {
		judged = append(judged, m.client(c, repos, at))
	}
	return judged
}

func (m Measure) client(c ClientFacts, repos []Repository, at time.Time) ClientJudgement {
	c.Client.Notes = Notes(m.Model, c.Client, repos, at)
	c.Client.EmbeddedRoots = instances(m.Model, c.Client, repos)
	j := ClientJudgement{Client: c.Client, System: c.System}
	for _, r := range repos {
		j.Judgements = append(j.Judgements, JudgeClient(m.Model, c.Client, r))
		if note := m.staleRemote(c.Client, r); note != "" && !slices.Contains(j.Client.Notes, note) {
			j.Client.Notes = append(j.Client.Notes, note)
		}
	}
	m.minimum(&j)
	m.advise(&j)
	return j
}

// advise says what to type on this host for all that is required of a client
// anywhere: step by step, and in the reasons that a newer client is the answer to.
func (m Measure) advise(j *ClientJudgement) {
	wanted := ""
	for _, v := range j.Judgements {
		for part := range strings.SplitSeq(v.Required, " and ") {
			if name, version, ok := strings.Cut(part, " "); ok {
				wanted = atLeast(wanted, name, version)
			}
		}
	}
	j.Advice = Advise(m.Model, j.Client, m.Host, wanted)
	if j.Advice.Line == "" {
		return
	}
	for k := range j.Judgements {
		v := &j.Judgements[k]
		if v.Required == "" {
			continue
		}
		for i, r := range v.Reasons {
			if replaceable(r) {
				v.Reasons[i].Remedy = j.Advice.Line
			}
		}
		if j.Minimum != nil && replaceable(*j.Minimum) && !v.Preview && !j.Minimum.open {
			j.Minimum.Remedy = j.Advice.Line
		}
		v.advice = j.Advice.Line
	}
}

// Unmatched returns the minimums for names that no client is known by, and that
// no client found has: they are misspelt, or in vain.
func (m Measure) Unmatched(found []ClientFacts) []Minimum {
	var out []Minimum
	for _, w := range m.Minimums {
		known := slices.Contains(m.Model.Names(), w.Client)
		there := slices.ContainsFunc(found, func(f ClientFacts) bool { return f.Client.Name == w.Client })
		if !known && !there {
			out = append(out, w)
		}
	}
	return out
}

// minimum holds a client against the operator's minimum. It counts as outdated
// everywhere but in a preview: what is too old for the operator is to be replaced,
// whatever it can read.
func (m Measure) minimum(j *ClientJudgement) {
	i := slices.IndexFunc(m.Minimums, func(w Minimum) bool { return w.Client == j.Client.Name })
	if i < 0 {
		return
	}
	want := m.Minimums[i]
	wanted := want.Client + " " + strings.TrimPrefix(want.Version, "v")
	have := j.Client.Version
	reason := Reason{Rule: ruleMinimum, Remedy: "install " + Plain(wanted) + " or newer"}
	_, unread := client.Upstream(have)
	switch _, err := client.Upstream(want.Version); {
	case err != nil || unread != nil:
		reason.open = true
		reason.Summary = fmt.Sprintf("its version (%s) does not tell whether it is %s or newer, the oldest that is accepted here",
			Plain(cmp.Or(have, "not known")), Plain(wanted))
	case client.Older(have, want.Version):
		reason.Summary = fmt.Sprintf("%s is older than %s, the oldest that is accepted here", Plain(clientName(j.Client)), Plain(wanted))
	default:
		return
	}
	j.Minimum = &reason
	for k := range j.Judgements {
		v := &j.Judgements[k]
		if v.Preview {
			continue
		}
		v.Fit = v.fit()
		v.Reasons = append(v.Reasons, reason)
		if w := verdictOf([]Reason{reason}); w.Worse(v.Verdict) {
			v.Verdict = w
		}
		if !reason.open {
			v.Required = atLeast(v.Required, want.Client, strings.TrimPrefix(want.Version, "v"))
		}
	}
}

// atLeast raises what is required of one name: "cosign 2.2.0" becomes "cosign 2.6.3".
func atLeast(required, name, version string) string {
	versions := map[string]string{}
	for part := range strings.SplitSeq(required, " and ") {
		if n, v, ok := strings.Cut(part, " "); ok {
			versions[n] = v
		}
	}
	if have, ok := versions[name]; !ok || client.Older(have, version) {
		versions[name] = version
	}
	return join(versions)
}

// staleRemote notes that cosign from 2.5.1 on goes on with the legacy client,
// since an older initialize named a mirror of which it finds no root (R11).
func (m Measure) staleRemote(c client.Client, r Repository) string {
	if url := staleRemote(m.Model, c, r.Caches); url != "" {
		rule, _ := m.Model.Rule("R11")
		return fmt.Sprintf("remote.json of a cache names %s, for which there is no cached root: it falls back to the legacy client and its single key files; %s (R11)", Plain(url), rule.Remedy)
	}
	return ""
}

// staleRemote returns the mirror that remote.json names and for which cosign from
// 2.5.1 on finds no root; "" for none.
func staleRemote(m *client.Model, c client.Client, caches []CacheFacts) string {
	if c.Name != cosignName || m.Capabilities(c).Can(client.V2, client.TrustedRootDefault) != client.Yes {
		return ""
	}
	for _, in := range caches {
		if in.Cache.Layout == cache.LayoutLegacy && in.Inspection.NoRootFor != "" {
			return in.Inspection.NoRootFor
		}
	}
	return ""
}
