// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// Measures of the picture, in its own units.
const (
	left      = 176 // of the first root
	top       = 206 // of the first release
	columnW   = 46
	rowH      = 15
	legendTop = 62
	margin    = 24
)

// looks says how an outcome is drawn: a class of the style sheet below. Colours
// are told apart with every kind of colour vision, and none stands alone: what
// fails is hatched and carries its rule.
var looks = map[string]string{reads: "ok", none: "none", unknown: "none", "R1": "f1", "R2": "f2", "R6": "f3"}

const style = `
  text { font: 11px ui-sans-serif, system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328 }
  .h1 { font-size: 18px; font-weight: 600 }
  .dim { fill: #59636e }
  .num { font-variant-numeric: tabular-nums }
  .b { font-weight: 600 }
  .on { font-size: 10px; font-weight: 600; fill: #1f2328 }
  .paper { fill: #ffffff }
  .stripe { fill: #f3f5f7 }
  .line { stroke: #d1d9e0; stroke-width: 1 }
  .ok { fill: #8fd0f5 }
  .f1 { fill: #e8a33d }
  .f2 { fill: #f08a5d }
  .f3 { fill: #d9a0c8 }
  .fx { fill: #f0e442 }
  .none { fill: none; stroke: #8c959f }
  .h { stroke: #5a2d0c; stroke-width: 1.2; opacity: .34 }
  .never { opacity: .42 }
  .mark { stroke: #b30000; stroke-width: 2; stroke-dasharray: 6 4 }
  .marked { fill: #b30000; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .dim { fill: #9aa4af }
    .paper { fill: #0d1117 }
    .stripe { fill: #161b22 }
    .line { stroke: #30363d }
    .ok { fill: #4ba3d3 }
    .f1 { fill: #d08b24 }
    .f2 { fill: #dd6f40 }
    .f3 { fill: #c07fae }
    .fx { fill: #cfc33a }
    .on { fill: #0d1117 }
    .none { stroke: #6e7781 }
    .mark { stroke: #ff8080 }
    .marked { fill: #ff8080 }
  }
`

// SVG draws every release of cosign, by its day, against every public root.
func SVG(m *client.Model) ([]byte, error) {
	t, err := tabulate(m)
	if err != nil {
		return nil, err
	}
	d := &drawing{t: t, rows: t.byDate()}
	d.width = left + columnW*len(m.Roots) + margin
	d.height = top + rowH*len(d.rows) + 64
	d.head()
	d.legend()
	d.columns()
	for i, r := range d.rows {
		d.row(i, r)
	}
	d.marks()
	d.add("</svg>\n")
	return d.out.Bytes(), nil
}

type drawing struct {
	t             table
	rows          []row
	width, height int
	out           bytes.Buffer
}

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.out, format, args...) }

// escape writes text as it may stand in XML.
func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

func (d *drawing) text(x, y int, class, anchor, s string) {
	if anchor != "" {
		anchor = fmt.Sprintf(" text-anchor=%q", anchor)
	}
	d.add("<text x=\"%d\" y=\"%d\" class=%q%s>%s</text>\n", x, y, class, anchor, escape(s))
}

func (d *drawing) box(class string, x, y, w, h int) {
	d.add("<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>\n", class, x, y, w, h)
}

func (d *drawing) head() {
	m := d.t.m
	d.add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"title desc\">\n", d.width, d.height, d.width, d.height)
	d.add("<title id=\"title\">Which release of cosign reads which root of Sigstore</title>\n")
	d.add("<desc id=\"desc\">%s</desc>\n", escape(fmt.Sprintf("One line for each of %d releases of cosign, by date, and one column for each of the %d roots of Sigstore's public instance. Known as of %s. Every line says in its title what it shows; docs/compatibility.md has the same as tables.", len(d.rows), len(m.Roots), m.KnownAsOf)))
	d.add("<style>%s</style>\n<defs>\n", style)
	for _, p := range []struct{ id, path string }{
		{"f1", "M0 7L7 0"}, {"f2", "M0 0L7 7"}, {"f3", "M0 0L7 7M0 7L7 0"}, {"fx", "M3.5 0V7"},
	} {
		d.add("<pattern id=\"p-%s\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\"><path class=\"h\" d=%q/></pattern>\n", p.id, p.path)
	}
	d.add("</defs>\n<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", d.width, d.height)
	d.text(margin, 34, "h1", "", "Which release of cosign reads which root of Sigstore")
	d.text(d.width-margin, 34, "dim", "end", "known as of "+m.KnownAsOf)
}

// look returns the class of an outcome.
func look(outcome string) string {
	if class, ok := looks[outcome]; ok {
		return class
	}
	return "fx"
}

// cell draws an outcome and, where it says one, its rule.
func (d *drawing) cell(outcome string, x, y, w int, label string) {
	class := look(outcome)
	d.box(class, x+1, y+1, w-2, rowH-2)
	if strings.HasPrefix(class, "f") {
		d.add("<rect fill=\"url(#p-%s)\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>\n", class, x+1, y+1, w-2, rowH-2)
	}
	if label == "" {
		return
	}
	on := "on"
	if class == "none" {
		on = "dim"
	}
	d.text(x+6, y+rowH-4, on, "", label)
}

