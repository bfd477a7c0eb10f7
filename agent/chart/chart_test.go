// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/chart"
	"github.com/tufkeeper/tufkeeper/agent/client"
)

var update = flag.Bool("update", false, "renew docs/compatibility.md and docs/compatibility.svg")

func model(t testing.TB) *client.Model {
	t.Helper()
	m, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func draw(t testing.TB, m *client.Model) (svg, page string) {
	t.Helper()
	s, err := chart.SVG(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := chart.Page(m, "compatibility.svg")
	if err != nil {
		t.Fatal(err)
	}
	return string(s), string(p)
}

func TestDocumentsAreThoseOfTheTable(t *testing.T) {
	svg, page := draw(t, model(t))
	for name, want := range map[string]string{"compatibility.svg": svg, "compatibility.md": page} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) == want {
			continue
		}
		g, w := strings.Split(string(got), "\n"), strings.Split(want, "\n")
		for i := range w {
			if i >= len(g) || g[i] != w[i] {
				t.Errorf("%s: line %d differs from the table (renew it with -update): want %.200q", path, i+1, w[i])
				break
			}
		}
		if len(g) != len(w) {
			t.Errorf("%s: %d lines, the table gives %d (renew it with -update)", path, len(g), len(w))
		}
	}
}

// elements are the names of a picture's elements, and its text.
func elements(t *testing.T, svg string) (names map[string]int, text string) {
	t.Helper()
	names = map[string]int{}
	var b strings.Builder
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, b.String()
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			names[token.Name.Local]++
			for _, a := range token.Attr {
				if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "//") && a.Name.Local != "xmlns" {
					t.Errorf("<%s %s=%q>: the picture must stand by itself", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			b.Write(token)
		}
	}
}

func TestPictureStandsByItself(t *testing.T) {
	m := model(t)
	svg, _ := draw(t, m)
	names, text := elements(t, svg)
	for _, name := range []string{"script", "image", "foreignObject", "use", "a"} {
		if names[name] != 0 {
			t.Errorf("it has <%s>", name)
		}
	}
	if strings.Contains(svg, "@import") || strings.Contains(svg, "url(h") {
		t.Error("it loads something from outside")
	}
	for _, want := range []string{"prefers-color-scheme: dark", `role="img"`, `aria-labelledby="title desc"`, "<title id=", "<desc id="} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s", want)
		}
	}
	if want := 1 + len(m.Releases); names["title"] != want {
		t.Errorf("%d titles, want one of the picture and one of each release: %d", names["title"], want)
	}
	for _, want := range []string{
		`2024-03-19: root 9 brings the key type "ecdsa"`, "known as of " + m.KnownAsOf,
		"cosign v2.0.1 (2023-04-06) root 1 are older than the release; reads roots 2 to 8; roots 9 to 16 fail by R2",
		"cosign v1.9.0 (2022-06-03) root 1 are older than the release; reads roots 2 to 4; roots 5 to 16 fail by R1",
		"cosign v2.2.0 (2023-08-31) roots 1 to 4 are older than the release; reads roots 5 to 16",
		"cosign v1.0.0 (2021-07-28) has no TUF client",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, r := range m.Roots {
		if !strings.Contains(text, r.Published[5:]) {
			t.Errorf("root %d without its day", r.Version)
		}
	}
}

func TestEveryReleaseHasItsLine(t *testing.T) {
	m := model(t)
	_, page := draw(t, m)
	for _, r := range m.Releases {
		v := strings.TrimPrefix(r.Version, "v")
		if !strings.Contains(page, fmt.Sprintf("| <a id=\"cosign-%s\"></a>%s | %s |", v, v, r.Date)) {
			t.Errorf("no line for cosign %s", r.Version)
		}
	}
	for _, r := range m.OtherReleases {
		if !strings.Contains(page, fmt.Sprintf("| %s | %s | %s |", r.Of, strings.TrimPrefix(r.Version, "v"), r.Date)) {
			t.Errorf("no line for %s %s", r.Of, r.Version)
		}
	}
	for _, want := range []string{
		"| root 2 | sigstore | root 8 | [R2](#r2) | 2024-03-19 | `error updating to TUF remote mirror: invalid key` | measured |",
		"| root 2 | sigstore | root 8 | [R2](#r2) | 2024-03-19 |",
		"| root 2 | cosign | root 4 | [R1](#r1) | 2022-10-24 |",
		"| root 12, root 14 | sigstore-go | root 16 | nothing |",
		"Known as of **" + m.KnownAsOf + "**",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, r := range m.Rules {
		if !strings.Contains(page, fmt.Sprintf("<a id=%q></a>%s |", strings.ToLower(r.ID), r.ID)) {
			t.Errorf("no line for rule %s", r.ID)
		}
	}
	checkTables(t, page)
}

// checkTables sees to it that every line of a table has as many cells as its head,
// and that every link within the page leads somewhere.
func checkTables(t *testing.T, page string) {
	t.Helper()
	cells := func(line string) int { return strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") - 1 }
	want := 0
	for i, line := range strings.Split(page, "\n") {
		switch {
		case !strings.HasPrefix(line, "|"):
			want = 0
		case want == 0:
			want = cells(line)
		case cells(line) != want:
			t.Errorf("line %d has %d cells, its head %d: %s", i+1, cells(line), want, line)
		}
	}
	for _, part := range strings.Split(page, "](#")[1:] {
		id, _, _ := strings.Cut(part, ")")
		if !strings.Contains(page, fmt.Sprintf("<a id=%q>", id)) && !strings.Contains(strings.ToLower(page), "\n## "+id+"\n") {
			t.Errorf("a link to #%s leads nowhere", id)
		}
	}
}

func TestTextOfATableIsOnlyText(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "client", "compat.json"))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"text": "the key type \"ecdsa\""`), []byte(`"text": "</text><script>x</script> | a & b\n## no"`), 1)
	m, err := client.ParseModel(data)
	if err != nil {
		t.Fatal(err)
	}
	svg, page := draw(t, m)
	if names, text := elements(t, svg); names["script"] != 0 || !strings.Contains(text, "<script>x</script> | a & b") {
		t.Errorf("text became an element: %v", names)
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "\n## no") {
		t.Error("text became markup of the page")
	}
	checkTables(t, page)
}

func TestANewTableGivesANewPicture(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "client", "compat.json"))
	if err != nil {
		t.Fatal(err)
	}
	// Had go-tuf known the key type from 0.5.2 on, cosign 2.0.1 had got further.
	data = bytes.Replace(data, []byte(`{"versions": {"go-tuf": ">=v0.6.0"}}`), []byte(`{"versions": {"go-tuf": ">=v0.5.2"}}`), 1)
	m, err := client.ParseModel(data)
	if err != nil {
		t.Fatal(err)
	}
	svg, page := draw(t, m)
	if want := "cosign v2.0.1 (2023-04-06) root 1 are older than the release; reads roots 2 to 10; roots 11 to 16 fail by R6"; !strings.Contains(svg, want) {
		t.Errorf("the picture does not say %q", want)
	}
	if want := "| root 10 | [R6](#r6) | 2025-02-03 |"; !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
}
