// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// The configuration knows the clients by the same names as package cache, which it
// cannot import, and the same of them keep target files apart.
func TestConfigNamesTheReaders(t *testing.T) {
	var readers []string
	for _, r := range cache.Readers() {
		readers = append(readers, string(r))
	}
	if got := config.PlaceClients(); !slices.Equal(got, readers) {
		t.Errorf("config has %q, cache %q", got, readers)
	}
	env := config.Env{Home: "/h", DataHome: "/h/.local/share", CacheHome: "/h/.cache"}
	var usual []cache.Reader
	for _, p := range placesOf(config.Default(env)).list {
		if !slices.Contains(usual, p.Reader) {
			usual = append(usual, p.Reader)
		}
		apart := p.Reader == cache.SigstorePython || p.Reader == cache.SigstoreRuby
		if apart != (p.Targets != "") {
			t.Errorf("%s has targets %q", p.Reader, p.Targets)
		}
	}
	if !slices.Equal(usual, cache.Readers()) {
		t.Errorf("the usual places are of %q, want one of each reader", usual)
	}
}

func TestMirrorsThatClientsCarry(t *testing.T) {
	for raw, want := range map[string]struct {
		all  bool
		some []cache.Reader
	}{
		"https://tuf-repo-cdn.sigstore.dev":     {true, nil},
		"https://tuf-repo-cdn.sigstore.dev/":    {true, nil},
		"HTTPS://TUF-Repo-CDN.sigstore.dev":     {true, nil},
		"https://tuf-repo-cdn.sigstore.dev:443": {true, nil},
		"http://tuf-repo-cdn.sigstore.dev":      {true, nil},
		"https://tuf-repo-cdn.sigstore.dev/x":   {},
		"https://TUF-repo.github.com/":          {false, []cache.Reader{cache.GH}},
		"https://tuf-repo.github.com":           {false, []cache.Reader{cache.GH}},
		"https://tuf-repo-cdn.sigstage.dev":     {false, []cache.Reader{cache.SigstorePython}},
		"https://tuf.example.org":               {},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if m := cacheMirror(config.Mirror{Name: "m", URL: u}, nil); m.Default != want.all || !slices.Equal(m.DefaultFor, want.some) {
			t.Errorf("%s: %v, %q", raw, m.Default, m.DefaultFor)
		}
	}
}

