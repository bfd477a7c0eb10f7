// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// HCL prints the effective configuration as a file. Parse makes an equal
// Config of it, but for Path, and for the password of a proxy, which is
// printed as xxxxx.
func (c Config) HCL() []byte {
	f := hclwrite.NewEmptyFile()
	top, r := f.Body(), reader{}
	write(top, r.top(&c))
	for _, m := range c.Mirrors {
		b := block(top, "mirror", m.Name)
		write(b, r.mirror(&m))
		if m.Schedule != nil {
			b.AppendNewline()
			write(b.AppendNewBlock("schedule", nil).Body(), r.schedule(m.Schedule))
		}
	}
	write(block(top, "schedule"), r.schedule(&c.Schedule))
	b := block(top, "caches")
	write(b, r.caches(&c.Caches))
	for _, p := range c.Caches.Places {
		write(block(b, "place", p.Path), r.place(&p))
	}
	for _, o := range c.Caches.Overrides {
		write(block(b, "rule", string(o.Path)), r.rule(&o))
	}
	b = block(top, "clients")
	write(b, r.clients(&c.Clients))
	for _, m := range c.Clients.Minimums {
		write(block(b, "minimum", m.Client), r.minimum(&m))
	}
	for _, role := range slices.Sorted(maps.Keys(c.Thresholds)) {
		t := c.Thresholds[role]
		write(block(top, "threshold", role), r.threshold(&t))
	}
	write(block(top, "alerts"), r.alerts(&c.Alerts))
	write(block(top, "log"), r.log(&c.Log))
	return hclwrite.Format(f.Bytes())
}

// block starts a block, after an empty line.
func block(in *hclwrite.Body, name string, labels ...string) *hclwrite.Body {
	in.AppendNewline()
	return in.AppendNewBlock(name, labels).Body()
}

// write prints settings as the tables bind them.
func write(b *hclwrite.Body, settings []setting) {
	for _, s := range settings {
		texts := s.get()
		switch {
		case s.kind == list && len(texts) > 6:
			b.SetAttributeRaw(s.name, lines(texts))
		case s.kind == list:
			b.SetAttributeValue(s.name, tuple(texts))
		case len(texts) == 0: // not set
		case s.kind == flag:
			b.SetAttributeValue(s.name, cty.BoolVal(texts[0] == "true"))
		case s.kind == number:
			n, _ := strconv.ParseInt(texts[0], 10, 64) // printed from an int
			b.SetAttributeValue(s.name, cty.NumberIntVal(n))
		default:
			b.SetAttributeValue(s.name, cty.StringVal(texts[0]))
		}
	}
}

func tuple(texts []string) cty.Value {
	values := make([]cty.Value, len(texts))
	for i, t := range texts {
		values[i] = cty.StringVal(t)
	}
	return cty.TupleVal(values)
}

// lines is a list with a line for each element.
func lines(texts []string) hclwrite.Tokens {
	newline := &hclwrite.Token{Type: hclsyntax.TokenNewline, Bytes: []byte("\n")}
	tokens := hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}, newline}
	for _, t := range texts {
		tokens = append(tokens, hclwrite.TokensForValue(cty.StringVal(t))...)
		tokens = append(tokens, &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")}, newline)
	}
	return append(tokens, &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")})
}

func urlText(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}
