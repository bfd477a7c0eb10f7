// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func public(t testing.TB) health.Repository {
	return health.Repository{Mirror: "sigstore", Requirements: trust.Requirements{Roots: publicRoots(t, 15), Targets: publicTargets(14)}}
}

func TestMinimum(t *testing.T) {
	nobody := assume(t, "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1")
	nobody.Name, nobody.Version = "cosign", ""
	library := assume(t, "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1")
	library.Name, library.Version = "gh", "v2.40.0"
	old := assume(t, "go-tuf=v0.5.2,sigstore=v1.6.1")
	old.Name, old.Version = "gh", "v2.40.0"
	for _, tt := range []struct {
		name           string
		c              client.Client
		minimum        health.Minimum
		verdict        health.Verdict
		rules          string
		required, says string
	}{
		{"as old as accepted", assume(t, "cosign@v3.1.3"), health.Minimum{Client: "cosign", Version: "3.1.3"}, health.OK, "", "", ""},
		{"a packager's version of it", assume(t, "cosign@3.1.3-r2"), health.Minimum{Client: "cosign", Version: "v3.1.3-r4"}, health.OK, "", "", ""},
		{"older", assume(t, "cosign@v3.1.2"), health.Minimum{Client: "cosign", Version: "v3.1.3"}, health.Outdated, "minimum", "cosign 3.1.3", "cosign v3.1.2 is older than cosign 3.1.3, the oldest that is accepted here"},
		{"another client's minimum", assume(t, "cosign@v3.1.3"), health.Minimum{Client: "gh", Version: "99.0"}, health.OK, "", "", ""},
		{"no version to tell", nobody, health.Minimum{Client: "cosign", Version: "2.6.3"}, health.Unknown, "minimum", "", "does not tell whether it is cosign 2.6.3 or newer"},
		{"a client that is judged by its libraries", library, health.Minimum{Client: "gh", Version: "2.50"}, health.Outdated, "minimum", "gh 2.50", "gh v2.40.0 is older than gh 2.50"},
		{"one that reads nothing either", old, health.Minimum{Client: "gh", Version: "2.50"}, health.Outdated, "R2 R6 minimum", "gh 2.50 and go-tuf 0.6.0 and sigstore 1.7.2", "gh v2.40.0"},
		{"a minimum above what is required", assume(t, "cosign@v2.0.1"), health.Minimum{Client: "cosign", Version: "2.6.3"}, health.Outdated, "R2 R6 minimum", "cosign 2.6.3", "cosign v2.0.1 is older"},
		{"a minimum below what is required", assume(t, "cosign@v1.9.0"), health.Minimum{Client: "cosign", Version: "1.10"}, health.Outdated, "R1 R6 minimum", "cosign 2.2.0", "cosign v1.9.0 is older"},
		{"a minimum that is no version", assume(t, "cosign@v3.1.3"), health.Minimum{Client: "cosign", Version: "latest"}, health.Unknown, "minimum", "", "does not tell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			preview := public(t)
			preview.Mirror, preview.Preview = "staging", true
			m := health.Measure{Model: loadModel(t), Minimums: []health.Minimum{tt.minimum}}
			j := m.Clients([]health.ClientFacts{{Client: tt.c}}, []health.Repository{public(t), preview}, time.Time{})[0]
			got := j.Judgements[0]
			got.Reasons = withoutAdvisories(got.Reasons)
			if tt.rules == "" && got.Verdict == health.Vulnerable {
				got.Verdict, got.Required = health.OK, ""
			}
			if got.Verdict != tt.verdict || rules(got) != tt.rules || !strings.HasPrefix(got.Required, tt.required) || tt.required == "" && tt.rules != "" && got.Required != "" {
				t.Errorf("%s %q, required %q: %v", got.Verdict, rules(got), got.Required, got.Reasons)
			}
			if (j.Minimum == nil) != (tt.says == "") || j.Minimum != nil && !strings.Contains(j.Minimum.Summary, tt.says) {
				t.Errorf("minimum: %+v, want one that says %q", j.Minimum, tt.says)
			}
			if strings.Contains(rules(j.Judgements[1]), "minimum") {
				t.Errorf("a preview is none of the minimum's business: %v", j.Judgements[1].Reasons)
			}
			for _, f := range health.Judge(health.Facts{}, health.Limits{}, []health.ClientJudgement{j}) {
				if strings.Contains(tt.rules, "minimum") && !strings.Contains(tt.rules, "R") && strings.Contains(f.Summary, "cannot read") {
					t.Errorf("it reads the mirror, and %s says: %s", f.Code, f.Summary)
				}
			}
		})
	}
	m := health.Measure{Model: loadModel(t), Minimums: []health.Minimum{{Client: "cosgin", Version: "1.0"}, {Client: "gh", Version: "1.0"}, {Client: "example.org/mine", Version: "1.0"}}}
	if got := fmt.Sprint(m.Unmatched([]health.ClientFacts{{Client: client.Client{Name: "example.org/mine"}}})); got != "[{cosgin 1.0}]" {
		t.Errorf("unmatched: %s", got)
	}
}

