// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/tuf"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

const public = "https://tuf-repo-cdn.sigstore.dev"

func TestDirName(t *testing.T) {
	for url, want := range map[string]string{
		public:                            "tuf-repo-cdn.sigstore.dev",
		public + "/":                      "tuf-repo-cdn.sigstore.dev-",
		"http://TUF.Corp:8080/a/b":        "tuf.corp-8080-a-b",
		"https://x/y?z=1":                 "x-y?z=1",
		"file:///srv/tuf":                 "file----srv-tuf",
		"https://http://x":                "x",
		"https://..":                      "",
		".":                               "",
		"":                                "",
		"https://x/../y":                  "x-..-y",
		"https://x/\x00":                  "",
		"https://x/\n":                    "x-\n",
		"https://tuf-repo.github.com:443": "tuf-repo.github.com-443",
	} {
		if got := cache.DirName(url); got != want {
			t.Errorf("DirName(%q) = %q, want %q", url, got, want)
		}
	}
}

// Names as the real clients gave them (docs/caches.md).
func TestDirNameOfEveryLayout(t *testing.T) {
	for url, want := range map[string]struct{ js, python, ruby string }{
		public:                         {"tuf-repo-cdn.sigstore.dev", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"},
		public + "/":                   {"tuf-repo-cdn.sigstore.dev", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev%2F"},
		"http://127.0.0.1:18080":       {"127.0.0.1%3A18080", "http%3A%2F%2F127.0.0.1%3A18080", "http%3A%2F%2F127.0.0.1%3A18080"},
		"https://TUF.Corp:8443/A/b/":   {"tuf.corp%3A8443%2FA%2Fb", "https%3A%2F%2FTUF.Corp%3A8443%2FA%2Fb", "https%3A%2F%2FTUF.Corp%3A8443%2FA%2Fb%2F"},
		"https://h:443/x//":            {"h%2Fx%2F", "https%3A%2F%2Fh%3A443%2Fx", "https%3A%2F%2Fh%3A443%2Fx%2F%2F"},
		"http://h:80":                  {"h", "http%3A%2F%2Fh%3A80", "http%3A%2F%2Fh%3A80"},
		"https://h/~a*(b)!'":           {"h%2F~a*(b)!'", "https%3A%2F%2Fh%2F~a%2A%28b%29%21%27", "https%3A%2F%2Fh%2F%7Ea*%28b%29%21%27"},
		"https://h/a%20b":              {"h%2Fa%2520b", "https%3A%2F%2Fh%2Fa%2520b", "https%3A%2F%2Fh%2Fa%2520b"},
		"https://h/a b":                {"", "https%3A%2F%2Fh%2Fa%20b", "https%3A%2F%2Fh%2Fa%20b"},
		"https://user@h/x?q=1#f":       {"h%2Fx", "https%3A%2F%2Fuser%40h%2Fx%3Fq%3D1%23f", "https%3A%2F%2Fuser%40h%2Fx%3Fq%3D1%23f"},
		"https://h/a/../b":             {"", "https%3A%2F%2Fh%2Fa%2F..%2Fb", "https%3A%2F%2Fh%2Fa%2F..%2Fb"},
		"https://h/%2E%2e":             {"", "https%3A%2F%2Fh%2F%252E%252e", "https%3A%2F%2Fh%2F%252E%252e"},
		"https://b\u00fccher.example/": {"", "https%3A%2F%2Fb%C3%BCcher.example", "https%3A%2F%2Fb%C3%BCcher.example%2F"},
		"https://0x7f.1/":              {"", "https%3A%2F%2F0x7f.1", "https%3A%2F%2F0x7f.1%2F"},
		"https://127.1":                {"", "https%3A%2F%2F127.1", "https%3A%2F%2F127.1"},
		"https://h:0443/":              {"", "https%3A%2F%2Fh%3A0443", "https%3A%2F%2Fh%3A0443%2F"},
		"https://[::1]/":               {"", "https%3A%2F%2F%5B%3A%3A1%5D", "https%3A%2F%2F%5B%3A%3A1%5D%2F"},
		"file:///srv/tuf":              {"", "file%3A%2F%2F%2Fsrv%2Ftuf", "file%3A%2F%2F%2Fsrv%2Ftuf"},
		"":                             {"", "", ""},
	} {
		for layout, want := range map[cache.Layout]string{cache.LayoutSigstoreJS: want.js, cache.LayoutSigstorePython: want.python,
			cache.LayoutSigstoreRuby: want.ruby, cache.LayoutSigstoreJava: "", cache.LayoutLegacy: ""} {
			if got := layout.DirName(url); got != want {
				t.Errorf("%s: DirName(%q) = %q, want %q", layout, url, got, want)
			}
		}
	}
}

func FuzzDirName(f *testing.F) {
	for _, seed := range []string{public, "..", "https://../..", "http://a:1/b", "a\\b", "HTTPS://X", "x/\x00", "https://h:443/x//", "https://a@b:80/%2e", "http://1.2.3.4/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, layout := range []cache.Layout{cache.LayoutSigstoreGo, cache.LayoutSigstoreJS, cache.LayoutSigstorePython, cache.LayoutSigstoreRuby} {
			got := layout.DirName(raw)
			if got == "" {
				continue
			}
			if path := filepath.Join("/base", got); filepath.Dir(path) != "/base" || filepath.Base(path) != got {
				t.Errorf("%s: DirName(%q) = %q leaves its directory", layout, raw, got)
			}
			plain, err := url.PathUnescape(got)
			switch layout {
			case cache.LayoutSigstoreGo:
				if got != tuf.URLToPath(raw) {
					t.Errorf("DirName(%q) = %q, sigstore-go says %q", raw, got, tuf.URLToPath(raw))
				}
			case cache.LayoutSigstoreJS:
				u, err2 := url.Parse(raw)
				if err != nil || err2 != nil || !strings.HasPrefix(plain, strings.ToLower(u.Hostname())) {
					t.Errorf("js: DirName(%q) = %q means %q, %v", raw, got, plain, err2)
					continue
				}
				// What it means names the same directory again, under either scheme.
				for _, scheme := range []string{"http://", "https://"} {
					if again := layout.DirName(scheme + plain); u.Port() == "" && again != got && again != "" && !strings.HasSuffix(plain, "/") {
						t.Errorf("js: DirName(%q) = %q, and of what that means %q", raw, got, again)
					}
				}
			case cache.LayoutSigstorePython:
				if plain != strings.TrimRight(raw, "/") {
					t.Errorf("python: DirName(%q) = %q means %q", raw, got, plain)
				}
			default:
				if plain != raw {
					t.Errorf("ruby: DirName(%q) = %q means %q", raw, got, plain)
				}
			}
		}
	})
}

