// SPDX-License-Identifier: Apache-2.0

package executable_test

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
)

// overlapping is how often a text of a file may be seen: spans that are left when
// others are taken away do not overlap, but the table of functions may lie in any.
const overlapping = 3

// TestHostileHeaders writes numbers that hurt into the headers of a real program,
// one field after the other, then at random.
func TestHostileHeaders(t *testing.T) {
	out := goProgram(t, nil, stamped)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	le := binary.LittleEndian
	sections, count := int64(le.Uint64(data[40:])), int64(le.Uint16(data[60:]))
	check := func(what string, at int64, with []byte) {
		t.Helper()
		if _, err := f.WriteAt(with, at); err != nil {
			t.Fatal(err)
		}
		ctx := &counter{Context: t.Context()}
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		all := readAll(t, ctx, out)
		runtime.ReadMemStats(&is)
		if n := is.TotalAlloc - was.TotalAlloc; n > 24<<20 {
			t.Errorf("%s took %d bytes of memory", what, n)
		}
		if n := ctx.asked.Load(); n > maxReads {
			t.Errorf("%s took %d reads", what, n)
		}
		if all.read > overlapping*int64(len(data)) {
			t.Errorf("%s: %d bytes were gone through", what, all.read)
		}
		if _, err := f.WriteAt(data[at:at+int64(len(with))], at); err != nil {
			t.Fatal(err)
		}
	}
	hurting := []uint64{0, 1, 0x7fffffff, 0xffffffff, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1, uint64(len(data)) - 1, uint64(len(data))}
	for _, v := range hurting {
		for at := int64(16); at < 64; at += 4 {
			check(fmt.Sprintf("%x at %d of the header", v, at), at, le.AppendUint64(nil, v)[:min(8, 64-at)])
		}
	}
	for i := range count {
		for _, v := range hurting[2:7] {
			for _, at := range []int64{0, 8, 24, 32, 40} { // name and type, flags, offset, size, link
				check(fmt.Sprintf("%x at %d of section %d", v, at, i), sections+i*64+at, le.AppendUint64(nil, v))
			}
		}
		// Compressed, whatever that would unpack to.
		check(fmt.Sprintf("section %d compressed", i), sections+i*64+8, le.AppendUint64(nil, 1<<11))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		at := r.Int64N(4096)
		if r.IntN(2) == 0 {
			at = sections + r.Int64N(count*64-8)
		}
		check("a random change", at, le.AppendUint64(nil, r.Uint64())[:1+r.IntN(8)])
	}
}

// FuzzHeaders changes a real program in three places: its header, its table of
// sections, its symbols, its table of functions, its build information, or
// anywhere. Whatever that makes of it is read within bounds, without a panic.
func FuzzHeaders(f *testing.F) {
	out := goProgram(f, nil, stamped)
	data, err := os.ReadFile(out)
	if err != nil {
		f.Fatal(err)
	}
	file, err := elf.Open(out)
	if err != nil {
		f.Skip(err) // another format than Linux has
	}
	defer file.Close()
	sections := int64(binary.LittleEndian.Uint64(data[40:]))
	regions := [][2]int64{{0, 64}, {64, 1024}, {sections, int64(len(data)) - sections}, {0, int64(len(data))}}
	for _, name := range []string{".symtab", ".strtab", ".shstrtab", ".gopclntab", ".go.buildinfo", ".note.go.buildid"} {
		if s := file.Section(name); s != nil {
			regions = append(regions, [2]int64{int64(s.Offset), int64(s.FileSize)})
		}
	}
	w, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		f.Fatal(err)
	}
	defer w.Close()
	for region := range uint8(len(regions)) {
		f.Add(region, uint32(40), uint64(1<<63), region, uint32(8), uint64(1), uint8(2), uint32(64*5+32), uint64(1<<40))
		f.Add(region, uint32(0), uint64(0xffffffffffffffff), uint8(2), uint32(64*20+24), uint64(0), uint8(2), uint32(64*7+8), uint64(1<<11))
	}
	f.Fuzz(func(t *testing.T, r1 uint8, at1 uint32, v1 uint64, r2 uint8, at2 uint32, v2 uint64, r3 uint8, at3 uint32, v3 uint64) {
		patch := func(r uint8, at uint32, v uint64, back bool) {
			region := regions[int(r)%len(regions)]
			from := min(region[0]+int64(at)%max(1, region[1]), int64(len(data))-8)
			with := binary.LittleEndian.AppendUint64(nil, v)
			if back {
				with = data[from : from+8]
			}
			if _, err := w.WriteAt(with, from); err != nil {
				t.Fatal(err)
			}
		}
		for _, back := range []bool{false, true} {
			patch(r1, at1, v1, back)
			patch(r2, at2, v2, back)
			patch(r3, at3, v3, back)
			all := readAll(t, t.Context(), out)
			if all.read > overlapping*int64(len(data)) {
				t.Fatalf("%d bytes were gone through", all.read)
			}
			if back && (all.buildErr != nil || all.build.Main.Path != "example.com/tool" || len(all.stamps) != 1 || all.stamps[0].Text != "v1.2.3" || !all.function) {
				t.Fatalf("the program itself says %+v", all)
			}
		}
	})
}

// TestClaimsOfAVastFile has headers claim what a file of a terabyte, nearly all of it
// a hole, does hold: what is read for them stays small.
func TestClaimsOfAVastFile(t *testing.T) {
	const size = 1 << 40
	out := goProgram(t, []string{"GOOS=linux", "GOARCH=amd64"}, stamped)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	index := func(name string) int64 {
		for i, s := range program.Sections {
			if s.Name == name {
				return int64(i)
			}
		}
		t.Fatalf("no section %s", name)
		return 0
	}
	le := binary.LittleEndian
	sections := int64(le.Uint64(data[40:]))
	build := int64(program.Section(".go.buildinfo").Offset)
	for _, tt := range []struct {
		name string
		at   int64
		with []byte
	}{
		{"entries of program headers as large as can be", 54, []byte{0xff, 0xff, 0xff, 0xff}},
		{"entries of section headers as large as can be", 58, []byte{0xff, 0xff, 0xff, 0xff}},
		{"names of sections without an end", sections + 64*index(".shstrtab") + 32, le.AppendUint64(nil, 1<<36)},
		{"symbols without an end", sections + 64*index(".symtab") + 32, le.AppendUint64(nil, 1<<36)},
		{"names of symbols without an end", sections + 64*index(".strtab") + 32, le.AppendUint64(nil, 1<<36)},
		{"functions without an end", sections + 64*index(".gopclntab") + 32, le.AppendUint64(nil, 1<<36)},
		{"modules without an end", build + 32, binary.AppendUvarint(nil, 1<<36)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.OpenFile(out, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Truncate(size); err != nil {
				t.Skipf("no sparse files here: %v", err)
			}
			if _, err := f.WriteAt(tt.with, tt.at); err != nil {
				t.Fatal(err)
			}
			ctx := &counter{Context: t.Context()}
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			readAll(t, ctx, out)
			runtime.ReadMemStats(&is)
			if n := is.TotalAlloc - was.TotalAlloc; n > 24<<20 {
				t.Errorf("took %d bytes of memory", n)
			}
			if n := ctx.asked.Load(); n > maxReads {
				t.Errorf("took %d reads", n)
			}
			if _, err := f.WriteAt(data[tt.at:tt.at+int64(len(tt.with))], tt.at); err != nil {
				t.Fatal(err)
			}
		})
	}
}
