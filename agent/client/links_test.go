// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// give gives what lies below a directory to another user.
func give(t *testing.T, uid int, dirs ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can give files to another owner")
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, uid, uid)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// A link to somebody else's package neither hides it nor gives it other libraries.
func TestALinkHidesNobodysPackage(t *testing.T) {
	dir := tree(t, map[string]string{
		"bob/sp/sigstore-1.0.0.dist-info/METADATA":                        metadata("sigstore", "1.0.0"),
		"bob/sp/tuf-2.0.0.dist-info/METADATA":                             "",
		"bob/node_modules/@sigstore/tuf/package.json":                     packageJSON("@sigstore/tuf", "1.0.0"),
		"alice/sp/tuf-99.0.0.dist-info/METADATA":                          "",
		"alice/node_modules/npm/package.json":                             packageJSON("npm", "11.0.0"),
		"alice/node_modules/npm/node_modules/tuf-js/package.json":         packageJSON("tuf-js", "9.0.0"),
		"alice/node_modules/npm/node_modules/@sigstore/placeholder/x.txt": "",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	link(t, at("bob/sp/sigstore-1.0.0.dist-info"), at("alice/sp/sigstore-9.9.9.dist-info"))
	link(t, at("bob/node_modules/@sigstore/tuf"), at("alice/node_modules/npm/node_modules/@sigstore/tuf"))
	link(t, at("bob/sp"), at("alice/linked/sp"))
	give(t, 12345, at("alice"))
	give(t, 12346, at("bob"))
	o := client.FindOptions{Cache: client.NewScanCache()}
	for range 2 { // read, and remembered
		got, errs := packages(t, dir, o, "alice/linked/sp", "*/sp", "*/node_modules")
		want := []string{
			`alice/node_modules/npm javascript npm 11.0.0 (package metadata) {"sigstore-js":"1.0.0","tuf-js":"9.0.0"} [] []`,
			`bob/node_modules/@sigstore/tuf javascript sigstore-js 1.0.0 (package metadata) {"sigstore-js":"1.0.0"} [] []`,
			`bob/sp/sigstore python sigstore-python 1.0.0 (package metadata) {"python-tuf":"2.0.0","sigstore-python":"1.0.0"} [] []`,
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "belongs to another user") {
			t.Errorf("errors %v", errs)
		}
	}
}

// A link that leads root to a file that only it reads tells nothing of that file.
func TestALinkTellsNothingOfASecret(t *testing.T) {
	for _, owner := range []int{0, 12345} { // of the link: a user, or root by mistake
		dir := tree(t, map[string]string{
			"secret":    "Name: sigstore\nVersion: hunter2 secret\n",
			"sp/x":      "",
			"sp.json/x": "",
		})
		link(t, filepath.Join(dir, "secret"), filepath.Join(dir, "sp/sigstore-1.0.dist-info/METADATA"))
		if owner != 0 {
			give(t, owner, filepath.Join(dir, "sp"))
		}
		got, errs := packages(t, dir, client.FindOptions{}, "sp")
		if len(got) != 0 || len(errs) != 1 || strings.Contains(fmt.Sprint(errs), "hunter2") {
			t.Errorf("owner %d: got %q, %v", owner, got, errs)
		}
	}
}

// What a file is as a program says nothing of what it is as a package.
func TestAProgramsAnswerIsNoPackages(t *testing.T) {
	dir := tree(t, map[string]string{"sys/sigstore-1.0.0.dist-info/METADATA": metadata("sigstore", "1.0.0")})
	file := filepath.Join(dir, "sys/sigstore-1.0.0.dist-info/METADATA")
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, file, filepath.Join(dir, "home/bin/x"))
	o := client.FindOptions{Dirs: []string{filepath.Join(dir, "home/bin")}, Cache: client.NewScanCache()}
	for range 2 {
		if got, errs := packages(t, dir, o, "sys"); len(got) != 1 || len(errs) != 0 {
			t.Errorf("got %q, %v", got, errs)
		}
	}
}

// Whoever makes links pays for them: the owner of what they lead to is still seen,
// and so is what is root's.
func TestLinksAreTheirMakersAffair(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"alice", "bob/data", "bob/bin"} {
		if err := os.MkdirAll(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20_000 {
		name := fmt.Sprint(i)
		if err := os.WriteFile(filepath.Join(at("bob/data"), name), []byte(name), 0o755); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
		link(t, "../bob/data/"+name, filepath.Join(at("alice"), name))
	}
	write(t, at("bob/bin/cosign"), program(cosign201("v2.0.1"), fnLegacy))
	give(t, 12345, at("alice"))
	give(t, 12346, at("bob"))
	got, errs := find(t, client.FindOptions{Globs: []string{at("alice"), at("bob/bin")}})
	same(t, got, at("bob/bin/cosign"))
	if len(errs) != 0 {
		t.Errorf("errors %v", errs)
	}
}
