// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// todo tells what to type. One command is continued as a shell reads it on; prose is
// broken between words.
func (p *page) todo(text string) {
	text, width := health.Todo(text), p.width()-len(indent)-2
	lines := prose(text, width)
	if health.IsCommand(text) {
		lines = typed(text, width)
	}
	lead := "→ "
	for _, l := range lines {
		p.line(indent, p.paint(note, lead+l))
		lead = "  "
	}
}

// typed breaks a line of shell at spaces outside of quotes, so that typed as it
// stands it means the same. A word is never broken, however wide.
func typed(step string, width int) []string {
	if comment, ok := strings.CutPrefix(step, "# "); ok {
		lines := wrap(comment, width-2)
		for i := range lines {
			lines[i] = "# " + lines[i]
		}
		return lines
	}
	all, closed := health.Words(step)
	if len([]rune(step)) <= width || !closed {
		return []string{step}
	}
	lines, line := []string{}, all[0]
	for _, word := range all[1:] {
		if len([]rune(line+" "+word+` \`)) > width {
			lines, line = append(lines, line+` \`), "  "+word
			continue
		}
		line += " " + word
	}
	return append(lines, line)
}

// prose breaks a sentence that may hold paths and commands. What quotes hold stays
// whole, and no line begins with what may be a path: pasted alone it would be run.
func prose(text string, width int) []string {
	words, closed := health.Words(text)
	if !closed {
		words = strings.Fields(text)
	}
	var lines []string
	line, chunk, block := "", "", false
	for i, word := range words {
		block = word == "{" || block && word != "}"
		if chunk != "" {
			word = chunk + " " + word
		}
		chunk = word
		if i+1 < len(words) && (block || !wordly(words[i+1])) { // a block is pasted whole
			continue
		}
		switch {
		case line == "":
			line = chunk
		case len([]rune(line+" "+chunk)) > width:
			lines, line = append(lines, line), chunk
		default:
			line += " " + chunk
		}
		chunk = ""
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// wordly says whether a word of prose is of a language, a number or a version.
func wordly(word string) bool {
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:()-'") == "" &&
		strings.Trim(word[:1], "'.-") != ""
}
