// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func TestCheck(t *testing.T) {
	empty := status.Report{Schema: 1, Generated: looked}
	warned := func(f health.Facts) health.Facts {
		f.WatchDegraded = "no watches left"
		return f
	}
	late := well(t) // its timestamp expires between the report and the check
	late.At = signed.Add(7*day - time.Hour)
	late.Mirrors[0].LastAttempt, late.Mirrors[0].LastSuccess = late.At, late.At
	skewed := late
	skewed.Clock.HighestSeen = late.At.Add(time.Hour)
	preview := well(t)
	preview.Mirrors[0].Preview = true
	unrefreshed := well(t)
	unrefreshed.Mirrors = append(unrefreshed.Mirrors, health.MirrorFacts{Name: "private", Interval: 4 * time.Hour})
	for _, c := range []struct {
		name   string
		report status.Report
		now    time.Time
		code   int
		first  string // the start of the first line
	}{
		{"nothing wrong is ok", report(well(t)), reader, 0, "OK - sigstore timestamp 4, 6 d 3 h left; 1 cache; 1 client | "},
		{"a warning is 1", report(warned(well(t))), reader, 1, "WARNING - 1 warning: watch-degraded | "},
		{"a critical problem is 2, and every code is named", report(ill(t)), reader, 2, "CRITICAL - 1 critical problem, 7 warnings: cosign-outdated, cache-ahead, cache-behind, cache-damaged, cache-unwritable, client-unknown, mirror-unreachable | "},
		{"a report is believed for three intervals", report(well(t)), looked.Add(12 * time.Hour), 0, "OK - "},
		{"and unknown after them", report(well(t)), looked.Add(12*time.Hour + time.Second), 3, "UNKNOWN - the last report is 12 h old, from 2026-08-22 08:48 UTC: is the agent running? | "},
		{"an old report is unknown whatever it says", report(ill(t)), looked.Add(13 * time.Hour), 3, "UNKNOWN - "},
		{"a report from the future is unknown", report(well(t)), looked.Add(-6 * time.Minute), 3, "UNKNOWN - the last report is from the future"},
		{"without a mirror it is unknown", empty, looked, 3, "UNKNOWN - no mirror is configured | "},
		{"a mirror that was never refreshed is unknown", report(unrefreshed), reader, 3, "UNKNOWN - nothing was refreshed yet from private | "},
		{"what expired after the report is critical", report(late), signed.Add(7*day + time.Minute), 2, "CRITICAL - 1 critical problem: metadata-expiring; metadata-expired: timestamp 4 of mirror sigstore expired after the last report | "},
		{"but not while the clock is known to be wrong", report(skewed), signed.Add(7*day + time.Minute), 2, "CRITICAL - 1 critical problem: clock-skewed | "},
		{"nor for a preview", report(preview), signed.Add(7*day + time.Minute), 3, "UNKNOWN - "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			code := status.Check(&out, c.report, c.now)
			first, _, _ := strings.Cut(out.String(), "\n")
			if code != c.code || !strings.HasPrefix(first, c.first) {
				t.Errorf("got %d %q\nwant %d %q", code, first, c.code, c.first)
			}
		})
	}
	var out strings.Builder
	status.Check(&out, report(ill(t)), reader)
	golden(t, "check", out.String())
}

var perfdata = regexp.MustCompile(`^('[^'=|]+'|[a-z]+)=-?[0-9]+s?(;[0-9]*){0,4}$`)

// One bar, on the first line: what is behind it is data, and nothing that came
// from outside can add a line, a bar or a datum.
func TestACheckCannotBeForged(t *testing.T) {
	r := report(hostile(t))
	r.Mirrors[0].Name = "o'brien=1|x" // from the configuration, still no reason to break
	var out strings.Builder
	code := status.Check(&out, r, reader)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := 1 + len(r.Problems) + len(r.Unseen); code != 1 || len(lines) != want {
		t.Errorf("got %d and %d lines, want 1 and %d:\n%s", code, len(lines), want, out.String())
	}
	if strings.Count(out.String(), "|") != 1 {
		t.Errorf("more than one bar:\n%s", out.String())
	}
	_, data, _ := strings.Cut(lines[0], " | ")
	for datum := range splitPerfdata(data) {
		if !perfdata.MatchString(datum) {
			t.Errorf("not performance data: %q", datum)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\a\r\u202e") {
		t.Errorf("not quoted: %q", out.String())
	}
}

// splitPerfdata splits at blanks outside of quotes.
func splitPerfdata(data string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, d := range regexp.MustCompile(`('[^']*'|[^ ])+`).FindAllString(data, -1) {
			if !yield(d) {
				return
			}
		}
	}
}

func TestACheckThatCannotBeToldIsUnknown(t *testing.T) {
	if code := status.Check(broken{}, report(well(t)), reader); code != status.CheckUnknown {
		t.Errorf("got %d, want 3", code)
	}
	var out strings.Builder
	if code := status.CheckFailed(&out, errors.New("reading status: a|b\nc\x1b")); code != status.CheckUnknown || out.String() != "UNKNOWN - reading status: a¦b c\\x1b\n" {
		t.Errorf("got %d %q", code, out.String())
	}
}

func TestHeadline(t *testing.T) {
	for _, c := range []struct {
		name, want string
		report     status.Report
	}{
		{"well", "ok: sigstore timestamp 4, 6 d 3 h left; 1 cache; 1 client", report(well(t))},
		{"ill", "1 critical problem, 7 warnings: cosign-outdated", report(ill(t))},
		{"empty", "no mirror is configured", status.Report{}},
	} {
		if got := c.report.Headline(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A condition must hold for a while before it is a problem. That nothing is raised
// yet does not make a cache well.
func TestNotAllIsWellOverACacheThatIsNot(t *testing.T) {
	broken := []status.Damage{{File: "timestamp.json", What: "empty"}}
	heals := []status.Damage{{File: "root.json", What: "empty", Heals: true}}
	for _, tc := range []struct {
		state  cache.State
		mirror string
		damage []status.Damage
		want   bool
	}{
		{cache.Fresh, "sigstore", nil, false},
		{cache.Behind, "sigstore", nil, false}, // its client gets what is newer
		{cache.Damaged, "sigstore", broken, true},
		{cache.Damaged, "", broken, true},
		{cache.Damaged, "sigstore", heals, false},
		{cache.Unusable, "sigstore", nil, true},
		{cache.Ahead, "sigstore", nil, true},
		{cache.Expired, "sigstore", nil, true},
		{cache.Expired, "", nil, false},
		{cache.Foreign, "", nil, false},
	} {
		r := report(well(t))
		r.Caches[0].State, r.Caches[0].Mirror, r.Caches[0].Damage = string(tc.state), tc.mirror, tc.damage
		var page, line strings.Builder
		if err := status.Text(&page, r, status.Style{Width: 80, Now: reader}); err != nil {
			t.Fatal(err)
		}
		if code := status.Check(&line, r, reader); code != status.CheckOK {
			t.Errorf("%s: code %d: no problem is raised", tc.state, code)
		}
		for what, text := range map[string]string{"page": page.String(), "check": line.String(), "headline": r.Headline()} {
			if strings.Contains(text, "1 cache needs attention") != tc.want {
				t.Errorf("%s, mirror %q, %+v: the %s says otherwise:\n%s", tc.state, tc.mirror, tc.damage, what, text)
			}
		}
		if well := strings.Contains(page.String(), "all is well"); well == tc.want || strings.Contains(page.String(), "✗") && well {
			t.Errorf("%s: the page does not say how it is:\n%s", tc.state, page.String())
		}
	}
}
