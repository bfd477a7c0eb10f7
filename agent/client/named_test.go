// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// TestWhatIsListedCanBeNamed gives back to a find the paths that one listed, as a
// person does who wants to know more of one of them.
func TestWhatIsListedCanBeNamed(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"p/site-packages/sigstore-3.6.2.dist-info/METADATA":              metadata("sigstore", "3.6.2"),
		"p/site-packages/sigstore/__init__.py":                           "",
		"p/site-packages/tuf-6.0.0.dist-info/METADATA":                   metadata("tuf", "6.0.0"),
		"js/node_modules/npm/package.json":                               packageJSON("npm", "11.19.1"),
		"js/node_modules/npm/node_modules/@sigstore/tuf/package.json":    packageJSON("@sigstore/tuf", "4.0.2"),
		"js/node_modules/npm/node_modules/tuf-js/package.json":           packageJSON("tuf-js", "4.1.0"),
		"js/node_modules/pacote/node_modules/@sigstore/tuf/package.json": packageJSON("@sigstore/tuf", "3.1.1"),
		"js/node_modules/tuf-js/package.json":                            packageJSON("tuf-js", "3.0.1"),
		"ruby/specifications/sigstore-0.2.3.gemspec":                     "",
		"java/sigstore-java-2.2.0.jar":                                   jar(t, map[string]string{updaterClass: ""}),
		"java/application.jar":                                           jar(t, map[string]string{updaterClass: ""}),
		"java/other.jar":                                                 jar(t, map[string]string{"x": ""}),
		"bin/cosign":                                                     string(program(cosign201("v2.0.1"), fnLegacy)),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := loadModel(t)
	for _, tt := range []struct{ name, want, problem string }{
		{"bin/cosign", "bin/cosign v2.0.1", ""},
		{"p/site-packages/sigstore", "p/site-packages/sigstore 3.6.2", ""},
		{"p/site-packages", "p/site-packages/sigstore 3.6.2", ""},
		{"js/node_modules/npm", "js/node_modules/npm 11.19.1", ""},
		{"js/node_modules/npm/", "js/node_modules/npm 11.19.1", ""},
		{"js/node_modules/pacote/node_modules/@sigstore/tuf", "js/node_modules/pacote/node_modules/@sigstore/tuf 3.1.1", ""},
		{"ruby/specifications/sigstore-0.2.3.gemspec", "ruby/specifications/sigstore-0.2.3.gemspec 0.2.3", ""},
		{"java/sigstore-java-2.2.0.jar", "java/sigstore-java-2.2.0.jar 2.2.0", ""},
		{"java/application.jar", "java/application.jar", ""},
		{"java/other.jar", "", "no package of a known"},
		{"bin", "", "neither a package"},
		{"nowhere", "", "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, errs := client.Find(t.Context(), client.FindOptions{Model: m, Files: []string{dir + "/" + tt.name}})
			var got, problems []string
			for _, c := range found {
				got = append(got, strings.TrimSpace(strings.TrimPrefix(c.Path, dir+"/")+" "+c.Version))
				if c.Ecosystem == client.JavaScript && c.Libraries[client.TUFJS] == "" {
					t.Error("its tuf-js is not known")
				}
			}
			for _, err := range errs {
				problems = append(problems, err.Error())
			}
			if strings.Join(got, "|") != tt.want || len(problems) > 1 || !strings.Contains(strings.Join(problems, ""), tt.problem) || tt.problem == "" && len(problems) > 0 {
				t.Errorf("found %q, problems %q; want %q, %q", got, problems, tt.want, tt.problem)
			}
		})
	}
}

// TestOneBadNameHidesNoOther names what is no client beside what is one.
func TestOneBadNameHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "cosign"), program(cosign201("v2.0.1"), fnLegacy))
	bad := write(t, filepath.Join(dir, "script"), []byte("#!/bin/sh\n"))
	got, errs := find(t, client.FindOptions{Files: []string{bad, good, dir}})
	same(t, got, good)
	if len(errs) != 2 {
		t.Errorf("errors %v, want one for the script and one for the directory", errs)
	}
}

// TestClosedDirectoriesAreTold looks, as a user who may not, below a directory that
// patterns begin with.
func TestClosedDirectoriesAreTold(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may look everywhere")
	}
	dir := t.TempDir()
	closed, unlisted := filepath.Join(dir, "closed"), filepath.Join(dir, "unlisted")
	for path, mode := range map[string]os.FileMode{closed: 0, unlisted: 0o311} {
		if err := os.MkdirAll(filepath.Join(path, "a", "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	for _, tt := range []struct {
		name            string
		globs, packages []string
		want            string
	}{
		{"once, however many patterns", []string{closed + "/a/bin", closed + "/a/*", closed + "/nothing/here"}, []string{closed + "/a/lib/*"}, closed},
		{"packages alone", nil, []string{closed + "/a/lib/*"}, closed},
		{"names that cannot be listed", []string{unlisted + "/*/bin"}, nil, unlisted},
		{"names that need not be listed", []string{unlisted + "/a/bin", unlisted + "/{a,b}/bin"}, nil, ""},
		{"what is not there", []string{dir + "/nothing/*"}, []string{dir + "/nothing/at/all/*"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, errs := find(t, client.FindOptions{Globs: tt.globs, Packages: tt.packages})
			switch {
			case tt.want == "" && len(errs) > 0, tt.want != "" && len(errs) != 1:
				t.Errorf("errors %v", errs)
			case tt.want != "" && !strings.Contains(errs[0].Error(), tt.want+`": permission denied`):
				t.Errorf("error %v, want one of %s", errs[0], tt.want)
			}
		})
	}
}