func TestPolicies(t *testing.T) {
	src := `
mirror "mine" {
  url          = "https://mine.example"
  initial_root = "/r"
}
mirror "coming" {
  url          = "https://coming.example"
  initial_root = "/r"
  preview      = true
}
caches {
  paths  = ["/c"]
  policy = "POLICY"
  place "/java" {
    client = "sigstore-java"
  }
  place "/java-too" {
    client = "gh"
  }
  rule "/ruled/**" {
    policy = "mend"
  }
  rule "/ignored/**" {
    policy = "ignore"
  }
}`
	parse := func(policy string) config.Config {
		c, err := config.Parse([]byte(strings.Replace(src, "POLICY", policy, 1)), "", config.Env{Home: "/h", StateHome: "/s"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	mine := cache.Cache{Base: "/c", Path: "/c/mine.example", Layout: cache.LayoutSigstoreGo, Reader: cache.Cosign, Mirror: "mine"}
	at := func(path string, change func(*cache.Cache)) cache.Cache {
		c := mine
		c.Path = path
		if change != nil {
			change(&c)
		}
		return c
	}
	foreign := func(c *cache.Cache) { c.Mirror = "" }
	preview := func(c *cache.Cache) { c.Mirror = "coming" }
	legacy := func(c *cache.Cache) { c.Layout = cache.LayoutLegacy }
	for name, tc := range map[string]struct {
		common string
		c      cache.Cache
		want   config.Policy
	}{
		"one of ours":                                {"mend", mine, config.PolicyMend},
		"one of ours, to publish":                    {"publish", mine, config.PolicyPublish},
		"one of ours, to report":                     {"report", mine, config.PolicyReport},
		"one of ours, to ignore":                     {"ignore", mine, config.PolicyIgnore},
		"of no mirror of ours":                       {"mend", at("/c/x", foreign), config.PolicyReport},
		"of a preview":                               {"mend", at("/c/x", preview), config.PolicyReport},
		"of a preview, by a rule":                    {"mend", at("/ruled/x", preview), config.PolicyMend},
		"of no mirror of ours, by a rule":            {"report", at("/ruled/x", foreign), config.PolicyMend},
		"of no mirror of ours, where all is ignored": {"ignore", at("/c/x", foreign), config.PolicyIgnore},
		"ignored by a rule":                          {"mend", at("/ignored/x", nil), config.PolicyIgnore},
		"the legacy one":                             {"mend", at("/c", legacy), config.PolicyReport},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := placesOf(parse(tc.common)).policy(tc.c)
			if got != tc.want || why == "" {
				t.Errorf("got %s (%s), want %s", got, why, tc.want)
			}
		})
	}
}

// A place that is at fault as a whole may be many mirrors'.
func TestPlaceAsAWholeIsItsOwners(t *testing.T) {
	cfg, err := config.Parse(nil, "", config.Env{Home: "/h", StateHome: "/s"})
	if err != nil {
		t.Fatal(err)
	}
	p, why := placesOf(cfg).policy(cache.Cache{Base: "/c", Path: "/c", Layout: cache.LayoutSigstoreGo, Reader: cache.Cosign})
	if p != config.PolicyReport || why != "only its owner can act on the place as a whole" {
		t.Errorf("got %s (%s)", p, why)
	}
}

// By default only what we keep is written; which that is, package cache says.
func TestOnlyLayoutsWeKeepAreWrittenByDefault(t *testing.T) {
	c, err := config.Parse(nil, "", config.Env{Home: "/h", StateHome: "/s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []cache.Layout{
		cache.LayoutSigstoreGo, cache.LayoutSigstoreJS, cache.LayoutSigstorePython, cache.LayoutSigstoreRuby, cache.LayoutSigstoreJava, cache.LayoutLegacy,
	} {
		want := config.PolicyReport
		if l.Kept() {
			want = config.PolicyMend
		}
		if got, why := placesOf(c).policy(cache.Cache{Base: "/c", Path: "/c/x", Layout: l, Mirror: "sigstore"}); got != want || why == "" {
			t.Errorf("%s: %s (%s), want %s", l, got, why, want)
		}
	}
	if cache.LayoutLegacy.Kept() || !cache.LayoutSigstoreGo.Kept() {
		t.Error("legacy caches are never written, those of sigstore-go always were")
	}
}

// Two clients that name their files alike in one directory: no rule makes it safe.
func TestNothingIsWrittenWherePlacesOverlap(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	src := "caches {\n paths = [\"" + real + "\"]\n place \"" + link + "\" {\n client = \"sigstore-java\"\n }\n rule \"/**\" {\n policy = \"mend\"\n }\n}"
	c, err := config.Parse([]byte(src), "", config.Env{Home: "/h", StateHome: "/s"})
	if err != nil {
		t.Fatal(err)
	}
	ps := placesOf(c)
	if len(ps.overlaps) != 1 || len(ps.list) != 2 {
		t.Fatalf("%+v", ps)
	}
	for _, base := range []string{real, link} {
		if p, why := ps.policy(cache.Cache{Base: base, Path: base + "/x", Mirror: "sigstore", Layout: cache.LayoutSigstoreGo}); p != config.PolicyReport {
			t.Errorf("%s: %s (%s)", base, p, why)
		}
	}
}

// What the report says to write into the configuration is right there.
func TestRuleOfTheRemedyIsOne(t *testing.T) {
	for _, path := range []string{"/home/ada/.npm/_tuf/tuf.example.org%3A8443", "/a b/[x]*{y}/\"q\"", "/home/ada/\u00e9"} {
		f := health.CacheFacts{
			Cache: cache.Cache{Path: path}, Policy: "report", ConfigFile: "/etc/a b.hcl",
			Inspection: cache.Inspection{State: cache.Damaged, Damage: []cache.Damage{{File: "timestamp.json", What: "empty"}}},
		}
		_, rule, _ := strings.Cut(f.ToDo(), "write ")
		rule, where, ok := strings.Cut(rule, " before the other rules of the caches block in ")
		if !strings.HasPrefix(where, "'/etc/a b.hcl', then: ") {
			t.Errorf("%q does not say where", f.ToDo())
		}
		c, err := config.Parse([]byte("caches {\n"+rule+"\nrule \"/**\" { policy = \"report\" }\n}"), "", config.Env{Home: "/h", StateHome: "/s"})
		if p, ruled := c.Caches.PolicyFor(path); !ok || err != nil || p != config.PolicyMend || !ruled {
			t.Errorf("%q: %q gives %s, %v", path, rule, p, err)
		}
	}
}
