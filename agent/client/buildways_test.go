// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// module writes the files of a module, named by their paths, and returns its directory.
func module(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Of every library no more than what links a client: the function that proves it.
const (
	goTUFSource = "package client\n\ntype Client struct{ N int }\n\n//go:noinline\nfunc (c *Client) Update() int { c.N++; return c.N }\n"
	mainSource  = "package main\n\nimport \"github.com/theupdateframework/go-tuf/client\"\n\nfunc main() { println(new(client.Client).Update()) }\n"
)

func run(t testing.TB, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOTOOLCHAIN=local",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.invalid",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.invalid", "GIT_AUTHOR_DATE=2024-05-06T07:08:09Z", "GIT_COMMITTER_DATE=2024-05-06T07:08:09Z")
	cmd.Env = append(cmd.Env, env...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return strings.TrimSpace(string(text))
}

// builder builds small programs, all of them a client called gitsign.
type builder struct {
	*testing.T
	base  string   // holds a proxy of modules
	proxy []string // the environment that uses it
}

const gitsignModule = "module github.com/sigstore/gitsign\n\nrequire github.com/theupdateframework/go-tuf v0.7.0\n"

func (b *builder) at(elem ...string) string {
	return filepath.Join(append([]string{b.base}, elem...)...)
}

// serve puts a module into the proxy.
func (b *builder) serve(path, version string, files map[string]string) {
	b.Helper()
	to := b.at("proxy", path, "@v")
	module(b.T, to, map[string]string{version + ".mod": files["go.mod"], version + ".info": `{"Version":"` + version + `"}`})
	list, err := os.ReadFile(filepath.Join(to, "list"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	module(b.T, to, map[string]string{"list": string(list) + version + "\n"})
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for name, text := range files {
		w, err := z.Create(path + "@" + version + "/" + name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			b.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	module(b.T, to, map[string]string{version + ".zip": archive.String()})
}

// with is the client, with more in its go.mod.
func with(more string) map[string]string {
	return map[string]string{"go.mod": gitsignModule + more, "main.go": mainSource}
}

func (b *builder) source(files map[string]string) string {
	b.Helper()
	dir := b.TempDir()
	module(b.T, dir, files)
	return dir
}

// checkout is the client in a repository of its own.
func (b *builder) checkout(dirty, tag bool) string {
	b.Helper()
	dir := b.source(with(""))
	run(b.T, dir, b.proxy, "go", "mod", "tidy")
	run(b.T, dir, nil, "git", "init", "-q")
	run(b.T, dir, nil, "git", "add", ".")
	run(b.T, dir, nil, "git", "commit", "-q", "-m", "x")
	if tag {
		run(b.T, dir, nil, "git", "tag", "v0.14.0")
	}
	if dirty {
		module(b.T, dir, map[string]string{"more.go": "package main\n"})
	}
	return dir
}

func (b *builder) build(dir string, env []string, flags ...string) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), "program")
	run(b.T, dir, slices.Concat(b.proxy, env), "go", append(append([]string{"build", "-o", out}, flags...), ".")...)
	return out
}

func (b *builder) install(what string) string {
	b.Helper()
	run(b.T, b.base, slices.Concat(b.proxy, []string{"GOBIN=" + b.at("bin"), "GOFLAGS=-modcacherw"}), "go", "install", what)
	name, _, _ := strings.Cut(filepath.Base(what), "@")
	return b.at("bin", name)
}

// change rewrites a program.
func (b *builder) change(program string, how func(data []byte) []byte) string {
	b.Helper()
	data, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	return write(b.T, program, how(data))
}

// TestWaysOfBuilding builds a small client in every way that Go has, and reads
// what each leaves in the program.
func TestWaysOfBuilding(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	m := loadModel(t)
	b := &builder{T: t, base: t.TempDir()}
	goTUF := map[string]string{"go.mod": "module github.com/theupdateframework/go-tuf\n", "client/client.go": goTUFSource}
	b.serve("github.com/theupdateframework/go-tuf", "v0.7.0", goTUF)
	b.serve("github.com/theupdateframework/go-tuf", "v0.5.2-0.20220930112810-3890c1e7ace4", goTUF)
	b.serve("github.com/theupdateframework/go-tuf", "v0.6.1", map[string]string{"go.mod": goTUF["go.mod"], "client/client.go": goTUFSource, "cmd/tuf-client/main.go": mainSource})
	b.serve("example.com/fork", "v0.6.1", map[string]string{"go.mod": "module example.com/fork\n", "client/client.go": goTUFSource})
	b.serve("github.com/sigstore/gitsign", "v0.13.0", with(""))
	b.proxy = []string{"GOPROXY=file://" + b.at("proxy"), "GOFLAGS=-mod=mod -modcacherw", "GOMODCACHE=" + b.at("cache")}

	const stamp = "-ldflags=-X github.com/sigstore/gitsign/pkg/version.gitVersion=v0.13.9"
	stamped := with("")
	stamped["pkg/version/version.go"] = "package version\n\nvar gitVersion = \"devel\"\n\nfunc Get() string { return gitVersion }\n"
	stamped["main.go"] = strings.Replace(strings.Replace(mainSource, "import ", "import \"github.com/sigstore/gitsign/pkg/version\"\nimport ", 1), "println(", "println(version.Get(), ", 1)
	vcs := []string{"GOFLAGS=-mod=mod -modcacherw -buildvcs=true"}

	for _, tt := range []struct {
		name            string
		program         func(b *builder) string
		version, source string
		library         string
		note            string
	}{
		{"go install module@version", func(b *builder) string {
			return b.install("github.com/sigstore/gitsign@v0.13.0")
		}, "v0.13.0", "main module", "v0.7.0", ""},
		{"go install of the library's own client", func(b *builder) string {
			return b.install("github.com/theupdateframework/go-tuf/cmd/tuf-client@v0.6.1")
		}, "v0.6.1", "main module", "v0.6.1", ""},
		{"go build", func(b *builder) string { return b.build(b.source(with("")), nil) }, "", "", "v0.7.0", ""},
		{"go build -buildvcs=false of a checkout", func(b *builder) string {
			return b.build(b.checkout(false, true), []string{"GOFLAGS=-mod=mod -modcacherw -buildvcs=false"})
		}, "", "", "v0.7.0", ""},
		{"go build -trimpath", func(b *builder) string { return b.build(b.source(with("")), nil, "-trimpath") }, "", "", "v0.7.0", ""},
		{"go build -ldflags -X", func(b *builder) string { return b.build(b.source(stamped), nil, stamp) }, "v0.13.9", "ldflags", "v0.7.0", ""},
		{"go build -trimpath -ldflags -X", func(b *builder) string { return b.build(b.source(stamped), nil, stamp, "-trimpath") }, "v0.13.9", "symbol", "v0.7.0", ""},
		{"go build -trimpath -ldflags -X -s -w", func(b *builder) string { return b.build(b.source(stamped), nil, stamp+" -s -w", "-trimpath") }, "", "", "v0.7.0", ""},
		{"go build main.go", func(b *builder) string {
			dir, out := b.source(with("")), filepath.Join(b.TempDir(), "program")
			run(b.T, dir, b.proxy, "go", "build", "-o", out, "main.go")
			return out
		}, "", "", "v0.7.0", ""},
		{"a clean checkout at a tag", func(b *builder) string { return b.build(b.checkout(false, true), vcs) }, "v0.14.0", "main module", "v0.7.0", ""},
		{"a dirty checkout at a tag", func(b *builder) string { return b.build(b.checkout(true, true), vcs) }, "v0.14.0+dirty", "main module", "v0.7.0", "modified checkout"},
		{"a checkout without a tag", func(b *builder) string { return b.build(b.checkout(false, false), vcs) }, "v0.0.0-20240506070809-", "main module", "v0.7.0", ""},
		{"a dirty checkout without a tag", func(b *builder) string { return b.build(b.checkout(true, false), vcs) }, "v0.0.0-20240506070809-", "main module", "v0.7.0", "modified checkout"},
		{"a pseudo-version of a library", func(b *builder) string {
			return b.build(b.source(map[string]string{"go.mod": strings.Replace(gitsignModule, "v0.7.0", "v0.5.2-0.20220930112810-3890c1e7ace4", 1), "main.go": mainSource}), nil)
		}, "", "", "v0.5.2-0.20220930112810-3890c1e7ace4", ""},
		{"a library replaced by another version", func(b *builder) string {
			return b.build(b.source(with("replace github.com/theupdateframework/go-tuf => example.com/fork v0.6.1\n")), nil)
		}, "", "", "v0.6.1", `is replaced by "example.com/fork v0.6.1"`},
		{"a library replaced by a directory", func(b *builder) string {
			files := with("replace github.com/theupdateframework/go-tuf => ./fork\n")
			files["fork/go.mod"], files["fork/client/client.go"] = goTUF["go.mod"], goTUFSource
			return b.build(b.source(files), nil)
		}, "", "", "(devel)", `is replaced by "./fork`},
		{"vendored libraries", func(b *builder) string {
			dir := b.source(with(""))
			run(b.T, dir, b.proxy, "go", "mod", "tidy")
			run(b.T, dir, b.proxy, "go", "mod", "vendor")
			return b.build(dir, []string{"GOFLAGS=-mod=vendor", "GOPROXY=off"})
		}, "", "", "v0.7.0", ""},
		{"a workspace", func(b *builder) string {
			dir := b.source(map[string]string{
				"go.work": "go 1.26\n\nuse (\n\t./app\n\t./lib\n)\n", "app/go.mod": gitsignModule + "\ngo 1.26\n", "app/main.go": mainSource,
				"lib/go.mod": goTUF["go.mod"] + "\ngo 1.26\n", "lib/client/client.go": goTUFSource,
			})
			return b.build(filepath.Join(dir, "app"), []string{"GOWORK=" + filepath.Join(dir, "go.work"), "GOFLAGS="})
		}, "", "", "(devel)", ""},
		{"position independent", func(b *builder) string { return b.build(b.source(with("")), nil, "-buildmode=pie", "-trimpath") }, "", "", "v0.7.0", ""},
		{"for another machine", func(b *builder) string {
			return b.build(b.source(stamped), []string{"GOARCH=s390x"}, stamp, "-trimpath")
		}, "v0.13.9", "symbol", "v0.7.0", ""},
		{"for a small machine", func(b *builder) string { return b.build(b.source(stamped), []string{"GOARCH=386"}, stamp, "-trimpath") }, "v0.13.9", "symbol", "v0.7.0", ""},
		{"for macOS", func(b *builder) string { return b.build(b.source(with("")), []string{"GOOS=darwin", "GOARCH=arm64"}) }, "", "", "v0.7.0", ""},
		{"for Windows", func(b *builder) string { return b.build(b.source(with("")), []string{"GOOS=windows"}) }, "", "", "v0.7.0", ""},
		{"without modules", func(b *builder) string {
			gopath := b.TempDir()
			module(b.T, filepath.Join(gopath, "src/github.com/theupdateframework/go-tuf"), map[string]string{"client/client.go": goTUFSource})
			module(b.T, filepath.Join(gopath, "src/github.com/sigstore/gitsign"), map[string]string{"main.go": mainSource})
			return b.build(filepath.Join(gopath, "src/github.com/sigstore/gitsign"), []string{"GO111MODULE=off", "GOFLAGS=", "GOPATH=" + gopath}, "-trimpath", "-ldflags=-s -w")
		}, "", "", "", "without module information"},
		{"wiped build information", func(b *builder) string {
			return b.change(b.build(b.source(with("")), nil), func(data []byte) []byte {
				return bytes.ReplaceAll(data, []byte("\xff Go buildinf:"), make([]byte, 14))
			})
		}, "", "", "", "build information cannot be read"},
		{"without section headers", func(b *builder) string {
			return b.change(b.build(b.source(with("")), nil), func(data []byte) []byte {
				clear(data[40:48]) // where they are
				clear(data[58:64]) // how many
				return data
			})
		}, "", "", "v0.7.0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := client.Read(tt.program(&builder{T: t, base: b.base, proxy: b.proxy}), m, 0)
			if err != nil {
				t.Fatal(err)
			}
			wantName := "gitsign"
			switch {
			case strings.Contains(tt.name, "library's own"):
				wantName = "tuf-client"
			case strings.Contains(tt.name, "wiped"):
				wantName = "unknown"
			case strings.Contains(tt.name, "main.go"):
				wantName = "command-line-arguments" // Go names no main module then
			}
			if c.Name != wantName || !c.Linked.LegacyTUF || c.Libraries[client.GoTUF] != tt.library {
				t.Errorf("%s, libraries %v, linked %+v", c.Name, c.Libraries, c.Linked)
			}
			if c.VersionSource != tt.source || !strings.HasPrefix(c.Version, tt.version) || tt.version == "" && c.Version != "" {
				t.Errorf("version %q by %q, want %q by %q", c.Version, c.VersionSource, tt.version, tt.source)
			}
			if notes := strings.Join(c.Notes, "\n"); tt.note == "" && notes != "" || !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
}
