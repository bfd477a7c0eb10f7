// SPDX-License-Identifier: Apache-2.0

package checkup_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/distro"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

func host(t *testing.T, files map[string]string) *distro.Distro {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := distro.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const debian = `Package: cosign
Status: install ok installed
Architecture: amd64
Version: 2.5.0-2+b4
Static-Built-Using: golang-github-theupdateframework-go-tuf (= 2.0.2+0.7.0-1), golang-github-sigstore-sigstore (= 1.9.3-2), sigstore-go (= 0.7.1-2)
`

func TestThePackageTellsWhatABinaryDoesNot(t *testing.T) {
	d := host(t, map[string]string{
		"var/lib/dpkg/status": debian, "var/lib/dpkg/info/cosign.list": "/usr/bin/cosign\n/usr/bin/cosign-too\n",
		"usr/bin/cosign": "x", "usr/bin/cosign-too": "x", "usr/local/bin/cosign": "x",
	})
	shared, notes := map[string]string{}, []string{client.NoteWithoutModules, "another"}
	clients := []health.ClientFacts{
		{Client: client.Client{Path: "/usr/bin/cosign", Name: "cosign", Libraries: shared, Notes: notes}},
		{Client: client.Client{Path: "/usr/bin/cosign-too", Version: "v3.0.6", VersionSource: "ldflags", Libraries: map[string]string{client.GoTUF: "v0.5.2"}}},
		{Client: client.Client{Path: "/usr/local/bin/cosign"}},
	}
	if unseen := checkup.Packages(t.Context(), d, clients); len(unseen) != 0 {
		t.Errorf("unseen: %q", unseen)
	}
	own := client.Package{Manager: "dpkg", Name: "cosign", Version: "2.5.0-2+b4"}
	c := clients[0].Client
	if c.Package == nil || *c.Package != own || c.Version != "2.5.0-2+b4" || c.VersionSource != "package" {
		t.Errorf("of the package: got %+v", c)
	}
	want := map[string]string{client.GoTUF: "v0.7.0", client.GoTUFv2: "v2.0.2", client.Sigstore: "v1.9.3", client.SigstoreGo: "v0.7.1"}
	if !maps.Equal(c.Libraries, want) {
		t.Errorf("libraries %v, want %v", c.Libraries, want)
	}
	if len(shared) != 0 || notes[0] != client.NoteWithoutModules || notes[1] != "another" {
		t.Errorf("what the scan cache has was changed: %v, %q", shared, notes)
	}
	if len(c.Notes) != 2 || c.Notes[0] != "another" || !strings.Contains(c.Notes[1], "its package was built from") {
		t.Errorf("notes %q", c.Notes)
	}
	if c := clients[1].Client; c.Package == nil || c.Version != "v3.0.6" || c.VersionSource != "ldflags" || len(c.Libraries) != 1 {
		t.Errorf("a client that knows itself: got %+v", c)
	}
	if c := clients[2].Client; c.Package != nil || c.Version != "" {
		t.Errorf("a client of no package: got %+v", c)
	}
	if unseen := checkup.Packages(t.Context(), nil, clients); unseen != nil {
		t.Errorf("without a distribution: unseen %q", unseen)
	}
}

func TestADatabaseThatCannotBeReadIsUnseen(t *testing.T) {
	d := host(t, map[string]string{"var/lib/dpkg/info/cosign.list": "/usr/bin/cosign\n", "usr/bin/cosign": "x"})
	unseen := checkup.Packages(t.Context(), d, []health.ClientFacts{{Client: client.Client{Path: "/usr/bin/cosign"}}})
	if len(unseen) != 1 || !strings.Contains(unseen[0], "package database") {
		t.Errorf("unseen: %q", unseen)
	}
}

func TestTheManagerIsTheDistributionsOwn(t *testing.T) {
	both := map[string]string{"var/lib/dpkg/info/x.list": "", "var/lib/rpm/rpmdb.sqlite": "x"}
	tests := map[string]string{
		"ID=debian\n":                               "dpkg",
		"ID=fedora\n":                               "rpm",
		"ID=rocky\nID_LIKE=\"rhel fedora\"\n":       "rpm",
		"ID=pop\nID_LIKE=\"ubuntu debian\"\n":       "dpkg",
		"ID=opensuse-leap\nID_LIKE=\"suse sles\"\n": "rpm",
		"ID=alpine\n":                               "dpkg", // it has no database of apk: what is there
	}
	for text, want := range tests {
		files := maps.Clone(both)
		files["etc/os-release"] = text
		got, unseen := checkup.Host(t.Context(), host(t, files), []string{"/home"})
		if got.Manager != want || len(unseen) != 0 || got.Arch == "" || len(got.Homes) != 1 {
			t.Errorf("%q: got %+v, unseen %q, want the manager %s", text, got, unseen, want)
		}
	}
	if got, _ := checkup.Host(t.Context(), nil, nil); got.Manager != "" || got.ID != "" {
		t.Errorf("without a distribution: %+v", got)
	}
}
