// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func assume(t testing.TB, spec string) client.Client {
	t.Helper()
	c, err := loadModel(t).Assume(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rules are the rules that a client does not meet; advisories say nothing of reading.
func rules(j health.Judgement) string {
	var ids []string
	for _, r := range j.Reasons {
		if !strings.HasPrefix(r.Rule, "GHSA-") {
			ids = append(ids, r.Rule)
		}
	}
	return strings.Join(ids, " ")
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// private is a chain of roots of somebody's own, with keys of those types.
func private(types ...string) []trust.RootForm {
	var roots []trust.RootForm
	for i, kind := range types {
		key := trust.KeyForm{Roles: []string{"root"}, KeyType: kind, Scheme: "ecdsa-sha2-nistp256", Encoding: "pem", Curve: "P-256"}
		roots = append(roots, trust.RootForm{Version: int64(i + 1), SHA256: "private", Keys: []trust.KeyForm{key}, OnlineKeys: "same"})
	}
	return roots
}

const old, ecdsa = "ecdsa-sha2-nistp256", "ecdsa"

func TestVerdictsAreOrdered(t *testing.T) {
	order := []health.Verdict{health.Outdated, health.Unknown, health.Endangered, health.Vulnerable, health.OK}
	for i, a := range order {
		for k, b := range order {
			if a.Worse(b) != (i < k) {
				t.Errorf("%s worse than %s: %v", a, b, a.Worse(b))
			}
		}
	}
	if health.Worst(nil) != health.Unknown || health.Worst([]health.Judgement{{}}) == health.OK {
		t.Error("what was not judged is fine")
	}
	if w := health.Worst([]health.Judgement{{Verdict: health.OK}, {Verdict: health.Endangered}, {Verdict: health.Vulnerable}}); w != health.Endangered {
		t.Error(w)
	}
}

// TestScenarios holds the model against what was measured with caches, gaps,
// expiry and frozen mirrors.
func TestScenarios(t *testing.T) {
	m := loadModel(t)
	roots := publicRoots(t, 15)
	chain := func(n int) []trust.RootForm { return roots[:n] }
	without := func(gone ...int64) []trust.RootForm {
		return slices.DeleteFunc(slices.Clone(roots), func(r trust.RootForm) bool { return slices.Contains(gone, r.Version) })
	}
	cached := func(v int) []health.CacheFacts {
		return []health.CacheFacts{{Cache: cache.Cache{Path: "/home/ada/.sigstore/root", Reader: cache.Cosign, Layout: cache.LayoutLegacy, Default: true}, Inspection: cache.Inspection{Root: publicRoot(t, v)}}}
	}
	const legacyOld, legacyFirst, legacy, legacyNew = "go-tuf=v0.5.2,sigstore=v1.6.1", "go-tuf=v0.6.1,sigstore=v1.7.2", "go-tuf=v0.7.0,sigstore=v1.8.15", "go-tuf=v0.7.0,sigstore=v1.10.8"
	const v2Old, v2 = "go-tuf/v2=v2.0.0,sigstore-go=v0.5.1", "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1"
	beforeExpiry, afterExpiry := instant(t, "2024-03-26T04:00:00Z"), instant(t, "2024-03-26T05:00:00Z")
	for _, tt := range []struct {
		name  string
		spec  string
		r     health.Repository
		roots []trust.RootForm
		want  string
		start string
	}{
		{"S1 initialize after root 9", legacyOld, health.Repository{}, chain(9), "R2", "embedded root 2"},
		{"S2 root-4 cache, old client, root 15", legacyOld, health.Repository{Caches: cached(4)}, chain(15), "R2", "cached root 4 in /home/ada/.sigstore/root"},
		{"S2 root-4 cache, client that lost hex keys", legacyFirst, health.Repository{Caches: cached(4)}, chain(15), "R4", "cached root 4 in /home/ada/.sigstore/root"},
		{"S2 the same, started from root 15", legacyFirst, health.Repository{Caches: cached(4), StartRoot: &roots[14]}, chain(15), "", "given root 15"},
		{"S2 old client started from root 15", legacyOld, health.Repository{StartRoot: &roots[14]}, chain(15), "R3", "given root 15"},
		{"S2 root-4 cache, newer client", legacyNew, health.Repository{Caches: cached(4)}, chain(15), "R4", "cached root 4 in /home/ada/.sigstore/root"},
		{"S3 root-8 cache, upgraded client", legacy, health.Repository{Caches: cached(8)}, chain(15), "", "cached root 8 in /home/ada/.sigstore/root"},
		{"S4 cache of a newer client, then an old one", legacyOld, health.Repository{Caches: cached(15)}, chain(15), "R3", "cached root 15 in /home/ada/.sigstore/root"},
		{"a legacy cache is nothing to a v2 client", v2, health.Repository{Caches: cached(4)}, chain(15), "", "embedded root 14"},
		{"S8 the mirror lacks root 12", legacy, health.Repository{Start: "embedded"}, without(12), "R8", "embedded root 9"},
		{"S8 the mirror lacks roots 10 and 11, v2", v2Old, health.Repository{}, without(10, 11), "R8", "embedded root 9"},
		{"S8 what is missing lies before the start", v2, health.Repository{}, without(10, 11), "", "embedded root 14"},
		{"S9 root 8 not yet expired", legacyOld, health.Repository{At: beforeExpiry}, chain(8), "", "embedded root 2"},
		{"S9 root 8 expired", legacyOld, health.Repository{At: afterExpiry}, chain(8), "R8", "embedded root 2"},
		{"S9 root 8 expired, expiry not judged", legacyOld, health.Repository{}, chain(8), "", "embedded root 2"},
		{"S12 frozen at root 8, embedded root newer", legacy, health.Repository{}, chain(8), "R7", "embedded root 9"},
		{"S12 frozen at root 10, same client", legacy, health.Repository{}, chain(10), "", "embedded root 9"},
		{"S12 frozen at root 10, embedded root 12", legacyNew, health.Repository{}, chain(10), "R7", "embedded root 12"},
		{"S12 frozen at root 8, v2", v2Old, health.Repository{}, chain(8), "R7", "embedded root 9"},
		{"S12 frozen at root 10, v2, embedded root 14", v2, health.Repository{}, chain(10), "R7", "embedded root 14"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Requirements.Roots = tt.roots
			j := health.JudgeClient(m, assume(t, tt.spec), tt.r)
			got := ""
			if j.Verdict == health.Outdated {
				got = rules(j)
			}
			if got != tt.want || j.Start != tt.start {
				t.Errorf("%s for %q from %q, want %q from %q", j.Verdict, got, j.Start, tt.want, tt.start)
			}
			if (tt.want == "R7" || tt.want == "R8") && j.Required != "" {
				t.Errorf("no release helps against a broken mirror, but %q is required", j.Required)
			}
		})
	}
	t.Run("S9 the timestamp expired", func(t *testing.T) {
		for spec, want := range map[string]string{legacy: "R9", v2: "R9", legacyOld: "R2 R9"} {
			r := health.Repository{At: instant(t, "2026-08-29T00:00:00Z")}
			r.Requirements = trust.Requirements{Roots: chain(15), TimestampExpires: instant(t, "2026-08-28T19:25:56Z")}
			if j := health.JudgeClient(m, assume(t, spec), r); rules(j) != want || j.Verdict != health.Outdated {
				t.Errorf("%s: %s %s, want %s", spec, j.Verdict, rules(j), want)
			}
		}
	})
}

func TestAStoreThatBeginsLaterIsNoGap(t *testing.T) {
	// Our own initial root is a new one: the roots before it are on the mirror, but
	// not in our store.
	roots := publicRoots(t, 15)[13:]
	m := loadModel(t)
	for spec, want := range map[string]string{"cosign@v2.0.1": "R2", "cosign@v1.9.0": "R1", "cosign@v2.2.0": "", "cosign@v3.1.3": ""} {
		j := health.JudgeClient(m, assume(t, spec), health.Repository{Requirements: trust.Requirements{Roots: roots}})
		got := ""
		if j.Verdict == health.Outdated {
			got = rules(j)
		}
		if got != want || !strings.HasPrefix(j.Start, "embedded root ") {
			t.Errorf("%s: %s %q from %q, want %q", spec, j.Verdict, rules(j), j.Start, want)
		}
	}
}

func TestWhereAClientStarts(t *testing.T) {
	m := loadModel(t)
	mine := private(old, ecdsa)
	docs := func(layout cache.Layout, isDefault bool, root []byte) []health.CacheFacts {
		return []health.CacheFacts{{Cache: cache.Cache{Path: "/c", Reader: cache.Cosign, Layout: layout, Default: isDefault}, Inspection: cache.Inspection{Root: root}}}
	}
	public := publicRoots(t, 15)
	unknown := publicRoots(t, 15)
	for i := range unknown {
		unknown[i].SHA256, unknown[i].SignedSHA256 = "another instance", "of other keys"
	}
	for _, tt := range []struct {
		name string
		c    client.Client
		r    health.Repository
		want string
	}{
		{"embedded, on the public instance", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: public}}, "embedded root 14"},
		{"embedded, known by its bytes alone", client.Client{
			Linked: client.Linked{TUFv2: true}, Libraries: map[string]string{"go-tuf/v2": "v2.4.2"},
			EmbeddedRoots: []client.EmbeddedRoot{{Version: 2, SHA256: "private"}},
		}, health.Repository{Requirements: trust.Requirements{Roots: mine}}, "embedded root 2"},
		{"the same versions, of another instance", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: unknown}}, "initial root 1"},
		{"initial, on a private mirror", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: mine}}, "initial root 1"},
		{"initial, with no embedded root", assume(t, "go-tuf=v0.5.2"), health.Repository{Requirements: trust.Requirements{Roots: mine}}, "initial root 1"},
		{"cached, on a private mirror", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutSigstoreGo, false, publicRoot(t, 5))}, "cached root 5 in /c"},
		{"a cached root that does not read", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutSigstoreGo, false, []byte("{"))}, "initial root 1"},
		{"go-tuf's own client has a cache of its own", assume(t, "go-tuf=v0.7.0"), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutLegacy, false, publicRoot(t, 5))}, "initial root 1"},
		{"Sigstore's legacy client in another program shares its cache", assume(t, "go-tuf=v0.7.0,sigstore=v1.8.15"), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutLegacy, false, publicRoot(t, 5))}, "cached root 5 in /c"},
		{"go-tuf/v2's own client has a cache of its own", assume(t, "go-tuf/v2=v2.4.2"), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutSigstoreGo, false, publicRoot(t, 5))}, "initial root 1"},
		{"so has gh", func() client.Client { c := assume(t, "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1"); c.Name = "gh"; return c }(), health.Repository{Requirements: trust.Requirements{Roots: mine}, Caches: docs(cache.LayoutSigstoreGo, false, publicRoot(t, 5))}, "initial root 1"},
		{"the cache of the default mirror is never a start", assume(t, "cosign@v3.1.3"), health.Repository{Requirements: trust.Requirements{Roots: public}, Caches: docs(cache.LayoutSigstoreGo, true, publicRoot(t, 5))}, "embedded root 14"},
		{"newest, when asked", assume(t, "cosign@v3.1.3"), health.Repository{Start: "newest", Requirements: trust.Requirements{Roots: public}}, "newest root 15"},
		{"one root by itself", assume(t, "cosign@v3.1.3"), health.Repository{Alone: true, Requirements: trust.Requirements{Roots: public[14:]}}, "root 15 by itself"},
		{"a preview is not walked", assume(t, "cosign@v3.1.3"), health.Repository{Preview: true, Requirements: trust.Requirements{Roots: mine}}, "root 2 by itself"},
	} {
		if j := health.JudgeClient(m, tt.c, tt.r); j.Start != tt.want {
			t.Errorf("%s: starts from %q, want %q", tt.name, j.Start, tt.want)
		}
	}
}

