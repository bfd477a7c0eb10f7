// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

var update = flag.Bool("update", false, "renew golden files and generated parts of the documentation")

const (
	conditionsDoc = "../../docs/conditions.md"
	docMarker     = "go test ./agent/health -update renews it. -->\n"
)

// The documentation says of every condition what the code says, and of no other.
func TestConditionsAreDocumented(t *testing.T) {
	data, err := os.ReadFile(conditionsDoc)
	if err != nil {
		t.Fatal(err)
	}
	intro, got, ok := strings.Cut(string(data), docMarker)
	if !ok {
		t.Fatalf("%s: no line ends in %q", conditionsDoc, docMarker)
	}
	want := "\n" + documented()
	if *update {
		if err := os.WriteFile(conditionsDoc, []byte(intro+docMarker+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got == want {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := at(gotLines, i), at(wantLines, i)
		if g != w {
			t.Fatalf("%s differs from the catalogue (renew it with -update)\n got %q\nwant %q", conditionsDoc, g, w)
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

// documented is the catalogue as the documentation has it.
func documented() string {
	var table, parts, reserved strings.Builder
	for _, c := range health.Catalogue() {
		if c.Reserved {
			fmt.Fprintf(&reserved, "- `%s`: %s\n", c.Code, c.Summary)
			continue
		}
		fmt.Fprintf(&table, "| [`%s`](#%s) | %s | %s |\n", c.Code, c.Code, c.Severity, held(c))
		fmt.Fprintf(&parts, "## %s\n\n> %s\n\n- **To do:** %s\n- **Goes away, or stays silent:** %s.\n\n", c.Code, c.Summary, c.Remedy, c.ClearedBy)
	}
	return "| Code | Severity | Held |\n| --- | --- | --- |\n" + table.String() + "\n" + parts.String() +
		"## Reserved codes\n\nThese belong to parts that this version does not have. They are never raised.\n\n" + reserved.String()
}

func held(c health.Condition) string {
	if c.Hold == 0 {
		return "not at all"
	}
	return health.Span(c.Hold)
}

var kebab = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)

func TestTheCatalogueIsWhole(t *testing.T) {
	var codes []string
	for _, c := range health.Catalogue() {
		if slices.Contains(codes, c.Code) {
			t.Errorf("%s: twice", c.Code)
		}
		codes = append(codes, c.Code)
		if !kebab.MatchString(c.Code) {
			t.Errorf("%s: not kebab-case", c.Code)
		}
		if c.Summary == "" || c.Remedy == "" || c.ClearedBy == "" || c.Hold < 0 {
			t.Errorf("%s: not complete: %+v", c.Code, c)
		}
		if c.Severity != health.Warning && c.Severity != health.Critical {
			t.Errorf("%s: severity %q", c.Code, c.Severity)
		}
	}
	// The codes are a contract: nobody's monitoring may lose one.
	want := strings.Fields(`metadata-expiring metadata-expired refresh-failing mirror-unreachable
		mirror-inconsistent mirror-misconfigured mirror-unfit rollback-refused clock-skewed store-damaged state-unwritable
		cache-damaged cache-behind cache-ahead cache-unwritable cache-legacy cache-collision watch-degraded
		homes-unseen cosign-outdated client-outdated client-endangered client-vulnerable client-below-minimum client-unknown
		key-type-unknown probe-disagrees agent-outdated export-stale alert-undelivered config-invalid`)
	if !slices.Equal(codes, want) {
		t.Errorf("got  %v\nwant %v", codes, want)
	}
}

// Nobody is ever told to turn verification off, or to throw trust away.
func TestNoRemedyLessensTrust(t *testing.T) {
	for _, c := range health.Catalogue() {
		for _, never := range []string{"insecure", "rm -", "rm ~", "--skip"} {
			if strings.Contains(c.Remedy, never) {
				t.Errorf("%s: the remedy says %q: %s", c.Code, never, c.Remedy)
			}
		}
	}
}

// Who cannot wait does not: a verdict on a client, an expiry, a rollback and a
// wrong clock are told at once; what comes and goes is held back.
func TestHoldTimes(t *testing.T) {
	atOnce := []string{
		health.CosignOutdated, health.ClientOutdated, health.MetadataExpired, health.RollbackRefused,
		health.ClockSkewed, health.StateUnwritable, health.AgentOutdated, health.ConfigInvalid,
	}
	flapping := []string{
		health.MirrorUnreachable, health.MirrorInconsistent, health.MirrorMisconfigured, health.CacheDamaged,
		health.CacheBehind, health.CacheAhead, health.CacheUnwritable, health.WatchDegraded, health.AlertUndelivered,
	}
	for _, c := range health.Catalogue() {
		if slices.Contains(atOnce, c.Code) && c.Hold != 0 {
			t.Errorf("%s: held for %s, want at once", c.Code, c.Hold)
		}
		if slices.Contains(flapping, c.Code) && c.Hold == 0 {
			t.Errorf("%s: not held, want minutes", c.Code)
		}
	}
}
