// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
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

type judgeCase struct {
	name   string
	set    func(f *health.Facts)
	judged []health.ClientJudgement
	// want are "severity code subject detail", in order.
	want []string
	// says are parts of the first summary or remedy.
	says []string
}

func judgeCases() []judgeCase {
	return slices.Concat(mirrorCases(), hostCases(), clientCases())
}

func mirrorCases() []judgeCase {
	return []judgeCase{
		{name: "a host with nothing wrong has no finding"},
		{
			name: "a timestamp with more left than its warning threshold is fine",
			set:  func(f *health.Facts) { aged(f, 48*time.Hour+time.Minute) },
		},
		{
			name: "a timestamp at its warning threshold is a warning",
			set:  func(f *health.Facts) { aged(f, 48*time.Hour) },
			want: []string{"warning metadata-expiring mirror:sigstore timestamp"},
			says: []string{"timestamp 1 of mirror sigstore expires in 2 d, at 2026-08-28 12:00 UTC", "the mirror offers nothing newer", "https://tuf.example"},
		},
		{
			name: "a timestamp at its critical threshold is critical",
			set:  func(f *health.Facts) { aged(f, 12*time.Hour) },
			want: []string{"critical metadata-expiring mirror:sigstore timestamp"},
		},
		{
			name: "metadata at the very instant of its expiry has not expired, as go-tuf judges it",
			set:  func(f *health.Facts) { aged(f, 0) },
			want: []string{"critical metadata-expiring mirror:sigstore timestamp"},
		},
		{
			name: "metadata one second past its expiry has expired",
			set:  func(f *health.Facts) { aged(f, -time.Second) },
			want: []string{"critical metadata-expired mirror:sigstore timestamp"},
			says: []string{"timestamp 1 of mirror sigstore expired 1 s ago, at 2026-08-28 12:00 UTC", "no cache is written from it"},
		},
		{
			name: "a root near its expiry is judged by its own thresholds",
			set:  func(f *health.Facts) { aged(f, 7*day-182*day) },
			want: []string{
				"critical metadata-expired mirror:sigstore timestamp",
				"warning metadata-expiring mirror:sigstore root",
			},
		},
		{
			name: "an expiry while refreshing fails says so",
			set: func(f *health.Facts) {
				aged(f, time.Hour)
				fail(f, health.FailUnreachable, 1, "no such host")
			},
			want: []string{"critical metadata-expiring mirror:sigstore timestamp", "warning mirror-unreachable mirror:sigstore "},
			says: []string{"refreshing fails"},
		},
		{
			name: "what is wrong with a preview is never critical",
			set: func(f *health.Facts) {
				aged(f, -time.Hour)
				fail(f, health.FailSignature, 9, "not signed").Preview = true
			},
			want: []string{"warning metadata-expired mirror:sigstore timestamp", "warning refresh-failing mirror:sigstore "},
		},
		{
			name: "a mirror that does not answer is a warning while there is something to fall back on",
			set:  func(f *health.Facts) { fail(f, health.FailUnreachable, 2, "dialling: connection refused") },
			want: []string{"warning mirror-unreachable mirror:sigstore "},
			says: []string{"2 failures in a row", "last success 2 min ago", "connection refused", "curl -sS -o /dev/null -w '%{http_code}\\n' https://tuf.example/timestamp.json"},
		},
		{
			name: "a mirror that never answered is critical: nothing is there to fall back on",
			set: func(f *health.Facts) {
				m := fail(f, health.FailUnreachable, 1, "no such host")
				m.Set, m.LastSuccess = nil, time.Time{}
			},
			want: []string{"critical mirror-unreachable mirror:sigstore "},
			says: []string{"no success yet"},
		},
		{
			name: "a mirror of two minds is left to settle for two failures",
			set:  func(f *health.Facts) { fail(f, health.FailInconsistent, 2, "wrong hash") },
		},
		{
			name: "a mirror of two minds is a warning from the third failure",
			set:  func(f *health.Facts) { fail(f, health.FailInconsistent, 3, "wrong hash") },
			want: []string{"warning mirror-inconsistent mirror:sigstore "},
		},
		{
			name: "a mirror that answers with a page is misconfigured",
			set:  func(f *health.Facts) { fail(f, health.FailMisconfigured, 1, "an HTML page") },
			want: []string{"warning mirror-misconfigured mirror:sigstore "},
		},
		{
			name: "a first rollback is a warning: a CDN can cause it",
			set:  func(f *health.Facts) { fail(f, health.FailRollback, 1, "older") },
			want: []string{"warning rollback-refused mirror:sigstore "},
		},
		{
			name: "a rollback that stays is critical and names both versions",
			set: func(f *health.Facts) {
				fail(f, health.FailRollback, 2, "older").Rollback = health.Rollback{Role: "timestamp", Trusted: 762, Offered: 760}
			},
			want: []string{"critical rollback-refused mirror:sigstore "},
			says: []string{"offers timestamp 760, older than timestamp 762, which is trusted; refused (2 failures in a row)", "delete nothing"},
		},
		{
			name: "metadata signed by others is a warning once",
			set:  func(f *health.Facts) { fail(f, health.FailSignature, 1, "not enough signatures") },
			want: []string{"warning refresh-failing mirror:sigstore "},
		},
		{
			name: "metadata signed by others twice is critical, and nobody is told to try again",
			set:  func(f *health.Facts) { fail(f, health.FailSignature, 2, "not enough signatures") },
			want: []string{"critical refresh-failing mirror:sigstore "},
			says: []string{"initial root belong to the same repository"},
		},
		{
			name: "a mirror that offers only expired metadata sends its reader to the clock first",
			set:  func(f *health.Facts) { fail(f, health.FailExpired, 1, "timestamp.json is expired") },
			want: []string{"warning refresh-failing mirror:sigstore "},
			says: []string{"timedatectl status"},
		},
		{
			name: "a fault of ours is a failing refresh",
			set:  func(f *health.Facts) { fail(f, health.FailInternal, 1, "panic") },
			want: []string{"warning refresh-failing mirror:sigstore "},
		},
		{
			name: "a kind of failure that is not known is a failing refresh, never a pass",
			set:  func(f *health.Facts) { fail(f, "made-up", 1, "what") },
			want: []string{"warning refresh-failing mirror:sigstore "},
		},
		{
			name: "an error without a kind is a failing refresh, never a pass",
			set:  func(f *health.Facts) { fail(f, health.FailNone, 1, "what") },
			want: []string{"warning refresh-failing mirror:sigstore "},
		},
		{
			name: "no success for more than a day and three intervals is a failing refresh, without any error",
			set: func(f *health.Facts) {
				f.Mirrors[0].LastSuccess = f.At.Add(-day - time.Second)
			},
			want: []string{"warning refresh-failing mirror:sigstore "},
			says: []string{"last success 1 d ago", "no refresh has finished since"},
		},
		{
			name: "a look that knows of no attempt does not miss a success",
			set: func(f *health.Facts) {
				f.Mirrors[0].LastSuccess, f.Mirrors[0].LastAttempt = f.At.Add(-3*day), time.Time{}
			},
		},
		{
			name: "a mirror with a long interval may be silent for three of them",
			set: func(f *health.Facts) {
				f.Mirrors[0].LastSuccess, f.Mirrors[0].Interval = f.At.Add(-2*day), day
			},
		},
		{
			name: "what our own library cannot read makes the agent outdated",
			set:  func(f *health.Facts) { fail(f, health.FailKeyType, 1, "unknown key type \"quantum\"") },
			want: []string{"critical agent-outdated mirror:sigstore "},
			says: []string{"quantum", "install the newest tufkeeper"},
		},
		{
			name: "a key type that nobody is known to read is a problem of every client, beside the agent's own",
			set: func(f *health.Facts) {
				fail(f, health.FailKeyType, 1, "unknown key").KeyType = "quantum"
			},
			want: []string{"critical agent-outdated mirror:sigstore ", "critical key-type-unknown mirror:sigstore "},
		},
		{
			name: "in a preview it is a warning",
			set: func(f *health.Facts) {
				m := fail(f, health.FailKeyType, 1, "unknown key")
				m.KeyType, m.Preview = "quantum", true
			},
			want: []string{"warning agent-outdated mirror:sigstore ", "warning key-type-unknown mirror:sigstore "},
		},
		{
			name: "a known key type in a form that only this agent cannot read is the agent's problem alone",
			set: func(f *health.Facts) {
				fail(f, health.FailKeyType, 1, "unknown key").KeyType = "ecdsa"
			},
			want: []string{"critical agent-outdated mirror:sigstore "},
		},
		{
			name: "what our own library cannot read of a preview is a warning",
			set:  func(f *health.Facts) { fail(f, health.FailKeyType, 1, "unknown key type").Preview = true },
			want: []string{"warning agent-outdated mirror:sigstore "},
		},
		{
			name: "a store that cannot be read is critical",
			set:  func(f *health.Facts) { fail(f, health.FailStore, 1, "input/output error") },
			want: []string{"critical store-damaged mirror:sigstore "},
		},
		{
			name: "files set aside in the store are a warning that names the first and counts the rest",
			set: func(f *health.Facts) {
				f.Mirrors[0].Damaged = []string{"snapshot.json: truncated", "targets.json: truncated"}
			},
			want: []string{"warning store-damaged mirror:sigstore set aside"},
			says: []string{"snapshot.json: truncated (and 1 more)"},
		},
		{
			name: "mirrors that share a cache directory collide",
			set: func(f *health.Facts) {
				m := f.Mirrors[0]
				m.Name, m.URL = "plain", "http://tuf.example"
				f.Mirrors = append(f.Mirrors, m)
			},
			want: []string{"warning cache-collision mirror:sigstore plain"},
			says: []string{"mirrors sigstore and plain share the cache directory tuf.example"},
		},
	}
}

