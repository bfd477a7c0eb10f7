// SPDX-License-Identifier: Apache-2.0

package checkup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Root is told to run nothing of a directory that somebody else can change,
// wherever that directory lies.
func TestRootRunsNothingOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files to another owner")
	}
	model, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	const site = "venv/lib/python3.11/site-packages"
	for name, tt := range map[string]struct {
		give          func(dir string) error
		owner, advice string
	}{
		"all is root's":                   {func(string) error { return nil }, "root", "VENV/bin/python3 -m pip"},
		"the interpreter is a user's":     {func(dir string) error { return os.Chown(filepath.Join(dir, "venv/bin/python3"), 1, 1) }, "daemon", "HOME=~daemon runuser -u daemon -- VENV/bin/python3 -m pip"},
		"a directory above is a user's":   {func(dir string) error { return os.Chown(dir, 1, 1) }, "daemon", "HOME=~daemon runuser -u daemon -- VENV/bin/python3 -m pip"},
		"of a user without a name":        {func(dir string) error { return os.Chown(dir, 43210, 1) }, "43210", "# VENV/bin/python3 -m pip"},
		"of two users":                    {func(dir string) error { return chowns(dir, 1, filepath.Join(dir, "venv"), 2) }, "", "# VENV/bin/python3 -m pip"},
		"everybody can write a directory": {func(dir string) error { return os.Chmod(filepath.Join(dir, "venv/bin"), 0o777) }, "root", "# VENV/bin/python3 -m pip"},
		"a group can write a directory": {func(dir string) error {
			if err := os.Chown(filepath.Join(dir, "venv/bin"), 0, 12345); err != nil {
				return err
			}
			return os.Chmod(filepath.Join(dir, "venv/bin"), 0o775)
		}, "root", "# VENV/bin/python3 -m pip"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{
				site + "/sigstore-2.1.5.dist-info/METADATA": "Name: sigstore\nVersion: 2.1.5\n\n", site + "/sigstore/x.py": "", "venv/bin/python3": "",
			} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.give(dir); err != nil {
				t.Fatal(err)
			}
			facts, unseen := checkup.Clients(t.Context(), client.FindOptions{Packages: []string{filepath.Join(dir, site)}, Model: model}, []string{"/home"})
			if len(facts) != 1 || len(unseen) != 0 || facts[0].Client.Owner != tt.owner {
				t.Fatalf("found %+v, unseen %q, want one of %q", facts, unseen, tt.owner)
			}
			advice := health.Advise(model, facts[0].Client, health.HostFacts{}, "sigstore-python 3.6.0")
			steps := strings.ReplaceAll("\n"+strings.Join(advice.Steps, "\n"), filepath.Join(dir, "venv"), "VENV")
			if !strings.Contains(steps, "\n"+tt.advice) {
				t.Errorf("advises\n%s\nwant %s", steps, tt.advice)
			}
		})
	}
}

func chowns(a string, uid int, b string, other int) error {
	if err := os.Chown(a, uid, uid); err != nil {
		return err
	}
	return os.Chown(b, other, other)
}
