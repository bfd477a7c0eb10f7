// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

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
			name: "a damaged cache that policy lets nobody mend says how to let us",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection, f.Caches[0].Policy = wedged, "report"
			},
			want: []string{"warning cache-damaged cache:" + path + " "},
			says: []string{`write rule "` + path + `" { policy = "mend" } before the other rules of the caches block`},
		},
		{
			name: "damage that its client repairs is its client's affair where we only report",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection, f.Caches[0].Policy = healing, "report"
			},
		},
		{
			name: "damage that its client repairs needs nobody where we publish",
			set: func(f *health.Facts) {
				f.Caches[0].Inspection, f.Caches[0].Policy = healing, "publish"
			},
			want: []string{"warning cache-damaged cache:" + path + " "},
			says: []string{"nothing: its client repairs it on its next run"},
		},
		{
			name: "a cache with something else in place of a file is mended as well",
			set: inspected(false, cache.Inspection{State: cache.Unusable, Detail: "snapshot.json: directory",
				Damage: []cache.Damage{{File: "snapshot.json", What: "directory", Object: true}}}),
			want: []string{"warning cache-unwritable cache:" + path + " "},
			says: []string{"tufkeeper caches --mend"},
		},
		{
			name: "an unusable cache that is its owner's affair is not said to be mended",
			set:  inspected(false, cache.Inspection{State: cache.Unusable, Detail: "read-only"}),
			want: []string{"warning cache-unwritable cache:" + path + " "},
			says: []string{"ls -la " + path},
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
			set:  inspected(false, cache.Inspection{State: cache.Ahead, Consequence: "its client fails", Remedy: "rm what protects it"}),
			want: []string{"warning cache-ahead cache:" + path + " "},
			says: []string{"its client fails", "tufkeeper refresh; if it stays", "ask its owner before anything is removed"},
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
	stranger[0].Judgements[0].Required = "go-tuf v0.6.0"
	stranger[0].Judgements[0].Reasons = append(stranger[0].Judgements[0].Reasons, health.Reason{Rule: "R6", Remedy: "upgrade it"}, health.Reason{Rule: "R17", Remedy: "upgrade it"})
	hopeless := judged(true, "tuf-client", "v0.5.2", health.Outdated)
	hopeless[0].Judgements[0].Required = ""
	hopeless[0].Judgements[0].Reasons = append(hopeless[0].Judgements[0].Reasons, health.Reason{Rule: "R6", Remedy: "something else"})
	unfit := func(system bool, rules ...string) []health.ClientJudgement {
		j := judged(system, "cosign", "v3.1.3", health.Outdated)
		j[0].Judgements[0].Required, j[0].Judgements[0].Reasons = "", nil
		for _, rule := range rules {
			j[0].Judgements[0].Reasons = append(j[0].Judgements[0].Reasons, health.Reason{Rule: rule, Summary: "what " + rule + " says", Remedy: "mend " + rule})
		}
		return j
	}
	older := judged(true, "cosign", "v2.2.0", health.Outdated)
	older[0].Judgements[0].Fit, older[0].Judgements[0].Required = health.Vulnerable, "cosign 2.6.3"
	older[0].Minimum = &health.Reason{Rule: "minimum", Summary: "cosign v2.2.0 is older than cosign 2.6.3", Remedy: "install cosign 2.6.3 or newer"}
	older[0].Judgements[0].Reasons = []health.Reason{{Rule: "GHSA-1", Summary: "GHSA-1: bad"}, *older[0].Minimum}
	accepted := judged(true, "cosign", "v2.2.0", health.Outdated)
	accepted[0].Judgements[0].Fit, accepted[0].Minimum = health.OK, older[0].Minimum
	accepted[0].Judgements[0].Reasons = []health.Reason{*older[0].Minimum}
	disagree := judged(true, "cosign", "v3.1.3", health.OK)
	disagree[0].Judgements[0].Disagreement = "the table says that it reads root 9, but it said no"
	advised := judged(true, "cosign", "v2.2.0", health.Vulnerable)
	advised[0].Judgements[0].Required = ""
	advised[0].Judgements[0].Reasons = []health.Reason{
		{Rule: "GHSA-1", Summary: "GHSA-1: cosign v2.2.0: bad", Remedy: "install cosign 2.2.1 or newer"},
		{Rule: "GHSA-2", Summary: "GHSA-2: cosign v2.2.0: worse", Remedy: "install cosign 3.0.6 or newer"},
	}
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
			says: []string{"tuf-client v0.5.2 at /usr/bin/tuf-client cannot read", "(R2); 2 more reasons; it must be built with go-tuf v0.6.0 or newer", "upgrade it"},
		},
		{
			name: "a client of which no release is known that can, for reasons that differ, is sent to the newest", judged: hopeless,
			want: []string{"critical client-outdated client:/usr/bin/tuf-client sigstore"},
			says: []string{"no release is known that can", "install the newest tuf-client in place of /usr/bin/tuf-client"},
		},
		{
			name: "of several advisories no single remedy is given, since it may leave the others", judged: advised,
			want: []string{"warning client-vulnerable client:/usr/bin/cosign "},
			says: []string{"has a known vulnerability: GHSA-1: cosign v2.2.0: bad; 1 more reason", "install the newest cosign"},
		},
		{
			name: "a client that cannot read a preview is a warning on any path", judged: preview(health.Endangered),
			want: []string{"warning client-endangered client:/usr/bin/cosign staging"},
			says: []string{"cannot read mirror staging, a preview: it will break when production adopts this"},
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
			want: []string{"warning client-vulnerable client:/usr/bin/cosign "},
		},
		{
			name:   "a known vulnerability is told once, whatever mirrors the client reads",
			judged: twice(judged(true, "cosign", "v2.2.0", health.Vulnerable)),
			want:   []string{"warning client-vulnerable client:/usr/bin/cosign "},
		},
		{
			name: "a mirror that fails a client is at fault, not the client", judged: unfit(true, "R7"),
			want: []string{"critical mirror-unfit mirror:sigstore R7"},
			says: []string{"mirror sigstore fails clients that would read it if it were whole (cosign v3.1.3 at /usr/bin/cosign): what R7 says", "mend R7"},
		},
		{
			name: "a mirror that fails clients in homes only is a warning, each fault by itself", judged: unfit(false, "R8", "R10"),
			want: []string{"warning mirror-unfit mirror:sigstore R10", "warning mirror-unfit mirror:sigstore R8"},
		},
		{
			name: "a client that is too old for a mirror that is unfit as well is told of both", judged: unfit(true, "R2", "R8"),
			want: []string{"critical cosign-outdated client:/usr/bin/cosign sigstore", "critical mirror-unfit mirror:sigstore R8"},
			says: []string{"what R2 says; no release"},
		},
		{
			name: "a client older than the minimum is a warning that claims nothing about what it reads", judged: older,
			want: []string{"warning client-below-minimum client:/usr/bin/cosign ", "warning client-vulnerable client:/usr/bin/cosign "},
			says: []string{"is not accepted by the configuration: cosign v2.2.0 is older than cosign 2.6.3", "install cosign 2.6.3 or newer in place of /usr/bin/cosign"},
		},
		{
			name: "a minimum alone is no vulnerability", judged: twice(accepted),
			want: []string{"warning client-below-minimum client:/usr/bin/cosign "},
		},
		{
			name: "a probe that disagrees with the table is a warning", judged: disagree,
			want: []string{"warning probe-disagrees client:/usr/bin/cosign sigstore"},
			says: []string{"than its libraries say: the table says that it reads root 9, but it said no", "tufkeeper probe /usr/bin/cosign"},
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

// twice has the first client judged against a second mirror, with the same verdict.
func twice(judged []health.ClientJudgement) []health.ClientJudgement {
	j := judged[0].Judgements[0]
	j.Mirror = "second"
	judged[0].Judgements = append(judged[0].Judgements, j)
	return judged
}