func hostCases() []judgeCase {
	inspected := func(system bool, in cache.Inspection) func(f *health.Facts) {
		return func(f *health.Facts) {
			f.Caches[0].System, f.Caches[0].Inspection = system, in
		}
	}
	const path = "/home/ada/.sigstore/root/tuf.example"
	wedged := cache.Inspection{
		State: cache.Damaged, Detail: "timestamp.json is truncated", Consequence: "its client fails until it is mended",
		Damage: []cache.Damage{{File: "timestamp.json", What: "truncated"}},
	}
	healing := wedged
	healing.Damage = []cache.Damage{{File: "root.json", What: "truncated", Heals: true}}
	return []judgeCase{
		{
			name: "a clock before the newest time seen is critical, and no expiry is judged",
			set: func(f *health.Facts) {
				aged(f, -time.Hour)
				f.Clock.HighestSeen = f.At.Add(6 * time.Minute)
				f.Clock.MirrorDate = f.At.Add(6 * time.Minute)
			},
			want: []string{"critical clock-skewed agent:clock "},
			says: []string{"6 min before the newest time this agent has seen", "no expiry is judged", "timedatectl"},
		},
		{
			name: "a refresh refused for its clock is the same problem, once for all mirrors",
			set: func(f *health.Facts) {
				aged(f, -time.Hour)
				fail(f, health.FailClock, 1, "clock")
				f.Mirrors = append(f.Mirrors, f.Mirrors[0])
				f.Mirrors[1].Name, f.Mirrors[1].URL = "other", "https://other.example"
			},
			want: []string{"critical clock-skewed agent:clock "},
		},
		{
			name: "a clock that was slewed by seconds is fine",
			set:  func(f *health.Facts) { f.Clock.HighestSeen = f.At.Add(5 * time.Minute) },
		},
		{
			name: "a Date header that differs is a warning, and silences no verdict: nobody signed it",
			set: func(f *health.Facts) {
				aged(f, -time.Hour)
				f.Clock.MirrorDate = f.At.Add(-10 * day)
			},
			want: []string{"critical metadata-expired mirror:sigstore timestamp", "warning clock-skewed agent:clock "},
		},
		{
			name: "a Date header from the future says that the clock is behind",
			set:  func(f *health.Facts) { f.Clock.MirrorDate = f.Clock.MirrorSeen.Add(6 * time.Minute) },
			want: []string{"warning clock-skewed agent:clock "},
			says: []string{"6 min behind the mirror's"},
		},
		{
			name: "a state directory that cannot be written is critical",
			set:  func(f *health.Facts) { f.StateError = "no space left on device" },
			want: []string{"critical state-unwritable agent:tufkeeper "},
			says: []string{"no space left on device"},
		},
		{
			name: "watches that ran out are a warning",
			set:  func(f *health.Facts) { f.WatchDegraded = "no watches left" },
			want: []string{"warning watch-degraded agent:tufkeeper "},
		},
		{
			name: "alerts that wait are a warning",
			set:  func(f *health.Facts) { f.AlertError = "sending to pager: refused" },
			want: []string{"warning alert-undelivered agent:tufkeeper "},
		},
		{
			name: "a refused configuration is a warning: the old one stays in force",
			set:  func(f *health.Facts) { f.ConfigError = "line 12: unknown argument" },
			want: []string{"warning config-invalid config:config "},
		},
		{
			name: "damage in a home is a warning",
			set:  inspected(false, wedged),
			want: []string{"warning cache-damaged cache:" + path + " "},
			says: []string{"timestamp.json is truncated", "fails until it is mended", "tufkeeper caches --mend"},
		},
		{
			name: "damage outside homes is critical",
			set:  inspected(true, wedged),
			want: []string{"critical cache-damaged cache:" + path + " "},
		},
		{
			name: "damage that its client repairs alone is a warning anywhere",
			set:  inspected(true, healing),
			want: []string{"warning cache-damaged cache:" + path + " "},
		},
		{
			name: "a damaged cache that could not be mended says why",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection, f.Caches[0].Failed = wedged, "permission denied"
			},
			want: []string{"warning cache-damaged cache:" + path + " "},
			says: []string{"writing it failed: permission denied"},
		},
		{
			name: "a cache that the operator has us ignore is no problem",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection, f.Caches[0].Policy = wedged, "ignore"
			},
		},
		{
			name: "an unusable cache gives what is to be typed",
			set:  inspected(false, cache.Inspection{State: cache.Unusable, Detail: "owned by root", Remedy: "chown -R ada /home/ada/.sigstore"}),
			want: []string{"warning cache-unwritable cache:" + path + " "},
			says: []string{"chown -R ada /home/ada/.sigstore"},
		},
		{
			name: "an unusable cache outside homes is critical",
			set:  inspected(true, cache.Inspection{State: cache.Unusable}),
			want: []string{"critical cache-unwritable cache:" + path + " "},
		},
		{
			name: "a cache that stays behind is a warning",
			set:  inspected(true, cache.Inspection{State: cache.Behind, Detail: "timestamp 3, the mirror has 5"}),
			want: []string{"warning cache-behind cache:" + path + " "},
		},
		{
			name: "a cache behind that we only report on is its client's affair",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection.State, f.Caches[0].Policy = cache.Behind, "report"
			},
		},
		{
			name: "a cache ahead of its mirror is a warning",
			set:  inspected(false, cache.Inspection{State: cache.Ahead}),
			want: []string{"warning cache-ahead cache:" + path + " "},
		},
		{
			name: "an expired cache is its mirror's problem",
			set:  inspected(true, cache.Inspection{State: cache.Expired}),
		},
		{
			name: "a foreign cache is not ours to judge",
			set:  inspected(true, cache.Inspection{State: cache.Foreign}),
		},
		{
			name: "a legacy cache that no client depends on is no problem",
			set: func(f *health.Facts) {
				f.Caches[0].Cache.Layout = cache.LayoutLegacy
				f.Clients = []health.ClientFacts{{Client: found("cosign", "v3.1.3", client.Linked{SigstoreTUF: true, LegacyTUF: true, SigstoreGo: true})}}
			},
		},
		{
			name: "a legacy cache that a client depends on is a warning",
			set: func(f *health.Facts) {
				f.Caches[0].Cache.Layout = cache.LayoutLegacy
				f.Clients = []health.ClientFacts{{Client: found("cosign", "v2.2.4", client.Linked{SigstoreTUF: true, LegacyTUF: true})}}
			},
			want: []string{"warning cache-legacy cache:" + path + " "},
			says: []string{"cosign v2.2.4 at /usr/bin/cosign reads no other", "cosign 2.5.1"},
		},
	}
}

