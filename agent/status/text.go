// SPDX-License-Identifier: Apache-2.0

package status

import (
	"bytes"
	"fmt"
	"io"
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
	if failing := r.failing(); len(failing) > 0 {
		return warn, strings.Join(failing, "; ") + "; nothing is lost"
	}
	if text := r.troubled(); text != "" {
		return warn, "no problem raised; " + text
	}
	if len(r.Unseen) > 0 {
		return good, "all is well, as far as could be seen"
	}
	return good, "all is well"
}

// failing says of each mirror whose last refresh failed how often it has. It is
// no problem before it has held for a while, and nothing to be silent about.
func (r Report) failing() []string {
	var texts []string
	for _, m := range r.Mirrors {
		if m.LastError != nil {
			texts = append(texts, fmt.Sprintf("refreshing %s failed %s", health.Plain(m.Name), plural(max(1, m.Failures), "time")))
		}
	}
	return texts
}

// troubled counts the caches that are not well, whatever is raised as a problem: a
// condition must hold for a while, and some are their clients' affair.
func (r Report) troubled() string {
	n := 0
	for _, c := range r.Caches {
		if c.Policy != "ignore" && c.NeedsAttention() {
			n++
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "1 cache needs attention"
	}
	return fmt.Sprintf("%d caches need attention", n)
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
			p.todo(problem.Remedy)
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
			p.para(t, "", *m.LastError)
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
	if m.NextAttempt != nil && p.r.Agent != nil { // without an agent nobody will
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

func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
