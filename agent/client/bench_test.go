// SPDX-License-Identifier: Apache-2.0

//go:build bench

package client_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// What a look at a host with 3,000 executables may cost on two cores with a warm
// page cache. On a slower machine TUFKEEPER_BENCH_FACTOR=3 allows three times as
// much; the memory is the same everywhere.
const (
	coldLimit   = 2 * time.Second
	warmLimit   = 50 * time.Millisecond
	memoryLimit = 64 << 20
)

// The host that is made for it.
const (
	scripts    = 1400
	systemELF  = 900 // programs in C: 20 KB to 2 MB
	goPrograms = 400 // without any TUF library
	tufClients = 36  // 50 MB each
	softLinks  = 200
	hardLinks  = 64
)

// benchHost makes a directory tree of 3,000 executables.
func benchHost(t *testing.T) []string {
	t.Helper()
	dir := workspace(t)
	var dirs []string
	for _, name := range []string{"bin", "sbin", "local/bin", "opt/tools/bin"} {
		d := filepath.Join(dir, "host", name)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	n := 0
	place := func(data []byte) string {
		n++
		path := filepath.Join(dirs[n%len(dirs)], fmt.Sprintf("p%04d", n))
		write(t, path, data)
		return path
	}
	for i := range scripts {
		place(fmt.Appendf(nil, "#!/bin/sh\n# %d\n%s", i, strings.Repeat("echo \"$@\"\n", i%400)))
	}
	noise := make([]byte, 2<<20)
	for i := 0; i < len(noise); i += sha256.Size {
		sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
		copy(noise[i:], sum[:])
	}
	for i := range systemELF {
		place(systemProgram(noise[:20<<10+(i*i*2600)%(len(noise)-20<<10)], i))
	}

	build := func(pkg string) []byte {
		out := filepath.Join(t.TempDir(), "program")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", out, "./cmd/"+pkg)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building: %v\n%s", err, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	put := func(name string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("cmd/small/main.go", []byte("package main\n\nfunc main() { println(\"hello\") }\n"))
	small := build("small")
	for i := range goPrograms {
		place(append(bytes.Clone(small), byte(i), byte(i>>8)))
	}
	// Text as read-only data has it: some of it looks a little like what is looked for.
	line := fmt.Appendf(nil, "%x", noise[:40])
	line = append(line, noise[:3000]...)
	line = append(line, strings.Repeat("a word of text, ", 60)+"github.com/some/module/of/many.(*Type).Method\x00 {\"_type\": \"snapshot\"}"...)
	put("cmd/client/text", bytes.Repeat(line, 40<<20/len(line)))
	main, err := os.ReadFile(filepath.Join(dir, "cmd/client/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	put("cmd/client/main.go", append(main, "\n//go:embed text\nvar text string\n\nfunc init() { version.Note(len(text), text[len(text)/2:]) }\n"...))
	put("release-utils/version/note.go", []byte("package version\n\nimport \"os\"\n\n//go:noinline\nfunc Note(n int, text string) {\n\tif n == len(os.Args) {\n\t\tprintln(text)\n\t}\n}\n"))
	big := build("client")
	var clients []string
	for i := range tufClients {
		clients = append(clients, place(append(bytes.Clone(big), byte(i))))
	}
	for i := range softLinks {
		if err := os.Symlink(clients[i%len(clients)], filepath.Join(dirs[i%len(dirs)], fmt.Sprintf("soft%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range hardLinks {
		if err := os.Link(clients[i%len(clients)], filepath.Join(dirs[i%len(dirs)], fmt.Sprintf("hard%02d", i))); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d executables, %d of them clients of %d MB", n+softLinks+hardLinks, tufClients, len(big)>>20)
	return dirs
}

// systemProgram is an ELF file as a C compiler leaves it: sections with names,
// none of Go's.
func systemProgram(text []byte, i int) []byte {
	le := binary.LittleEndian
	names := []byte("\x00.text\x00.rodata\x00.shstrtab\x00")
	var b bytes.Buffer
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	le.PutUint16(head[16:], 3)
	le.PutUint16(head[18:], 62)
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[40:], uint64(64+len(text)+len(names)))
	le.PutUint32(head[48:], uint32(i))
	le.PutUint16(head[58:], 64)
	le.PutUint16(head[60:], 3)
	le.PutUint16(head[62:], 2)
	b.Write(head)
	b.Write(text)
	b.Write(names)
	section := func(name, kind uint32, at, size int) {
		s := make([]byte, 64)
		le.PutUint32(s, name)
		le.PutUint32(s[4:], kind)
		le.PutUint64(s[24:], uint64(at))
		le.PutUint64(s[32:], uint64(size))
		b.Write(s)
	}
	section(0, 0, 0, 0)
	section(1, 1, 64, len(text))
	section(15, 3, 64+len(text), len(names))
	return b.Bytes()
}

func TestCost(t *testing.T) {
	factor := 1.0
	if text := os.Getenv("TUFKEEPER_BENCH_FACTOR"); text != "" {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f < 1 {
			t.Fatalf("TUFKEEPER_BENCH_FACTOR=%q is no factor", text)
		}
		factor = f
	}
	o := client.FindOptions{Dirs: benchHost(t), Model: loadModel(t)}
	debug.FreeOSMemory() // what making the host took is none of it
	resetPeak()
	before := peak(t)

	// The best of five: a machine that does something else as well is no slower.
	look := func(what string, limit time.Duration, prepare func()) {
		best, alloc, mallocs := time.Hour, uint64(0), uint64(0)
		for range 5 {
			prepare()
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			start := time.Now()
			found, errs := client.Find(t.Context(), o)
			took := time.Since(start)
			runtime.ReadMemStats(&is)
			if len(found) != tufClients || len(errs) != 0 {
				t.Fatalf("%s: found %d clients, errors %v", what, len(found), errs)
			}
			if took < best {
				best, alloc, mallocs = took, is.TotalAlloc-was.TotalAlloc, is.Mallocs-was.Mallocs
			}
		}
		limit = time.Duration(float64(limit) * factor)
		t.Logf("%-20s %9s of %s allowed, %5.1f MB in %d allocations", what, best.Round(10*time.Microsecond), limit, float64(alloc)/1e6, mallocs)
		if best > limit {
			t.Errorf("%s took %s, more than %s", what, best, limit)
		}
	}
	look("cold: all are read", coldLimit, func() { o.Cache = client.NewScanCache() })
	look("warm: all are known", warmLimit, func() {})
	grown := peak(t) - before
	t.Logf("peak memory          %9.1f MB above what was in use, of %d MB allowed", float64(grown)/1e6, memoryLimit>>20)
	if grown > memoryLimit {
		t.Errorf("peak memory grew by %d bytes, more than %d", grown, memoryLimit)
	}
}

// resetPeak makes the kernel forget how much memory was in use at most.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) } // where it cannot, the peak is too high and the test says so

// peak is the most memory that was resident at once.
func peak(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("the peak of memory is not known here: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