func withoutAdvisories(reasons []health.Reason) []health.Reason {
	var out []health.Reason
	for _, r := range reasons {
		if !strings.HasPrefix(r.Rule, "GHSA") {
			out = append(out, r)
		}
	}
	return out
}

func TestProbes(t *testing.T) {
	id := client.FileID{Device: 1, Inode: 2, Size: 3, ModifiedNano: 4, ChangedNano: 5, Owner: 6}
	at := instant(t, "2026-11-22T12:00:00Z")
	probe := health.ProbeFacts{Path: "/usr/bin/cosign", File: id, Mirror: "sigstore", Root: 15, Targets: 14, At: at, Outcome: "ok"}
	failed := probe
	failed.Outcome, failed.Error = "failed", "updating local metadata and targets: error updating to TUF remote mirror: invalid key"
	odd := failed
	odd.Error = "segmentation\x1b fault"
	unclear := probe
	unclear.Outcome, unclear.Error = "unclear", "killed after 60 s"
	later := probe
	later.At = at.Add(time.Hour)
	other := func(edit func(p *health.ProbeFacts)) health.ProbeFacts {
		p := failed
		edit(&p)
		return p
	}
	unknown := client.Client{Path: "/usr/bin/cosign", Name: "x", VersionSource: "build", Linked: client.Linked{LegacyTUF: true}}
	for _, tt := range []struct {
		name    string
		c       client.Client
		probes  []health.ProbeFacts
		verdict health.Verdict
		rules   string
		outcome string
		says    string // the disagreement
		reason  string
	}{
		{"never run", assume(t, "cosign@v3.1.3"), nil, health.OK, "", "", "", ""},
		{"ran and agrees", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{probe}, health.OK, "", "ok", "", ""},
		{"refuses what the table says it reads", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{failed}, health.Outdated, "probe", "failed", "the table says that it reads root 15, but run at 2026-11-22 12:00 UTC it said: updating", "it refused root 15"},
		{"refuses, in words that a rule knows", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{failed}, health.Outdated, "probe", "failed", "it said", "(as under R2: "},
		{"refuses, in words that nobody knows", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{odd}, health.Outdated, "probe", "failed", `segmentation\x1b fault`, `segmentation\x1b fault`},
		{"a failed probe of several counts", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{failed, later, unclear}, health.Outdated, "probe", "failed", "it said", ""},
		{"refuses, as the table says", assume(t, "cosign@v2.0.1"), []health.ProbeFacts{failed}, health.Outdated, "R2 R6", "failed", "", ""},
		{"reads what the table says it cannot: only what was exercised is overruled", assume(t, "cosign@v2.0.1"), []health.ProbeFacts{probe}, health.Outdated, "R6", "ok", "the table says that it cannot read root 15 (R2), but run at 2026-11-22 12:00 UTC it did", ""},
		{"reads what nobody knew whether it can", unknown, []health.ProbeFacts{probe}, health.OK, "", "ok", "", ""},
		{"refuses what nobody knew whether it can", unknown, []health.ProbeFacts{failed}, health.Outdated, "probe", "failed", "", "it refused root 15"},
		{"a probe that came to nothing says nothing", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{unclear}, health.OK, "", "unclear", "", ""},
		{"of another file", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.File.ModifiedNano++ })}, health.OK, "", "", "", ""},
		{"of the file that had its inode, size and time before", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.File.ChangedNano-- })}, health.OK, "", "", "", ""},
		{"of the same file of another owner", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.File.Owner++ })}, health.OK, "", "", "", ""},
		{"of the same file, its owner being hidden from the one who ran it", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.File.Owner = client.OtherOwner })}, health.Outdated, "probe", "failed", "it said", ""},
		{"of root's file, as one of somebody else", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.File.Owner = 0 })}, health.OK, "", "", "", ""},
		{"of another path", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.Path = "/home/eve/cosign" })}, health.OK, "", "", "", ""},
		{"of another mirror", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.Mirror = "corp" })}, health.OK, "", "", "", ""},
		{"of an older root", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.Root-- })}, health.OK, "", "", "", ""},
		{"of older targets", assume(t, "cosign@v3.1.3"), []health.ProbeFacts{other(func(p *health.ProbeFacts) { p.Targets-- })}, health.OK, "", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := public(t)
			if tt.c.Name == "x" {
				r.Requirements = trust.Requirements{Roots: r.Requirements.Roots, Targets: &trust.TargetsForm{Version: 14}}
			}
			r.Probes = tt.probes
			tt.c.File = id
			if tt.c.Path == "" {
				tt.c.Path = "/usr/bin/cosign"
			}
			j := health.JudgeClient(loadModel(t), tt.c, r)
			if j.Verdict != tt.verdict || rules(j) != tt.rules {
				t.Errorf("%s %q: %v", j.Verdict, rules(j), j.Reasons)
			}
			if outcome := j.Probe; (outcome == nil) != (tt.outcome == "") || outcome != nil && outcome.Outcome != tt.outcome {
				t.Errorf("probe %+v, want %q", j.Probe, tt.outcome)
			}
			if (j.Disagreement == "") != (tt.says == "") || !strings.Contains(j.Disagreement, tt.says) {
				t.Errorf("disagreement %q, want %q", j.Disagreement, tt.says)
			}
			if tt.rules == "probe" && j.Required != "" {
				t.Errorf("%s is required, which nothing supports", j.Required)
			}
			if tt.reason != "" && (!strings.Contains(j.Reasons[0].Summary, tt.reason) || j.Reasons[0].Remedy == "") {
				t.Errorf("%+v, want %q", j.Reasons[0], tt.reason)
			}
		})
	}
	// Without a file there is nothing that was run: an assumed release.
	r := public(t)
	r.Probes = []health.ProbeFacts{{Mirror: "sigstore", Root: 15, Targets: 14, Outcome: "failed"}}
	if j := health.JudgeClient(loadModel(t), assume(t, "cosign@v3.1.3"), r); j.Probe != nil || j.Verdict != health.OK {
		t.Errorf("%+v", j)
	}
}

