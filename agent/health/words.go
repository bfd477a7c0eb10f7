// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLine bounds one line of text that may hold something from outside, in runes.
const maxLine = 600

// Plain returns text from outside in a form that is safe to print: as it is when
// every rune of it is printable, and quoted as Go would otherwise (control
// characters, invalid UTF-8, characters that reverse the direction of writing).
func Plain(s string) string {
	if s == "" {
		return `""`
	}
	if strings.TrimSpace(s) == s && printable(s) {
		return s
	}
	return strconv.Quote(s)
}

// Typed returns text from outside as one word of a shell command: what a person
// copies from a remedy must name that path and do nothing else, whatever somebody
// has called it. A leading "=" means something to zsh, a comma at the end to a reader.
func Typed(s string) string {
	switch {
	case s != "" && strings.IndexFunc(s, needsQuotes) < 0 && !strings.ContainsAny(s[:1], "=-") && !strings.ContainsAny(s[len(s)-1:], ","):
		return s
	case printable(s):
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(s) {
		if c < 0x7f && !needsQuotes(rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + "'"
}

func needsQuotes(r rune) bool {
	safe := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !safe && !strings.ContainsRune("/._-+=:@%,", r)
}

// Line makes one safe, bounded line of a text that is quoted already where it
// holds something from outside: whatever is still not printable is escaped.
func Line(s string) string {
	s = oneLine(s)
	if utf8.RuneCountInString(s) > maxLine {
		s = string([]rune(s)[:maxLine-1]) + "…"
	}
	return s
}

func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
	if !printable(s) {
		s = strings.ReplaceAll(strings.Trim(strconv.Quote(s), `"`), `\"`, `"`)
	}
	return s
}

// PlainJSON returns a JSON document with every rune escaped that a terminal may take
// for a command, or that changes the direction of writing. It says the same.
func PlainJSON(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		r, size := utf8.DecodeRune(doc)
		switch {
		case r < 0x7f || strconv.IsPrint(r): // below, the encoder has escaped what is in a text
			out = append(out, doc[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		doc = doc[size:]
	}
	return out
}

func printable(s string) bool {
	for i, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false // not UTF-8
			}
		}
	}
	return true
}

// Span says how long d is, in the two largest units that matter to a person:
// "45 s", "12 min", "3 h 48 min", "6 d 3 h", "197 d", "9 y 41 d". It rounds
// down, so that nobody is promised more time than there is; the sign is dropped.
func Span(d time.Duration) string {
	const (
		day  = 24 * time.Hour
		year = 365 * day
	)
	d = d.Abs()
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return units(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	case d < 14*day:
		return units(d/day, "d", d%day/time.Hour, "h")
	case d < 2*year:
		return fmt.Sprintf("%d d", d/day)
	}
	return units(d/year, "y", d%year/day, "d")
}

func units(n time.Duration, unit string, rest time.Duration, small string) string {
	if rest == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, rest, small)
}

// Instant writes t as a person reads it, to the minute, in UTC.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
