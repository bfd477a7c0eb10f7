// SPDX-License-Identifier: Apache-2.0

package alert_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	eventConst = regexp.MustCompile(`\bev[A-Z]\w*\s*=\s*"([^"]*)"`)
	eventRow   = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([a-z, ]+) \\| (.+) \\|$")
	eventName  = regexp.MustCompile(`^[a-z]+( [a-z]+)+$`)
)

// Every event that the code can log has its row in docs/events.md, and every row
// an event: what is grepped for must exist.
func TestEventsAreDocumented(t *testing.T) {
	inCode := eventsOfCode(t, "../..")
	doc, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	var inDoc []string
	for _, row := range eventRow.FindAllStringSubmatch(string(doc), -1) {
		inDoc = append(inDoc, row[1])
		for level := range strings.SplitSeq(row[2], ", ") {
			if !slices.Contains([]string{"error", "warn", "info", "debug"}, level) {
				t.Errorf("%q: level %q is none", row[1], level)
			}
		}
	}
	if len(inCode) < 5 {
		t.Fatalf("only %d events found in the code: is the pattern still right?", len(inCode))
	}
	if !slices.IsSorted(inDoc) || len(slices.Compact(slices.Clone(inDoc))) != len(inDoc) {
		t.Errorf("the rows are not sorted, or one is there twice: %q", inDoc)
	}
	for name, file := range inCode {
		if !slices.Contains(inDoc, name) {
			t.Errorf("%q of %s has no row in docs/events.md", name, file)
		}
		if !eventName.MatchString(name) {
			t.Errorf("%q of %s is not a subject and a participle in lower case", name, file)
		}
	}
	for _, name := range inDoc {
		if _, ok := inCode[name]; !ok {
			t.Errorf("docs/events.md has %q, which nothing logs", name)
		}
	}
}

// eventsOfCode finds the event constants of all Go sources but the tests.
func eventsOfCode(t *testing.T, root string) map[string]string {
	t.Helper()
	events := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range eventConst.FindAllStringSubmatch(string(source), -1) {
			events[m[1]] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}
