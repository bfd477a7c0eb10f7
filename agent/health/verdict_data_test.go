// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// records returns the rows of one of the original measurements, by column. They
// are 540 kB and not in this tree, whose testdata has their outcomes: name their
// directory in TUFKEEPER_MEASUREMENTS to hold the model against them as well.
func records(t *testing.T, name string) []map[string]string {
	t.Helper()
	dir := os.Getenv("TUFKEEPER_MEASUREMENTS")
	if dir == "" {
		t.Skip("TUFKEEPER_MEASUREMENTS names no directory; testdata has the outcomes")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		r := map[string]string{}
		for i, column := range rows[0] {
			r[column] = row[i]
		}
		all = append(all, r)
	}
	return all
}

// specOf is what Model.Assume takes for a client of the measurements.
func specOf(t *testing.T, name, tuf string) string {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(name, "sigstore/sigstore", "sigstore"))
	library := "go-tuf"
	version := strings.Fields(tuf)[1]
	switch words[0] {
	case "cosign":
		return "cosign@" + words[1]
	case "sigstore-go":
		library = "go-tuf/v2"
	case "sigstore":
	default:
		t.Fatalf("client %q", name)
	}
	return library + "=" + version + "," + words[0] + "=" + words[1]
}

func outcome(j health.Judgement) string {
	switch {
	case j.Verdict == health.OK, j.Verdict == health.Vulnerable:
		return "ok"
	case j.Verdict != health.Outdated:
		return string(j.Verdict)
	}
	return j.Reasons[0].Rule
}

// TestMeasuredMatrix holds the model against every row of the original matrix: the
// outcome, the class of the failure, and the text by which the client says so.
func TestMeasuredMatrix(t *testing.T) {
	if race {
		t.Skip("run without the race detector")
	}
	rows := records(t, "matrix.csv")
	m, roots := loadModel(t), publicRoots(t, 15)
	classes := map[string][]string{
		"unknown_keytype": {"R1", "R2", "R3"}, "hex_key_rejected": {"R4", "R5"}, "mirror_older_than_trusted_root": {"R7"},
		"target_hash_rejected": {"R6"}, "threshold_of_start_root": {"R20"},
	}
	agree, failures := 0, map[string]int{}
	for i, row := range rows {
		root, err1 := strconv.Atoi(row["root_version"])
		targets, err2 := strconv.ParseInt(row["targets_version"], 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("row %d: %v", i+2, row)
		}
		r := health.Repository{Mirror: "m", Requirements: trust.Requirements{Roots: roots[:root], Targets: publicTargets(targets)}}
		switch row["start_root"] {
		case "embedded":
			r.Start = "embedded"
		case "root 1":
			r.StartRoot = &roots[0]
		case "root of that state":
			r.Start = "newest"
		default:
			t.Fatalf("row %d: start %q", i+2, row["start_root"])
		}
		c, err := m.Assume(specOf(t, row["client"], row["tuf_library"]))
		if err != nil {
			t.Fatal(err)
		}
		got := outcome(health.Fit(m, c, r))
		printed := row["error"]
		if row["failure_class"] == "target_hash_rejected" {
			printed = row["legacy_targets"] // initialize itself succeeds
		}
		if row["failure_class"] == "" {
			if got != "ok" || row["result"] != "ok" {
				t.Errorf("row %d: %s: measured %s, judged %s", i+2, row["client"], row["result"], got)
				continue
			}
			agree++
			continue
		}
		rule, _ := m.Rule(got)
		symptom := rule.Symptom
		if c.Linked.TUFv2 && rule.SymptomV2 != "" {
			symptom = rule.SymptomV2
		}
		if !slices.Contains(classes[row["failure_class"]], got) || !strings.Contains(printed, symptom) {
			t.Errorf("row %d: %s, start %s, root %d, targets %d: measured %s %q, judged %s %q",
				i+2, row["client"], row["start_root"], root, targets, row["failure_class"], printed, got, symptom)
			continue
		}
		failures[got]++
		agree++
	}
	t.Logf("%d of %d rows agree in outcome, class and text; failures by rule: %v", agree, len(rows), failures)
	if agree != len(rows) || len(rows) != 2520 {
		t.Errorf("%d of %d rows agree, want all of 2520", agree, len(rows))
	}
}

// TestTestdataIsTheMatrix sees to it that testdata/matrix.txt has every row.
func TestTestdataIsTheMatrix(t *testing.T) {
	have := map[string]int{}
	var states []string
	for _, line := range lines(t, "matrix.txt") {
		if line[0] == "state" {
			states = append(states, strings.Join([]string{line[1], line[2], line[4]}, " "))
			continue
		}
		for i, class := range line[3:] {
			have[strings.Join([]string{line[1], line[2], states[i], class}, " ")]++
		}
	}
	class := map[string]string{
		"": "ok", "unknown_keytype": "key", "hex_key_rejected": "hex", "mirror_older_than_trusted_root": "older",
		"target_hash_rejected": "hash", "threshold_of_start_root": "threshold",
	}
	start := map[string]string{"embedded": "embedded", "root 1": "first", "root of that state": "newest"}
	for i, row := range records(t, "matrix.csv") {
		key := strings.Join([]string{specOf(t, row["client"], row["tuf_library"]), start[row["start_root"]],
			row["root_version"], row["state"], row["targets_version"], class[row["failure_class"]]}, " ")
		if have[key] == 0 {
			t.Errorf("row %d is not there: %s", i+2, key)
		}
		have[key]--
	}
	for key, n := range have {
		if n > 0 {
			t.Errorf("%d more of %s", n, key)
		}
	}
}

