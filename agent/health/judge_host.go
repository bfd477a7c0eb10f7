// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
)

// ClientJudgement is one client with the verdicts on it, one per mirror.
type ClientJudgement struct {
	Client client.Client
	System bool // outside every home
	// Judgements is empty when there was no mirror to judge against.
	Judgements []Judgement
}

// clients judges the clients and returns the paths of those that are outdated.
func (j *judge) clients(judged []ClientJudgement) map[string]bool {
	outdated := map[string]bool{}
	for _, c := range judged {
		for _, v := range c.Judgements {
			if v.Verdict == Outdated && !v.Preview {
				outdated[c.Client.Path] = true
			}
		}
	}
	for _, c := range judged {
		for _, v := range c.Judgements {
			j.client(c, v, outdated[c.Client.Path])
		}
	}
	return outdated
}

func (j *judge) client(c ClientJudgement, v Judgement, outdated bool) {
	f := finding{
		subject: Subject{Kind: "client", ID: c.Client.Path}, detail: v.Mirror, severity: Warning,
		values: values{
			"client": Plain(clientName(c.Client)), "name": Plain(cmp.Or(c.Client.Name, "client")),
			"version": Plain(cmp.Or(c.Client.Version, "(unknown version)")),
			"path":    Plain(c.Client.Path), "mirror": Plain(v.Mirror), "reason": reasons(v.Reasons),
			"needs": needs(c.Client, v.Required), "until": j.until(v.Until),
		},
		fields: []any{"path", c.Client.Path, "mirror", v.Mirror},
	}
	if c.Client.Name == "cosign" {
		f.fields = append(f.fields, "cosign", c.Client.Version)
	} else {
		f.fields = append(f.fields, "client", clientName(c.Client))
	}
	if v.Required != "" {
		f.fields = append(f.fields, "required", v.Required)
	}
	if rules := ruleIDs(v.Reasons); rules != "" {
		f.fields = append(f.fields, "rules", rules)
	}
	switch {
	case v.Verdict == OK:
		return
	case v.Verdict == Outdated && !v.Preview:
		f.code = ClientOutdated
		if c.Client.Name == "cosign" {
			f.code = CosignOutdated
		}
		if c.System {
			f.severity = Critical
		}
	case v.Verdict == Outdated, v.Verdict == Endangered:
		if outdated {
			return // it must be replaced already
		}
		f.code = ClientEndangered
	case v.Verdict == Vulnerable:
		f.code = ClientVulnerable
	default:
		// A verdict we have no word for is not a pass either.
		f.code = ClientUnknown
	}
	f.remedy = clientRemedy(c.Client, v)
	if f.code == ClientVulnerable {
		f.values["needs"] = ""
	}
	j.add(f)
}

// until says how long a client that cannot read what is in force still seems to work.
func (j *judge) until(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case j.clockBack() || t.After(j.facts.At):
		return "; it seems to work until " + Instant(t) + ", when its cached timestamp expires"
	}
	return "; it fails since " + Instant(t) + ", when its cached timestamp expired"
}

// clientRemedy says what to type: the release that meets every reason where it is
// known, else what all the reasons agree on; "" leaves it to the catalogue.
func clientRemedy(c client.Client, v Judgement) string {
	if v.Required != "" && c.Name == "cosign" {
		return "install " + v.Required + " or newer in place of " + Typed(c.Path)
	}
	remedy := ""
	for i, r := range v.Reasons {
		if i > 0 && r.Remedy != remedy {
			return ""
		}
		remedy = r.Remedy
	}
	return remedy
}

// needs says what would be able; for a client other than cosign that is a library.
func needs(c client.Client, required string) string {
	switch {
	case required == "":
		return "; no release is known that can"
	case c.Name == "cosign":
		return "; " + required + " or newer is needed"
	}
	return "; it must be built with " + required + " or newer"
}

