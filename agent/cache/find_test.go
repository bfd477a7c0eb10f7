// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// mirrorDir makes what a client leaves after its first run, as far as Find looks.
func mirrorDir(t *testing.T, base, name string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(base, name), 0o700))
	put(t, filepath.Join(base, name, "root.json"), []byte("{}"))
	put(t, filepath.Join(base, name, "timestamp.json"), []byte("{}"))
}

func TestFind(t *testing.T) {
	base := t.TempDir()
	mirrorDir(t, base, "tuf-repo-cdn.sigstore.dev")
	mirrorDir(t, base, "tuf-repo-cdn.sigstore.dev-")
	mirrorDir(t, base, "tuf.corp")
	must(t, os.Mkdir(filepath.Join(base, "notes"), 0o700))
	must(t, os.Mkdir(filepath.Join(base, "tuf.db"), 0o700))
	put(t, filepath.Join(base, "remote.json"), []byte(`{"mirror": "https://tuf.corp"}`))
	found, errs := cache.Find(cosignPlaces(base, filepath.Join(base, "missing")),
		[]cache.Mirror{{Name: "sigstore", URL: public, Default: true}, {Name: "other", URL: "https://other"}})
	if len(errs) > 0 {
		t.Errorf("errors %v", errs)
	}
	var got []string
	for _, c := range found {
		rel, _ := filepath.Rel(base, c.Path)
		got = append(got, fmt.Sprintf("%s %s %q %s %v", rel, c.Layout, c.Mirror, c.URL, c.Default))
		if c.Owner == "" || c.Base != base {
			t.Errorf("%+v lacks its owner or base", c)
		}
	}
	want := []string{
		`tuf-repo-cdn.sigstore.dev sigstore-go "sigstore" https://tuf-repo-cdn.sigstore.dev true`,
		`tuf-repo-cdn.sigstore.dev- sigstore-go "sigstore" https://tuf-repo-cdn.sigstore.dev/ false`,
		`tuf.corp sigstore-go "" https://tuf.corp false`,
		`. legacy "" https://tuf.corp false`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLegacyCacheOfTheOldBucketIsThePublicMirrors(t *testing.T) {
	base := t.TempDir()
	must(t, os.Mkdir(filepath.Join(base, "tuf.db"), 0o700))
	put(t, filepath.Join(base, "remote.json"), []byte(`{"mirror": "https://sigstore-tuf-root.storage.googleapis.com"}`))
	found, _ := cache.Find(cosignPlaces(base), []cache.Mirror{{Name: "sigstore", URL: public, Default: true}})
	if len(found) != 2 || found[0].Mirror != "sigstore" { // newer releases find no root there
		t.Errorf("found %+v, want the public mirror's", found)
	}
}

func TestCollidingMirrorsAreNotManaged(t *testing.T) {
	base := t.TempDir()
	mirrorDir(t, base, "tuf.corp-a-b")
	var collision *cache.CollisionError
	t.Run("in the configuration", func(t *testing.T) {
		found, errs := cache.Find(cosignPlaces(base), []cache.Mirror{{Name: "one", URL: "https://tuf.corp/a/b"}, {Name: "two", URL: "http://tuf.corp/a-b"}})
		if len(found) != 1 || found[0].Mirror != "" {
			t.Errorf("found %+v, want one that is nobody's", found)
		}
		if len(errs) == 0 || !errors.As(errs[0], &collision) || len(collision.URLs) != 2 {
			t.Errorf("errors %v, want a collision", errs)
		}
	})
	t.Run("with the one that cosign was initialized with", func(t *testing.T) {
		put(t, filepath.Join(base, "remote.json"), []byte(`{"mirror": "http://tuf.corp/a/b"}`))
		found, errs := cache.Find(cosignPlaces(base), []cache.Mirror{{Name: "one", URL: "https://tuf.corp/a/b"}})
		if len(found) != 1 || found[0].Mirror != "" || found[0].URL != "http://tuf.corp/a/b" {
			t.Errorf("found %+v, want one that is nobody's", found)
		}
		if len(errs) != 1 || !errors.As(errs[0], &collision) {
			t.Errorf("errors %v, want a collision", errs)
		}
	})
}

// cosign from 2.5.1 on fails on every run while this file is garbage.
func TestGarbageInRemoteJSONIsDamage(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "garbage": "https://tuf.corp", "a list": "[]", "a number for the mirror": `{"mirror": 1}`,
		"null": "null", "nothing in it": "{}", "no mirror": `{"mirror": ""}`, "something else": `{"mirror": "https://tuf.corp", "a": [1]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			put(t, filepath.Join(r.base, "remote.json"), []byte(content))
			found := r.wantState(t, cache.Damaged)
			if found.Damage[0].File != "../remote.json" || !strings.Contains(found.Remedy, "remote.json") {
				t.Errorf("damage %v, remedy %q", found.Damage, found.Remedy)
			}
			before := picture(t, r.base)
			r.replace(t, both)
			wantUntouched(t, r.base, before)

			must(t, os.RemoveAll(r.path()))
			c, _ := cache.Find(cosignPlaces(r.base), []cache.Mirror{r.mirror()})
			if len(c) != 1 || c[0].Inspect(nil, time.Now()).State != cache.Damaged {
				t.Errorf("found %+v: without a mirror's directory it is not seen", c)
			}
		})
	}
}

// What an initialize leaves that wrote remote.json and got no further.
func TestRemoteJSONWithoutARootIsSeen(t *testing.T) {
	base := t.TempDir()
	remote := filepath.Join(base, "remote.json")
	ours := []cache.Mirror{{Name: "corp", URL: "https://tuf.corp"}, {Name: "sigstore", URL: public, Default: true}}
	put(t, remote, []byte(`{"mirror": "https://tuf.corp"}`))
	found, _ := cache.Find(cosignPlaces(base), ours)
	if len(found) != 1 || found[0].Mirror != "corp" {
		t.Fatalf("found %+v, want the one of tuf.corp", found)
	}
	in := found[0].Inspect(nil, time.Now())
	if in.State != cache.Unusable || in.Remedy != "cosign initialize --mirror https://tuf.corp --root FILE" {
		t.Errorf("found %s, %q, remedy %q", in.State, in.Detail, in.Remedy)
	}
	put(t, remote, []byte(`{"mirror": "`+public+`"}`)) // the default one needs no root on disk
	if found, _ := cache.Find(cosignPlaces(base), ours); len(found) != 0 {
		t.Errorf("found %+v, want none", found)
	}

	put(t, remote, []byte(`{"mirror": "https://sigstore-tuf-root.storage.googleapis.com"}`))
	c, _ := legacy(t, repository(t).Files())
	put(t, filepath.Join(c.Base, "remote.json"), []byte(`{"mirror": "https://sigstore-tuf-root.storage.googleapis.com"}`))
	if in := c.Inspect(nil, time.Now()); strings.Contains(in.Detail, "2.5.1") || in.NoRootFor != "https://sigstore-tuf-root.storage.googleapis.com" {
		t.Errorf("found %q, no root for %q", in.Detail, in.NoRootFor)
	}
	// What newer releases meet there is a row of its own, which --fail-on sees.
	found, _ = cache.Find(cosignPlaces(c.Base), ours)
	if len(found) != 2 || found[0].Layout != cache.LayoutLegacy || found[1].Layout != cache.LayoutSigstoreGo {
		t.Fatalf("found %+v, want the legacy one and what newer releases look for", found)
	}
	if in := found[1].Inspect(nil, time.Now()); in.State != cache.Unusable || in.Remedy != "cosign initialize" ||
		in.Consequence != "cosign 2.5.1 and newer: could not find cached root.json" {
		t.Errorf("found %+v", in)
	}
}

func TestCachesOfUnknownMirrorsAreBounded(t *testing.T) {
	base := t.TempDir()
	for i := range 60 {
		mirrorDir(t, base, fmt.Sprintf("mirror-%d", i))
	}
	found, errs := cache.Find(cosignPlaces(base), nil)
	if len(found) != 50 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "10 more") {
		t.Errorf("found %d, %v; want 50 and a count of the rest", len(found), errs)
	}
}

func TestUnknownMirrorIsJudgedByReadabilityOnly(t *testing.T) {
	r := filled(t, sandbox.Options{TimestampLife: time.Hour})
	found, _ := cache.Find(cosignPlaces(r.base), nil)
	if len(found) != 1 || found[0].Mirror != "" {
		t.Fatalf("found %+v, want one that is nobody's", found)
	}
	in := found[0].Inspect(nil, time.Now())
	if in.State != cache.Foreign || in.Versions["timestamp"] != 1 || in.TimestampExpires.IsZero() {
		t.Errorf("found %s %v, want foreign with its versions", in.State, in.Versions)
	}
	if in := found[0].Inspect(nil, time.Now().Add(2*time.Hour)); in.State != cache.Expired {
		t.Errorf("state %s, want expired", in.State)
	}
}

func TestHostileNamesAreQuoted(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a\nb\x1b[31m'$(id)")
	mirrorDir(t, base, "evil\nCRITICAL")
	put(t, filepath.Join(base, "remote.json"), nil)
	must(t, os.Chmod(base, 0o777))
	for _, state := range []cache.State{cache.Unusable, cache.Damaged} {
		found, _ := cache.Find(cosignPlaces(base), nil)
		if len(found) != 1 {
			t.Fatalf("found %d, want 1", len(found))
		}
		in := found[0].Inspect(nil, time.Now())
		if in.State != state {
			t.Errorf("state %s (%s), want %s", in.State, in.Detail, state)
		}
		for _, text := range []string{in.Detail, in.Consequence, in.Remedy} {
			if strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("control characters in %q", text)
			}
		}
		must(t, os.Chmod(base, 0o700))
	}
}

// Junk beside it does not hide the cache of a configured mirror, in whatever order
// the file system lists the names.
func TestACrowdedBaseStillShowsOurCaches(t *testing.T) {
	base := t.TempDir()
	for n := range 10_000 {
		put(t, filepath.Join(base, fmt.Sprintf("junk-%04d", n)), nil)
	}
	var mirrors []cache.Mirror
	must(t, os.Mkdir(filepath.Join(base, "tuf.db"), 0o700))
	for n := range 8 { // that all are among the first 4096 is not to be expected
		m := cache.Mirror{Name: fmt.Sprint("m", n), URL: fmt.Sprintf("https://mirror-%d.example", n)}
		must(t, os.Mkdir(filepath.Join(base, cache.DirName(m.URL)), 0o700))
		mirrors = append(mirrors, m)
	}
	found, errs := cache.Find(cosignPlaces(base), mirrors)
	if len(found) != 9 || found[0].Mirror != "m0" || found[7].Mirror != "m7" || found[8].Layout != cache.LayoutLegacy {
		t.Errorf("found %d: %+v", len(found), found)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "more than") {
		t.Errorf("told %v", errs)
	}
}

// A mirror is the default one however it is spelled, in the directory in which its
// client keeps what it starts without a cached root.
func TestDefaultBelongsToTheDirectory(t *testing.T) {
	const name = "tuf-repo-cdn.sigstore.dev"
	for _, tc := range []struct {
		url, dir  string
		reader    cache.Reader
		isDefault bool
	}{
		{public, name, cache.Cosign, true},
		{public + "/", name, cache.Cosign, true},
		{public + "/", name + "-", cache.Cosign, false}, // a custom one to cosign
		{"https://TUF-repo-CDN.sigstore.dev", name, cache.Cosign, true},
		{"https://TUF-repo-CDN.sigstore.dev/", name + "-", cache.GH, false},
		{"http://" + name, name, cache.GH, true},
		{public + ":443", name + "-443", cache.Cosign, false},
		{public + ":443/", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev%3A443", cache.SigstorePython, false},
		{public + "/", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", cache.SigstorePython, true},
	} {
		base := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(base, tc.dir), 0o700))
		found, errs := cache.Find([]cache.Place{{Base: base, Reader: tc.reader}}, []cache.Mirror{{Name: "m", URL: tc.url, Default: true}})
		if len(errs) > 0 || len(found) != 1 || found[0].Mirror != "m" || found[0].Default != tc.isDefault {
			t.Errorf("%s in %s of %s: found %+v %v, want default %v", tc.url, tc.dir, tc.reader, found, errs, tc.isDefault)
		}
	}
}
