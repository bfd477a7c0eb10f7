// SPDX-License-Identifier: Apache-2.0

package executable_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

// maxReads is more than reading anything here takes, be it made to take many.
const maxReads = 1000

// counter is a context that counts how often it is asked whether it has ended,
// which every read from a file does first.
type counter struct {
	context.Context
	asked atomic.Int64
	end   int64 // it ends when it is asked so often; 0: never
}

func (c *counter) Err() error {
	if n := c.asked.Add(1); c.end > 0 && n >= c.end {
		return context.Canceled
	}
	return nil
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatAProgramSays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    []string
		flags  []string
		stamps int
		table  bool // the function table has a section of its own
	}{
		{"plain", nil, []string{stamped}, 1, true},
		{"stripped", nil, []string{stamped + " -s -w"}, 0, true},
		{"position independent", nil, []string{stamped, "-buildmode=pie"}, 1, true},
		{"for a machine with the big end first", []string{"GOARCH=s390x"}, []string{stamped}, 1, true},
		{"of 32 bits", []string{"GOARCH=386"}, []string{stamped}, 1, true},
		{"for macOS", []string{"GOOS=darwin", "GOARCH=arm64"}, []string{stamped}, 0, false},
		{"for Windows", []string{"GOOS=windows"}, []string{stamped}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := goProgram(t, append([]string{"GOOS=linux"}, tt.env...), tt.flags...)
			all := readAll(t, t.Context(), path)
			if !all.program || !all.mayBeGo || !all.function {
				t.Errorf("a program: %v, in Go: %v, with its function: %v", all.program, all.mayBeGo, all.function)
			}
			if all.buildErr != nil || all.build.Main.Path != "example.com/tool" || !strings.HasPrefix(all.build.GoVersion, "go1.") {
				t.Errorf("build %+v, %v", all.build, all.buildErr)
			}
			if len(all.stamps) != tt.stamps || tt.stamps == 1 && all.stamps[0] != (executable.Stamp{Variable: "main.version", Text: "v1.2.3"}) {
				t.Errorf("stamps %+v", all.stamps)
			}
			f := open(t, t.Context(), path, nil)
			if f.Functions().Empty() == tt.table {
				t.Errorf("function table at %v", f.Functions())
			}
			if info, err := os.Stat(path); err != nil || f.Size() != info.Size() || f.Data() != f.Size() {
				t.Errorf("%d bytes, %d of data, %v", f.Size(), f.Data(), err)
			}
		})
	}
}

func TestMachineCodeAndSymbolsAreNoText(t *testing.T) {
	path := goProgram(t, []string{"GOOS=linux"})
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	f := open(t, t.Context(), path, nil)
	for name, text := range map[string]bool{".text": false, ".symtab": false, ".strtab": false, ".gopclntab": false, ".rodata": true, ".data": true} {
		s := program.Section(name)
		if s == nil {
			t.Fatalf("no section %s", name)
		}
		from, to := int64(s.Offset), int64(s.Offset+s.FileSize)
		covered := int64(0)
		for _, span := range f.Text() {
			covered += max(0, min(to, span.To)-max(from, span.From))
		}
		if text && covered != to-from || !text && covered != 0 {
			t.Errorf("%d of the %d bytes of %s are text", covered, to-from, name)
		}
	}
}

func TestWhatIsNoProgram(t *testing.T) {
	for name, data := range map[string]string{"nothing": "", "a byte": "M", "a script": "#!/bin/sh\n", "three bytes of four": "\x7fEL", "text": "hello world"} {
		if open(t, t.Context(), write(t, "file", []byte(data)), nil) != nil {
			t.Errorf("%s is taken for a program", name)
		}
	}
	for name, data := range map[string]string{"ELF": "\x7fELF", "Mach-O": "\xcf\xfa\xed\xfe", "PE": "MZ\x00\x00"} {
		f := open(t, t.Context(), write(t, "file", []byte(data)), nil)
		if f == nil || !f.MayBeGo() {
			t.Errorf("%s: nothing says that it is none", name)
			continue
		}
		if _, err := f.Build(); err == nil {
			t.Errorf("%s: build information out of nothing", name)
		}
	}
}

func TestAProgramInCIsNotGo(t *testing.T) {
	path, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	f := open(t, t.Context(), path, nil)
	if f == nil || f.MayBeGo() {
		t.Errorf("%s is taken for Go", path)
	}
}

