// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
)

func TestJSONMovesNoTerminal(t *testing.T) {
	var out bytes.Buffer
	p := &program{stdout: &out}
	if err := p.writeJSON([]string{"\u009b2J\u202e\u2028\x7f<ë>"}); err != nil {
		t.Fatal(err)
	}
	if want := "[\n  \"\\u009b2J\\u202e\\u2028\\u007f<ë>\"\n]\n"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
}