// sigstore 1.8.3 to 1.8.15 embed root 9 in other bytes than the published ones.
func TestAnEmbeddedRootIsKnownHoweverItIsWritten(t *testing.T) {
	m := loadModel(t)
	var indented bytes.Buffer
	if err := json.Indent(&indented, publicRoot(t, 9), "", "\t"); err != nil {
		t.Fatal(err)
	}
	form, err := trust.FormOf(indented.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	roots := publicRoots(t, 15)
	if form.SHA256 == roots[8].SHA256 {
		t.Fatal("these are the published bytes")
	}
	c := assume(t, "cosign@v2.2.4")
	c.EmbeddedRoots = []client.EmbeddedRoot{{
		Version: 9, Expires: form.Expires, SHA256: form.SHA256, SignedSHA256: trust.SignedDigest(indented.Bytes()), Raw: indented.Bytes(),
	}}
	for name, r := range map[string]health.Repository{
		"a mirror with the whole chain": {Requirements: trust.Requirements{Roots: roots, Targets: publicTargets(14)}},
		"a mirror known from root 14":   {Requirements: trust.Requirements{Roots: roots[13:], Targets: publicTargets(14)}},
	} {
		if j := health.JudgeClient(m, c, r); j.Start != "embedded root 9" || j.Verdict != health.Vulnerable {
			t.Errorf("%s: %s from %q: %v", name, j.Verdict, j.Start, j.Reasons)
		}
		words, root, ok := health.EmbeddedStart(m, c, r)
		if !ok || words != "embedded root 9" || !bytes.Equal(root.Raw, indented.Bytes()) {
			t.Errorf("%s: a probe starts from %q", name, words)
		}
	}
	if notes := health.Notes(m, c, nil, instant(t, "2026-11-22T12:00:00Z")); len(notes) != 1 || !strings.Contains(notes[0], "embedded root 9 expired") {
		t.Errorf("%q", notes)
	}
}

func TestPreviewEndangers(t *testing.T) {
	m := loadModel(t)
	coming := health.Repository{Mirror: "staging", Preview: true, Requirements: trust.Requirements{Roots: private(old, old, ecdsa)}}
	j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), coming)
	if j.Verdict != health.Endangered || rules(j) != "R2" || j.Required != "cosign 2.2.0" || !j.Preview {
		t.Errorf("%+v", j)
	}
	// What it would have to walk to get there is nobody's concern yet.
	coming.Requirements.Roots = private(ecdsa, old)
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), coming); j.Verdict != health.OK {
		t.Errorf("%+v", j)
	}
	coming.Requirements.Targets = &trust.TargetsForm{SHA256Only: []string{"a"}}
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), coming); j.Verdict != health.Endangered || rules(j) != "R6" {
		t.Errorf("%+v", j)
	}
}

