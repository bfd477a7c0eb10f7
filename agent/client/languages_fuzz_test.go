// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// sound holds what must be true of every package that is listed, whatever its
// files hold: it is bounded, its texts are plain, and no error escapes unquoted.
func sound(t *testing.T, m *client.Model, pattern string) {
	t.Helper()
	found, errs := client.Find(t.Context(), client.FindOptions{Packages: []string{pattern}, Model: m})
	for _, c := range found {
		if c.Name == "" || c.Ecosystem == "" || c.Ecosystem == client.Go || len(c.Version) > 128 || len(c.EmbeddedRoots) > 16 {
			t.Fatalf("%+v", c)
		}
		for _, text := range append([]string{c.Name, c.Version, c.VersionSource}, c.Notes...) {
			plain(t, text)
		}
		for name, version := range c.Libraries {
			plain(t, name)
			plain(t, version)
		}
		m.Capabilities(c)
		m.Uses(c)
		m.AdvisoriesOf(c)
	}
	for _, err := range errs {
		plain(t, err.Error())
		if strings.Contains(err.Error(), "panicked") {
			t.Fatal(err)
		}
	}
}

func plain(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Fatalf("%q", text)
	}
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Skip(err) // a name that no file can have
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Skip(err)
	}
}

func FuzzPythonPackage(f *testing.F) {
	f.Add("sigstore-3.6.1.dist-info/METADATA", metadata("sigstore", "3.6.1"), rootDocument(5, ""))
	f.Add("sigstore-1.0-py3.11.egg-info", metadata("Sigstore", "1.0rc1"), "{}")
	f.Add("sigstore-1.0.egg-info/PKG-INFO", "Name: sigstore\r\nVersion:\t1.0\r\n", "")
	m := loadModel(f)
	f.Fuzz(func(t *testing.T, name, data, root string) {
		if !filepath.IsLocal(name) {
			t.Skip()
		}
		dir := t.TempDir()
		put(t, filepath.Join(dir, name), []byte(data))
		put(t, filepath.Join(dir, "tuf-5.1.0.dist-info", "METADATA"), nil)
		put(t, filepath.Join(dir, "sigstore", "_store", "root.json"), []byte(root))
		sound(t, m, dir)
	})
}

func FuzzNodePackage(f *testing.F) {
	f.Add(packageJSON("@sigstore/tuf", "3.1.1"), packageJSON("tuf-js", "3.1.0"), seeds(12))
	f.Add(packageJSON("npm", "11.0.0"), packageJSON("tuf-js", ""), `{"https://tuf-repo-cdn.sigstore.dev":{"root.json":"e30="}}`)
	f.Add(`{"name":"@sigstore/tuf","version":{}}`, `[]`, `null`)
	m := loadModel(f)
	f.Fuzz(func(t *testing.T, own, library, seeds string) {
		dir := filepath.Join(t.TempDir(), "node_modules")
		put(t, filepath.Join(dir, "@sigstore/tuf/package.json"), []byte(own))
		put(t, filepath.Join(dir, "@sigstore/tuf/seeds.json"), []byte(seeds))
		put(t, filepath.Join(dir, "npm/package.json"), []byte(own))
		put(t, filepath.Join(dir, "tuf-js/package.json"), []byte(library))
		put(t, filepath.Join(dir, "sigstore/package.json"), []byte(library))
		sound(t, m, dir)
	})
}

func FuzzGemspecName(f *testing.F) {
	f.Add("sigstore-0.2.1.gemspec", rootDocument(10, ""))
	f.Add("sigstore-0.2.1-x86_64-linux.gemspec", "")
	m := loadModel(f)
	f.Fuzz(func(t *testing.T, name, root string) {
		if !filepath.IsLocal(name) {
			t.Skip()
		}
		dir := t.TempDir()
		put(t, filepath.Join(dir, "specifications", name), []byte("exit"))
		put(t, filepath.Join(dir, "gems", strings.TrimSuffix(name, ".gemspec"), "data/_store/prod/root.json"), []byte(root))
		sound(t, m, filepath.Join(dir, "specifications"))
	})
}

func FuzzJar(f *testing.F) {
	f.Add([]byte(jar(f, map[string]string{updaterClass: "", jarRoot: rootDocument(10, ""), pomProperties: "version=2.0.0\n"})))
	f.Add([]byte("PK\x05\x06"))
	m := loadModel(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "sigstore-java-1.0.jar"), data)
		sound(t, m, dir)
	})
}
