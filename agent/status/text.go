// SPDX-License-Identifier: Apache-2.0

package status

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// What the page shows of a long list: everything that is not well, and some of
// what is. The commands for caches and clients show all.
const (
	maxWell  = 6
	maxIll   = 25
	indent   = "    "
	deepPath = 16 // columns that a path always gets
)

// Text writes the whole report as a page for a person, no wider than s.Width.
// Nothing on it can move the cursor: text from outside is quoted.
func Text(w io.Writer, r Report, s Style) error {
	p := newPage(r, s)
	p.head()
	p.problems()
	p.mirrors()
	p.caches(maxIll, maxWell, false)
	p.clients(maxIll, maxWell, false)
	p.unseen()
	return p.flush(w)
}

// CachesText writes the caches of the report, all of them.
func CachesText(w io.Writer, r Report, s Style) error {
	p := newPage(r, s)
	p.caches(len(r.Caches), len(r.Caches), true)
	p.unseen()
	return p.flush(w)
}

// ClientsText writes the clients of the report, all of them, with what is
// compiled into them.
func ClientsText(w io.Writer, r Report, s Style) error {
	p := newPage(r, s)
	p.clients(len(r.Clients), len(r.Clients), true)
	p.unseen()
	return p.flush(w)
}

// page is text being put together. Its methods write whole lines.
type page struct {
	Style
	r     Report
	lines bytes.Buffer
}

func newPage(r Report, s Style) *page {
	if s.Now.IsZero() {
		s.Now = r.Generated
	}
	return &page{Style: s, r: r.whole()}
}

func (p *page) flush(w io.Writer) error {
	if _, err := p.lines.WriteTo(w); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}

func (p *page) line(parts ...string) {
	p.lines.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	p.lines.WriteByte('\n')
}

// section begins a part of the page, set off from the one before.
func (p *page) section(title string) {
	if p.lines.Len() > 0 {
		p.line()
	}
	p.line(p.paint(bold, title))
}

// para writes text below a line, indented and wrapped; a lead ("→ ") hangs out.
func (p *page) para(t tone, lead, text string) {
	hang := strings.Repeat(" ", len([]rune(lead)))
	for i, l := range wrap(health.Line(text), p.width()-len(indent)-len(hang)) {
		if i > 0 {
			lead = hang
		}
		p.line(indent, p.paint(t, lead+l))
	}
}

func (p *page) head() {
	title := "tufkeeper"
	if p.r.Version != "" {
		title += " " + health.Plain(p.r.Version)
	}
	if p.r.Host != "" {
		title += " on " + health.Plain(p.r.Host)
	}
	when := p.ago(p.r.Generated)
	if p.r.Agent == nil {
		when = "seen " + when + ", without the agent"
	}
	title = cut(title, p.width()-len(when)-2)
	p.line(p.paint(bold, pad(title, p.width()-len(when))), p.paint(dim, when))
	t, text := p.r.verdict(p.Now)
	p.line(p.mark(t), " ", p.paint(t, cut(text, p.width()-2)))
}

// verdict says in one line how this host is, at the reader's time.
func (r Report) verdict(now time.Time) (tone, string) {
	if age, old := r.stale(now); old {
		return note, fmt.Sprintf("this report is %s old: is the agent running?", health.Span(age))
	}
	if critical, warning := r.count(); critical+warning > 0 {
		t := warn
		if critical > 0 {
			t = bad
		}
		return t, counted(critical, warning)
	}
	if waiting := r.unrefreshed(); len(waiting) > 0 {
		return note, "nothing was refreshed yet from " + strings.Join(waiting, ", ")
	}
	if len(r.Mirrors) == 0 {
		return note, "no mirror is configured"
	}
	if len(r.Unseen) > 0 {
		return good, "all is well, as far as could be seen"
	}
	return good, "all is well"
}

func counted(critical, warning int) string {
	switch {
	case warning == 0:
		return plural(critical, "critical problem")
	case critical == 0:
		return plural(warning, "warning")
	}
	return plural(critical, "critical problem") + ", " + plural(warning, "warning")
}