func TestUnknownKeyTypeIsReadByNobody(t *testing.T) {
	m := loadModel(t)
	for spec, want := range map[string]health.Verdict{
		"cosign@v2.0.1": health.Outdated, "cosign@v2.6.4": health.Outdated, "cosign@v3.1.4": health.Outdated,
		"go-tuf/v2=v2.99.0": health.Unknown, // it may have learned it
	} {
		j := health.JudgeClient(m, assume(t, spec), health.Repository{Requirements: trust.Requirements{Roots: private(old, "ml-dsa\x1b[2J", old)}})
		if j.Verdict != want || j.Reasons[0].Rule != "key-type" || j.Required != "" || strings.Contains(j.Reasons[0].Summary, "\x1b") {
			t.Errorf("%s: %+v", spec, j)
		}
	}
	roots := private(old, ecdsa)
	roots[1].Keys[0].Scheme = "ecdsa-sha3"
	if j := health.JudgeClient(m, assume(t, "cosign@v3.1.4"), health.Repository{Requirements: trust.Requirements{Roots: roots}}); rules(j) != "key-type" {
		t.Errorf("an unknown scheme: %+v", j)
	}
	content := &trust.TargetsForm{LogKeyTypes: []string{"PKIX_ML_DSA_65"}}
	if j := health.JudgeClient(m, assume(t, "cosign@v3.1.4"), health.Repository{Requirements: trust.Requirements{Roots: private(ecdsa), Targets: content}}); rules(j) != "key-type" || j.Verdict != health.Outdated {
		t.Errorf("an unknown log key: %+v", j)
	}
}

