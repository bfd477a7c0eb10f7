// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// packaged is a client in another language, by the versions of its libraries.
func packaged(e client.Ecosystem, name, version string, libraries ...string) client.Client {
	c := client.Client{Path: "/usr/lib/it", Ecosystem: e, Name: name, Version: version, VersionSource: "package metadata", Libraries: map[string]string{}, EmbeddedRoots: []client.EmbeddedRoot{}, Notes: []string{}}
	for _, l := range libraries {
		library, v, _ := strings.Cut(l, "=")
		c.Libraries[library] = v
	}
	return c
}

func npm(tufJS, sigstoreJS string) client.Client {
	return packaged(client.JavaScript, "npm", "11.0.0", "tuf-js="+tufJS, "sigstore-js="+sigstoreJS)
}

func python(sigstore, tuf, sslib, crypto string) client.Client {
	return packaged(client.Python, "sigstore-python", sigstore, "sigstore-python="+sigstore, "python-tuf="+tuf, "securesystemslib="+sslib, "pyca/cryptography="+crypto)
}

func ruby(version string) client.Client {
	return packaged(client.Ruby, "sigstore-ruby", version, "sigstore-ruby="+version)
}

func java(version string) client.Client {
	return packaged(client.Java, "sigstore-java", version, "sigstore-java="+version)
}