func (r Report) count() (critical, warning int) {
	for _, p := range r.Problems {
		if p.Severity == health.Critical {
			critical++
		} else {
			warning++
		}
	}
	return critical, warning
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (p *page) problems() {
	if len(p.r.Problems) == 0 {
		return
	}
	p.section("Problems")
	for i, problem := range p.r.Problems {
		if i == maxIll {
			p.line(indent, p.paint(dim, fmt.Sprintf("and %d more: tufkeeper status --json", len(p.r.Problems)-i)))
			return
		}
		t := severityTone(problem.Severity)
		label := string(problem.Severity)
		if lasted := p.Now.Sub(problem.Since); lasted >= time.Minute {
			label += ", for " + health.Span(lasted)
		}
		code := cut(health.Plain(problem.Code), p.width()-4-len(label))
		p.line(p.mark(t), " ", p.paint(t, code), "  ", p.paint(dim, label))
		p.para(plain, "", problem.Summary)
		if problem.Remedy != "" {
			p.para(note, "→ ", problem.Remedy)
		}
	}
}

func (p *page) mirrors() {
	p.section("Mirrors")
	if len(p.r.Mirrors) == 0 {
		p.line(indent, "none configured")
	}
	for _, m := range p.r.Mirrors {
		name := health.Plain(m.Name)
		if m.Preview {
			name += " (preview)"
		}
		t := p.mirrorTone(m)
		name = cut(name, p.width()/3)
		p.line(p.mark(t), " ", p.paint(bold, name), "  ", cutMiddle(health.Plain(m.URL), p.width()-4-len([]rune(name))))
		p.para(dim, "", p.refreshed(m))
		if m.LastError != nil {
			p.line(indent, p.paint(t, cut(health.Line(*m.LastError), p.width()-len(indent))))
		}
		for _, role := range roleNames {
			if have, ok := m.Roles[role]; ok {
				p.role(m, role, have)
			}
		}
	}
}

// mirrorTone is that of the worst problem this mirror has.
func (p *page) mirrorTone(m Mirror) tone {
	t := good
	if m.LastSuccess == nil {
		t = note
	}
	if m.LastError != nil {
		t = warn
	}
	for _, problem := range p.r.Problems {
		if problem.Subject.Kind == "mirror" && problem.Subject.ID == health.Plain(m.Name) {
			if problem.Severity == health.Critical {
				return bad
			}
			t = warn
		}
	}
	return t
}

func (p *page) refreshed(m Mirror) string {
	text := "never refreshed"
	if m.LastSuccess != nil {
		text = "refreshed " + p.ago(*m.LastSuccess)
	}
	if m.Failures > 0 {
		text += ", " + plural(m.Failures, "failure")
		if m.LastSuccess != nil {
			text += " since"
		}
	}
	if m.NextAttempt != nil {
		text += ", next " + p.ahead(*m.NextAttempt)
	}
	return text
}

func (p *page) role(m Mirror, name string, r Role) {
	left, t := r.Expires.Sub(p.Now), plain
	for _, problem := range p.r.Problems {
		if problem.Subject.Kind == "mirror" && problem.Subject.ID == health.Plain(m.Name) && problem.Detail == name {
			t = severityTone(problem.Severity)
		}
	}
	text := health.Span(left) + " left"
	if left < 0 {
		t, text = bad, "expired "+health.Span(left)+" ago"
	}
	until := health.Instant(r.Expires)
	if p.width() < 66 {
		until = ""
	}
	p.line(indent, fmt.Sprintf("%-9s %6d   ", name, r.Version), p.paint(t, pad(text, 20)), p.paint(dim, until))
}

// caches lists the caches; whole tells all of each, not only what is wrong.
func (p *page) caches(ill, well int, whole bool) {
	p.section("Caches")
	if len(p.r.Caches) == 0 {
		p.line(indent, "none found")
	}
	owners := 0
	for _, c := range p.r.Caches {
		owners = max(owners, len([]rune(health.Plain(c.Owner))))
	}
	owners = min(owners, p.width()/5)
	list := folded(p.r.Caches, func(c Cache) tone { return stateTone(c.State) }, ill, well)
	for _, c := range list.shown {
		t, owner := stateTone(c.State), cut(health.Plain(c.Owner), owners)
		path := cutMiddle(health.Plain(c.Path), max(deepPath, p.width()-14-owners))
		p.line(p.mark(t), " ", p.paint(t, pad(cut(health.Plain(c.State), 9), 10)), pad(path, max(deepPath, p.width()-14-owners)), "  ", p.paint(dim, owner))
		switch text := joined("; ", c.Detail, c.Consequence); {
		case whole:
			p.para(plain, "", joined(", ", layoutOf(c), text))
		case t != good && text != "":
			p.line(indent, cut(health.Line(text), p.width()-len(indent)))
		}
		if whole && c.Remedy != "" {
			p.para(note, "→ ", c.Remedy)
		}
	}
	p.more(list.ill, "in trouble", "tufkeeper caches")
	p.more(list.well, "fresh", "tufkeeper caches")
}

func (p *page) clients(ill, well int, whole bool) {
	p.section("Clients")
	if len(p.r.Clients) == 0 {
		p.line(indent, "none found")
	}
	names := 0
	for _, c := range p.r.Clients {
		names = max(names, len([]rune(clientName(c))))
	}
	names = min(names, p.width()/4)
	list := folded(p.r.Clients, func(c Client) tone { return verdictTone(c.Verdict) }, ill, well)
	for _, c := range list.shown {
		t := verdictTone(c.Verdict)
		path := cutMiddle(health.Plain(c.Path), max(deepPath, p.width()-16-names))
		p.line(p.mark(t), " ", p.paint(t, pad(string(c.Verdict), 11)), pad(cut(clientName(c), names), names), "  ", path)
		if whole {
			p.inside(c)
		}
		for _, j := range c.Judgements {
			p.judgement(j, whole)
		}
		if len(c.Judgements) == 0 {
			p.para(dim, "", "not judged: no mirror was refreshed yet")
		}
	}
	p.more(list.ill, "not ok", "tufkeeper clients")
	p.more(list.well, "ok", "tufkeeper clients")
}

// inside tells what is compiled into a client.
func (p *page) inside(c Client) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Libraries)) {
		parts = append(parts, health.Plain(name)+" "+health.Plain(c.Libraries[name]))
	}
	for _, root := range c.EmbeddedRoots {
		text := fmt.Sprintf("embedded root %d", root.Version)
		if root.Expires.Before(p.Now) {
			text += " (expired)"
		}
		parts = append(parts, text)
	}
	if text := strings.Join(parts, ", "); text != "" {
		p.para(dim, "", text)
	}
	for _, n := range c.Notes {
		p.para(dim, "", "note: "+n)
	}
}

