// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

func rootDocument(version int, more string) string {
	return fmt.Sprintf(`{"signed": {"_type": "root", "version": %d, "expires": "2025-08-19T14:33:09Z", "keys": {"a": {}}, "roles": {"root": {}}%s}, "signatures": []}`, version, more)
}

func TestVersionIsFoundByTheSurestSource(t *testing.T) {
	const commit = "8faaee4d2b5f65678eb0831a8a3d5990a0271d3a" // cosign 2.0.1
	devel := cosign201("(devel)")
	for _, tt := range []struct {
		name            string
		info            string
		payload         string
		version, source string
	}{
		{"installed as a module", cosign201("v2.0.1"), "", "v2.0.1", "main module"},
		{"built from a clean tag", cosign201("v2.0.1"), commit, "v2.0.1", "main module"},
		{"a modified checkout", cosign201("v2.0.2-0.20230406000000-8faaee4d2b5f+dirty") + modinfo("build\tvcs.revision="+commit, "build\tvcs.modified=true"), "", "v2.0.1", "vcs.revision"},
		{"a checkout of no release", cosign201("v2.0.2-0.20230406000000-aaaaaaaaaaaa"), "", "v2.0.2-0.20230406000000-aaaaaaaaaaaa", "main module"},
		{"linker flags", devel + modinfo(`build	-ldflags="-s -w -X sigs.k8s.io/release-utils/version.gitVersion=v2.0.1 -X sigs.k8s.io/release-utils/version.gitCommit=`+commit+`"`), "", "v2.0.1", "ldflags"},
		{"another variable called version", devel + modinfo(`build	-ldflags="-X main.version=2.0.1-r6"`), "", "2.0.1-r6", "ldflags"},
		{"the release commit as text", devel, "xx" + commit + "beef", "v2.0.1", "release commit"},
		{"the commits of two releases", devel, commit + " d6b9001f8e6ed745fb845849d623274c897d55f2", "v2.0.1", "unique match of libraries"},
		{"nothing but libraries", devel, "", "v2.0.1", "unique match of libraries"},
		{"libraries that many releases share", strings.Replace(devel, "v1.6.1", "v1.5.1", 1), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := read(t, program(tt.info, fnLegacy, fnSigstore, tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != "cosign" || c.Version != tt.version || c.VersionSource != tt.source {
				t.Errorf("got %s %q by %q, want cosign %q by %q (notes %q)", c.Name, c.Version, c.VersionSource, tt.version, tt.source, c.Notes)
			}
		})
	}
}

func TestLibrariesAndFunctions(t *testing.T) {
	for _, tt := range []struct {
		name      string
		info      string
		payload   []string
		want      string // name
		libraries map[string]string
		linked    client.Linked
	}{
		{
			"go-tuf itself is the main module",
			modinfo("path\tgithub.com/theupdateframework/go-tuf/cmd/tuf-client", "mod\tgithub.com/theupdateframework/go-tuf\tv0.5.2\t", "dep\texample.com/x\tv1.0.0\t"),
			[]string{fnLegacy}, "tuf-client", map[string]string{"go-tuf": "v0.5.2"}, client.Linked{LegacyTUF: true},
		},
		{
			"another program, under its module path",
			modinfo("path\texample.com/tool", "mod\texample.com/tool\tv1.0.0\t", "dep\tgithub.com/theupdateframework/go-tuf/v2\tv2.4.2\t", "dep\tgithub.com/sigstore/sigstore-go\tv1.2.1\t"),
			[]string{fnV2, fnSigstoreGo}, "example.com/tool", map[string]string{"go-tuf/v2": "v2.4.2", "sigstore-go": "v1.2.1"}, client.Linked{TUFv2: true, SigstoreGo: true},
		},
		{
			"a replacement counts in place of what it replaces",
			modinfo("path\texample.com/tool", "mod\texample.com/tool\tv1.0.0\t", "dep\tgithub.com/theupdateframework/go-tuf\tv0.5.2\t", "=>\texample.com/fork\tv0.7.0\th1:x"),
			[]string{fnLegacy, fnHex}, "example.com/tool", map[string]string{"go-tuf": "v0.7.0"}, client.Linked{LegacyTUF: true, HexVerifier: true},
		},
		{
			"a replacement by a directory has no version",
			modinfo("path\texample.com/tool", "mod\texample.com/tool\tv1.0.0\t", "dep\tgithub.com/theupdateframework/go-tuf\tv0.5.2\t", "=>\t../go-tuf\t(devel)\t"),
			[]string{fnLegacy}, "example.com/tool", map[string]string{"go-tuf": "(devel)"}, client.Linked{LegacyTUF: true},
		},
		{
			"no module information at all",
			modinfo("path\tcommand-line-arguments"),
			[]string{fnV2}, "command-line-arguments", map[string]string{}, client.Linked{TUFv2: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := read(t, program(tt.info, tt.payload...))
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != tt.want || !maps.Equal(c.Libraries, tt.libraries) || c.Linked != tt.linked {
				t.Errorf("got %q %v %+v", c.Name, c.Libraries, c.Linked)
			}
			if strings.Contains(tt.info, "=>") != (len(c.Notes) == 1 && strings.Contains(c.Notes[0], "is replaced by")) {
				t.Errorf("notes %q", c.Notes)
			}
		})
	}
}

func TestWhatIsNoClient(t *testing.T) {
	dep := modinfo("path\texample.com/tool", "mod\texample.com/tool\tv1.0.0\t", "dep\tgithub.com/theupdateframework/go-tuf\tv0.5.2\t")
	for name, data := range map[string][]byte{
		"a dependency on go-tuf without its client":        program(dep, "nothing"),
		"a text that mentions a function of the client":    program(dep, "see "+strings.Trim(fnLegacy, "\x00")+" there"),
		"a text that ends with one":                        program(dep, "see "+strings.TrimLeft(fnLegacy, "\x00")),
		"a function whose name only begins like the proof": program(dep, strings.TrimSuffix(fnLegacy, "\x00")+"Now\x00"),
		"a Go program without TUF libraries":               program(modinfo("path\tx", "mod\tx\tv1.0.0\t", "dep\ty\tv1.0.0\t"), fnLegacy),
		"a script":                                         []byte("#!/bin/sh\n" + fnLegacy),
		"an empty file":                                    nil,
		"an ELF header only":                               program(dep)[:64],
		"a truncated one":                                  program(dep)[:150],
	} {
		if _, err := read(t, data); !errors.Is(err, client.ErrNotClient) {
			t.Errorf("%s: got error %v, want ErrNotClient", name, err)
		}
	}
	if _, err := client.Read(t.TempDir(), loadModel(t), 0); !errors.Is(err, client.ErrNotClient) {
		t.Errorf("a directory: %v", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(fifo, loadModel(t), 0); !errors.Is(err, client.ErrNotClient) { // and does not wait for a writer
		t.Errorf("a FIFO: %v", err)
	}
}

func TestTooLargeFileIsReported(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "big"), program(cosign201("v2.0.1"), fnLegacy))
	var large *client.TooLargeError
	if _, err := client.Read(path, loadModel(t), 100); !errors.As(err, &large) || large.Max != 100 {
		t.Errorf("got %v", err)
	}
	script := write(t, filepath.Join(t.TempDir(), "script"), []byte("#!"+strings.Repeat("x", 200)))
	if _, err := client.Read(script, loadModel(t), 100); !errors.Is(err, client.ErrNotClient) {
		t.Errorf("a large file that is no program: %v", err)
	}
}

// TestALargeFileIsNotHeldInMemory reads a sparse file whose end holds
// what is looked for.
func TestALargeFileIsNotHeldInMemory(t *testing.T) {
	const size = 128 << 20
	path := write(t, filepath.Join(t.TempDir(), "sparse"), program(cosign201("v2.0.1")))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(fnLegacy+rootDocument(7, "")), size-1000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	m := loadModel(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := client.Read(path, m, 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/8 {
		t.Errorf("allocated %d bytes", allocated)
	}
	if !c.Linked.LegacyTUF || len(c.EmbeddedRoots) != 1 {
		t.Errorf("found %+v", c)
	}
}

func TestEmbeddedRootsAreFound(t *testing.T) {
	published, err := os.ReadFile(filepath.Join("testdata", "12.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	info := cosign201("v2.0.1")
	versions := func(c client.Client) (v []int64) {
		for _, r := range c.EmbeddedRoots {
			v = append(v, r.Version)
		}
		return v
	}
	many := []string{fnLegacy}
	for v := range 20 {
		many = append(many, rootDocument(v+1, ""))
	}
	for _, tt := range []struct {
		name    string
		payload []string
		want    []int64
		note    bool
	}{
		{"one, as published", []string{fnLegacy, "junk{" + string(published) + "\n\n}junk"}, []int64{12}, false},
		{"several, and one twice", []string{fnLegacy, rootDocument(14, ""), string(published), rootDocument(14, ""), rootDocument(9, "")}, []int64{9, 12, 14}, false},
		{"on the border of two chunks", []string{fnLegacy, strings.Repeat("x", 1<<20-800), rootDocument(5, `,"x":"`+strings.Repeat("y", 400)+`"`)}, []int64{5}, false},
		{"other metadata and texts about it", []string{fnLegacy, `{"signed":{"_type":"targets"}}`, `"_type": "root"`, `{"signed":{"_type":"root"`, rootDocument(0, ""), `{"signed":{"_type":"root","version":3,"expires":"soon","keys":{"a":{}},"roles":{"a":{}}},"signatures":[]}`}, nil, false},
		{"more than are kept", many, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, true},
		{"a file made of beginnings of roots", []string{fnLegacy, strings.Repeat(`{"signed":{"_type":"root",`, 10_000)}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := read(t, program(info, tt.payload...))
			if err != nil {
				t.Fatal(err)
			}
			if got := versions(c); !slices.Equal(got, tt.want) {
				t.Errorf("got roots %v, want %v", got, tt.want)
			}
			if tt.note != slices.Contains(c.Notes, "holds more root documents than are read") {
				t.Errorf("notes %q", c.Notes)
			}
		})
	}
	c, err := read(t, program(info, fnLegacy, string(published)))
	if err != nil {
		t.Fatal(err)
	}
	m := loadModel(t)
	known, ok := m.PublicRoot(c.EmbeddedRoots[0].SHA256, "")
	if !ok || known.Version != 12 || !known.Expires.Equal(c.EmbeddedRoots[0].Expires) {
		t.Errorf("root 12 is not recognised as the public one: %v %v", known, ok)
	}
}

func TestRootIsRecognisedWithItsLastNewline(t *testing.T) {
	const with, without = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	r := client.EmbeddedRoot{SHA256: without, Raw: []byte("a")}
	for sum, want := range map[string]bool{without: true, strings.ToUpper(without): true, with: true, "": false, strings.Repeat("0", 64): false} {
		if r.Is(sum, "") != want {
			t.Errorf("Is(%q) = %v, want %v", sum, !want, want)
		}
	}
	if (client.EmbeddedRoot{}).Is("", "") {
		t.Error("nothing is nothing's digest")
	}
}
