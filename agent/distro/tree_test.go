// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/distro"
)

// tree makes a root directory with these files. A value that begins with "-> " is
// the target of a symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		write(t, root, name, content)
	}
	return root
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if target, ok := strings.CutPrefix(content, "-> "); ok {
		err = os.Symlink(target, path)
	} else {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, root string) *distro.Distro {
	t.Helper()
	d, err := distro.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantOwners holds the owners of paths against "manager name version", or "" for none.
func wantOwners(t *testing.T, root string, want map[string]string) {
	t.Helper()
	d := open(t, root)
	var paths []string
	for path := range want {
		paths = append(paths, path)
	}
	for _, look := range []string{"the first time", "again"} {
		owners, errs := d.Owners(t.Context(), paths)
		for _, err := range errs {
			t.Errorf("%s: %v", look, err)
		}
		for path, want := range want {
			if got := line(owners[path]); got != want {
				t.Errorf("%s: %s is owned by %q, want %q", look, path, got, want)
			}
		}
	}
	for path, want := range want {
		p, ok := d.Owner(path)
		if line(p) != want || ok != (want != "") {
			t.Errorf("Owner(%s) = %q, %v, want %q", path, line(p), ok, want)
		}
	}
}

func line(p distro.Package) string {
	return strings.TrimSpace(p.Manager + " " + p.Name + " " + p.Version)
}