// R10 as measured: 403 for the root after the newest ends the chain for go-tuf/v2
// 2.0 and 2.1 alone, and for everybody else the refresh.
func TestForbiddenInsteadOfMissing(t *testing.T) {
	r := public(t)
	r.Forbidden = true
	for spec, want := range map[string]string{
		"cosign@v2.2.4": "R10", "cosign@v2.5.1": "", "cosign@v2.6.0": "", "cosign@v2.6.1": "R10", "cosign@v3.1.3": "R10",
		"go-tuf/v2=v2.0.2,sigstore-go=v0.7.1": "", "go-tuf/v2=v2.2.0,sigstore-go=v1.1.3": "R10", "go-tuf=v0.7.0,sigstore=v1.10.8": "R10",
	} {
		j := health.JudgeClient(loadModel(t), assume(t, spec), r)
		j.Reasons = withoutAdvisories(j.Reasons)
		if rules(j) != want || (j.Verdict == health.Outdated) != (want != "") || want != "" && j.Required != "" {
			t.Errorf("%s: %s %q, required %q, want %q", spec, j.Verdict, rules(j), j.Required, want)
		}
	}
}

// R11 as measured with real binaries: a cache that cosign 2.0.1 made, below a
// remote.json that it wrote, breaks cosign 2.6.4 and 3.1.2, too.
func TestAnOldCacheBelowAStaleRemote(t *testing.T) {
	legacy := func(root int, noRootFor string) []health.CacheFacts {
		return []health.CacheFacts{{
			Cache:      cache.Cache{Path: "/home/ada/.sigstore/root", Reader: cache.Cosign, Layout: cache.LayoutLegacy, Mirror: "sigstore"},
			Inspection: cache.Inspection{Root: publicRoot(t, root), NoRootFor: noRootFor},
		}}
	}
	const bucket = "https://sigstore-tuf-root.storage.googleapis.com"
	for _, tt := range []struct {
		spec   string
		caches []health.CacheFacts
		rules  string
		noted  bool
	}{
		{"cosign@v3.1.2", legacy(2, bucket), "R4 R11", true},
		{"cosign@v2.6.4", legacy(4, bucket), "R4 R11", true},
		{"cosign@v3.1.2", legacy(8, bucket), "", true},
		{"cosign@v3.1.2", legacy(2, ""), "", false},
		{"cosign@v2.4.3", legacy(2, bucket), "R4", false}, // it uses the legacy client anyway
	} {
		r := public(t)
		r.Caches = tt.caches
		j := health.Measure{Model: loadModel(t)}.Clients([]health.ClientFacts{{Client: assume(t, tt.spec)}}, []health.Repository{r}, time.Time{})[0]
		got := j.Judgements[0]
		got.Reasons = withoutAdvisories(got.Reasons)
		notes := strings.Join(j.Client.Notes, "\n")
		if rules(got) != tt.rules || (got.Verdict == health.Outdated) != (tt.rules != "") || strings.Contains(notes, "(R11)") != tt.noted {
			t.Errorf("%s: %s %q, notes %q, want %q", tt.spec, got.Verdict, rules(got), notes, tt.rules)
		}
	}
}