// What the last good set demands says nothing of what the mirror offers now.
func TestWhatThisAgentRefusesForItsKeyIsReadByNobody(t *testing.T) {
	m := loadModel(t)
	good := trust.Requirements{Roots: publicRoots(t, 15), Targets: publicTargets(14)}
	refused := health.MirrorFacts{Kind: health.FailKeyType, Unread: trust.KeyForm{KeyType: "ml-dsa", Scheme: "ml-dsa-65"}}
	if (health.MirrorFacts{Kind: health.FailUnreachable, Unread: refused.Unread}).Unreadable() != nil {
		t.Error("a mirror that does not answer offers nothing")
	}
	for _, tt := range []struct {
		name, spec string
		r          health.Repository
		want       health.Verdict
		rules      string
	}{
		{"in force", "cosign@v3.1.4", health.Repository{Requirements: good}, health.Outdated, "key-type"},
		{"in force, beside what it cannot read already", "cosign@v2.0.1", health.Repository{Requirements: good}, health.Outdated, "R2 R6 key-type"},
		{"in force, for newer libraries", "go-tuf/v2=v2.99.0", health.Repository{Requirements: trust.Requirements{Roots: good.Roots[13:]}}, health.Unknown, "key-type"},
		{"in force, and never read", "cosign@v3.1.4", health.Repository{}, health.Outdated, "key-type"},
		{"coming", "cosign@v3.1.4", health.Repository{Preview: true, Requirements: good}, health.Endangered, "key-type"},
		{"coming, and never read", "cosign@v3.1.4", health.Repository{Preview: true}, health.Endangered, "key-type"},
		{"coming, for newer libraries", "go-tuf/v2=v2.99.0", health.Repository{Preview: true}, health.Unknown, "key-type"},
	} {
		tt.r.Refused = refused.Unreadable()
		j := health.JudgeClient(m, assume(t, tt.spec), tt.r)
		if j.Verdict != tt.want || rules(j) != tt.rules || j.Required != "" {
			t.Errorf("%s: %s for %q, required %q: %v", tt.name, j.Verdict, rules(j), j.Required, j.Reasons)
		}
	}
	for name, key := range map[string]trust.KeyForm{"a kind that others read": {KeyType: "rsa", Scheme: "rsassa-pss-sha256"}, "a kind that is not told": {}} {
		j := health.JudgeClient(m, assume(t, "cosign@v3.1.4"), health.Repository{Requirements: good, Refused: &key})
		if j.Verdict != health.Unknown || rules(j) != "key-type" {
			t.Errorf("%s: %s %v", name, j.Verdict, j.Reasons)
		}
	}
}

