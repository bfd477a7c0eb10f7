// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Parse reads the text of a configuration file. filename is for errors, and
// for the hint when a path is not absolute. An error is an *Error, and comes
// with a zero Config.
func Parse(src []byte, filename string, env Env) (Config, error) {
	r := reader{env: env}
	if filename != "" && filepath.IsAbs(filename) {
		r.dir = filepath.Dir(filename)
	}
	d := &decoder{reader: r}
	c := Default(env)
	if d.plain(src) {
		file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
		d.refuse(diags)
		d.config(file.Body.(*hclsyntax.Body), &c)
	}
	if len(d.problems) > 0 {
		return Config{}, &Error{Path: filename, Problems: sorted(d.problems)}
	}
	c.Path = filename
	return c, nil
}

// sorted puts problems in the order of the file, each once, and stops where
// nobody reads on.
func sorted(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.Compact(problems)
	const most = 100
	return problems[:min(len(problems), most)]
}

// A decoder fills a Config from a file and gathers what is wrong with it.
type decoder struct {
	reader
	problems []Problem
	broken   bool // the syntax is wrong: what seems to be missing may be there
}

func (d *decoder) problem(at hcl.Range, hint, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		Line: at.Start.Line, Column: at.Start.Column,
		Text: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// mistake notes the error of a value.
func (d *decoder) mistake(at hcl.Range, err error) {
	hint := ""
	if m, ok := errors.AsType[*mistake](err); ok {
		hint = m.hint
	}
	d.problem(at, hint, "%s", err)
}

// refuse notes what HCL says about the syntax, on one line.
func (d *decoder) refuse(diags hcl.Diagnostics) {
	for _, g := range diags {
		d.broken = true
		at := hcl.Range{Start: hcl.InitialPos}
		if g.Subject != nil {
			at = *g.Subject
		}
		said := strings.Join(strings.Fields(g.Summary+": "+g.Detail), " ")
		d.problem(at, "", "%s", shown(strings.TrimRight(said, ".")))
	}
}

// plain checks, before anything is parsed, that the text holds plain values
// nested a few deep. The parser is recursive and a file may be 1 MiB long:
// nothing that nests without end may reach it.
func (d *decoder) plain(src []byte) bool {
	const deepest, mostTokens = 8, 100_000
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos) // its complaints are repeated by the parser
	if len(tokens) > mostTokens {
		d.problem(tokens[mostTokens].Range, "", "more than %d words", mostTokens)
		return false
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack:
			if depth++; depth > deepest {
				d.problem(t.Range, "", "nested more than %d deep", deepest)
				return false
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack:
			depth--
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			d.problem(t.Range, fmt.Sprintf("write %q for a literal %q", string(t.Bytes[:1])+string(t.Bytes), string(t.Bytes)),
				"%s starts an expression, and a setting takes a plain value", quoted(string(t.Bytes)))
			return false
		case hclsyntax.TokenOParen, hclsyntax.TokenMinus, hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenOHeredoc:
			d.problem(t.Range, "", "%s starts an expression, and a setting takes a plain value", quoted(string(t.Bytes)))
			return false
		case hclsyntax.TokenNumberLit:
			if len(t.Bytes) > 20 {
				d.problem(t.Range, "", "%s is too long for a number", quoted(string(t.Bytes)))
				return false
			}
		}
	}
	return true
}

// A child is one kind of block that a body may hold.
type child struct {
	name   string
	label  string // what the label names; "" when there is none
	decode func(b *hclsyntax.Block)
}