// reasons puts the first reason into words, with its rule, and counts the others.
func reasons(rs []Reason) string {
	if len(rs) == 0 {
		return "no reason is known"
	}
	text := Line(rs[0].Summary)
	if rs[0].Rule != "" && !strings.Contains(rs[0].Summary, rs[0].Rule) {
		text += " (" + Plain(rs[0].Rule) + ")"
	}
	if n := len(rs) - 1; n == 1 {
		text += " and 1 more reason"
	} else if n > 1 {
		text += fmt.Sprintf(" and %d more reasons", n)
	}
	return text
}

func ruleIDs(rs []Reason) string {
	var ids []string
	for _, r := range rs {
		if r.Rule != "" {
			ids = append(ids, r.Rule)
		}
	}
	return strings.Join(ids, ",")
}

func clientName(c client.Client) string {
	return strings.TrimSpace(cmp.Or(c.Name, "client") + " " + c.Version)
}

// cache judges one cache. A fresh one is fine; an expired one is the mirror's
// problem and said there; a foreign one is not ours to judge.
func (j *judge) cache(c CacheFacts, outdated map[string]bool) {
	if c.Policy == "ignore" {
		return
	}
	in := c.Inspection
	f := finding{
		subject: Subject{Kind: "cache", ID: c.Cache.Path}, severity: Warning, remedy: in.Remedy,
		values: values{
			"path": Plain(c.Cache.Path), "typed": Typed(c.Cache.Path), "owner": Plain(cmp.Or(c.Cache.Owner, "unknown owner")), "mirror": Plain(cmp.Or(c.Cache.Mirror, c.Cache.URL)),
			"detail": Line(cmp.Or(in.Detail, "no detail")), "consequence": "",
		},
		fields: []any{"path", c.Cache.Path, "owner", c.Cache.Owner, "mirror", c.Cache.Mirror},
	}
	if in.Consequence != "" {
		f.values["consequence"] = "; " + Line(in.Consequence)
	}
	if c.Failed != "" {
		f.values["detail"] += "; writing it failed: " + Line(c.Failed)
		f.fields = append(f.fields, "error", Line(c.Failed))
	}
	if c.Cache.Layout == cache.LayoutLegacy {
		j.legacy(c, f, outdated)
	}
	switch in.State {
	case cache.Damaged:
		f.code = CacheDamaged
		if c.System && !healsAlone(in.Damage) {
			f.severity = Critical
		}
	case cache.Unusable:
		f.code = CacheUnwritable
		if c.System {
			f.severity = Critical
		}
	case cache.Behind:
		// Its client brings it forward by itself; only where we said we would, it is late.
		if c.Policy == "report" || c.Cache.Layout == cache.LayoutLegacy {
			return
		}
		f.code = CacheBehind
	case cache.Ahead:
		f.code, f.longer = CacheAhead, j.interval(c.Cache.Mirror)
	default:
		return
	}
	j.add(f)
}

// legacy reports a cache in the legacy layout, which is never written, when a
// client that was found depends on it and is not to be replaced anyway.
func (j *judge) legacy(c CacheFacts, f finding, outdated map[string]bool) {
	for _, found := range j.facts.Clients {
		l := found.Client.Linked
		if (l.LegacyTUF || l.SigstoreTUF || l.CosignTUF) && !l.SigstoreGo && !outdated[found.Client.Path] {
			f.code, f.remedy = CacheLegacy, ""
			f.values["client"] = Plain(clientName(found.Client)) + " at " + Plain(found.Client.Path)
			j.add(f)
			return
		}
	}
}

func healsAlone(damage []cache.Damage) bool {
	for _, d := range damage {
		if !d.Heals {
			return false
		}
	}
	return len(damage) > 0
}

func (j *judge) interval(mirror string) time.Duration {
	for _, m := range j.facts.Mirrors {
		if m.Name == mirror {
			return m.Interval
		}
	}
	return 0
}