func TestWhatIsNotKnownIsNotFine(t *testing.T) {
	m := loadModel(t)
	r := health.Repository{Requirements: trust.Requirements{Roots: private(old, ecdsa)}}
	for _, tt := range []struct {
		name string
		c    client.Client
		want health.Verdict
		rule string
	}{
		{"a release nobody knows", assume(t, "cosign@v9.0.0"), health.Unknown, "unknown"},
		{"another tool without libraries", client.Client{Name: "gitsign", Version: "v0.99.0", VersionSource: "assumed"}, health.Unknown, "unknown"},
		{"a build without version information", client.Client{Name: "x", Linked: client.Linked{LegacyTUF: true}}, health.Unknown, "R1"},
		{"a library of another major version", client.Client{Name: "x", Linked: client.Linked{TUFv2: true}, Libraries: map[string]string{"go-tuf/v2": "v3.0.0"}}, health.Unknown, "R1"},
		{"no TUF client at all", assume(t, "cosign@v1.0.0"), health.Outdated, "R17"},
	} {
		j := health.JudgeClient(m, tt.c, r)
		if j.Verdict != tt.want || !strings.HasPrefix(rules(j), tt.rule) {
			t.Errorf("%s: %s %v", tt.name, j.Verdict, j.Reasons)
		}
		for _, reason := range j.Reasons {
			if tt.want == health.Unknown && (strings.Contains(reason.Summary, ", which ") || !strings.Contains(reason.Summary, "known")) {
				t.Errorf("%s: no sentence: %s", tt.name, reason.Summary)
			}
		}
	}
	r.Requirements.Targets = &trust.TargetsForm{SHA256Only: []string{"a"}}
	c := client.Client{Name: "x", Linked: client.Linked{LegacyTUF: true, SigstoreTUF: true}}
	want := `target files ("a") carry a sha256 hash only: whether go-tuf accepts that is not known`
	if j := health.JudgeClient(m, c, r); rules(j) != "R1 R6" || j.Reasons[0].Summary != "root 1, from which the client starts, has its keys as PEM: whether go-tuf can read that is not known" || j.Reasons[1].Summary != want {
		t.Errorf("%v", j.Reasons)
	}
	if j := health.JudgeClient(m, assume(t, "cosign@v3.1.3"), health.Repository{}); j.Verdict != health.Unknown {
		t.Errorf("against nothing: %+v", j)
	}
}

