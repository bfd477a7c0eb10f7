// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Style says how text is written.
type Style struct {
	Color bool // with ANSI colours; without, no escape sequence at all
	Width int  // columns; 0 means 80, fewer than 48 are taken for 48
	// Now is the reader's time, for "12 min ago"; zero takes the report's.
	Now time.Time
}

func (s Style) width() int {
	if s.Width == 0 {
		return 80
	}
	return max(48, s.Width)
}

// tone is what a piece of text means; colour is only ever added to a mark or a
// word that says the same.
type tone int

const (
	plain tone = iota
	dim
	bold
	good
	warn
	bad
	note
)

var ansi = map[tone]string{dim: "\x1b[2m", bold: "\x1b[1m", good: "\x1b[32m", warn: "\x1b[33m", bad: "\x1b[1;31m", note: "\x1b[36m"}

func (s Style) paint(t tone, text string) string {
	if !s.Color || t == plain || text == "" {
		return text
	}
	return ansi[t] + text + "\x1b[0m"
}

// mark is the sign before a line, one column wide.
func (s Style) mark(t tone) string {
	sign := map[tone]string{good: "✓", warn: "!", bad: "✗", note: "?"}[t]
	if sign == "" {
		sign = "·"
	}
	return s.paint(t, sign)
}

func severityTone(s health.Severity) tone {
	if s == health.Critical {
		return bad
	}
	return warn
}

func verdictTone(v health.Verdict) tone {
	switch v {
	case health.OK:
		return good
	case health.Outdated:
		return bad
	case health.Endangered, health.Vulnerable:
		return warn
	}
	return note
}

func stateTone(s string) tone {
	switch cache.State(s) {
	case cache.Fresh:
		return good
	case cache.Damaged, cache.Unusable:
		return bad
	case cache.Behind, cache.Ahead, cache.Expired:
		return warn
	}
	return note
}

// cut shortens text to n columns, with an ellipsis at its end.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	if n < 2 {
		return "…"
	}
	return strings.TrimRight(string([]rune(text)[:n-1]), " ") + "…"
}

// cutMiddle shortens a path to n columns: both ends of it say the most.
func cutMiddle(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	if n < 5 {
		return cut(text, n)
	}
	head := (n - 1) / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(n-1-head):])
}

// pad fills text with spaces up to n columns.
func pad(text string, n int) string {
	if missing := n - utf8.RuneCountInString(text); missing > 0 {
		return text + strings.Repeat(" ", missing)
	}
	return text
}

// wrap breaks text into lines of at most n columns: at spaces where it can, inside
// a word that is too long for a line (a path, mostly) after a slash if there is one.
func wrap(text string, n int) []string {
	n = max(8, n)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
			lines, line = append(lines, line), ""
		}
		for utf8.RuneCountInString(word) > n {
			head := string([]rune(word)[:n])
			if i := strings.LastIndexByte(head, '/'); i > n/2 {
				head = head[:i+1]
			}
			lines, word = append(lines, head), word[len(head):]
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
