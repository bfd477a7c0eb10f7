// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// clients judges the clients and returns the paths of those that are to be replaced.
func (j *judge) clients(judged []ClientJudgement) map[string]bool {
	outdated := map[string]bool{}
	for _, c := range judged {
		if c.Minimum != nil && !c.Minimum.open {
			outdated[c.Client.Path] = true
		}
		for _, v := range c.Judgements {
			if own, mirrors := v.faults(); v.fit() == Outdated && !v.Preview && (len(own) > 0 || len(mirrors) == 0) {
				outdated[c.Client.Path] = true
			}
		}
	}
	for _, c := range judged {
		for _, v := range c.Judgements {
			j.reads(c, v, outdated[c.Client.Path])
			j.disagrees(c, v)
		}
		j.vulnerable(c)
		j.minimum(c)
	}
	j.unfit(judged)
	return outdated
}

// faults are the reasons why a client does not read a repository: those that are
// its own, and those that are the mirror's, which fail every release alike.
func (j Judgement) faults() (own, mirrors []Reason) {
	if fit := j.fit(); fit == OK || fit == Vulnerable {
		return nil, nil // what reasons there are say something else
	}
	for _, r := range j.Reasons {
		switch {
		case r.Rule == ruleMinimum, r.advisory:
		case ofClient(r):
			own = append(own, r)
		default:
			mirrors = append(mirrors, r)
		}
	}
	return own, mirrors
}

// reads judges whether a client reads a mirror, as far as it is the client's doing.
func (j *judge) reads(c ClientJudgement, v Judgement, outdated bool) {
	own, mirrors := v.faults()
	if len(own) == 0 && len(mirrors) > 0 {
		return // unfit says it of the mirror
	}
	f := j.ofClient(c, v.Mirror)
	f.values["reason"], f.values["needs"], f.values["until"] = reasons(own), needs(c.Client, v.Required), j.until(v.Until)
	if v.Required != "" {
		f.fields = append(f.fields, "required", v.Required)
	}
	if rules := ruleIDs(own); rules != "" {
		f.fields = append(f.fields, "rules", rules)
	}
	switch fit := v.fit(); {
	case fit == OK, fit == Vulnerable:
		return
	case fit == Outdated && !v.Preview:
		f.code = ClientOutdated
		if c.Client.Name == cosignName {
			f.code = CosignOutdated
		}
		if c.System {
			f.severity = Critical
		}
	case fit == Outdated, fit == Endangered:
		if outdated {
			return // it must be replaced already
		}
		f.code = ClientEndangered
	default:
		// A verdict we have no word for is not a pass either.
		f.code = ClientUnknown
	}
	f.remedy = clientRemedy(c.Client, v, own)
	j.add(f)
}

// ofClient begins a finding on a client; mirror is "" where it is about no mirror.
func (j *judge) ofClient(c ClientJudgement, mirror string) finding {
	f := finding{
		subject: Subject{Kind: "client", ID: c.Client.Path}, detail: mirror, severity: Warning,
		values: values{
			"client": Plain(clientName(c.Client)), "name": Plain(cmp.Or(c.Client.Name, "client")),
			"version": Plain(cmp.Or(c.Client.Version, "(unknown version)")),
			"path":    Plain(c.Client.Path), "typed": Typed(c.Client.Path), "mirror": Plain(mirror),
		},
		fields: []any{"path", c.Client.Path},
	}
	if mirror != "" {
		f.fields = append(f.fields, "mirror", mirror)
	}
	if c.Client.Name == cosignName {
		f.fields = append(f.fields, "cosign", c.Client.Version)
	} else {
		f.fields = append(f.fields, "client", clientName(c.Client))
	}
	return f
}

// vulnerable tells the advisories about a client once, whatever mirrors it reads.
func (j *judge) vulnerable(c ClientJudgement) {
	for _, v := range c.Judgements {
		if fit := v.fit(); v.Preview || fit != OK && fit != Vulnerable {
			continue
		}
		known := slices.DeleteFunc(slices.Clone(v.Reasons), func(r Reason) bool { return r.Rule == ruleMinimum })
		if len(known) == 0 {
			continue
		}
		f := j.ofClient(c, "")
		f.code, f.values["reason"], f.remedy = ClientVulnerable, reasons(known), clientRemedy(c.Client, v, known)
		if v.Required != "" {
			f.fields = append(f.fields, "required", v.Required)
		}
		f.fields = append(f.fields, "rules", ruleIDs(known))
		j.add(f)
		return
	}
}

// minimum tells of a client that the operator does not accept.
func (j *judge) minimum(c ClientJudgement) {
	if c.Minimum == nil {
		return
	}
	f := j.ofClient(c, "")
	f.code, f.values["reason"], f.remedy = ClientBelowMinimum, Line(c.Minimum.Summary), c.Minimum.Remedy
	if !c.Minimum.open && strings.HasPrefix(f.remedy, "install ") && !strings.Contains(f.remedy, c.Client.Path) {
		f.remedy += " in place of " + Typed(c.Client.Path)
	}
	j.add(f)
}

// disagrees tells of a client that does otherwise than the table says.
func (j *judge) disagrees(c ClientJudgement, v Judgement) {
	if v.Disagreement == "" {
		return
	}
	f := j.ofClient(c, v.Mirror)
	f.code, f.values["reason"] = ProbeDisagrees, Line(v.Disagreement)
	j.add(f)
}

// unfit tells of mirrors that fail clients which could read them if they were whole,
// once for each fault of a mirror: no other release of those clients helps.
func (j *judge) unfit(judged []ClientJudgement) {
	type fault struct{ mirror, rule string }
	type failing struct {
		reason  Reason
		clients []string
		grave   bool
	}
	all := map[fault]*failing{}
	var order []fault
	for _, c := range judged {
		for _, v := range c.Judgements {
			_, mirrors := v.faults()
			for _, r := range mirrors {
				at := fault{v.Mirror, r.Rule}
				if all[at] == nil {
					all[at], order = &failing{reason: r}, append(order, at)
				}
				all[at].clients = append(all[at].clients, Plain(clientName(c.Client))+" at "+Plain(c.Client.Path))
				all[at].grave = all[at].grave || c.System && !v.Preview && !r.open
			}
		}
	}
	for _, at := range order {
		f := all[at]
		clients := strings.Join(f.clients[:min(len(f.clients), 3)], ", ")
		if n := len(f.clients) - 3; n > 0 {
			clients += fmt.Sprintf(" and %d more", n)
		}
		severity := Warning
		if f.grave {
			severity = Critical
		}
		j.add(finding{
			code: MirrorUnfit, severity: severity, subject: Subject{Kind: "mirror", ID: at.mirror}, detail: at.rule,
			remedy: f.reason.Remedy,
			values: values{"mirror": Plain(at.mirror), "clients": clients, "reason": reasons([]Reason{f.reason})},
			fields: []any{"mirror", at.mirror, "rules", at.rule},
		})
	}
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
func clientRemedy(c client.Client, v Judgement, reasons []Reason) string {
	switch {
	case v.advice != "" && slices.ContainsFunc(reasons, replaceable):
		return v.advice
	case v.Required != "" && c.Name == cosignName:
		return "install " + v.Required + " or newer in place of " + Typed(c.Path)
	}
	remedy := ""
	for i, r := range reasons {
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
	case c.Name == cosignName:
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
		text += "; 1 more reason"
	} else if n > 1 {
		text += fmt.Sprintf("; %d more reasons", n)
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
