// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// helpWidth is what a line of help takes at most: a terminal that nobody has widened.
const helpWidth = 80

// narrow has the help of a command, and of all below it, fit such a terminal.
func narrow(c *cobra.Command) {
	if !c.HasParent() {
		c.SetUsageTemplate(strings.NewReplacer(
			"FlagUsages |", "FlagUsagesWrapped 80 |",
			"for more information about a command", "for more about a command",
		).Replace(c.UsageTemplate()))
	}
	c.Long = narrowed(c.Long)
	for _, below := range c.Commands() {
		narrow(below)
	}
}

// narrowed wraps the paragraphs of a text that have too wide a line; lists and what is
// indented stay as they are.
func narrowed(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		wide := false
		for line := range strings.SplitSeq(p, "\n") {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "- ") {
				wide = false
				break
			}
			wide = wide || utf8.RuneCountInString(line) > helpWidth
		}
		if wide {
			paragraphs[i] = filled(p)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func filled(paragraph string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(paragraph) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > helpWidth:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