func (d *drawing) legend() {
	x, y := margin, legendTop
	entry := func(outcome, label, words string) {
		w := 330
		if x+w > d.width-margin {
			x, y = margin, y+22
		}
		d.cell(outcome, x, y, 34, label)
		d.text(x+42, y+rowH-4, "", "", words)
		x += w
	}
	entry(reads, "✓", "reads it, from its embedded root on")
	for _, rule := range d.rules() {
		r, _ := d.t.m.Rule(rule)
		entry(rule, rule, short(r, d.t.m))
	}
	entry(none, "–", "no TUF client: its keys are compiled in")
	d.text(margin, y+2*rowH+4, "dim", "", "Pale: they never met, the root was replaced before the release came out. Blank: the mirror would be older than the release.")
}

// rules are the rules by which some release fails, in the order of the table.
func (d *drawing) rules() []string {
	var out []string
	for _, r := range d.t.m.Rules {
		if slices.ContainsFunc(d.rows, func(row row) bool { return slices.Contains(row.outcomes, r.ID) }) {
			out = append(out, r.ID)
		}
	}
	return out
}

// short says what a rule is about in a few words: what the client lacks.
func short(r client.Rule, m *client.Model) string {
	for _, c := range m.Capability {
		if c.ID == r.Capability {
			return "cannot read " + c.Text
		}
	}
	return r.Effect
}

func (d *drawing) columns() {
	bottom := top + rowH*len(d.rows)
	for i, r := range d.t.m.Roots {
		x := left + i*columnW
		if i%2 == 0 {
			d.add("<rect class=\"stripe\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", x, top-46, columnW, bottom-top+46)
		}
		d.text(x+columnW/2, top-30, "b num", "middle", fmt.Sprint(r.Version))
		d.text(x+columnW/2, top-17, "dim num", "middle", r.Published[:4])
		d.text(x+columnW/2, top-5, "dim num", "middle", r.Published[5:])
	}
	d.text(left-10, top-30, "b", "end", "root")
	d.text(left-10, top-11, "dim", "end", "published")
	d.text(margin, top-5, "b", "", "cosign")
}

func (d *drawing) row(i int, r row) {
	y := top + i*rowH
	d.add("<g><title>%s</title>\n", escape(fmt.Sprintf("cosign %s (%s) %s", r.release.Version, r.release.Date, d.t.says(r))))
	d.text(margin, y+rowH-4, "num", "", strings.TrimPrefix(r.release.Version, "v"))
	d.text(left-10, y+rowH-4, "dim num", "end", r.release.Date)
	for _, s := range runs(r.outcomes) {
		if s.outcome == older {
			continue
		}
		met := s.from // the first root that was not yet replaced when this came out
		for met < s.to && met+1 < len(d.t.m.Roots) && d.t.m.Roots[met+1].Published <= r.release.Date {
			met++
		}
		label := ""
		switch s.outcome {
		case reads:
			label = "✓"
		case none:
			label = "–"
		case unknown:
			label = "?"
		default:
			label = s.outcome
		}
		if met > s.from {
			d.add("<g class=\"never\">")
			pale := label
			if met < s.to {
				pale = ""
			}
			d.cell(s.outcome, left+s.from*columnW, y, (met-s.from)*columnW, pale)
			d.add("</g>")
		}
		if met < s.to {
			d.cell(s.outcome, left+met*columnW, y, (s.to-met)*columnW, label)
		}
	}
	d.add("</g>\n")
}

// marks draws the day on which clients broke: a line before that root, and one
// below the last release before that day.
func (d *drawing) marks() {
	bottom := top + rowH*len(d.rows)
	if d.t.incident >= 0 {
		root := d.t.m.Roots[d.t.incident]
		x := left + d.t.incident*columnW
		after := slices.IndexFunc(d.rows, func(r row) bool { return r.release.Date >= root.Published })
		if after < 0 {
			after = len(d.rows)
		}
		y := top + after*rowH
		d.add("<path class=\"mark\" fill=\"none\" d=\"M%d %dV%dM%d %dH%d\"/>\n", x, top-62, bottom+4, margin, y, d.width-margin)
		d.text(x-6, top-54, "marked", "end", fmt.Sprintf("%s: root %d brings the key type %q", root.Published, root.Version, root.KeyType))
		d.text(x+6, top-54, "marked", "", "what is above the other line was out by then")
	}
	d.text(margin, bottom+26, "dim", "", "Drawn from agent/client/compat.json by the judge that tufkeeper itself uses. A root is taken as it stood under its newest targets.")
	d.text(margin, bottom+42, "dim", "", "Each release starts from the root that is compiled into it. Rules, symptoms and remedies: docs/compatibility.md.")
}
