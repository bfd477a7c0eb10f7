// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// tree writes files below a new directory and returns it.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packages finds the clients among the packages below dir, and tells each in a line.
func packages(t testing.TB, dir string, o client.FindOptions, patterns ...string) ([]string, []error) {
	t.Helper()
	for _, p := range patterns {
		o.Packages = append(o.Packages, filepath.Join(dir, p))
	}
	o.Model = loadModel(t)
	found, errs := client.Find(t.Context(), o)
	lines := []string{}
	for _, c := range found {
		lines = append(lines, strings.TrimPrefix(c.Path, dir+"/")+" "+tell(c))
	}
	return lines, errs
}

func tell(c client.Client) string {
	libraries, err := json.Marshal(c.Libraries)
	if err != nil {
		panic(err)
	}
	roots := []int64{}
	for _, r := range c.EmbeddedRoots {
		roots = append(roots, r.Version)
	}
	return fmt.Sprint(c.Ecosystem, " ", c.Name, " ", c.Version, " (", c.VersionSource, ") ", string(libraries), " ", roots, " ", c.Notes)
}

func metadata(name, version string) string {
	return "Metadata-Version: 2.4\nName: " + name + "\nVersion: " + version + "\nSummary: x\n\nVersion: 0.0.0 in the description\n"
}

func packageJSON(name, version string) string {
	return fmt.Sprintf(`{"name": %q, "version": %q, "dependencies": {"tuf-js": "^9.9.9"}}`, name, version)
}

func seeds(version int) string {
	return fmt.Sprintf(`{"https://tuf-repo-cdn.sigstore.dev":{"root.json":%q,"targets":{}},"https://other.example":{"root.json":"!"}}`,
		base64.StdEncoding.EncodeToString([]byte(rootDocument(version, ""))))
}

