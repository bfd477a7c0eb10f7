// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const day = 24 * time.Hour

var signed = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)

// set is a real verified set, signed at signed: its timestamp lives 7 days, its
// root 197.
func set(t *testing.T) *trust.Set {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{Now: func() time.Time { return signed }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := trust.Verify(repo.Files(), signed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// well is a host with nothing wrong, one hour after its last refresh.
func well(s *trust.Set) health.Facts {
	at := signed.Add(time.Hour)
	return health.Facts{
		At:    at,
		Clock: health.ClockFacts{HighestSeen: at.Add(-time.Minute), MirrorDate: at.Add(-time.Hour), MirrorSeen: at.Add(-time.Hour)},
		Mirrors: []health.MirrorFacts{{
			Name: "sigstore", URL: "https://tuf.example", Set: s,
			LastAttempt: at.Add(-time.Hour), LastSuccess: at.Add(-time.Hour),
			NextAttempt: at.Add(3 * time.Hour), Interval: 4 * time.Hour,
		}},
		Caches: []health.CacheFacts{{
			Cache: cache.Cache{
				Path: "/home/ada/.sigstore/root/tuf.example", Base: "/home/ada/.sigstore/root",
				Layout: cache.LayoutSigstoreGo, Mirror: "sigstore", Owner: "ada",
			},
			Inspection: cache.Inspection{State: cache.Fresh},
		}},
	}
}

// fail makes the mirror's last n refreshes fail.
func fail(f *health.Facts, kind health.FailureKind, n int, text string) *health.MirrorFacts {
	m := &f.Mirrors[0]
	m.Kind, m.Failures, m.LastError = kind, n, text
	m.LastAttempt, m.LastSuccess = f.At, f.At.Add(-time.Duration(n)*time.Minute)
	return m
}

// aged moves the look to the time when so much is left of the timestamp.
func aged(f *health.Facts, left time.Duration) {
	f.At = signed.Add(7*day - left)
	m := &f.Mirrors[0]
	m.LastAttempt, m.LastSuccess = f.At, f.At
	f.Clock = health.ClockFacts{HighestSeen: f.At, MirrorDate: f.At, MirrorSeen: f.At}
}

func found(name, version string, linked client.Linked) client.Client {
	return client.Client{Path: "/usr/bin/" + name, Name: name, Version: version, Linked: linked}
}

func judged(system bool, name, version string, verdict health.Verdict) []health.ClientJudgement {
	j := health.Judgement{Mirror: "sigstore", Verdict: verdict}
	if verdict != health.OK {
		j.Reasons = []health.Reason{{Rule: "R2", Summary: "root 9 uses the key type \"ecdsa\", which go-tuf v0.5.2 cannot read", Remedy: "upgrade it"}}
		j.Required = "cosign 2.2.0"
	}
	return []health.ClientJudgement{{Client: found(name, version, client.Linked{}), System: system, Judgements: []health.Judgement{j}}}
}

func TestJudge(t *testing.T) {
	s := set(t)
	for _, c := range judgeCases() {
		t.Run(c.name, func(t *testing.T) {
			findings := judge(s, c)
			var got []string
			for _, f := range findings {
				got = append(got, fmt.Sprintf("%s %s %s:%s %s", f.Severity, f.Code, f.Subject.Kind, f.Subject.ID, f.Detail))
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
			for _, text := range c.says {
				if !strings.Contains(findings[0].Summary+"\n"+findings[0].Remedy, text) {
					t.Errorf("nothing says %q:\n\t%s\n\t%s", text, findings[0].Summary, findings[0].Remedy)
				}
			}
		})
	}
}

func judge(s *trust.Set, c judgeCase) []health.Finding {
	f := well(s)
	if c.set != nil {
		c.set(&f)
	}
	return health.Judge(f, health.Limits{}, c.judged)
}

// Whatever is raised has a place in the catalogue, a summary without holes, and
// something to type.
func TestEveryFindingIsWhole(t *testing.T) {
	catalogue := map[string]health.Condition{}
	for _, c := range health.Catalogue() {
		catalogue[c.Code] = c
	}
	s := set(t)
	for _, c := range judgeCases() {
		for _, f := range judge(s, c) {
			entry, ok := catalogue[f.Code]
			switch {
			case !ok || entry.Reserved:
				t.Errorf("%s: %s has no place in the catalogue", c.name, f.Code)
			case f.Severity.Worse(entry.Severity):
				t.Errorf("%s: %s is %s, the catalogue says at most %s", c.name, f.Code, f.Severity, entry.Severity)
			case f.Hold < entry.Hold:
				t.Errorf("%s: %s holds %s, the catalogue says %s", c.name, f.Code, f.Hold, entry.Hold)
			}
			for _, text := range []string{f.Summary, f.Remedy} {
				if text == "" || leftOver.MatchString(strings.ReplaceAll(text, "%{http_code}", "")) {
					t.Errorf("%s: %s says %q", c.name, f.Code, text)
				}
			}
			if len(f.Fields)%2 != 0 {
				t.Errorf("%s: %s has a key without a value: %v", c.name, f.Code, f.Fields)
			}
		}
	}
}

// leftOver is a name in braces that nothing was filled in for.
var leftOver = regexp.MustCompile(`\{[a-z]*\}`)

// A condition that nothing can raise is a promise that nobody keeps.
func TestEveryConditionCanBeRaised(t *testing.T) {
	s := set(t)
	raised := map[string]bool{}
	for _, c := range judgeCases() {
		for _, f := range judge(s, c) {
			raised[f.Code] = true
		}
	}
	for _, c := range health.Catalogue() {
		if raised[c.Code] == c.Reserved {
			t.Errorf("%s: reserved is %v, raised is %v", c.Code, c.Reserved, raised[c.Code])
		}
	}
}

// A key that nobody is known to read is an alarm also where this agent gets along
// with it: in whatever role it is, and in a preview before it is in force.
func TestAKeyThatNobodyReads(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{Now: func() time.Time { return signed }})
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa", Scheme: "ecdsa-sha9-nistp256"}); err != nil {
		t.Fatal(err)
	}
	s, err := trust.Verify(repo.Files(), signed)
	if err != nil {
		t.Fatal(err)
	}
	summary := func(edit func(m *health.MirrorFacts)) string {
		f := well(s)
		edit(&f.Mirrors[0])
		for _, finding := range health.Judge(f, health.Limits{}, nil) {
			if finding.Code == health.KeyTypeUnknown {
				return string(finding.Severity) + ": " + finding.Summary
			}
		}
		return ""
	}
	in := summary(func(*health.MirrorFacts) {})
	if !strings.HasPrefix(in, "critical: ") || !strings.Contains(in, "ecdsa with scheme ecdsa-sha9-nistp256 in root 2 for root, snapshot, targets, timestamp, which") || !strings.Contains(in, "clients that pass today will fail when they read it") {
		t.Errorf("in a trusted root: %q", in)
	}
	in = summary(func(m *health.MirrorFacts) { m.Preview = true })
	if !strings.HasPrefix(in, "warning: ") || !strings.Contains(in, "clients that pass today will fail when production adopts this") {
		t.Errorf("in a preview: %q", in)
	}
	in = summary(func(m *health.MirrorFacts) {
		m.Set, m.Kind, m.LastError, m.Unread = nil, health.FailKeyType, "unknown key", trust.KeyForm{Roles: []string{"timestamp"}, KeyType: "ml\x1bdsa", Scheme: "ml-dsa-65"}
	})
	if !strings.Contains(in, `in what it offers, for timestamp, which no client is known to read: clients that pass today will fail`) || strings.Contains(in, "\x1b") {
		t.Errorf("in what our own library cannot read: %q", in)
	}
}

func TestThresholdsAreTheOperators(t *testing.T) {
	f := well(set(t))
	aged(&f, 3*day)
	l := health.Limits{Thresholds: map[string]health.Threshold{trust.Timestamp: {Warning: 5 * day, Critical: 3 * day}}}
	got := health.Judge(f, l, nil)
	if len(got) != 1 || got[0].Severity != health.Critical {
		t.Errorf("with 3 d left and a critical threshold of 3 d: got %+v", got)
	}
}

// A client may have been first: the mirror is asked again before a cache that is
// ahead is called a problem.
func TestACacheAheadIsHeldForOneRefreshMore(t *testing.T) {
	f := well(set(t))
	f.Caches[0].Inspection.State = cache.Ahead
	got := health.Judge(f, health.Limits{}, nil)
	if want := time.Hour + f.Mirrors[0].Interval; len(got) != 1 || got[0].Hold != want {
		t.Errorf("got %+v, want a hold of %s", got, want)
	}
}

// What a person is told to type must not do what the name of a path says.
func TestARemedyRunsNothingThatAPathSays(t *testing.T) {
	f := well(set(t))
	f.Caches[0].Cache.Path = "/home/eve/$(reboot)/x"
	f.Caches[0].Inspection = cache.Inspection{State: cache.Unusable, Detail: "read-only"}
	got := health.Judge(f, health.Limits{}, nil)
	if len(got) != 1 || !strings.HasPrefix(got[0].Remedy, "ls -la '/home/eve/$(reboot)/x';") {
		t.Errorf("got %+v", got)
	}
}

func TestHostileTextIsQuoted(t *testing.T) {
	const evil = "/home/eve/\x1b[2J\x1b]0;owned\a\nOK - all is well | x=1 \u202egnp.exe \xff"
	f := well(set(t))
	fail(&f, health.FailUnreachable, 1, evil)
	f.Mirrors[0].Name, f.Mirrors[0].URL = evil, evil
	f.ConfigError, f.StateError, f.WatchDegraded, f.AlertError = evil, evil, evil, evil
	f.Caches[0].Cache.Path, f.Caches[0].Cache.Owner = evil, evil
	f.Caches[0].Inspection = cache.Inspection{State: cache.Damaged, Detail: evil, Consequence: evil, Remedy: evil}
	bad := judged(true, evil, evil, health.Outdated)
	bad[0].Client.Path = evil
	bad[0].Judgements[0] = health.Judgement{Mirror: evil, Verdict: health.Outdated, Required: evil, Reasons: []health.Reason{{Rule: evil, Summary: evil, Remedy: evil}}}
	findings := health.Judge(f, health.Limits{}, bad)
	if len(findings) < 7 {
		t.Fatalf("got %d findings, want 7 or more", len(findings))
	}
	for _, f := range findings {
		for _, text := range []string{f.Summary, f.Remedy, f.Subject.ID, f.Detail} {
			if strings.ContainsAny(text, "\x1b\n\a\u202e") || strings.Contains(text, "\xff") {
				t.Errorf("%s: not quoted: %q", f.Code, text)
			}
		}
	}
}
