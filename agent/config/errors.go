// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
)

// Error says why a file is no configuration. It has at least one problem.
type Error struct {
	Path     string
	Problems []Problem // in the order of the file
	Err      error     // why the file could not be read, if that is it
}

// Problem is one mistake in a file.
type Problem struct {
	Line, Column int // from 1; 0 when the file as a whole is meant
	Text         string
	Hint         string // what was meant, or what to do; may be ""
}

// Error is the headline, and a line for every further problem.
func (e *Error) Error() string {
	lines := e.Lines()
	lines[0] = e.Headline()
	return strings.Join(lines, "\n")
}

// Headline names the first problem and counts the others, on one line.
func (e *Error) Headline() string {
	s := fmt.Sprintf("reading config %s: %s", e.place(e.Problems[0]), e.Problems[0].Text)
	if n := len(e.Problems) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Hint is the hint of the first problem, or "".
func (e *Error) Hint() string { return e.Problems[0].Hint }

// Unwrap returns the error of the file system, if there was one.
func (e *Error) Unwrap() error { return e.Err }

// Lines says every problem on a line of its own, with its hint, as compilers do.
func (e *Error) Lines() []string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		line := e.place(p) + ": " + p.Text
		if p.Hint != "" {
			line += " (" + p.Hint + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// place is file:line:column, or the file alone.
func (e *Error) place(p Problem) string {
	if p.Line == 0 {
		return shown(e.Path)
	}
	return fmt.Sprintf("%s:%d:%d", shown(e.Path), p.Line, p.Column)
}

// unreadable is the error of a file that was not even parsed.
func unreadable(path string, err error, text, hint string) *Error {
	return &Error{Path: path, Err: err, Problems: []Problem{{Text: text, Hint: hint}}}
}

// A mistake is an error with a hint.
type mistake struct{ text, hint string }

func (m *mistake) Error() string { return m.text }

// wrong is the error of a value that will not do.
func wrong(hint, format string, args ...any) error {
	return &mistake{text: fmt.Sprintf(format, args...), hint: hint}
}

// DidYouMean says which of the names there are was meant; "" when nothing
// comes close.
func DidYouMean(given string, names []string) string {
	if len(given) > 64 {
		return ""
	}
	best, least := "", max(1, len(given)/3)+1
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToLower(given), n, nil); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// oneOf says what there is to choose from.
func oneOf(names []string) string { return "one of " + strings.Join(names, ", ") }

// quoted puts text from a file into an error: short, and harmless on a terminal.
func quoted(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most])) + "…"
	}
	return strconv.Quote(s)
}

// shown is quoted only where it has to be.
func shown(s string) string {
	if slices.ContainsFunc([]rune(s), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
