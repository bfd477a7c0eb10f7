// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"io"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// ReleasesText writes one line for each client of the report and each mirror it
// was judged against, and in a last one which of them read it: for looking along a
// row of releases, which are in their order. dates are by version.
func ReleasesText(w io.Writer, r Report, dates map[string]string, s Style) error {
	p := newPage(r, s)
	names := 0
	for _, c := range p.r.Clients {
		names = max(names, len([]rune(clientName(c))))
	}
	names = min(names, p.width()/3)
	mirrors := p.mirrorsJudged()
	for _, m := range mirrors {
		p.section("Against " + health.Plain(m))
		p.line("  ", p.paint(dim, pad("release", names)+"  "+pad("date", 10)+"  "+pad("reads it", 9)+" why, or what is known against it"))
		row := releaseRow{}
		for _, c := range p.r.Clients {
			for _, j := range c.Judgements {
				if j.Mirror == m {
					p.release(c, j, names, dates[c.Version])
					row.add(c, j)
				}
			}
		}
		p.line()
		p.para(bold, "", row.summary())
	}
	if len(mirrors) == 0 {
		p.line("nothing to judge against: no mirror was refreshed here yet; name one with --against")
	}
	p.unseen()
	return p.flush(w)
}

// mirrorsJudged are what the clients were judged against, in order.
func (p *page) mirrorsJudged() []string {
	if len(p.r.Clients) == 0 {
		return nil
	}
	var names []string
	for _, j := range p.r.Clients[0].Judgements {
		names = append(names, j.Mirror)
	}
	return names
}

// reads says whether the client reads the repository: "yes", "no" or "unknown".
// What else is known against it does not count.
func reads(j health.Judgement) string {
	switch cmp.Or(j.Fit, j.Verdict) {
	case health.OK, health.Vulnerable:
		return "yes"
	case health.Outdated, health.Endangered:
		return "no"
	}
	return "unknown"
}

// advisory says whether a reason is a known vulnerability.
func advisory(r health.Reason) bool { return ruleOf(r) == "" }

// against says in short what is known against a release: the first rule that it
// does not meet, the ids of its advisories.
func against(j health.Judgement) string {
	var parts, ids []string
	for _, r := range j.Reasons {
		switch {
		case advisory(r):
			ids = append(ids, health.Plain(r.Rule))
		case len(parts) == 0:
			parts = append(parts, ruleOf(r)+" "+health.Line(r.Summary))
		}
	}
	if len(ids) > 0 {
		parts = append(parts, strings.Join(ids, ", "))
	}
	return strings.Join(parts, "; ")
}

func (p *page) release(c Client, j health.Judgement, names int, date string) {
	t := verdictTone(j.Verdict)
	head := pad(cut(clientName(c), names), names) + "  " + pad(cmp.Or(date, ""), 10) + "  "
	answer := pad(reads(j), 10)
	left := 2 + len([]rune(head)) + len([]rune(answer))
	first, more := "", wrap(against(j), p.width()-left)
	if len(more) > 0 {
		first, more = more[0], more[1:]
	}
	p.line(p.mark(t), " ", head, p.paint(t, answer), first)
	for _, l := range more {
		p.line(strings.Repeat(" ", left), l)
	}
}

// releaseRow gathers what a row of releases comes to.
type releaseRow struct {
	versions            []string
	read, unknown, free []bool
	preview             bool
}

func (r *releaseRow) add(c Client, j health.Judgement) {
	answer, known := reads(j), false
	for _, reason := range j.Reasons {
		known = known || advisory(reason)
	}
	r.versions = append(r.versions, strings.TrimPrefix(health.Plain(c.Version), "v"))
	r.read, r.unknown = append(r.read, answer == "yes"), append(r.unknown, answer == "unknown")
	r.free, r.preview = append(r.free, answer == "yes" && !known), j.Preview
}

// summary says it in one line: "read by 1.13.3 to 1.13.6, and 2.2.0 and newer".
func (r releaseRow) summary() string {
	text := "no known release reads it"
	if read := r.runs(r.read); read != "" {
		text = "read by " + read
	}
	if unknown := r.runs(r.unknown); unknown != "" {
		text += "; not known of " + unknown
	}
	switch free := r.runs(r.free); {
	case r.preview: // an advisory is no matter of what is coming
	case free != "":
		text += "; of these, free of known advisories: " + free
	default:
		text += "; none of them is free of known advisories"
	}
	return text
}

// runs names the versions for which that is so, in runs; "" when there are none.
func (r releaseRow) runs(so []bool) string {
	var runs []string
	for i := 0; i < len(so); i++ {
		if !so[i] {
			continue
		}
		first := i
		for i+1 < len(so) && so[i+1] {
			i++
		}
		switch {
		case i == len(so)-1:
			runs = append(runs, r.versions[first]+" and newer")
		case i == first:
			runs = append(runs, r.versions[first])
		default:
			runs = append(runs, r.versions[first]+" to "+r.versions[i])
		}
	}
	return strings.Join(runs, ", ")
}
