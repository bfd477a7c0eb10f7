// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                     "0 s",
		59*time.Second + 999*time.Millisecond: "59 s",
		time.Minute:                           "1 min",
		-90 * time.Second:                     "1 min",
		time.Hour:                             "1 h",
		3*time.Hour + 48*time.Minute + 59*time.Second: "3 h 48 min",
		6*day + 3*time.Hour:                           "6 d 3 h",
		13*day + 23*time.Hour:                         "13 d 23 h",
		14 * day:                                      "14 d",
		197*day + 5*time.Hour:                         "197 d",
		9*365*day + 41*day:                            "9 y 41 d",
		1<<63 - 1:                                     "292 y 171 d",
		-1 << 63:                                      "292 y 171 d",
	} {
		if got := health.Span(d); got != want {
			t.Errorf("Span(%d): got %q, want %q", d, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"/home/ada/.sigstore":   "/home/ada/.sigstore",
		"/home/ada lovelace/ü":  "/home/ada lovelace/ü",
		"":                      `""`,
		" led by a space":       `" led by a space"`,
		"a\nb":                  `"a\nb"`,
		"\x1b[31m":              `"\x1b[31m"`,
		"a\u202eb":              `"a\u202eb"`,
		"a\xffb":                `"a\xffb"`,
		"a\u00a0b":              `"a\u00a0b"`,
		"already \ufffd broken": "already \ufffd broken",
	} {
		if got := health.Plain(text); got != want {
			t.Errorf("Plain(%q): got %s, want %s", text, got, want)
		}
	}
}

// Whatever somebody calls a path, the shell takes it for one word that is that path.
func TestTyped(t *testing.T) {
	for _, text := range []string{
		"/home/ada/.sigstore", "/home/ada lovelace", "/tmp/$(touch owned)", "/tmp/`id`;reboot", "/tmp/it's", "/tmp/\\",
		"/tmp/a\nb", "/tmp/\x1b[2J'$(id)", "/tmp/\xff\xfe", "/tmp/ü", "", "~", "*", "!!", "a\u202eb", "$'x'",
	} {
		typed := health.Typed(text)
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+typed).Output()
		if err != nil || string(out) != text {
			t.Errorf("Typed(%q) is %s: the shell makes %q of it (%v)", text, typed, out, err)
		}
		for _, r := range typed {
			if !strconv.IsPrint(r) {
				t.Errorf("Typed(%q) holds %q", text, r)
			}
		}
	}
	if got := health.Typed("/home/ada/.sigstore"); got != "/home/ada/.sigstore" {
		t.Errorf("a path without anything special: got %s", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"a", "a\nb\tc", "\x1b[2J", "\xff\xfe", `he said "no"\`, strings.Repeat("ü", 700), "\"\x00\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{health.Line(s), health.Plain(s)} {
			if !utf8.ValidString(got) {
				t.Fatalf("not UTF-8: %q", got)
			}
			for _, r := range got {
				if !strconv.IsPrint(r) {
					t.Fatalf("%q holds %q", got, r)
				}
			}
		}
		if n := utf8.RuneCountInString(health.Line(s)); n > 600 {
			t.Fatalf("%d runes", n)
		}
		if again := health.Plain(s); strings.TrimSpace(s) == s && s != "" && again != s && !strings.HasPrefix(again, `"`) {
			t.Fatalf("changed without quotes: %q to %q", s, again)
		}
	})
}

func TestPlainJSONIsPlainAndSaysTheSame(t *testing.T) {
	for _, text := range []string{
		"", "cosign", "Zoë’s 日本語 😀", "\x1b[2J\x00\x7f", "\u009b31m\u0085", "\u202ereversed\u2066\u200b\ufeff", "\u2028\u2029\u00a0\u00ad",
		"\U000e0041\U0010fffd", "\\u202e", `"<&>`,
	} {
		var raw bytes.Buffer
		enc := json.NewEncoder(&raw)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{text: text}); err != nil {
			t.Fatal(err)
		}
		plain := health.PlainJSON(raw.Bytes())
		for _, r := range strings.TrimSuffix(string(plain), "\n") {
			if !strconv.IsPrint(r) {
				t.Errorf("%q: %U is not escaped: %q", text, r, plain)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(plain, &back); err != nil || len(back) != 1 || back[text] != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
	if got := string(health.PlainJSON([]byte("{\n  \"a\": \"Zoë 😀\"\n}\n"))); got != "{\n  \"a\": \"Zoë 😀\"\n}\n" {
		t.Errorf("got %q", got)
	}
}
