// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTodo bounds what is to be typed, in runes: some of the longest paths there are.
const maxTodo = 20_000

// Todo makes a remedy fit for one line. Unlike [Line] it leaves nothing out: a command
// that was cut off is another one, and its quotes do not end.
func Todo(s string) string {
	s = oneLine(s)
	if utf8.RuneCountInString(s) > maxTodo {
		return "nothing that could be typed: it would be too long"
	}
	return s
}

// IsCommand says whether a remedy is one command, to be typed as it stands, and not
// prose that names some. What quotes hold is its argument, whatever it looks like.
func IsCommand(todo string) bool {
	words, closed := Words(todo)
	if !closed || len(words) == 0 {
		return false
	}
	switch words[0] {
	case "cosign":
		if len(words) < 2 || words[1] != "initialize" {
			return false // a release of it
		}
	case "chmod", "chown", "df", "mv", "sigstore", "sudo", "systemctl", "timedatectl", "tufkeeper":
	default:
		return false
	}
	return !slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w[len(w)-1:], ",;") })
}

// Words are what a line of shell is made of: parts between spaces that no quotes hold.
// closed says whether every quote ends.
func Words(line string) (words []string, closed bool) {
	const plain, single, double, ansi = 0, '\'', '"', '$'
	state, escaped, dollar := rune(plain), false, false
	var word strings.Builder
	for _, r := range line {
		if state == plain && !escaped && r == ' ' {
			if word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			dollar = false
			continue
		}
		word.WriteRune(r)
		after := dollar
		dollar = false
		switch {
		case escaped:
			escaped = false
		case r == '\\' && state != single:
			escaped = true
		case state == plain && r == '\'' && after:
			state = ansi
		case state == plain && (r == '\'' || r == '"'):
			state = r
		case state == plain:
			dollar = r == '$'
		case state == double && r == '"', state != double && r == '\'':
			state = plain
		}
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, state == plain && !escaped
}
