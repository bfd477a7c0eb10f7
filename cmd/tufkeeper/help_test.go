// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

// Help fits a terminal of 80 columns, every command's.
func TestHelpFitsATerminal(t *testing.T) {
	p := &program{env: config.Env{Root: true}}
	root := p.root()
	var all func(c *cobra.Command)
	all = func(c *cobra.Command) {
		var b bytes.Buffer
		c.SetOut(&b)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "--config") {
			t.Errorf("%s: no help:\n%s", c.CommandPath(), b.String())
		}
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
		for _, below := range c.Commands() {
			all(below)
		}
	}
	all(root)
}
