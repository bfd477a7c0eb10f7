// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

const examplePath = "../../config.example.hcl"

func TestTheExampleIsTheDefaults(t *testing.T) {
	root := config.Env{Home: "/root", ConfigHome: "/root/.config", StateHome: "/root/.local/state", Root: true}
	for name, env := range map[string]config.Env{"a user": ada, "root": root} {
		t.Run(name, func(t *testing.T) {
			want := config.Default(env)
			want.Path = "/etc/tufkeeper/config.hcl"
			if got := parse(t, example(t), env); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got.HCL(), want.HCL())
			}
		})
	}
}

// Uncommented, every setting stands in its block; what a person takes out of
// the file by removing a "# " is right as it stands.
func TestTheExampleHasEverySetting(t *testing.T) {
	src := uncommented(example(t))
	parse(t, withoutCron(src), ada)

	got := settingsOf(t, src)
	for block, names := range config.Settings() {
		for _, name := range names {
			if !slices.Contains(got[block], name) {
				t.Errorf("setting %q of block %q is not in the example", name, block)
			}
		}
	}
	for block, names := range got {
		for _, name := range names {
			if !slices.Contains(config.Settings()[block], name) {
				t.Errorf("the example sets %q in block %q, which is no setting", name, block)
			}
		}
	}
}

// Where a default can be written down, the example writes it as a live
// setting or says "Default:" above the one that is commented out.
func TestTheExampleNamesEveryDefault(t *testing.T) {
	live := settingsOf(t, example(t))
	for block, names := range settingsOf(t, string(config.Default(ada).HCL())) {
		for _, name := range names {
			commented := regexp.MustCompile(`(?s)Default: [^\n]*\n(?:\s*#[^\n]*\n)*?\s*# *` + name + ` += `)
			if !slices.Contains(live[block], name) && !commented.MatchString(example(t)) {
				t.Errorf("the default of %q in block %q is not in the example", name, block)
			}
		}
	}
}

func TestThePreviewOfTheExample(t *testing.T) {
	c := parse(t, withoutCron(uncommented(example(t))), ada)
	i := slices.IndexFunc(c.Mirrors, func(m config.Mirror) bool { return m.Name == "sigstage" })
	if i < 0 {
		t.Fatal("the example has no mirror sigstage")
	}
	m := c.Mirrors[i]
	if !m.Preview || m.URL.String() != "https://tuf-repo-cdn.sigstage.dev" || m.InitialRoot != config.BuiltinSigstage {
		t.Errorf("got preview %t, url %s, initial root %s", m.Preview, m.URL, m.InitialRoot)
	}
}

func example(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

var commentedOut = regexp.MustCompile(`(?m)^(\s*)# ( *(?:[a-z_0-9]+ += .*|(?:mirror|place|rule|schedule|minimum)(?: ".*")? \{|\}))$`)

func uncommented(src string) string { return commentedOut.ReplaceAllString(src, "$1$2") }

// withoutCron takes out the alternative to interval.
func withoutCron(src string) string {
	return regexp.MustCompile(`(?m)^\s*cron = .*$`).ReplaceAllString(src, "")
}

// settingsOf lists the settings that a file holds, by block.
func settingsOf(t *testing.T, src string) map[string][]string {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(src), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, src)
	}
	all := map[string][]string{}
	var walk func(name string, b *hclsyntax.Body)
	walk = func(name string, b *hclsyntax.Body) {
		for n := range b.Attributes {
			all[name] = append(all[name], n)
		}
		for _, c := range b.Blocks {
			walk(strings.TrimSpace(c.Type), c.Body)
		}
	}
	walk("", file.Body.(*hclsyntax.Body))
	return all
}