var (
	keyP256    = trust.KeyForm{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp256", Encoding: "pem", Curve: "P-256"}
	keyOld     = trust.KeyForm{KeyType: "ecdsa-sha2-nistp256", Scheme: "ecdsa-sha2-nistp256", Encoding: "pem", Curve: "P-256"}
	keyHex     = trust.KeyForm{KeyType: "ecdsa-sha2-nistp256", Scheme: "ecdsa-sha2-nistp256", Encoding: "hex", Curve: "P-256"}
	keyP384    = trust.KeyForm{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384", Encoding: "pem", Curve: "P-384"}
	keyEd      = trust.KeyForm{KeyType: "ed25519", Scheme: "ed25519", Encoding: "hex"}
	keyMLDSA   = trust.KeyForm{KeyType: "ml-dsa-65", Scheme: "ml-dsa-65", Encoding: "other"}
	keyStrange = trust.KeyForm{KeyType: "ecdsa-sha2-nistp384", Scheme: "ecdsa-sha2-nistp384", Encoding: "pem", Curve: "P-384"}
)

// rootOf is one root whose keys all have the role root.
func rootOf(version int64, keys ...trust.KeyForm) trust.RootForm {
	r := trust.RootForm{Version: version, SHA256: "private", OnlineKeys: "same"}
	for _, k := range keys {
		k.Roles = []string{"root"}
		r.Keys = append(r.Keys, k)
	}
	return r
}

func logs(kinds ...string) *trust.TargetsForm { return &trust.TargetsForm{LogKeyTypes: kinds} }

func TestClientsInOtherLanguages(t *testing.T) {
	m := loadModel(t)
	good := python("4.5.0", "7.0.0", "1.4.0", "48.0.0")
	debian := python("3.6.7", "5.1.0", "1.2.0", "43.0.0")
	for _, tt := range []struct {
		name    string
		c       client.Client
		roots   []trust.RootForm
		targets *trust.TargetsForm
		want    string // verdict and rules
	}{
		{"npm and the renamed key type", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyOld), rootOf(2, keyP256)}, nil, "ok"},
		{"npm and hex keys", npm("1.1.7", "1.0.3"), []trust.RootForm{rootOf(1, keyHex), rootOf(2, keyP256)}, nil, "ok"},
		{"npm and Ed25519", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyEd)}, nil, "ok"},
		{"npm and P-384", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyP256), rootOf(2, keyP384)}, nil, "outdated R18"},
		{"npm and one key on P-384", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyP384, keyP256)}, nil, "unknown R18"},
		{"sigstore-js 5.0.1 and P-384", npm("6.0.2", "5.0.1"), []trust.RootForm{rootOf(1, keyP384)}, nil, "ok"},
		{"npm and a made-up key type", npm("6.0.2", "5.0.1"), []trust.RootForm{rootOf(1, keyMLDSA)}, nil, "outdated key-type"},
		{"npm and one key of a made-up type", npm("6.0.2", "5.0.1"), []trust.RootForm{rootOf(1, keyP256, keyMLDSA)}, nil, "unknown key-type"},
		{"npm and an Ed25519 log", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519"), "ok"},
		{"an old npm and an Ed25519 log", npm("1.1.7", "1.0.3"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "unknown R12"},
		{"npm and a made-up log", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ML_DSA_65"), "outdated key-type"},
		{"npm and a log of another known kind", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ECDSA_P384_SHA_384"), "unknown key-type"},
		{"npm and a key type nobody measured", npm("4.1.0", "4.0.2"), []trust.RootForm{rootOf(1, keyStrange)}, nil, "unknown key-type"},
		{"npm of a major version that is not known", npm("7.0.0", "6.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown R1"},
		{"npm without a tuf-js that was found", packaged(client.JavaScript, "npm", "11.0.0", "sigstore-js=4.0.2"), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown R1"},

		{"sigstore-python and the renamed key type", good, []trust.RootForm{rootOf(1, keyOld), rootOf(2, keyP256)}, logs("PKIX_ED25519"), "ok"},
		{"sigstore-python and P-384, Ed25519", good, []trust.RootForm{rootOf(1, keyP384), rootOf(2, keyEd)}, nil, "ok"},
		{"sigstore-python and a start of hex keys", good, []trust.RootForm{rootOf(1, keyHex), rootOf(2, keyP256)}, nil, "outdated key-type"},
		{"sigstore-python and one key of a made-up type", good, []trust.RootForm{rootOf(1, keyP256, keyMLDSA)}, nil, "outdated key-type"},
		{"sigstore-python 2, and one key of a made-up type", python("2.1.5", "3.1.1", "0.31.0", "41.0.0"), []trust.RootForm{rootOf(1, keyP256, keyMLDSA)}, nil, "unknown key-type"},
		{"sigstore-python 3.6.7 and an Ed25519 log", debian, []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "ok"},
		{"sigstore-python 3.6.2 and an Ed25519 log", python("3.6.2", "6.0.0", "1.2.0", "43.0.0"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "outdated R12"},
		{"sigstore-python 2 and an Ed25519 log", python("2.1.5", "3.1.1", "0.31.0", "41.0.0"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "unknown R12"},
		{"the withdrawn securesystemslib 1.5.0", python("3.6.7", "6.0.0", "1.5.0", "45.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "outdated python-crypto"},
		{"securesystemslib 1.5.0 with what it needs", python("4.5.0", "7.0.0", "1.5.0", "48.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "ok"},
		{"securesystemslib 1.5.1", python("3.6.7", "6.0.0", "1.5.1", "45.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "ok"},
		{"cryptography before 40", python("3.6.7", "5.1.0", "1.2.0", "38.0.4"), []trust.RootForm{rootOf(1, keyP256)}, nil, "outdated python-crypto"},
		{"cryptography before 40, for Ed25519", python("3.6.7", "5.1.0", "1.2.0", "38.0.4"), []trust.RootForm{rootOf(1, keyEd)}, nil, "ok"},
		{"a newer cryptography", python("4.5.0", "7.0.0", "1.5.1", "51.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "ok"},
		{"libraries that are elsewhere", packaged(client.Python, "sigstore-python", "4.5.0", "sigstore-python=4.5.0", "python-tuf=7.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown python-crypto"},
		{"a release candidate of sigstore-python", python("4.5.0rc1", "7.0.0", "1.4.0", "48.0.0"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "ok"},

		{"sigstore-ruby and the renamed key type", ruby("0.2.3"), []trust.RootForm{rootOf(1, keyOld), rootOf(2, keyP256)}, logs("PKIX_ED25519"), "ok"},
		{"sigstore-ruby 0.2.1 and an Ed25519 log", ruby("0.2.1"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "outdated R12"},
		{"sigstore-ruby and P-384", ruby("0.2.3"), []trust.RootForm{rootOf(1, keyP256, keyP384)}, nil, "outdated R18"},
		{"sigstore-ruby 1.0, of which nothing is known", ruby("1.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown R1"},

		{"sigstore-java and the renamed key type", java("2.2.0"), []trust.RootForm{rootOf(1, keyOld), rootOf(2, keyP256)}, logs("PKIX_ED25519"), "ok"},
		{"sigstore-java and one key on P-384", java("2.2.0"), []trust.RootForm{rootOf(1, keyP256, keyP384)}, nil, "unknown R18"},
		{"sigstore-java 1.0, of which too little is known", java("1.0.0"), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown R1"},
		{"sigstore-java 1.3 and an Ed25519 log", java("1.3.0"), []trust.RootForm{rootOf(1, keyP256)}, logs("PKIX_ED25519"), "unknown R12"},
		{"sigstore-java packed into a program", java(""), []trust.RootForm{rootOf(1, keyP256)}, nil, "unknown R1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := health.JudgeClient(m, tt.c, health.Repository{Requirements: trust.Requirements{Roots: tt.roots, Targets: tt.targets}})
			if got := strings.TrimSpace(string(j.Verdict) + " " + rules(j)); got != tt.want {
				t.Errorf("%s, want %s: %+v", got, tt.want, j.Reasons)
			}
			for _, r := range j.Reasons {
				if strings.Contains(r.Summary+r.Remedy, "go-tuf") || strings.Contains(r.Summary+r.Remedy, "cosign") {
					t.Errorf("of another client: %+v", r)
				}
			}
			// Against a preview the same is said ahead of time.
			p := health.JudgeClient(m, tt.c, health.Repository{Preview: true, Requirements: trust.Requirements{Roots: tt.roots[len(tt.roots)-1:], Targets: tt.targets}})
			if p.Verdict == health.Outdated {
				t.Errorf("outdated against a preview: %+v", p)
			}
		})
	}
}

func TestWhatHelpsAClientInAnotherLanguage(t *testing.T) {
	m := loadModel(t)
	for _, tt := range []struct {
		c        client.Client
		root     trust.RootForm
		targets  *trust.TargetsForm
		required string
		remedy   string
	}{
		{npm("4.1.0", "4.0.2"), rootOf(1, keyP384), nil, "tuf-js 6.0.2", "install a release of npm that is built with tuf-js 6.0.2 or newer"},
		{python("3.6.2", "6.0.0", "1.2.0", "43.0.0"), rootOf(1, keyP256), logs("PKIX_ED25519"), "sigstore-python 3.6.3", "install sigstore-python 3.6.3 or newer"},
		{ruby("0.2.1"), rootOf(1, keyP256), logs("PKIX_ED25519"), "sigstore-ruby 0.2.2", "install sigstore-ruby 0.2.2 or newer"},
		{ruby("0.2.3"), rootOf(1, keyP384), nil, "", "install the newest release of sigstore-ruby"},
		{python("3.6.7", "6.0.0", "1.5.0", "45.0.0"), rootOf(1, keyP256), nil, "", "install sigstore anew, so that tuf, securesystemslib and cryptography fit: not securesystemslib 1.5.0 with a cryptography before 48"},
	} {
		j := health.JudgeClient(m, tt.c, health.Repository{Requirements: trust.Requirements{Roots: []trust.RootForm{tt.root}, Targets: tt.targets}})
		if j.Verdict != health.Outdated || j.Required != tt.required || j.Reasons[0].Remedy != tt.remedy {
			t.Errorf("%s %s: %s, required %q, remedy %q", tt.c.Name, tt.c.Version, j.Verdict, j.Required, j.Reasons[0].Remedy)
		}
	}
}

// TestWhereAPackageStarts holds them against Sigstore's own roots, from those that
// their packages carry.
func TestWhereAPackageStarts(t *testing.T) {
	m := loadModel(t)
	roots := publicRoots(t, 15)
	carrying := func(c client.Client, version int) client.Client {
		c.Libraries = maps.Clone(c.Libraries)
		raw := publicRoot(t, version)
		form := roots[version-1]
		c.EmbeddedRoots = []client.EmbeddedRoot{{Version: form.Version, Expires: form.Expires, SHA256: form.SHA256, Raw: raw}}
		return c
	}
	for _, tt := range []struct {
		c     client.Client
		start string
		want  health.Verdict
	}{
		{carrying(npm("4.1.0", "4.0.2"), 14), "embedded root 14", health.OK},
		{carrying(npm("1.1.7", "1.0.3"), 7), "embedded root 7", health.OK},
		{carrying(python("3.6.1", "5.1.0", "1.2.0", "43.0.0"), 5), "embedded root 5", health.OK},
		{carrying(python("3.6.1", "5.1.0", "1.2.0", "43.0.0"), 4), "embedded root 4", health.Outdated},
		{python("3.6.1", "5.1.0", "1.2.0", "43.0.0"), "initial root 1", health.Outdated},
		{npm("4.1.0", "4.0.2"), "initial root 1", health.OK},
		{carrying(ruby("0.2.3"), 10), "embedded root 10", health.OK},
		{carrying(java("2.2.0"), 10), "embedded root 10", health.OK},
	} {
		j := health.JudgeClient(m, tt.c, health.Repository{Requirements: trust.Requirements{Roots: roots}})
		if j.Verdict != tt.want || j.Start != tt.start {
			t.Errorf("%s %s: %s from %s, want %s from %s: %+v", tt.c.Name, tt.c.Version, j.Verdict, j.Start, tt.want, tt.start, j.Reasons)
		}
		if notes := health.Notes(m, tt.c, nil, instant(t, "2030-01-01T00:00:00Z")); len(notes) > 0 {
			t.Errorf("%s: %q", tt.c.Name, notes)
		}
	}
}

// TestCachedRootsOfTheirOwnPlace: who starts from a cached root starts from the one in
// its own place, and from no other client's.
func TestCachedRootsOfTheirOwnPlace(t *testing.T) {
	m := loadModel(t)
	roots := publicRoots(t, 15)
	at := func(reader cache.Reader, layout cache.Layout, isDefault bool, version int) health.CacheFacts {
		return health.CacheFacts{
			Cache:      cache.Cache{Path: "/" + string(reader), Reader: reader, Layout: layout, Default: isDefault},
			Inspection: cache.Inspection{Root: publicRoot(t, version)},
		}
	}
	caches := []health.CacheFacts{
		at(cache.Cosign, cache.LayoutSigstoreGo, true, 10), at(cache.GH, cache.LayoutSigstoreGo, false, 11),
		at(cache.SigstoreJS, cache.LayoutSigstoreJS, false, 12), at(cache.NPM, cache.LayoutSigstoreJS, false, 13),
		at(cache.SigstorePython, cache.LayoutSigstorePython, true, 9), at(cache.SigstoreRuby, cache.LayoutSigstoreRuby, false, 14),
		at(cache.SigstoreJava, cache.LayoutSigstoreJava, false, 8),
	}
	gh := assume(t, "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1")
	gh.Name, gh.EmbeddedRoots = "gh", nil // none of this repository
	js := packaged(client.JavaScript, "sigstore-js", "4.0.2", "tuf-js=4.1.0", "sigstore-js=4.0.2")
	for _, tt := range []struct {
		c    client.Client
		want string
	}{
		{npm("4.1.0", "4.0.2"), "cached root 13 in /npm"},
		{js, "cached root 12 in /sigstore-js"},
		{ruby("0.2.3"), "cached root 14 in /sigstore-ruby"},
		{java("2.2.0"), "cached root 8 in /sigstore-java"},
		{python("3.6.7", "5.1.0", "1.2.0", "43.0.0"), "initial root 1"}, // it brings its own for the default mirror
		{gh, "cached root 11 in /gh"},
		{assume(t, "cosign@v3.1.3"), "embedded root 14"},
	} {
		j := health.JudgeClient(m, tt.c, health.Repository{Requirements: trust.Requirements{Roots: roots}, Caches: caches})
		if j.Start != tt.want {
			t.Errorf("%s starts from %s, want %s", tt.c.Name, j.Start, tt.want)
		}
	}
	// A package that carries a root starts from it in a home without a cache.
	carrying := npm("4.1.0", "4.0.2")
	carrying.EmbeddedRoots = []client.EmbeddedRoot{{Version: roots[6].Version, Expires: roots[6].Expires, SHA256: roots[6].SHA256, Raw: publicRoot(t, 7)}}
	if j := health.JudgeClient(m, carrying, health.Repository{Requirements: trust.Requirements{Roots: roots}}); j.Start != "embedded root 7" {
		t.Errorf("without a cache it starts from %s", j.Start)
	}
	if j := health.JudgeClient(m, carrying, health.Repository{Requirements: trust.Requirements{Roots: roots}, Caches: caches}); j.Start != "cached root 13 in /npm" {
		t.Errorf("with one it starts from %s", j.Start)
	}
}