func TestSeemsToWorkUntilItsCachedTimestampExpires(t *testing.T) {
	m := loadModel(t)
	now := instant(t, "2026-11-22T12:00:00Z")
	legacy := func(layout cache.Layout, in time.Duration) health.CacheFacts {
		return health.CacheFacts{Cache: cache.Cache{Reader: cache.Cosign, Layout: layout}, Inspection: cache.Inspection{Root: publicRoot(t, 5), TimestampExpires: now.Add(in)}}
	}
	caches := []health.CacheFacts{
		legacy(cache.LayoutLegacy, -time.Hour), legacy(cache.LayoutSigstoreGo, time.Hour), legacy(cache.LayoutLegacy, 3*time.Hour), legacy(cache.LayoutLegacy, 2*time.Hour),
	}
	roots := private(old, old, old, old, old, ecdsa)
	for i := range roots {
		roots[i].Expires = now.Add(time.Hour)
	}
	r := health.Repository{Requirements: trust.Requirements{Roots: roots}, Caches: caches, At: now}
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r); !j.Until.Equal(now.Add(2 * time.Hour)) {
		t.Errorf("the next to expire: %v", j.Until)
	}
	r.At = time.Time{}
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r); !j.Until.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("without a time, the last: %v", j.Until)
	}
	r.Caches = append(r.Caches, health.CacheFacts{Cache: cache.Cache{Reader: cache.Cosign, Layout: cache.LayoutLegacy}, Inspection: cache.Inspection{Root: publicRoot(t, 9), TimestampExpires: now.Add(9 * time.Hour)}})
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r); !j.Until.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("a cache that it cannot start from: %v", j.Until)
	}
	r.Start = "newest"
	if j := health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r); rules(j) != "R3" || !j.Until.IsZero() {
		t.Errorf("it fails already: %+v", j)
	}
	r.Start = ""
	if j := health.JudgeClient(m, assume(t, "cosign@v3.1.3"), r); !j.Until.IsZero() {
		t.Errorf("it works: %+v", j)
	}
}

