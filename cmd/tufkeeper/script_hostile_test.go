// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// hostileNames are what an owner of a cache may call things to speak through a
// terminal, a log, or a monitoring system that reads lines.
var hostileNames = []string{"evil\nCRITICAL - all is lost", "\x1b[2J\x1b]0;owned\a", "\xff\xfe", "\u202egnp.exe", "\u009b31m", "\x7f\b\b\b\r", "$(touch x)`id`'\""}

// hostileCommand puts things with such names into directories: hostile DIR... What
// looks like a cache, files, and what crashed clients leave.
func hostileCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: hostile DIR...")
	}
	for _, dir := range args {
		dir = ts.MkAbs(dir)
		for _, name := range hostileNames {
			at := filepath.Join(dir, name)
			ts.Check(os.MkdirAll(at, 0o700))
			for _, file := range []string{"root.json", "timestamp.json", name} {
				ts.Check(os.WriteFile(filepath.Join(at, file), fmt.Appendf(nil, `{"signed":{"_type":%q}}`, name), 0o644))
			}
			ts.Check(os.WriteFile(filepath.Join(dir, "tuf_tmp"+name), nil, 0o600))
		}
		ts.Check(os.WriteFile(filepath.Join(dir, "remote.json"), fmt.Appendf(nil, `{"mirror":"https://\u001b[2J\u202e\n/x"}`), 0o600))
	}
}

// plainCommand wants texts, or files, without a byte that a terminal acts on:
// plain stdout|stderr|FILE...
func plainCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: plain stdout|stderr|FILE...")
	}
	for _, name := range args {
		text := ts.ReadFile(name)
		bad := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
		if bad >= 0 || !utf8.ValidString(text) {
			ts.Fatalf("%s: %q", name, text)
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "CRITICAL - all is lost") {
				ts.Fatalf("%s: a line of its maker: %q", name, line)
			}
		}
	}
}