// judgement tells why a verdict is not "ok"; whole tells where the client starts,
// and all of each reason.
func (p *page) judgement(j health.Judgement, whole bool) {
	if whole {
		text := fmt.Sprintf("%s: %s", health.Plain(j.Mirror), health.Plain(string(j.Verdict)))
		if j.Start != "" {
			text += ", starting from " + health.Line(j.Start)
		}
		p.para(dim, "", text)
	}
	if j.Verdict == health.OK {
		return
	}
	for _, reason := range j.Reasons {
		text, rule := health.Plain(j.Mirror)+": "+health.Line(reason.Summary), ""
		if reason.Rule != "" {
			rule = " (" + cut(health.Plain(reason.Rule), 12) + ")"
		}
		if whole {
			p.para(plain, "  "+pad(cut(health.Plain(cmp.Or(reason.Rule, "-")), 12)+" ", 4), reason.Summary)
			continue
		}
		p.line(indent, cut(text, p.width()-len(indent)-len([]rune(rule))), rule)
	}
	var last []string
	if j.Required != "" {
		last = append(last, "needs "+health.Plain(j.Required)+" or newer")
	}
	if !j.Until.IsZero() {
		word := "seems to work until "
		if j.Until.Before(p.Now) {
			word = "fails since "
		}
		last = append(last, word+health.Instant(j.Until))
	}
	if len(last) > 0 {
		p.para(note, "→ ", strings.Join(last, "; "))
	}
}

func (p *page) unseen() {
	if len(p.r.Unseen) == 0 {
		return
	}
	p.section("Not looked at")
	for i, u := range p.r.Unseen {
		if i == maxIll {
			p.more(len(p.r.Unseen)-i, "places", "tufkeeper status --json")
			return
		}
		p.para(plain, "? ", u)
	}
}

func (p *page) more(n int, what, command string) {
	if n > 0 {
		p.line(indent, p.paint(dim, fmt.Sprintf("and %d more %s: %s", n, what, command)))
	}
}

func (p *page) ago(t time.Time) string {
	d := p.Now.Sub(t)
	switch {
	case d < -time.Minute:
		return "in the future, at " + health.Instant(t)
	case d < time.Minute:
		return "just now"
	}
	return health.Span(d) + " ago"
}

func (p *page) ahead(t time.Time) string {
	if d := t.Sub(p.Now); d >= time.Second {
		return "in " + health.Span(d)
	}
	return "due"
}

func layoutOf(c Cache) string {
	text := "layout " + health.Plain(c.Layout)
	if c.Mirror != "" {
		text += ", mirror " + health.Plain(c.Mirror)
	}
	return text
}

func clientName(c Client) string {
	name := health.Plain(c.Name)
	if c.Version != "" {
		name += " " + health.Plain(c.Version)
	}
	return name
}

func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