// body decodes the settings and the blocks of one body. It returns the
// settings that were there, by name.
func (d *decoder) body(b *hclsyntax.Body, in string, settings []setting, children []child) map[string]hcl.Range {
	given := map[string]hcl.Range{}
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		a := b.Attributes[name]
		i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
		if i < 0 {
			d.unknown(a.NameRange, "setting", name, in, settings, children)
			continue
		}
		given[name] = a.Expr.Range()
		d.value(a, settings[i])
	}
	seen := map[string]bool{}
	for _, block := range b.Blocks {
		i := slices.IndexFunc(children, func(c child) bool { return c.name == block.Type })
		if i < 0 {
			d.unknown(block.TypeRange, "block", block.Type, in, settings, children)
			continue
		}
		if !d.labelled(block, children[i]) {
			continue
		}
		key := block.Type + " " + strings.Join(block.Labels, " ")
		if seen[key] {
			d.problem(block.DefRange(), "", "there is a second %s", block.Type+shownLabel(block))
			continue
		}
		seen[key] = true
		children[i].decode(block)
	}
	return given
}

func shownLabel(b *hclsyntax.Block) string {
	if len(b.Labels) == 0 {
		return " block"
	}
	return " " + quoted(b.Labels[0])
}

// labelled checks that a block has the label it needs and no more.
func (d *decoder) labelled(b *hclsyntax.Block, c child) bool {
	switch {
	case c.label == "" && len(b.Labels) > 0:
		d.problem(b.LabelRanges[0], fmt.Sprintf("write %s { … }", c.name), "a %s block has no name", c.name)
	case c.label != "" && len(b.Labels) != 1:
		d.problem(b.DefRange(), fmt.Sprintf("write %s %q { … }", c.name, c.label), "a %s block has one name", c.name)
	default:
		return true
	}
	return false
}

// unknown notes a name that is not there, and guesses which was meant.
func (d *decoder) unknown(at hcl.Range, what, name, in string, settings []setting, children []child) {
	var names []string
	for _, s := range settings {
		names = append(names, s.name)
	}
	for _, c := range children {
		names = append(names, c.name)
	}
	hint := DidYouMean(name, names)
	switch {
	case slices.Contains(names, name) && what == "setting":
		hint = fmt.Sprintf("it is a block: write %s { … }", name)
	case slices.Contains(names, name):
		hint = fmt.Sprintf("it is a setting: write %s = …", name)
	case hint == "":
		if home := homeOf(name); home != "" {
			hint = fmt.Sprintf("%q belongs into a %s", name, home)
		} else {
			hint = oneOf(names)
		}
	}
	d.problem(at, hint, "unknown %s %s in %s", what, quoted(name), in)
}

// value decodes one setting.
func (d *decoder) value(a *hclsyntax.Attribute, s setting) {
	if s.kind != list {
		if t, ok := d.text(a.Expr, s.name, s.kind); ok {
			if err := s.set(t); err != nil {
				d.mistake(a.Expr.Range(), err)
			}
		}
		return
	}
	tuple, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		d.problem(a.Expr.Range(), `write ["…", "…"]`, "%s takes a list", s.name)
		return
	}
	const most = 1000
	if len(tuple.Exprs) > most {
		d.problem(a.Expr.Range(), "", "%s takes at most %d elements", s.name, most)
		return
	}
	s.none()
	for _, e := range tuple.Exprs {
		if t, ok := d.text(e, "an element of "+s.name, text); ok {
			if err := s.set(t); err != nil {
				d.mistake(e.Range(), err)
			}
		}
	}
}

// text is what a literal says.
func (d *decoder) text(e hclsyntax.Expression, what string, k kind) (string, bool) {
	if _, bare := e.(*hclsyntax.ScopeTraversalExpr); bare && k == text && hcl.ExprAsKeyword(e) != "" {
		t := hcl.ExprAsKeyword(e)
		d.problem(e.Range(), fmt.Sprintf("write %q", t), "%s takes a text in quotes", what)
		return "", false
	}
	v, diags := e.Value(nil)
	if !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull() {
		switch {
		case k == text && v.Type() == cty.String:
			return v.AsString(), true
		case k == flag && v.Type() == cty.Bool:
			return fmt.Sprint(v.True()), true
		case k == number && v.Type() == cty.Number:
			return v.AsBigFloat().Text('f', -1), true
		}
	}
	takes := map[kind]string{text: "a text in quotes", number: "a number", flag: "true or false"}[k]
	d.problem(e.Range(), "", "%s takes %s", what, takes)
	return "", false
}
