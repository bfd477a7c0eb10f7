// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

func policyFor(c config.Config, path string) string {
	p, _ := c.Caches.PolicyFor(path)
	return string(p)
}

// shown is a place on one line.
func shown(p config.CachePlace) string {
	words := []string{p.Client, p.Path}
	if p.Targets != "" {
		words = append(words, p.Targets)
	}
	if p.URL != nil {
		words = append(words, p.URL.String())
	}
	return strings.Join(words, " ")
}

func placesOf(c config.Config) []string {
	var all []string
	for _, p := range c.Caches.Places {
		all = append(all, shown(p))
	}
	return all
}

func TestUsualPlacesFollowTheEnvironment(t *testing.T) {
	const staging = "https://tuf-repo-cdn.sigstage.dev"
	for name, tc := range map[string]struct {
		env  config.Env
		want []string
	}{
		"a home": {config.Env{Home: "/h", DataHome: "/h/.local/share", CacheHome: "/h/.cache"}, []string{
			"gh /h/.cache/gh/.sigstore/root",
			"sigstore-js /h/.local/share/sigstore-js",
			"npm /h/.npm/_tuf",
			"sigstore-python /h/.local/share/sigstore-python/tuf /h/.cache/sigstore-python/tuf",
			"sigstore-ruby /h/.local/share/sigstore-ruby/sigstore/tuf /h/.cache/sigstore-ruby/sigstore/tuf",
			"sigstore-java /h/.sigstore-java/root",
			"sigstore-java /h/.sigstore-java/staging/root " + staging,
		}},
		"directories elsewhere": {config.Env{Home: "/h", DataHome: "/d", CacheHome: "/c", NPMCache: "/n"}, []string{
			"gh /c/gh/.sigstore/root",
			"sigstore-js /d/sigstore-js",
			"npm /n/_tuf",
			"sigstore-python /d/sigstore-python/tuf /c/sigstore-python/tuf",
			"sigstore-ruby /d/sigstore-ruby/sigstore/tuf /c/sigstore-ruby/sigstore/tuf",
			"sigstore-java /h/.sigstore-java/root",
			"sigstore-java /h/.sigstore-java/staging/root " + staging,
		}},
		"no home, as a service": {config.Env{StateDirectory: "/var/lib/tufkeeper"}, nil},
		"npm's cache alone":     {config.Env{NPMCache: "/n"}, []string{"npm /n/_tuf"}},
		// Half a place would be found, and its target files be missed.
		"data without cache": {config.Env{DataHome: "/d"}, []string{"sigstore-js /d/sigstore-js"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := placesOf(config.Default(tc.env)); !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestEnvironmentSaysWhereClientsKeepCaches(t *testing.T) {
	for name, value := range map[string]string{
		"HOME": "/h", "XDG_DATA_HOME": "relative", "XDG_CACHE_HOME": "/c/", "npm_config_cache": "", "NPM_CONFIG_CACHE": "/n",
	} {
		t.Setenv(name, value)
	}
	if e := config.OSEnv(); e.DataHome != "/h/.local/share" || e.CacheHome != "/c" || e.NPMCache != "/n" {
		t.Errorf("got %+v", e)
	}
	t.Setenv("npm_config_cache", "/first")
	if e := config.OSEnv(); e.NPMCache != "/first" {
		t.Errorf("got %q", e.NPMCache)
	}
}

// As with mirrors: who writes one place says which there are.
func TestWrittenPlacesAreAllThereAre(t *testing.T) {
	env := ada
	env.DataHome, env.CacheHome = "/home/ada/.local/share", "/home/ada/.cache"
	c := parse(t, `caches {
  place "~/x" {
    client  = "sigstore-python"
    targets = "~/y"
  }
  place "/srv/java" {
    client = "sigstore-java"
    url    = "https://tuf.example.org/a"
  }
  drop_ahead = "30d"
}`, env)
	if got, want := placesOf(c), []string{"sigstore-python /home/ada/x /home/ada/y", "sigstore-java /srv/java https://tuf.example.org/a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := config.FormatDuration(c.Caches.DropAhead); got != "30d" {
		t.Errorf("drop_ahead %s", got)
	}
	if again := parse(t, string(c.HCL()), env); !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again:\n%s", c.HCL())
	}
	if c := parse(t, `caches { quiet = "1s" }`, env); len(c.Caches.Places) != 7 {
		t.Errorf("without a place block: %q, want the usual ones", placesOf(c))
	}
	// cosign's alone:
	if c := parse(t, "caches {\n paths = []\n place \"~/.sigstore/root\" {\n client = \"cosign\"\n }\n}", env); len(c.Caches.Places) != 1 || len(c.Caches.Paths) != 0 {
		t.Errorf("%q, %q", c.Caches.Paths, placesOf(c))
	}
}

// What the environment moves is no mistake of the file, which may not exist.
func TestUsualPlacesAreNeverRefused(t *testing.T) {
	env := config.Env{Home: "/h", StateHome: "/h/.local/state", DataHome: "/h", CacheHome: "/h", NPMCache: "/h/.sigstore/root", TUFRoot: "/h/.npm"}
	if _, err := config.Parse(nil, "", env); err != nil {
		t.Error(err)
	}
}

func TestPolicyIsToldWithWhereItIsFrom(t *testing.T) {
	c := parse(t, "caches {\n policy = \"publish\"\n rule \"/a/**\" {\n policy = \"mend\"\n }\n}", ada)
	if p, ruled := c.Caches.PolicyFor("/a/b"); p != config.PolicyMend || !ruled {
		t.Errorf("by a rule: %s, %v", p, ruled)
	}
	if p, ruled := c.Caches.PolicyFor("/b"); p != config.PolicyPublish || ruled {
		t.Errorf("without: %s, %v", p, ruled)
	}
}