// TestEveryByteIsSeen goes through files of lengths around that of a chunk, with
// a buffer of every length that another file may have left.
func TestEveryByteIsSeen(t *testing.T) {
	const chunk = 1 << 20
	for _, size := range []int{4, 5000, chunk - 1, chunk, chunk + 1, chunk + executable.Overlap, chunk + executable.Overlap + 1, 3*chunk + 7} {
		data := bytes.Repeat([]byte("0123456789a"), size/11+1)[:size]
		copy(data, "\x7fELF")
		path := write(t, "program", data)
		for _, left := range []int{0, 1, 200, chunk, chunk + executable.Overlap, 2 * chunk} {
			buf := make([]byte, left)
			f := open(t, t.Context(), path, &buf)
			var seen []byte
			end := int64(0)
			err := f.Chunks(executable.Span{From: 0, To: f.Size()}, func(chunk []byte, at int64) bool {
				if at > end || at > 0 && end < f.Size() && end-at != executable.Overlap {
					t.Fatalf("size %d, buffer %d: a part at %d after one that ended at %d", size, left, at, end)
				}
				seen = append(seen[:at], chunk...)
				end = at + int64(len(chunk))
				return true
			})
			if err != nil || !bytes.Equal(seen, data) {
				t.Errorf("size %d, buffer %d: %d bytes were seen, %v", size, left, len(seen), err)
			}
			if want := min(size, chunk+executable.Overlap); len(buf) < want || len(buf) > max(left, want) {
				t.Errorf("size %d, buffer %d: %d bytes are handed on", size, left, len(buf))
			}
		}
	}
}

func TestHolesAreNotRead(t *testing.T) {
	const size = 1 << 40
	path := write(t, "program", []byte("\x7fELF"))
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	places := []int64{size / 3, size / 2, size - 4096}
	for _, at := range places {
		if _, err := w.WriteAt([]byte("mark"), at); err != nil {
			t.Skipf("no sparse files here: %v", err)
		}
	}
	info, err := w.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Sys().(*syscall.Stat_t).Blocks > 1<<20 {
		t.Skip("no sparse files here")
	}
	ctx := &counter{Context: t.Context()}
	f := open(t, ctx, path, nil)
	if f.Size() != size-4096+4 || f.Data() > 1<<20 {
		t.Errorf("%d bytes, %d of data", f.Size(), f.Data())
	}
	found := 0
	err = f.Chunks(executable.Span{From: 0, To: f.Size()}, func(chunk []byte, _ int64) bool {
		found += bytes.Count(chunk, []byte("mark"))
		return true
	})
	if err != nil || found != len(places) {
		t.Errorf("%d marks of %d, %v", found, len(places), err)
	}
	if n := ctx.asked.Load(); n > 20 {
		t.Errorf("took %d reads", n)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	path := write(t, "program", append([]byte("\x7fELF"), make([]byte, 8<<20)...))
	ctx := &counter{Context: t.Context(), end: 6}
	f := open(t, ctx, path, nil)
	parts := 0
	err := f.Chunks(executable.Span{From: 0, To: f.Size()}, func([]byte, int64) bool { parts++; return true })
	if !errors.Is(err, context.Canceled) || parts == 0 || parts > 6 {
		t.Errorf("%d parts, %v", parts, err)
	}
	if _, err := f.Build(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestStampsAreCounted gives the name of one variable to every symbol of a program.
func TestStampsAreCounted(t *testing.T) {
	path := goProgram(t, []string{"GOOS=linux", "GOARCH=amd64"}, stamped)
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	table := program.Section(".symtab")
	program.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	strtab := data[program.Section(".strtab").Offset:]
	name := uint32(bytes.Index(strtab, []byte("\x00main.version.str\x00")) + 1)
	symbols := data[table.Offset : table.Offset+table.FileSize]
	le := program.ByteOrder
	var stamp []byte
	for at := 0; at < len(symbols); at += 24 {
		if le.Uint32(symbols[at:]) == name {
			stamp = bytes.Clone(symbols[at : at+24])
		}
	}
	if stamp == nil {
		t.Fatal("main.version is not among the symbols")
	}
	for at := 0; at < len(symbols); at += 24 {
		copy(symbols[at:], stamp)
	}
	ctx := &counter{Context: t.Context()}
	f := open(t, ctx, write(t, "program", data), nil)
	before := ctx.asked.Load()
	stamps := f.Stamps("ersion", func(variable string) bool { return variable == "main.version" })
	if n := ctx.asked.Load() - before; len(symbols)/24 < 1000 || n > 200 || len(stamps) == 0 || stamps[0].Text != "v1.2.3" {
		t.Errorf("%d symbols took %d reads: %d stamps", len(symbols)/24, n, len(stamps))
	}
}
