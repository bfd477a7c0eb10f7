// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// sparse makes an ELF file of 64 bits whose headers name these tables; entries of
// the first are written where they say.
func sparse(t *testing.T, programs int, kinds []elf.ProgType, sections int, strings uint64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "client"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(8 << 30); err != nil {
		t.Fatal(err)
	}
	at := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(programs),
	}
	if sections > 0 {
		at.Shoff, at.Shentsize, at.Shnum, at.Shstrndx = 8<<20, 64, uint16(sections), 1
	}
	if err := binary.Write(f, binary.LittleEndian, at); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if err := binary.Write(f, binary.LittleEndian, elf.Prog64{Type: uint32(kind), Filesz: 8}); err != nil {
			t.Fatal(err)
		}
	}
	if sections > 0 {
		if _, err := f.Seek(8<<20+64, 0); err != nil {
			t.Fatal(err)
		}
		if err := binary.Write(f, binary.LittleEndian, elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: 16 << 20, Size: strings}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestWhetherAClientIsLinkedIsReadWithinBounds(t *testing.T) {
	for name, c := range map[string]struct {
		file *os.File
		want bool
	}{
		"a loader behind other headers":   {sparse(t, 3, []elf.ProgType{elf.PT_PHDR, elf.PT_LOAD, elf.PT_INTERP}, 0, 0), true},
		"no loader":                       {sparse(t, 2, []elf.ProgType{elf.PT_LOAD, elf.PT_NOTE}, 0, 0), false},
		"names of many megabytes":         {sparse(t, 1, []elf.ProgType{elf.PT_INTERP}, 2, 256<<20), true},
		"as many headers as there can be": {sparse(t, 0xffff, []elf.ProgType{elf.PT_LOAD}, 0xff00, 1<<30), false},
	} {
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		got := linked(t.Context(), c.file)
		runtime.ReadMemStats(&is)
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if n := is.TotalAlloc - was.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: it took %d MiB of memory", name, n>>20)
		}
	}
}