// TestHTTPAnswers: what clients make of an answer for a root that is not there. The
// model speaks of 404, which ends the chain for all, and of 403.
func TestHTTPAnswers(t *testing.T) {
	m := loadModel(t)
	spoken, unspoken := 0, 0
	all := lines(t, "http-answers.txt")
	for _, line := range all[1:] {
		c, err := m.Assume(line[1])
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range all[0][1:] {
			measured := line[2+i]
			var judged client.Answer
			switch answer {
			case "404":
				judged = client.Yes
			case "403":
				judged = m.Capabilities(c).Can(m.Uses(c)[0], client.Forbidden)
			default:
				unspoken++
				if measured != "fail" {
					t.Errorf("%s goes on after %s: a capability that the model should have", line[1], answer)
				}
				continue
			}
			spoken++
			if (judged == client.Yes) != (measured == "ok") || judged == client.Maybe {
				t.Errorf("%s, %s: measured %s, judged %s", line[1], answer, measured, judged)
			}
		}
	}
	if spoken != 18 || unspoken != 36 {
		t.Errorf("the model speaks of %d rows and not of %d, want 18 and 36", spoken, unspoken)
	}
}

func TestTestdataIsTheHTTPAnswers(t *testing.T) {
	all := lines(t, "http-answers.txt")
	n := 0
	for _, row := range records(t, "http-answers.csv") {
		words := strings.Fields(row["client"]) // sigstore v1.6.1 / go-tuf v0.5.2
		library := words[3]
		if words[0] == "sigstore-go" {
			library = "go-tuf/v2"
		}
		spec := library + "=" + words[4] + "," + words[0] + "=" + words[1]
		line := slices.IndexFunc(all, func(l []string) bool { return l[1] == spec })
		at := slices.Index(all[0], row["answer_for_absent_file"])
		want := "fail"
		if row["result"] == "ok" {
			want = "ok"
		}
		if line < 0 || at < 0 || all[line][1+at] != want {
			t.Errorf("%s, %s: %s is not there", spec, row["answer_for_absent_file"], want)
		}
		n++
	}
	if n != 54 {
		t.Errorf("%d rows", n)
	}
}

// TestScenarios holds the model against what clients did with the caches, upgrades,
// expiries and gaps that a host goes through.
func TestMeasuredScenarios(t *testing.T) {
	m, roots := loadModel(t), publicRoots(t, 15)
	var printed []string
	if os.Getenv("TUFKEEPER_MEASUREMENTS") != "" {
		for _, row := range records(t, "scenarios.csv") {
			printed = append(printed, row["result"])
		}
	}
	all := lines(t, "scenarios.txt")
	for i, line := range all {
		spec, start, newest, missing, at, expires, want := line[0], line[1], number(t, line[2]), line[3], line[4], line[5], line[6]
		r := health.Repository{Start: "embedded"}
		for _, root := range roots[:newest] {
			if !slices.Contains(strings.Split(missing, ","), strconv.FormatInt(root.Version, 10)) {
				r.Requirements.Roots = append(r.Requirements.Roots, root)
			}
		}
		if start != "embedded" {
			r.StartRoot = &roots[number(t, start)-1]
		}
		if at != "-" {
			r.At, r.Requirements.TimestampExpires = instant(t, at), instant(t, expires)
		}
		if want == "until" { // its own cache is where it starts, and what it works from until then
			r.StartRoot, r.Start, r.Requirements.TimestampExpires = nil, "", time.Time{}
			r.Caches = []health.CacheFacts{{Cache: cache.Cache{Reader: cache.Cosign, Layout: cache.LayoutLegacy}, Inspection: cache.Inspection{Root: publicRoot(t, number(t, start)), TimestampExpires: instant(t, expires)}}}
		}
		c := assume(t, spec)
		j := health.Fit(m, c, r)
		got := outcome(j)
		if want == "until" && got == "R2" && j.Until.Equal(instant(t, expires)) {
			got = want
		}
		if got != want {
			t.Errorf("line %d: %v: judged %s (%v)", i+1, line, got, j.Reasons)
		}
		if printed == nil {
			continue
		}
		rule, _ := m.Rule(want)
		symptoms := rule.Symptoms()
		if want == "ok" || want == "until" {
			symptoms = []string{"ok"}
		}
		if !slices.ContainsFunc(symptoms, func(s string) bool { return strings.Contains(printed[i], s) }) {
			t.Errorf("line %d: %v: the client printed %q", i+1, line, printed[i])
		}
	}
	if len(all) != 53 || printed != nil && len(printed) != 53 {
		t.Errorf("%d scenarios, %d measured, want 53", len(all), len(printed))
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTestdataIsTheFeatures sees to it that testdata/features.txt has every row.
func TestTestdataIsTheFeatures(t *testing.T) {
	all, n := lines(t, "features.txt"), 0
	for _, row := range records(t, "features.csv") {
		words := strings.Fields(strings.TrimPrefix(row["client"], "mixed: ")) // sigstore v1.6.1 / go-tuf v0.5.2
		spec := "cosign@" + words[1]
		if words[0] != "cosign" {
			library := "go-tuf"
			if words[0] == "sigstore-go" {
				library = "go-tuf/v2"
			}
			spec = library + "=" + words[4] + "," + words[0] + "=" + words[1]
		}
		line := slices.IndexFunc(all, func(l []string) bool { return l[1] == spec })
		at := slices.Index(all[0], row["feature"])
		if line < 0 || at < 0 || (all[line][1+at] == "ok") != (row["result"] == "ok") {
			t.Errorf("%s, %s: %s is not there", spec, row["feature"], row["result"])
		}
		n++
	}
	if n != 450 {
		t.Errorf("%d rows", n)
	}
}