func jar(t testing.TB, members map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, content := range members {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	updaterClass   = "dev/sigstore/tuf/Updater.class"
	jarRoot        = "dev/sigstore/tuf/sigstore-tuf-root/root.json"
	jarStagingRoot = "dev/sigstore/tuf/tuf-root-staging/root.json"
	pomProperties  = "META-INF/maven/dev.sigstore/sigstore-java/pom.properties"
)

func TestPackagesOfOtherLanguages(t *testing.T) {
	v4 := "sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev/root.json"
	staging := "sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/root.json"
	for _, tt := range []struct {
		name    string
		files   map[string]string
		pattern string
		want    []string
	}{
		{"sigstore-python with its libraries", map[string]string{
			"p/site-packages/sigstore-4.5.0.dist-info/METADATA":             metadata("sigstore", "4.5.0"),
			"p/site-packages/" + v4:                                         rootDocument(15, ""),
			"p/site-packages/" + staging:                                    rootDocument(99, ""),
			"p/site-packages/tuf-7.0.0.dist-info/METADATA":                  metadata("tuf", "7.0.0"),
			"p/site-packages/securesystemslib-1.5.1.dist-info/METADATA":     "",
			"p/site-packages/cryptography-48.0.0.dist-info/METADATA":        "",
			"p/site-packages/sigstore_models-0.0.5.dist-info/METADATA":      metadata("sigstore-models", "0.0.5"),
			"p/site-packages/sigstore-rekor-types-0.0.1.dist-info/METADATA": metadata("sigstore-rekor-types", "0.0.1"),
		}, "*/site-packages", []string{
			`p/site-packages/sigstore python sigstore-python 4.5.0 (package metadata) {"pyca/cryptography":"48.0.0","python-tuf":"7.0.0","securesystemslib":"1.5.1","sigstore-python":"4.5.0"} [15] []`,
		}},
		{"sigstore-python as before 4.0, in Debian's directory", map[string]string{
			"dist-packages/sigstore-3.6.1.dist-info/METADATA": metadata("sigstore", "3.6.1"),
			"dist-packages/sigstore/_store/prod/root.json":    rootDocument(5, ""),
			"dist-packages/tuf-5.1.0.egg-info/PKG-INFO":       metadata("tuf", "5.1.0"),
		}, "dist-packages", []string{
			`dist-packages/sigstore python sigstore-python 3.6.1 (package metadata) {"python-tuf":"5.1.0","sigstore-python":"3.6.1"} [5] []`,
		}},
		{"sigstore-python as an egg, and as the oldest form of one", map[string]string{
			"a/sigstore-1.0.0-py3.11.egg-info/PKG-INFO": metadata("sigstore", "1.0.0"),
			"a/sigstore/_store/root.json":               rootDocument(5, ""),
			"b/sigstore-0.9.0.egg-info":                 metadata("Sigstore", "0.9.0"),
		}, "*", []string{
			`a/sigstore python sigstore-python 1.0.0 (package metadata) {"sigstore-python":"1.0.0"} [5] []`,
			`b/sigstore python sigstore-python 0.9.0 (package metadata) {"sigstore-python":"0.9.0"} [] []`,
		}},
		{"an update of a library that was interrupted", map[string]string{
			"s/sigstore-3.6.1.dist-info/METADATA": metadata("sigstore", "3.6.1"),
			"s/tuf-5.1.0.dist-info/METADATA":      "",
			"s/tuf-6.0.0.dist-info/METADATA":      "",
		}, "s", []string{
			`s/sigstore python sigstore-python 3.6.1 (package metadata) {"sigstore-python":"3.6.1"} [] [more than one version of python-tuf is recorded beside it]`,
		}},
		{"python-tuf alone is no Sigstore client", map[string]string{
			"s/tuf-5.1.0.dist-info/METADATA": metadata("tuf", "5.1.0"),
		}, "s", nil},
		{"npm and its own sigstore-js", map[string]string{
			"node_modules/npm/package.json":                             packageJSON("npm", "11.19.1"),
			"node_modules/npm/node_modules/@sigstore/tuf/package.json":  packageJSON("@sigstore/tuf", "4.0.2"),
			"node_modules/npm/node_modules/@sigstore/tuf/seeds.json":    seeds(14),
			"node_modules/npm/node_modules/tuf-js/package.json":         packageJSON("tuf-js", "4.1.0"),
			"node_modules/npm/node_modules/sigstore/package.json":       packageJSON("sigstore", "4.1.0"),
			"node_modules/corepack/node_modules/tuf-js/package.json":    packageJSON("tuf-js", "1.0.0"),
			"node_modules/somebody/node_modules/deep/none/package.json": packageJSON("none", "1.0.0"),
		}, "node_modules", []string{
			`node_modules/npm javascript npm 11.19.1 (package metadata) {"sigstore-js":"4.0.2","tuf-js":"4.1.0"} [14] []`,
		}},
		{"npm whose libraries are packages of their own, as in Debian", map[string]string{
			"nodejs/npm/package.json":                                   packageJSON("npm", "9.2.0"),
			"nodejs/@sigstore/tuf/package.json":                         packageJSON("@sigstore/tuf", "1.0.3"),
			"nodejs/@sigstore/tuf/store/public-good-instance-root.json": rootDocument(7, ""),
			"nodejs/tuf-js/package.json":                                packageJSON("tuf-js", "1.1.7"),
		}, "nodejs", []string{
			`nodejs/npm javascript npm 9.2.0 (package metadata) {"sigstore-js":"1.0.3","tuf-js":"1.1.7"} [7] []`,
		}},
		{"npm that has sigstore 1.0, all in one", map[string]string{
			"node_modules/npm/package.json":                                                  packageJSON("npm", "9.5.0"),
			"node_modules/npm/node_modules/sigstore/package.json":                            packageJSON("sigstore", "1.0.0"),
			"node_modules/npm/node_modules/sigstore/store/public-good-instance-root.json":    rootDocument(5, ""),
			"node_modules/npm/node_modules/sigstore/store/map.json":                          "{}",
			"node_modules/npm/node_modules/tuf-js/package.json":                              packageJSON("tuf-js", "1.0.0"),
			"node_modules/npm/node_modules/sigstore/node_modules/irrelevant/package.json":    packageJSON("irrelevant", "1.0.0"),
			"node_modules/npm/node_modules/make-fetch-happen/node_modules/tuf/package.json":  packageJSON("tuf", "1.0.0"),
			"node_modules/npm/node_modules/sigstore/node_modules/irrelevant/lib/package.txt": "",
		}, "node_modules", []string{
			`node_modules/npm javascript npm 9.5.0 (package metadata) {"tuf-js":"1.0.0"} [5] []`,
		}},
		{"npm before it had a TUF client", map[string]string{
			"node_modules/npm/package.json":                     packageJSON("npm", "9.2.0"),
			"node_modules/npm/node_modules/pacote/package.json": packageJSON("pacote", "15.0.0"),
		}, "node_modules", nil},
		{"sigstore-js in a project: hoisted, its own tuf-js, and below sigstore", map[string]string{
			"a/node_modules/@sigstore/tuf/package.json":                         packageJSON("@sigstore/tuf", "3.1.1"),
			"a/node_modules/@sigstore/tuf/seeds.json":                           seeds(12),
			"a/node_modules/tuf-js/package.json":                                packageJSON("tuf-js", "3.1.0"),
			"b/node_modules/@sigstore/tuf/package.json":                         packageJSON("@sigstore/tuf", "3.1.1"),
			"b/node_modules/@sigstore/tuf/node_modules/tuf-js/package.json":     packageJSON("tuf-js", "3.0.1"),
			"b/node_modules/tuf-js/package.json":                                packageJSON("tuf-js", "6.0.2"),
			"c/node_modules/sigstore/node_modules/@sigstore/tuf/package.json":   packageJSON("@sigstore/tuf", "2.3.4"),
			"c/node_modules/tuf-js/package.json":                                packageJSON("tuf-js", "2.2.1"),
			"d/node_modules/sigstore/package.json":                              packageJSON("sigstore", "4.1.0"),
			"e/node_modules/@sigstore/tuf/package.json":                         packageJSON("@sigstore/tuf", "3.1.1"),
			"f/node_modules/.pnpm/@sigstore+tuf@3.1.1/node_modules/x":           "",
			"f/node_modules/.pnpm/tuf-js@1.0.0/node_modules/tuf-js/package.txt": "",
		}, "*/node_modules", []string{
			`a/node_modules/@sigstore/tuf javascript sigstore-js 3.1.1 (package metadata) {"sigstore-js":"3.1.1","tuf-js":"3.1.0"} [12] []`,
			`b/node_modules/@sigstore/tuf javascript sigstore-js 3.1.1 (package metadata) {"sigstore-js":"3.1.1","tuf-js":"3.0.1"} [] []`,
			`c/node_modules/sigstore/node_modules/@sigstore/tuf javascript sigstore-js 2.3.4 (package metadata) {"sigstore-js":"2.3.4","tuf-js":"2.2.1"} [] []`,
			`e/node_modules/@sigstore/tuf javascript sigstore-js 3.1.1 (package metadata) {"sigstore-js":"3.1.1"} [] []`,
		}},
		{"sigstore-ruby", map[string]string{
			"gems/3.3.0/specifications/sigstore-0.2.1.gemspec":               "raise 'run me'",
			"gems/3.3.0/specifications/sigstore-cli-0.2.1.gemspec":           "",
			"gems/3.3.0/specifications/sigstore-0.2.3-java.gemspec":          "",
			"gems/3.3.0/gems/sigstore-0.2.1/data/_store/prod/root.json":      rootDocument(10, ""),
			"gems/3.3.0/gems/sigstore-0.2.3-java/data/_store/prod/root.json": rootDocument(11, ""),
		}, "gems/*/specifications", []string{
			`gems/3.3.0/specifications/sigstore-0.2.1.gemspec ruby sigstore-ruby 0.2.1 (file name) {"sigstore-ruby":"0.2.1"} [10] []`,
			`gems/3.3.0/specifications/sigstore-0.2.3-java.gemspec ruby sigstore-ruby 0.2.3 (file name) {"sigstore-ruby":"0.2.3"} [11] []`,
		}},
		{"sigstore-java as Maven and Gradle keep it", map[string]string{
			"m2/dev/sigstore/sigstore-java/2.1.0/sigstore-java-2.1.0.jar":                                           jar(t, map[string]string{updaterClass: "", jarRoot: rootDocument(10, ""), jarStagingRoot: rootDocument(99, "")}),
			"m2/dev/sigstore/sigstore-java/2.1.0/sigstore-java-2.1.0-sources.jar":                                   jar(t, map[string]string{updaterClass: ""}),
			"m2/dev/sigstore/sigstore-java/maven-metadata-local.xml":                                                "<x/>",
			"g/dev.sigstore/sigstore-java/1.3.0/0123456789012345678901234567890123456789/sigstore-java-1.3.0.jar":   jar(t, map[string]string{updaterClass: ""}),
			"g/dev.sigstore/sigstore-java/1.3.0/012345678901234567890123456789012345678/sigstore-java-1.3.0.pom":    "",
			"g/dev.sigstore/sigstore-java/1.3.0/not-a-hash/sigstore-java-1.3.0.jar":                                 jar(t, map[string]string{updaterClass: ""}),
			"g/dev.sigstore/sigstore-java/1.3.0/0123456789012345678901234567890123456780/sigstore-java-1.3.0-x.txt": "",
		}, "*/{dev/sigstore,dev.sigstore}/sigstore-java", []string{
			`g/dev.sigstore/sigstore-java/1.3.0/0123456789012345678901234567890123456789/sigstore-java-1.3.0.jar java sigstore-java 1.3.0 (file name) {"sigstore-java":"1.3.0"} [] []`,
			`m2/dev/sigstore/sigstore-java/2.1.0/sigstore-java-2.1.0.jar java sigstore-java 2.1.0 (file name) {"sigstore-java":"2.1.0"} [10] []`,
		}},
		{"sigstore-java by what its jar says, and packed into another", map[string]string{
			"lib/sigstore-java.jar":      jar(t, map[string]string{updaterClass: "", pomProperties: "#made\nversion=1.1.0\ngroupId=dev.sigstore\n"}),
			"lib/app-sigstore-all.jar":   jar(t, map[string]string{updaterClass: "", jarRoot: rootDocument(10, "")}),
			"lib/sigstore-java-9.jar":    jar(t, map[string]string{"other.class": ""}),
			"lib/other.jar":              jar(t, map[string]string{updaterClass: ""}),
			"lib/sigstore-java-8.0.jar":  "no archive",
			"lib/sigstore-java-7.0.jar":  "",
			"lib/sigstore-java-6.jar/un": "",
		}, "lib", []string{
			`lib/app-sigstore-all.jar java sigstore-java  () {"sigstore-java":""} [10] []`,
			`lib/sigstore-java.jar java sigstore-java 1.1.0 (package metadata) {"sigstore-java":"1.1.0"} [] []`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := packages(t, tree(t, tt.files), client.FindOptions{}, tt.pattern)
			if len(errs) > 0 {
				t.Error(errs)
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestAPackageIsListedOnceHoweverItIsNamed(t *testing.T) {
	dir := tree(t, map[string]string{
		"a/node_modules/.pnpm/@sigstore+tuf@3.1.1/node_modules/@sigstore/tuf/package.json": packageJSON("@sigstore/tuf", "3.1.1"),
		"a/node_modules/.pnpm/@sigstore+tuf@3.1.1/node_modules/tuf-js/package.json":        packageJSON("tuf-js", "3.1.0"),
		"b/site-packages/sigstore-4.5.0.dist-info/METADATA":                                metadata("sigstore", "4.5.0"),
		"b/site-packages/tuf-7.0.0.dist-info/METADATA":                                     "",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, step := range []error{
		os.Mkdir(at("a/node_modules/@sigstore"), 0o755),
		os.Symlink("../.pnpm/@sigstore+tuf@3.1.1/node_modules/@sigstore/tuf", at("a/node_modules/@sigstore/tuf")),
		os.Symlink("b", at("linked")),
		// Installers link the same file into many environments: those are two clients.
		os.MkdirAll(at("c/site-packages/sigstore-4.5.0.dist-info"), 0o755),
		os.Link(at("b/site-packages/sigstore-4.5.0.dist-info/METADATA"), at("c/site-packages/sigstore-4.5.0.dist-info/METADATA")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	got, errs := packages(t, dir, client.FindOptions{Cache: client.NewScanCache()}, "a/node_modules", "*/site-packages", "linked/site-packages", "b/site-packages")
	want := []string{
		`a/node_modules/@sigstore/tuf javascript sigstore-js 3.1.1 (package metadata) {"sigstore-js":"3.1.1","tuf-js":"3.1.0"} [] []`,
		`b/site-packages/sigstore python sigstore-python 4.5.0 (package metadata) {"python-tuf":"7.0.0","sigstore-python":"4.5.0"} [] []`,
		`c/site-packages/sigstore python sigstore-python 4.5.0 (package metadata) {"sigstore-python":"4.5.0"} [] []`,
	}
	if len(errs) > 0 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\n%v", strings.Join(got, "\n"), errs)
	}
}

func TestALibraryIsLookedUpAgainEveryTime(t *testing.T) {
	dir := tree(t, map[string]string{
		"s/sigstore-3.6.7.dist-info/METADATA":             metadata("sigstore", "3.6.7"),
		"s/securesystemslib-1.5.0.dist-info/METADATA":     "",
		"node_modules/@sigstore/tuf/package.json":         packageJSON("@sigstore/tuf", "3.1.1"),
		"node_modules/tuf-js/package.json":                packageJSON("tuf-js", "3.0.1"),
		"node_modules/@sigstore/tuf/seeds.json":           seeds(12),
		"node_modules/@sigstore/protobuf-specs/README.md": "",
	})
	o := client.FindOptions{Cache: client.NewScanCache()}
	before, _ := packages(t, dir, o, "s", "node_modules")
	if err := os.Rename(filepath.Join(dir, "s/securesystemslib-1.5.0.dist-info"), filepath.Join(dir, "s/securesystemslib-1.5.1.dist-info")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node_modules/tuf-js/package.json"), []byte(packageJSON("tuf-js", "6.0.2")), 0o600); err != nil {
		t.Fatal(err)
	}
	after, _ := packages(t, dir, o, "s", "node_modules")
	for i, change := range []struct{ from, to string }{{"3.0.1", "6.0.2"}, {"1.5.0", "1.5.1"}} {
		if want := strings.Replace(before[i], change.from, change.to, 1); after[i] != want || after[i] == before[i] {
			t.Errorf("after the update %q, want %q", after[i], want)
		}
	}
}

func TestHostilePackagesAreHarmless(t *testing.T) {
	huge := strings.Repeat("x", 2<<20)
	dir := tree(t, map[string]string{
		"a/node_modules/@sigstore/tuf/package.json":       packageJSON("@sigstore/tuf", "3.1.1\x1b[2J"),
		"b/node_modules/@sigstore/tuf/package.json":       huge,
		"c/node_modules/@sigstore/tuf/package.json":       packageJSON("tuf", "1.0.0"),
		"d/node_modules/@sigstore/tuf/package.json":       packageJSON("@sigstore/tuf", "3.1.1"),
		"d/node_modules/@sigstore/tuf/seeds.json":         `{"https://tuf-repo-cdn.sigstore.dev":{"root.json":"` + huge + `"}}`,
		"e/sigstore-1.0.dist-info/METADATA":               metadata("sigstore", "\x1b[2J"),
		"f/sigstore-1.0.dist-info/METADATA":               metadata("other", "1.0"),
		"g/sigstore-2.0.dist-info/METADATA":               huge,
		"h/sigstore-java-1.0.jar":                         jar(t, map[string]string{updaterClass: "", jarRoot: strings.Repeat(" ", 4<<20) + rootDocument(1, "")}),
		"i/sigstore-\x1b[2J1.dist-info/METADATA":          metadata("sigstore", "1.0"),
		"k/sigstore-1.0.gemspec/is/a/directory":           "",
		"l/sigstore-java-1.0.jar":                         strings.Repeat("PK\x01\x02", 1<<20),
		"m/sigstore-3.0.dist-info/METADATA":               metadata("sigstore", "3.0.0"),
		"m/sigstore/_store/prod/root.json/not/a/file":     "",
		"n/node_modules/npm/package.json":                 packageJSON("npm", "11.0.0"),
		"n/node_modules/npm/node_modules/@sigstore/x.txt": "",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, step := range []error{
		os.Mkdir(at("fifo"), 0o755), os.Mkdir(at("fifo/sigstore-1.0.dist-info"), 0o755),
		syscall.Mkfifo(at("fifo/sigstore-1.0.dist-info/METADATA"), 0o600),
		syscall.Mkfifo(at("fifo/sigstore-java-1.0.jar"), 0o600),
		syscall.Mkfifo(at("fifo/sigstore-1.0.gemspec"), 0o600),
		os.MkdirAll(at("fifo/node_modules/@sigstore/tuf"), 0o755),
		syscall.Mkfifo(at("fifo/node_modules/@sigstore/tuf/package.json"), 0o600),
		syscall.Mkfifo(at("m/sigstore/_store/root.json"), 0o600),
		os.Symlink("loop", at("loop")), os.Symlink(".", at("self")),
		os.MkdirAll(at("o/node_modules/@sigstore"), 0o755), os.Symlink("tuf", at("o/node_modules/@sigstore/tuf")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		got, errs := packages(t, dir, client.FindOptions{}, "*", "*/node_modules", "self/self/*", "loop", "**/node_modules")
		want := []string{
			`d/node_modules/@sigstore/tuf javascript sigstore-js 3.1.1 (package metadata) {"sigstore-js":"3.1.1"} [] []`,
			`h/sigstore-java-1.0.jar java sigstore-java 1.0 (file name) {"sigstore-java":"1.0"} [] []`,
			`m/sigstore python sigstore-python 3.0.0 (package metadata) {"sigstore-python":"3.0.0"} [] []`,
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
		var all []string
		for _, err := range errs {
			all = append(all, err.Error())
			if strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("unquoted: %q", err)
			}
		}
		told := strings.Join(all, "\n")
		for _, part := range []string{`e/sigstore": "\x1b[2J" is not a version`, `larger than 1048576 bytes`} {
			if !strings.Contains(told, part) {
				t.Errorf("errors lack %s:\n%s", part, told)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("something is waited for")
	}
}

// TestNotesComeInOneOrder: a report that differs from the last in the order of its
// notes would be a change that is none.
func TestNotesComeInOneOrder(t *testing.T) {
	files := map[string]string{"sp/sigstore-3.6.2.dist-info/METADATA": "Name: sigstore\nVersion: 3.6.2\n"}
	for _, name := range []string{"tuf", "securesystemslib", "cryptography"} {
		for _, version := range []string{"1.0.0", "2.0.0"} {
			files["sp/"+name+"-"+version+".dist-info/METADATA"] = ""
		}
	}
	dir := tree(t, files)
	for range 20 {
		found, errs := client.Find(t.Context(), client.FindOptions{Packages: []string{filepath.Join(dir, "sp")}, Model: loadModel(t)})
		if len(errs) != 0 || len(found) != 1 || len(found[0].Notes) != 3 || !slices.IsSorted(found[0].Notes) {
			t.Fatalf("found %+v, %v", found, errs)
		}
	}
}

// TestAFIFOInPlaceOfADirectoryHoldsNothingUp puts pipes where directories of
// packages are: opening one waits for a writer that never comes.
func TestAFIFOInPlaceOfADirectoryHoldsNothingUp(t *testing.T) {
	dir := tree(t, map[string]string{"sigstore-java/2.0.0/sigstore-java-2.0.0.jar": "no archive", "node_modules/x": ""})
	for _, name := range []string{"sigstore-java/1.0.0", "sigstore-java/2.0.0/" + strings.Repeat("a", 40), "node_modules/.pnpm"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if got, _ := packages(t, dir, client.FindOptions{}, "*"); len(got) != 0 {
			t.Errorf("found %q", got)
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute): // it waits for ever, or not at all
		t.Fatal("waits for somebody to write into a FIFO")
	}
}

func TestPackagesCanBeExcluded(t *testing.T) {
	dir := tree(t, map[string]string{
		"a/sigstore-1.0.dist-info/METADATA": metadata("sigstore", "1.0"),
		"b/sigstore-1.0.dist-info/METADATA": metadata("sigstore", "1.0"),
		"c/sigstore-1.0.dist-info/METADATA": metadata("sigstore", "1.0"),
	})
	got, _ := packages(t, dir, client.FindOptions{Exclude: []string{filepath.Join(dir, "a"), filepath.Join(dir, "b/**")}}, "*")
	if len(got) != 1 || !strings.HasPrefix(got[0], "c/") {
		t.Errorf("got %q", got)
	}
	if _, errs := packages(t, "", client.FindOptions{}, "relative/*"); len(errs) != 1 || !strings.Contains(errs[0].Error(), "not an absolute path") {
		t.Errorf("a relative pattern: %v", errs)
	}
}

// TestDirectoriesAreNotWalked holds that names are looked up: what lies deeper
// than any installer puts it is not found, so thousands of packages cost nothing.
func TestDirectoriesAreNotWalked(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("p%d/node_modules/x/y/@sigstore/tuf/package.json", i)] = `{"name": "@sigstore/tuf", "version": "4.0.0"}`
	}
	files["here/node_modules/@sigstore/tuf/package.json"] = `{"name": "@sigstore/tuf", "version": "4.0.0"}`
	got, errs := packages(t, tree(t, files), client.FindOptions{}, "*/node_modules")
	if len(got) != 1 || len(errs) > 0 {
		t.Errorf("%q, %v; only the one that is in its place should be found", got, errs)
	}
}

// TestTheNpmOfThisHost reads a real one, where there is one.
func TestTheNpmOfThisHost(t *testing.T) {
	const dir = "/usr/lib/node_modules"
	if _, err := os.Stat(filepath.Join(dir, "npm/node_modules/@sigstore/tuf")); err != nil {
		t.Skip("no npm with a TUF client here")
	}
	found, errs := client.Find(t.Context(), client.FindOptions{Packages: []string{dir}, Model: loadModel(t)})
	if len(found) != 1 || len(errs) > 0 {
		t.Fatalf("%v %v", found, errs)
	}
	c := found[0]
	t.Log(tell(c))
	if c.Name != "npm" || c.Libraries[client.SigstoreJS] == "" || c.Libraries[client.TUFJS] == "" || len(c.EmbeddedRoots) != 1 {
		t.Error(tell(c))
	}
	if r := c.EmbeddedRoots[0]; r.Version < 9 || r.Expires.IsZero() {
		t.Errorf("root %d, %v", r.Version, r.Expires)
	}
}
