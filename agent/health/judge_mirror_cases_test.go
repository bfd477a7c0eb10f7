// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

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
				fail(f, health.FailKeyType, 1, "unknown key").Unread = trust.KeyForm{KeyType: "quantum", Scheme: "entangled"}
			},
			want: []string{"critical agent-outdated mirror:sigstore ", "critical key-type-unknown mirror:sigstore "},
		},
		{
			name: "in a preview it is a warning",
			set: func(f *health.Facts) {
				m := fail(f, health.FailKeyType, 1, "unknown key")
				m.Unread, m.Preview = trust.KeyForm{KeyType: "quantum", Scheme: "entangled"}, true
			},
			want: []string{"warning agent-outdated mirror:sigstore ", "warning key-type-unknown mirror:sigstore "},
		},
		{
			name: "a known key type in a form that only this agent cannot read is the agent's problem alone",
			set: func(f *health.Facts) {
				fail(f, health.FailKeyType, 1, "unknown key").Unread = trust.KeyForm{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp256"}
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
			name: "a directory that two caches would have is a collision",
			set: func(f *health.Facts) {
				f.Collisions = []health.CollisionFacts{{Path: "/c", One: "mirror a", Other: "mirror b", Remedy: "keep one"}}
			},
			want: []string{"warning cache-collision cache:/c mirror b"},
			says: []string{"cache directory /c is of mirror a and of mirror b: neither is written there", "keep one"},
		},
		{
			name: "a directory in which two clients get along is one, too",
			set: func(f *health.Facts) {
				f.Collisions = []health.CollisionFacts{{Path: "/c\x1b[31m", One: "cosign", Other: "gh", Written: true}}
			},
			want: []string{`warning cache-collision cache:"/c\x1b[31m" gh`},
			says: []string{"what one of them removes there, the other loses", "keep one of the two in the configuration"},
		},
	}
}