func clientCases() []judgeCase {
	preview := func(verdict health.Verdict) []health.ClientJudgement {
		j := judged(true, "cosign", "v2.0.1", verdict)
		j[0].Judgements[0].Mirror, j[0].Judgements[0].Preview = "staging", true
		return j
	}
	both := judged(true, "cosign", "v2.0.1", health.Outdated)
	both[0].Judgements = append(both[0].Judgements, preview(health.Endangered)[0].Judgements...)
	until := judged(true, "cosign", "v2.0.1", health.Outdated)
	until[0].Judgements[0].Until = signed.Add(day)
	past := judged(true, "cosign", "v2.0.1", health.Outdated)
	past[0].Judgements[0].Until = signed
	stranger := judged(true, "tuf-client", "v0.5.2", health.Outdated)
	stranger[0].Judgements[0].Required = ""
	stranger[0].Judgements[0].Reasons = append(stranger[0].Judgements[0].Reasons, health.Reason{Rule: "R6"}, health.Reason{Rule: "R8"})
	return []judgeCase{
		{name: "a client that reads what is in force is fine", judged: judged(true, "cosign", "v3.1.3", health.OK)},
		{
			name: "an old cosign on a system path is critical, and all is said in one line", judged: until,
			want: []string{"critical cosign-outdated client:/usr/bin/cosign sigstore"},
			says: []string{
				"cosign v2.0.1 at /usr/bin/cosign cannot read mirror sigstore",
				`root 9 uses the key type "ecdsa", which go-tuf v0.5.2 cannot read (R2)`,
				"cosign 2.2.0 or newer is needed",
				"it seems to work until 2026-08-22 12:00 UTC, when its cached timestamp expires",
				"install cosign 2.2.0 or newer in place of /usr/bin/cosign",
			},
		},
		{
			name: "an old cosign whose cached timestamp has expired fails already", judged: past,
			want: []string{"critical cosign-outdated client:/usr/bin/cosign sigstore"},
			says: []string{"it fails since 2026-08-21 12:00 UTC"},
		},
		{
			name: "an old cosign in a home is a warning", judged: judged(false, "cosign", "v2.0.1", health.Outdated),
			want: []string{"warning cosign-outdated client:/usr/bin/cosign sigstore"},
		},
		{
			name: "any other old client has a code of its own, and its reasons are counted", judged: stranger,
			want: []string{"critical client-outdated client:/usr/bin/tuf-client sigstore"},
			says: []string{"tuf-client v0.5.2 at /usr/bin/tuf-client cannot read", "(R2) and 2 more reasons", "no release is known that can", "upgrade it"},
		},
		{
			name: "a client that cannot read a preview is a warning on any path", judged: preview(health.Endangered),
			want: []string{"warning client-endangered client:/usr/bin/cosign staging"},
			says: []string{"will not be able to read what is coming, as mirror staging shows it"},
		},
		{
			name: "a preview never makes a client outdated, whatever the verdict is called", judged: preview(health.Outdated),
			want: []string{"warning client-endangered client:/usr/bin/cosign staging"},
		},
		{
			name: "a client that must be replaced already is not endangered as well", judged: both,
			want: []string{"critical cosign-outdated client:/usr/bin/cosign sigstore"},
		},
		{
			name: "a legacy cache is silent while the client that needs it must be replaced", judged: judged(true, "cosign", "v2.0.1", health.Outdated),
			set: func(f *health.Facts) {
				f.Caches[0].Cache.Layout = cache.LayoutLegacy
				f.Clients = []health.ClientFacts{{Client: found("cosign", "v2.0.1", client.Linked{SigstoreTUF: true})}}
			},
			want: []string{"critical cosign-outdated client:/usr/bin/cosign sigstore"},
		},
		{
			name: "a known vulnerability is a warning", judged: judged(true, "cosign", "v2.2.0", health.Vulnerable),
			want: []string{"warning client-vulnerable client:/usr/bin/cosign sigstore"},
		},
		{
			name: "a client of which nothing is known is a warning, never fine", judged: judged(true, "oddity", "", health.Unknown),
			want: []string{"warning client-unknown client:/usr/bin/oddity sigstore"},
		},
		{
			name: "a verdict that nobody has heard of is unknown, never fine", judged: judged(true, "cosign", "v9.9.9", "splendid"),
			want: []string{"warning client-unknown client:/usr/bin/cosign sigstore"},
		},
	}
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
				if text == "" || strings.Contains(strings.ReplaceAll(text, "%{http_code}", ""), "{") {
					t.Errorf("%s: %s says %q", c.name, f.Code, text)
				}
			}
			if len(f.Fields)%2 != 0 {
				t.Errorf("%s: %s has a key without a value: %v", c.name, f.Code, f.Fields)
			}
		}
	}
}

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