// Which mirrors share a directory is a matter of each client's rule.
func TestCollisionsByEachRule(t *testing.T) {
	scheme := []cache.Mirror{{Name: "one", URL: "https://tuf.corp/a"}, {Name: "two", URL: "http://tuf.corp/a"}}
	dash := []cache.Mirror{{Name: "one", URL: "https://tuf.corp/a/b"}, {Name: "two", URL: "https://tuf.corp/a-b"}}
	upper := []cache.Mirror{{Name: "one", URL: "https://tuf.corp/a"}, {Name: "two", URL: "https://tuf.corp/A"}}
	for _, c := range []struct {
		reader              cache.Reader
		scheme, dash, upper bool
	}{
		{cache.Cosign, true, true, true},
		{cache.GH, true, true, true},
		{cache.SigstoreJS, true, false, false},
		{cache.NPM, true, false, false},
		{cache.SigstorePython, false, false, false},
		{cache.SigstoreRuby, false, false, false},
		{cache.SigstoreJava, false, false, false},
	} {
		for what, m := range map[string]struct {
			mirrors []cache.Mirror
			want    bool
		}{"schemes": {scheme, c.scheme}, "a dash": {dash, c.dash}, "case": {upper, c.upper}} {
			_, errs := cache.Find([]cache.Place{{Base: t.TempDir(), Reader: c.reader}}, m.mirrors)
			var collision *cache.CollisionError
			if got := len(errs) == 1 && errors.As(errs[0], &collision); got != m.want {
				t.Errorf("%s, %s: %v; a collision should be %v", c.reader, what, errs, m.want)
			}
		}
	}
	t.Run("told once", func(t *testing.T) {
		_, errs := cache.Find([]cache.Place{{Base: t.TempDir(), Reader: cache.Cosign}, {Base: t.TempDir(), Reader: cache.GH}}, scheme)
		if len(errs) != 1 {
			t.Errorf("%v", errs)
		}
	})
}