func TestAFutureMajorVersionIsUnknownInWords(t *testing.T) {
	for want, c := range map[string]client.Client{
		"no release of cosign like v9.9.9 is known (releases are known as of 20": assume(t, "cosign@v9.9.9"),
		"which libraries gh 0.0.1 is built with is not known":                    assume(t, "gh@0.0.1"),
	} {
		j := health.JudgeClient(loadModel(t), c, public(t))
		if j.Verdict != health.Unknown || len(j.Reasons) != 1 || !strings.Contains(j.Reasons[0].Summary, want) {
			t.Errorf("%s: %s %v", want, j.Verdict, j.Reasons)
		}
	}
}

func BenchmarkClients(b *testing.B) {
	m := health.Measure{Model: loadModel(b)}
	var repos []health.Repository
	for _, name := range []string{"a", "b", "c"} {
		r := public(b)
		r.Mirror = name
		repos = append(repos, r)
	}
	specs := []string{"cosign@v2.0.1", "cosign@v2.2.4", "cosign@v3.1.3", "go-tuf=v0.5.2,sigstore=v1.6.1", "cosign@v1.9.0", "cosign@v2.6.1"}
	var found []health.ClientFacts
	for i := range 300 {
		c, err := m.Model.Assume(specs[i%len(specs)])
		if err != nil {
			b.Fatal(err)
		}
		found = append(found, health.ClientFacts{Client: c})
	}
	for b.Loop() {
		m.Clients(found, repos, time.Time{})
	}
}
