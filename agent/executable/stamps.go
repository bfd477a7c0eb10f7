// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"bytes"
	"strings"
)

const (
	// maxStampNames bounds the names of variables that are looked up, maxStamps the
	// texts that are read of them.
	maxStampNames = 64
	maxStamps     = 64
	// maxStampText bounds one such text: a longer one is passed over.
	maxStampText = 128
)

// Stamp is a text that the linker flag -X put into a variable.
type Stamp struct {
	Variable string // with its package: "main.version"
	Text     string
}

// Stamps returns the texts of the wanted variables whose names end with suffix,
// through the symbol table of an ELF file that was not stripped; elsewhere there
// are none. The tables are gone through a chunk at a time, whatever their size.
func (f *File) Stamps(suffix string, wanted func(variable string) bool) []Stamp {
	l := &f.layout
	if l.symbols.Empty() || l.strings.Empty() {
		return nil
	}
	names := f.stampNames(suffix, wanted)
	if len(names) == 0 {
		return nil
	}
	var found []Stamp
	tries := 0
	f.symbols(func(name uint32, section uint16, value, size uint64) bool {
		variable, ok := names[name]
		if !ok || int(section) >= len(l.sections) {
			return true
		}
		s := l.sections[section]
		if size == 0 || size > maxStampText || value < s.addr || value-s.addr > uint64(s.To-s.From) {
			return true
		}
		if text, ok := f.section(s.From+int64(value-s.addr), int64(size)); ok {
			found = append(found, Stamp{variable, strings.TrimRight(string(text), "\x00")})
		}
		tries++
		return tries < maxStamps
	})
	return found
}

// stampNames finds names of wanted variables by where they stand in the table of
// names. The text of main.version is called main.version.str there.
func (f *File) stampNames(suffix string, wanted func(variable string) bool) map[uint32]string {
	const str = ".str"
	ending := []byte(suffix + str + "\x00")
	table := f.layout.strings
	names := map[uint32]string{}
	_ = f.Chunks(table, func(chunk []byte, at int64) bool { // what cannot be read has no stamps
		for from := 0; len(names) < maxStampNames; {
			i := bytes.Index(chunk[from:], ending)
			if i < 0 {
				return true
			}
			end := from + i + len(ending) - 1
			from = end
			begin := bytes.LastIndexByte(chunk[max(0, end-Overlap):end], 0)
			if begin < 0 {
				continue // too long, or seen whole with the chunk before
			}
			begin += max(0, end-Overlap) + 1
			if variable := string(chunk[begin : end-len(str)]); wanted(variable) {
				names[uint32(at+int64(begin)-table.From)] = variable
			}
		}
		return false
	})
	return names
}

// symbols calls see with every symbol until it returns false.
func (f *File) symbols(see func(name uint32, section uint16, value, size uint64) bool) {
	l := &f.layout
	entry := int64(16)
	if l.class64 {
		entry = 24
	}
	next := l.symbols.From
	_ = f.Chunks(l.symbols, func(chunk []byte, at int64) bool { // what cannot be read has no stamps
		if next < at { // behind a hole
			next += (at - next + entry - 1) / entry * entry
		}
		for ; next+entry <= at+int64(len(chunk)) && next+entry <= l.symbols.To; next += entry {
			e := chunk[next-at:]
			ok := false
			if l.class64 {
				ok = see(l.order.Uint32(e), l.order.Uint16(e[6:]), l.order.Uint64(e[8:]), l.order.Uint64(e[16:]))
			} else {
				ok = see(l.order.Uint32(e), l.order.Uint16(e[14:]), uint64(l.order.Uint32(e[4:])), uint64(l.order.Uint32(e[8:])))
			}
			if !ok {
				return false
			}
		}
		return true
	})
}
