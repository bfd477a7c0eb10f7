// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

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
		path := cutMiddle(whereOf(c), max(deepPath, p.width()-16-names))
		p.line(p.mark(t), " ", p.paint(t, pad(cut(health.Plain(string(c.Verdict)), 10), 11)), pad(cut(clientName(c), names), names), "  ", path)
		if whole {
			p.inside(c)
		}
		for _, j := range c.Judgements {
			p.judgement(j, whole)
		}
		if len(c.Judgements) == 0 {
			p.para(dim, "", "not judged: no mirror was refreshed yet")
		}
		if whole {
			p.advice(c.Advice)
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
	parts = append(parts, embedded(c.EmbeddedRoots, p.Now)...)
	if text := strings.Join(parts, ", "); text != "" {
		p.para(dim, "", text)
	}
	if o := c.Package; o != nil {
		p.para(dim, "", fmt.Sprintf("package %s %s (%s)", health.Plain(o.Name), health.Plain(o.Version), health.Plain(o.Manager)))
	}
	for _, n := range c.Notes {
		p.para(dim, "", "note: "+n)
	}
}

// embedded tells the embedded roots that matter here, a long chain by its ends, and
// counts those of other instances.
func embedded(roots []client.EmbeddedRoot, now time.Time) (parts []string) {
	var here []client.EmbeddedRoot
	others := 0
	for _, root := range roots {
		switch {
		case root.Instance != health.InstancePublic && root.Instance != health.InstanceConfigured:
			others++
		case !slices.ContainsFunc(here, func(r client.EmbeddedRoot) bool { return r.Version == root.Version && r.Instance == root.Instance }):
			here = append(here, root)
		}
	}
	tell := func(text string, newest client.EmbeddedRoot) {
		if newest.Expires.Before(now) {
			text += " (expired)"
		}
		parts = append(parts, text)
	}
	for len(here) > 0 {
		n := 1
		for n < len(here) && here[n].Version == here[n-1].Version+1 && here[n].Instance == here[0].Instance {
			n++
		}
		if n < 3 {
			n = 1
			tell(fmt.Sprintf("embedded root %d", here[0].Version), here[0])
		} else {
			tell(fmt.Sprintf("embedded roots %d to %d", here[0].Version, here[n-1].Version), here[n-1])
		}
		here = here[n:]
	}
	switch {
	case others == 1:
		parts = append(parts, "an embedded root of another instance")
	case others > 1:
		parts = append(parts, fmt.Sprintf("%d embedded roots of other instances", others))
	}
	return parts
}

// advice tells what to type, line by line as it is to be typed: a line that is too
// wide is continued as a shell reads it on.
func (p *page) advice(steps []string) {
	if len(steps) == 0 {
		return
	}
	p.line(indent, p.paint(note, "to do:"))
	for _, step := range steps {
		for _, l := range typed(health.Todo(step), p.width()-len(indent)-2) {
			p.line(indent, "  ", l)
		}
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
		p.probe(j)
	}
	if j.Verdict == health.OK {
		return
	}
	for _, reason := range j.Reasons {
		text, rule := health.Plain(j.Mirror)+": "+health.Line(reason.Summary), ""
		label := ruleOf(reason)
		if label != "" {
			rule = " (" + label + ")"
		}
		if whole {
			p.para(plain, "  "+pad(cmp.Or(label, "-")+" ", 4), reason.Summary)
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
	if !whole || j.Required != "" {
		return
	}
	var told []string
	for _, reason := range j.Reasons { // no release is the answer to them
		if remedy := health.Todo(reason.Remedy); remedy != "" && !slices.Contains(told, remedy) {
			told = append(told, remedy)
			p.todo(remedy)
		}
	}
}

// probe tells what the client did when it was run.
func (p *page) probe(j health.Judgement) {
	saysSo := func(r health.Reason) bool { return r.Rule == health.RuleProbe }
	if j.Probe == nil || slices.ContainsFunc(j.Reasons, saysSo) {
		return
	}
	text := map[string]string{
		health.ProbeOK: "reads it, as a probe saw", health.ProbeFailed: "refuses it, as a probe saw",
	}[j.Probe.Outcome]
	if text == "" {
		text = "a probe came to nothing"
	}
	text += " at " + health.Instant(j.Probe.At)
	if j.Probe.Error != "" {
		text += ": " + health.Line(j.Probe.Error)
	}
	p.para(dim, "", text)
}

// ruleOf is a reason's rule as a short label; "" where the summary names it, as
// those of advisories do.
func ruleOf(r health.Reason) string {
	if strings.HasPrefix(r.Summary, r.Rule) {
		return ""
	}
	return cut(health.Plain(r.Rule), 12)
}

// whereOf is where a client is; one that was only assumed is nowhere.
func whereOf(c Client) string {
	if c.Path == "" {
		return "(not installed)"
	}
	return health.Plain(c.Path)
}

func clientName(c Client) string {
	name := health.Plain(c.Name)
	if c.Version != "" {
		name += " " + health.Plain(c.Version)
	}
	return name
}
