// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
	"time"
)

// Taken from real clients.
func TestErrorLine(t *testing.T) {
	for name, tt := range map[string]struct{ out, want string }{
		"cosign 2.0.1": {
			"Error: updating local metadata and targets: error updating to TUF remote mirror: invalid key\nmain.go:74: error during command execution: updating local metadata and targets: error updating to TUF remote mirror: invalid key\n",
			"updating local metadata and targets: error updating to TUF remote mirror: invalid key",
		},
		"cosign without its first line": {"main.go:74: error during command execution: failed to refresh\n", "failed to refresh"},
		"tuf-client":                    {"ERROR: invalid key\n", "invalid key"},
		"nothing":                       {"\n \n", ""},
		"the last line":                 {"one\ntwo\n\n", "two"},
		"colours":                       {"\x1b[31mError: red\x1b[0m\n", "red"},
		"control characters":            {"Error: a\x00b\x07c\u202ed\xff\n", "a b c\ufffdd\ufffd"},
		"the usage after it":            {"Error: unknown flag: --x\nUsage:\n  cosign\n", "unknown flag: --x"},
	} {
		if got := errorLine([]byte(tt.out)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := errorLine([]byte("Error: " + strings.Repeat("ä", 1000))); len(got) > maxError || !strings.HasSuffix(got, "ä…") {
		t.Errorf("a long error is cut to %d bytes: %.20q", len(got), got)
	}
}

func TestOutcomes(t *testing.T) {
	asked, not := &witness{}, &witness{}
	asked.timestamp.Store(true)
	for name, tt := range map[string]struct {
		o      outcome
		served *witness
		want   string
	}{
		"it read":                       {outcome{}, asked, OK},
		"it never asked":                {outcome{}, not, Unclear},
		"it refused":                    {outcome{exit: 1, output: []byte("Error: invalid key\n")}, asked, Failed},
		"it refused before it asked":    {outcome{exit: 1, output: []byte("Error: invalid key\n")}, not, Failed},
		"it said nothing":               {outcome{exit: 1}, asked, Unclear},
		"it took too long":              {outcome{timedOut: true, output: []byte("Error: invalid key\n")}, asked, Unclear},
		"it was killed":                 {outcome{signal: "killed"}, asked, Unclear},
		"it could not be run":           {outcome{notRun: "executing the client: exec format error"}, not, Unclear},
		"it has no such command":        {outcome{exit: 1, output: []byte("Error: unknown command \"initialize\"\n")}, not, Unclear},
		"it met the walls around it":    {outcome{exit: 1, output: []byte("Error: open /x: permission denied\n")}, asked, Unclear},
		"it could not load its library": {outcome{exit: 127, output: []byte("cosign: error while loading shared libraries: libpcsclite.so.1\n")}, not, Unclear},
	} {
		got, text := tt.o.says(tt.served, time.Second)
		if got != tt.want || (text == "") != (got == OK) {
			t.Errorf("%s: %s %q, want %s", name, got, text, tt.want)
		}
	}
}

func TestOutputKeepsBothEnds(t *testing.T) {
	o := &output{}
	for range 3 {
		if n, err := o.Write([]byte(strings.Repeat("a", maxOutput))); n != maxOutput || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := o.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	if got := string(o.bytes()); !strings.HasSuffix(got, "the end") || !strings.Contains(got, "bytes left out") || len(got) > maxOutput+100 {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
	}
	o = &output{}
	if _, err := o.Write([]byte("short")); err != nil || string(o.bytes()) != "short" {
		t.Errorf("%q", o.bytes())
	}
}
