// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// workspace makes a module that is called like cosign and links the TUF client of
// this module's own go-tuf, with modules of ours in the place of others.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gomod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	gosum, err := os.ReadFile(filepath.Join("..", "..", "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(filepath.Join("testdata", "12.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	put("go.mod", strings.Replace(string(gomod), "module github.com/tufkeeper/tufkeeper", "module github.com/sigstore/cosign/v2", 1)+`
require (
	sigs.k8s.io/release-utils v0.8.1
	github.com/theupdateframework/go-tuf v0.7.0
)
replace (
	sigs.k8s.io/release-utils => ./release-utils
	github.com/theupdateframework/go-tuf => ./go-tuf
)
`)
	put("go.sum", string(gosum))
	put("release-utils/go.mod", "module sigs.k8s.io/release-utils\n")
	put("release-utils/version/version.go", "package version\n\nvar gitVersion = \"devel\"\n\nfunc Get() string { return gitVersion }\n")
	put("go-tuf/go.mod", "module github.com/theupdateframework/go-tuf\n")
	put("go-tuf/client/client.go", "package client\n\ntype Client struct{ N int }\n\n//go:noinline\nfunc (c *Client) Update() int { c.N++; return c.N }\n")
	put("root.json", string(root))
	put("cmd/client/root.json", string(root))
	put("cmd/client/main.go", `package main

import (
	_ "embed"
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
	"sigs.k8s.io/release-utils/version"
)

//go:embed root.json
var root []byte

func main() {
	cfg, err := config.New("https://example.invalid", root)
	if err != nil {
		panic(err)
	}
	up, err := updater.New(cfg)
	if err != nil {
		panic(err)
	}
	fmt.Println(version.Get(), up.Refresh())
}
`)
	put("cmd/parser/main.go", `package main

import (
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// It reads metadata, and mentions the function of a client.
func main() {
	fmt.Println(metadata.Root(), "github.com/theupdateframework/go-tuf/v2/metadata/updater.(*Updater).Refresh")
}
`)
	put("cmd/old/main.go", `package main

import (
	"fmt"

	"github.com/theupdateframework/go-tuf/client"
)

func main() {
	var c client.Client
	fmt.Println(c.Update())
}
`)
	return dir
}

// buildPackage builds ./cmd/pkg of a workspace and returns the program's path.
func buildPackage(t *testing.T, dir, pkg string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-mod=mod", "-o", out}, flags...), "./cmd/"+pkg)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, text)
	}
	return out
}

// TestRealBuilds builds Go programs in the ways that cosign is built in, and
// reads them back.
func TestRealBuilds(t *testing.T) {
	dir := workspace(t)
	m := loadModel(t)
	build := func(t *testing.T, pkg string, flags ...string) (client.Client, error) {
		t.Helper()
		return client.Read(buildPackage(t, dir, pkg, flags...), m, 0)
	}
	const stamp = "-X sigs.k8s.io/release-utils/version.gitVersion=v2.6.4"
	for _, tt := range []struct {
		name            string
		flags           []string
		version, source string
	}{
		{"plain", nil, "", ""},
		{"with linker flags", []string{"-ldflags=" + stamp}, "v2.6.4", "ldflags"},
		{"trimmed, with linker flags, which are then not recorded", []string{"-trimpath", "-ldflags=" + stamp}, "v2.6.4", "symbol"},
		{"trimmed and stripped", []string{"-trimpath", "-ldflags=-s -w " + stamp}, "", ""},
		{"trimmed and stripped, with a release commit in it", []string{"-trimpath", "-ldflags=-s -w -X sigs.k8s.io/release-utils/version.gitVersion=26261f05411d5552949ee1d97df1f8e55ec0e13d"}, "v2.6.4", "release commit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := build(t, "client", tt.flags...)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != "cosign" || c.Version != tt.version || c.VersionSource != tt.source {
				t.Errorf("%s %q by %q, want cosign %q by %q", c.Name, c.Version, c.VersionSource, tt.version, tt.source)
			}
			if v := c.Libraries[client.GoTUFv2]; !strings.HasPrefix(v, "v2.") || c.Libraries[client.GoTUF] != "" || c.Linked != (client.Linked{TUFv2: true}) {
				t.Errorf("libraries %v, linked %+v", c.Libraries, c.Linked)
			}
			if len(c.EmbeddedRoots) != 1 || c.EmbeddedRoots[0].Version != 12 {
				t.Fatalf("roots %+v", c.EmbeddedRoots)
			}
			if _, ok := m.PublicRoot(c.EmbeddedRoots[0].SHA256, ""); !ok {
				t.Error("root 12 is not recognised")
			}
		})
	}
	t.Run("a dependency without its client", func(t *testing.T) {
		if c, err := build(t, "parser"); err == nil {
			t.Errorf("taken for a client: %+v", c)
		}
	})
	t.Run("a replaced library, stripped", func(t *testing.T) {
		c, err := build(t, "old", "-trimpath", "-ldflags=-s -w")
		if err != nil {
			t.Fatal(err)
		}
		if c.Linked != (client.Linked{LegacyTUF: true}) || c.Libraries[client.GoTUF] != "(devel)" || !strings.Contains(strings.Join(c.Notes, ""), `replaced by "./go-tuf`) {
			t.Errorf("got %+v", c)
		}
		if a := m.Capabilities(c).Can(client.Legacy, client.KeyTypeECDSA); a != client.Maybe {
			t.Errorf("what an unknown version can is %v", a)
		}
	})
}
