// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"io"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// ReleasesText writes one line for each client of the report and each mirror it
// was judged against: for looking along a row of releases. dates are by version.
func ReleasesText(w io.Writer, r Report, dates map[string]string, s Style) error {
	p := newPage(r, s)
	names := 0
	for _, c := range p.r.Clients {
		names = max(names, len([]rune(clientName(c))))
	}
	names = min(names, p.width()/3)
	mirror := ""
	for _, m := range p.mirrorsJudged() {
		mirror = m
		p.section("Against " + health.Plain(m))
		for _, c := range p.r.Clients {
			for _, j := range c.Judgements {
				if j.Mirror == m {
					p.release(c, j, names, dates[c.Version])
				}
			}
		}
	}
	if mirror == "" {
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

func (p *page) release(c Client, j health.Judgement, names int, date string) {
	t, why := verdictTone(j.Verdict), ""
	if len(j.Reasons) > 0 {
		why = health.Line(j.Reasons[0].Summary)
		if label := ruleOf(j.Reasons[0]); label != "" {
			why = label + " " + why
		}
	}
	head := pad(cut(clientName(c), names), names) + "  " + pad(cmp.Or(date, ""), 10) + "  "
	verdict := pad(cut(health.Plain(string(j.Verdict)), 10), 11)
	room := p.width() - 2 - len([]rune(head)) - len([]rune(verdict))
	p.line(p.mark(t), " ", head, p.paint(t, verdict), strings.TrimSpace(cut(why, max(room, 8))))
}