func TestRequiredAndRemedy(t *testing.T) {
	m := loadModel(t)
	roots, targets := publicRoots(t, 15), publicTargets(14)
	for _, tt := range []struct {
		name, spec, required, remedy string
		req                          trust.Requirements
	}{
		{"cosign 2.0.1 today", "cosign@v2.0.1", "cosign 2.2.0", "install cosign 2.2.0 or newer", trust.Requirements{Roots: roots, Targets: targets}},
		{"cosign 1.12, beside whose fixed 1.13 a broken 2.0 was released", "cosign@v1.12.0", "cosign 2.2.0", "install cosign 2.2.0 or newer", trust.Requirements{Roots: roots, Targets: targets}},
		{"cosign 1.9 at root 8", "cosign@v1.9.0", "cosign 1.12.0", "install cosign 1.12.0 or newer", trust.Requirements{Roots: roots[:8]}},
		{"a client of libraries", "go-tuf=v0.5.2,sigstore=v1.6.1", "go-tuf 0.6.0 and sigstore 1.7.2", "install a release of libraries that is built with go-tuf 0.6.0 and sigstore 1.7.2 or newer", trust.Requirements{Roots: roots, Targets: targets}},
		{"Ed25519 logs", "go-tuf/v2=v2.0.0,sigstore-go=v0.5.1", "sigstore-go 0.6.1", "install a release of libraries that is built with sigstore-go 0.6.1 or newer", trust.Requirements{Roots: roots, Targets: targets}},
		{"P-384, which the legacy client never reads", "go-tuf=v0.7.0,sigstore=v1.10.8", "go-tuf/v2 2.0.0", "install a release of libraries that is built with go-tuf/v2 2.0.0 or newer", trust.Requirements{Roots: []trust.RootForm{{Version: 1, Keys: []trust.KeyForm{{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384", Encoding: "pem", Curve: "P-384"}}}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := health.JudgeClient(m, assume(t, tt.spec), health.Repository{Requirements: tt.req})
			if j.Verdict != health.Outdated || j.Required != tt.required || j.Reasons[0].Remedy != tt.remedy {
				t.Errorf("%s, required %q, reasons %v", j.Verdict, j.Required, j.Reasons)
			}
		})
	}
}

func TestAdvisoriesMakeVulnerable(t *testing.T) {
	m := loadModel(t)
	r := health.Repository{Requirements: trust.Requirements{Roots: publicRoots(t, 15), Targets: publicTargets(14)}}
	j := health.JudgeClient(m, assume(t, "cosign@v2.6.1"), r)
	if j.Verdict != health.Vulnerable || j.Reasons[0].Rule != "GHSA-whqx-f9j3-ch6m" || j.Required != "cosign 3.1.2" || j.Reasons[0].Remedy != "install cosign 3.1.2 or newer" {
		t.Errorf("%s, required %q: %v", j.Verdict, j.Required, j.Reasons)
	}
	c := assume(t, "go-tuf/v2=v2.3.0,sigstore-go=v1.1.4")
	c.Name, c.Version = "gitsign", "v0.14.0"
	j = health.JudgeClient(m, c, r)
	if j.Verdict != health.Vulnerable || j.Required != "gitsign 0.16.0 and go-tuf/v2 2.4.1 and sigstore-go 1.2.1" || j.Reasons[0].Remedy != "install a release of gitsign that is built with go-tuf/v2 2.3.1 or newer" {
		t.Errorf("%s, required %q: %v", j.Verdict, j.Required, j.Reasons)
	}
	if j := health.JudgeClient(m, assume(t, "cosign@v3.1.3"), r); j.Verdict != health.OK || len(j.Reasons) != 0 {
		t.Errorf("%s %v", j.Verdict, j.Reasons)
	}
	j = health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r)
	known := len(m.AdvisoriesOf(assume(t, "cosign@v2.0.1")))
	if j.Verdict != health.Outdated || j.Fit != health.Outdated || j.Required != "cosign 2.2.0" || rules(j) != "R2 R6" ||
		known == 0 || len(j.Reasons) != 2+known || strings.HasPrefix(j.Reasons[1].Rule, "GHSA-") || j.Reasons[2].Remedy != "install cosign 2.2.1 or newer" {
		t.Errorf("what it cannot read comes first, and all reasons are listed: %q %v", j.Required, j.Reasons)
	}
	r.Preview = true
	if j = health.JudgeClient(m, assume(t, "cosign@v2.0.1"), r); j.Verdict != health.Endangered || len(j.Reasons) != 2 {
		t.Errorf("an advisory is no matter of what is coming: %v", j.Reasons)
	}
}

func TestNoRemedyGivesUpVerification(t *testing.T) {
	for _, rule := range loadModel(t).Rules {
		for _, text := range []string{rule.Remedy, rule.Summary, rule.Effect} {
			if strings.Contains(text, "insecure") || strings.Contains(text, "delete") || strings.Contains(text, "skip") {
				t.Errorf("%s: %s", rule.ID, text)
			}
		}
	}
}

func TestNeedsNetworkIsANote(t *testing.T) {
	now := instant(t, "2026-11-22T12:00:00Z")
	for spec, want := range map[string]string{
		"cosign@v2.0.1": "needs-network: its embedded root 2 expired at 2022-05-11 19:09 UTC",
		"cosign@v3.1.3": "needs-network: its embedded root 14 expired at 2026-06-22 13:27 UTC, so it can never use its cache offline",
		// What initialize and verify use is the legacy client, which starts from root 9.
		"cosign@v2.4.3":     "needs-network: its embedded root 9 expired at 2024-09-12 06:53 UTC, so it can work offline only while a cached timestamp is valid",
		"go-tuf=v0.5.2":     "",
		"go-tuf/v2=v2.99.0": "",
	} {
		m, c := loadModel(t), assume(t, spec)
		notes := health.Notes(m, c, nil, now)
		if got := strings.Join(notes, "; "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
		if len(health.Notes(m, c, nil, instant(t, "2020-01-01T00:00:00Z"))) != len(c.Notes) || len(health.Notes(m, c, nil, time.Time{})) != len(c.Notes) {
			t.Errorf("%s: a note before its time", spec)
		}
	}
}

// A build of cosign 2.4.3 also carries roots of Sigstore's staging, which live on.
func TestNeedsNetworkIsNotAboutAnotherInstance(t *testing.T) {
	m, c := loadModel(t), assume(t, "cosign@v2.4.3")
	c.EmbeddedRoots = append(c.EmbeddedRoots, client.EmbeddedRoot{Version: 10, Expires: instant(t, "2026-12-01T00:00:00Z"), SHA256: strings.Repeat("ab", 32)})
	notes := health.Notes(m, c, nil, instant(t, "2026-11-22T12:00:00Z"))
	if len(notes) != 1 || !strings.Contains(notes[0], "embedded root 9 expired") {
		t.Errorf("%q", notes)
	}
}
