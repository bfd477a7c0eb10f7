// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	// maxOutput is what is kept of a client's output: its beginning and its end.
	maxOutput = 64 << 10
	// maxError bounds an error in bytes.
	maxError = 500
)

// output keeps the two ends of what a client writes, and takes in the rest. It is
// safe for concurrent use.
type output struct {
	mu         sync.Mutex
	head, tail []byte
	dropped    int64
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	room := min(len(p), maxOutput/2-len(o.head))
	o.head, p = append(o.head, p[:room]...), p[room:]
	o.tail = append(o.tail, p...)
	if over := len(o.tail) - maxOutput/2; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
		o.dropped += int64(over)
	}
	return n, nil
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped == 0 {
		return bytes.Join([][]byte{o.head, o.tail}, nil)
	}
	return fmt.Appendf(nil, "%s\n[%d bytes left out]\n%s", o.head, o.dropped, o.tail)
}

// errorLine finds the line of a client's output that says what went wrong: the
// last that calls itself an error, or else the last that is not empty.
func errorLine(out []byte) string {
	last := ""
	for line := range strings.Lines(string(out)) {
		line = plainLine(line)
		if line == "" {
			continue
		}
		if text, ok := strings.CutPrefix(line, "Error: "); ok {
			return clip(text) // cosign and cobra: the lines after it repeat it, or tell how to call it
		}
		last = line
	}
	return clip(anyError.ReplaceAllString(commandError.ReplaceAllString(last, ""), ""))
}

// anyError is how programs call an error an error.
var anyError = regexp.MustCompile(`^(?i:error): `)

// commandError is what cosign 2 logs its last error with.
var commandError = regexp.MustCompile(`^(?:\S+ )?main\.go:\d+: error during command execution: `)

// plainLine makes a line of anything printable, without the colours of a terminal.
func plainLine(s string) string {
	s = colour.ReplaceAllString(strings.ToValidUTF8(s, "\ufffd"), "")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*[a-zA-Z]`)

// clip cuts a text to what a report takes, at a rune.
func clip(s string) string {
	if len(s) <= maxError {
		return s
	}
	s = s[:maxError-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
