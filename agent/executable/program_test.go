// SPDX-License-Identifier: Apache-2.0

package executable_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

// goProgram builds a Go program of a megabyte, with a text that the linker put
// into main.version.
func goProgram(t testing.TB, env []string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.com/tool\n",
		"main.go": "package main\n\nvar version = \"devel\"\n\n//go:noinline\nfunc marked() { println(version) }\n\nfunc main() { marked() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "program")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-trimpath", "-o", out}, flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
	cmd.Env = append(cmd.Env, env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, text)
	}
	return out
}

const stamped = "-ldflags=-X main.version=v1.2.3"

// open opens a file for reading as a program; nil means that it is none.
func open(t testing.TB, ctx context.Context, path string, buf *[]byte) *executable.File {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	info, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return executable.New(ctx, r, info, buf)
}

// told is everything that a program file says of itself.
type told struct {
	program, mayBeGo bool
	data             int64
	build            *debug.BuildInfo
	buildErr         error
	stamps           []executable.Stamp
	function         bool // main.marked stands in the function table
	read             int64
}

// readAll reads all that there is to read of a file.
func readAll(t testing.TB, ctx context.Context, path string) told {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f := executable.New(ctx, r, info, nil)
	if f == nil {
		return told{}
	}
	all := told{program: true, mayBeGo: f.MayBeGo(), data: f.Data()}
	all.build, all.buildErr = f.Build()
	all.stamps = f.Stamps("ersion", func(variable string) bool { return variable == "main.version" })
	spans := f.Text()
	if s := f.Functions(); !s.Empty() {
		spans = append(spans, s)
	}
	for _, s := range spans {
		err := f.Chunks(s, func(chunk []byte, at int64) bool {
			all.read += int64(len(chunk))
			if at < 0 || at+int64(len(chunk)) > f.Size() {
				t.Fatalf("a chunk of [%d, %d) of %d bytes", at, at+int64(len(chunk)), f.Size())
			}
			all.function = all.function || strings.Contains(string(chunk), "\x00main.marked\x00")
			return true
		})
		if err != nil {
			break
		}
	}
	return all
}
