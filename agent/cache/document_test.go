// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// docs/caches.md says of each client's damage what the table of rules goes by.
func TestDamageIsDocumented(t *testing.T) {
	document, err := os.ReadFile("../../docs/caches.md")
	must(t, err)
	for _, table := range []struct{ heading, file string }{
		{"### timestamp.json, snapshot.json, targets.json, delegated roles", "role"},
		{"### Target files", "target"},
	} {
		rows := tableBelow(t, string(document), table.heading)
		layouts := rows[0][1 : len(rows[0])-1]
		if want := []string{"sigstore-go", "sigstore-js", "sigstore-python", "sigstore-ruby", "sigstore-java"}; !slices.Equal(layouts, want) {
			t.Fatalf("%s: columns %q, want %q", table.heading, layouts, want)
		}
		for _, row := range rows[1:] {
			for i, layout := range layouts {
				cell := row[1+i]
				says := strings.HasPrefix(cell, "repairs")
				if strings.Contains(cell, "believes it offline") {
					says = false // and so it is never left to the client
				}
				if heals := cache.Heals(cache.Layout(layout), table.file, row[0]); says != heals {
					t.Errorf("%s: %s: %s %q, but the rules say %t", table.heading, row[0], layout, cell, heals)
				}
			}
		}
	}
	for _, row := range tableBelow(t, string(document), "### root.json")[1:] {
		for _, layout := range []cache.Layout{cache.LayoutSigstoreJS, cache.LayoutSigstorePython, cache.LayoutSigstoreRuby, cache.LayoutSigstoreJava} {
			if cache.Heals(layout, "root", row[0]) != strings.HasPrefix(row[2], "repairs") {
				t.Errorf("root.json: %s: %s %q, and the rules say otherwise", row[0], layout, row[2])
			}
		}
	}
}

// tableBelow is the first table below a heading, by row and cell.
func tableBelow(t *testing.T, document, heading string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(document, "\n"+heading+"\n")
	if !found {
		t.Fatalf("no heading %q", heading)
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "| ---"):
		case strings.HasPrefix(line, "|"):
			var cells []string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			rows = append(rows, cells)
		case len(rows) > 0:
			return rows
		}
	}
	if len(rows) < 2 {
		t.Fatalf("no table below %q", heading)
	}
	return rows
}
