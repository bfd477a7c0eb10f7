// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"math"
	"strings"
)

// maxTable bounds each table of an ELF file that is read: program headers,
// section headers, names of sections. Those of programs take a few kilobytes.
const maxTable = 1 << 20

// layout says where in an ELF file what is. It is read here and not with
// debug/elf, which would load what a hostile header points to, and decompress it.
// A file may lie about its layout: then it can only be misjudged itself.
type layout struct {
	known bool // the file is ELF and has named sections
	isGo  bool // one of them is of Go's linker
	// interpreted: a program header names the loader that is to load the file.
	interpreted bool

	order     binary.ByteOrder
	class64   bool
	buildInfo Span
	functions Span // the table of functions; empty: it has no section of its own
	symbols   Span
	strings   Span // the names of the symbols
	skip      []Span
	sections  []elfSection
	segments  []elfSegment
}

type elfSection struct {
	name         string
	kind         elf.SectionType
	flags        elf.SectionFlag
	addr         uint64
	link, name32 uint32
	Span
}

type elfSegment struct {
	addr uint64
	Span
}

// uint reads an unsigned number that is as long as b.
func (l *layout) uint(b []byte) uint64 {
	switch len(b) {
	case 2:
		return uint64(l.order.Uint16(b))
	case 4:
		return uint64(l.order.Uint32(b))
	}
	return l.order.Uint64(b)
}

// word reads field i of those that have the size of an address, in a table entry
// whose 32-bit form begins at off32 and 64-bit form at off64.
func (l *layout) word(b []byte, off32, off64 int) uint64 {
	if l.class64 {
		return l.uint(b[off64 : off64+8])
	}
	return l.uint(b[off32 : off32+4])
}

func (l *layout) half(b []byte, off32, off64 int) int64 {
	if l.class64 {
		return int64(l.uint(b[off64 : off64+2]))
	}
	return int64(l.uint(b[off32 : off32+2]))
}

// readLayout reads the headers of an ELF file. What it cannot make sense of it
// leaves out; a layout that is not known means that the whole file is searched.
func readLayout(f *File) layout {
	var l layout
	head, ok := f.section(0, min(64, f.size))
	if !ok || len(head) < 52 || string(head[:4]) != elf.ELFMAG {
		return l
	}
	l.class64 = head[elf.EI_CLASS] == byte(elf.ELFCLASS64)
	if l.class64 && len(head) < 64 {
		return l
	}
	l.order = binary.LittleEndian
	if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		l.order = binary.BigEndian
	}
	l.readSegments(f, head)
	l.readSections(f, head)
	l.classify()
	return l
}

// pick is a field of four bytes.
func (l *layout) pick(b []byte, off32, off64 int) []byte {
	if l.class64 {
		off32 = off64
	}
	return b[off32 : off32+4]
}

// table reads a table of count entries of the given size, at least min bytes each.
func (f *File) table(at uint64, size, count, least int64) ([]byte, bool) {
	if at > math.MaxInt64 || size < least || count == 0 || size*count > maxTable {
		return nil, false
	}
	return f.section(int64(at), size*count)
}

func (l *layout) readSegments(f *File, head []byte) {
	size, count := l.half(head, 42, 54), l.half(head, 44, 56)
	least := int64(32)
	if l.class64 {
		least = 56
	}
	table, ok := f.table(l.word(head, 28, 32), size, count, least)
	for ; ok && int64(len(table)) >= size; table = table[size:] {
		switch elf.ProgType(l.uint(table[:4])) {
		case elf.PT_INTERP:
			l.interpreted = true
			continue
		case elf.PT_LOAD:
		default:
			continue
		}
		if s, ok := spanOf(l.word(table, 4, 8), l.word(table, 16, 32), f.size); ok {
			l.segments = append(l.segments, elfSegment{addr: l.word(table, 8, 16), Span: s})
		}
	}
}

func (l *layout) readSections(f *File, head []byte) {
	size, count, names := l.half(head, 46, 58), l.half(head, 48, 60), l.half(head, 50, 62)
	least := int64(40)
	if l.class64 {
		least = 64
	}
	table, ok := f.table(l.word(head, 32, 40), size, count, least)
	for ; ok && int64(len(table)) >= size; table = table[size:] {
		s := elfSection{
			name32: uint32(l.uint(table[:4])),
			kind:   elf.SectionType(l.uint(table[4:8])),
			flags:  elf.SectionFlag(l.word(table, 8, 8)),
			addr:   l.word(table, 12, 16),
			link:   uint32(l.uint(l.pick(table, 24, 40))),
		}
		if s.kind != elf.SHT_NOBITS {
			s.Span, _ = spanOf(l.word(table, 16, 24), l.word(table, 20, 32), f.size)
		}
		l.sections = append(l.sections, s)
	}
	if names <= 0 || names >= int64(len(l.sections)) {
		return
	}
	at := l.sections[names].Span
	if at.To-at.From > maxTable {
		return
	}
	text, ok := f.section(at.From, at.To-at.From)
	for i := range l.sections {
		s := &l.sections[i]
		if ok && int64(s.name32) < int64(len(text)) {
			name, _, _ := bytes.Cut(text[s.name32:], []byte{0})
			s.name = string(name[:min(len(name), 64)])
			l.known = l.known || s.name != ""
		}
	}
}

// spanOf is the part of a file that a header names, if the file has it.
func spanOf(at, n uint64, size int64) (Span, bool) {
	if at > uint64(size) || n > uint64(size)-at {
		return Span{}, false
	}
	return Span{int64(at), int64(at + n)}, true
}

// classify finds the sections that matter, and those that never do: machine code
// and what debuggers read.
func (l *layout) classify() {
	for _, s := range l.sections {
		switch {
		case s.name == ".go.buildinfo":
			l.isGo, l.buildInfo = true, s.Span
		case s.name == ".gopclntab" || s.name == ".data.rel.ro.gopclntab":
			l.isGo, l.functions = true, s.Span
		case s.name == ".note.go.buildid":
			l.isGo = true
		case s.kind == elf.SHT_SYMTAB && int(s.link) < len(l.sections):
			l.symbols, l.strings = s.Span, l.sections[s.link].Span
		}
		if s.flags&elf.SHF_EXECINSTR != 0 || s.kind == elf.SHT_SYMTAB ||
			s.flags&elf.SHF_ALLOC == 0 && (s.kind == elf.SHT_STRTAB || strings.HasPrefix(s.name, ".debug_") || strings.HasPrefix(s.name, ".zdebug_")) {
			if s.From < s.To {
				l.skip = append(l.skip, s.Span)
			}
		}
	}
}

// offset is where in the file an address is, and how much of its segment follows.
func (l *layout) offset(addr uint64) (Span, bool) {
	for _, s := range l.segments {
		if addr >= s.addr && addr-s.addr < uint64(s.To-s.From) {
			return Span{s.From + int64(addr-s.addr), s.To}, true
		}
	}
	return Span{}, false
}
