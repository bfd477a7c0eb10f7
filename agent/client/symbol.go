// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"slices"
	"strings"
)

// maxSymbolNames bounds the names of symbols that are kept as candidates.
const maxSymbolNames = 64

// symbolEnd ends the name that the linker gives to a text which -X put into a
// variable called version, gitVersion, BuildVersion and so on.
var symbolEnd = []byte("ersion.str\x00")

// symbolVersion reads such a text through the symbol table of an ELF file that
// was not stripped. The tables are gone through a chunk at a time, whatever their
// size.
func symbolVersion(f *file, l layout, module string) string {
	if l.symbols == (span{}) || l.strings == (span{}) {
		return ""
	}
	names := map[uint32]int{}                                   // offset in the table of names -> rank
	_ = f.chunks(l.strings, func(chunk []byte, at int64) bool { // what cannot be read has no version
		for from := 0; len(names) < maxSymbolNames; {
			i := bytes.Index(chunk[from:], symbolEnd)
			if i < 0 {
				return true
			}
			end := from + i + len(symbolEnd) - 1
			from = end
			begin := bytes.LastIndexByte(chunk[max(0, end-overlap):end], 0)
			if begin < 0 {
				continue // too long, or seen whole with the chunk before
			}
			begin += max(0, end-overlap) + 1
			if rank := versionRank(string(chunk[begin:end-len(".str")]), module); rank > 0 {
				names[uint32(at+int64(begin)-l.strings.from)] = rank
			}
		}
		return false
	})
	if len(names) == 0 {
		return ""
	}
	type candidate struct {
		rank int
		text string
	}
	var found []candidate
	f.symbols(l, func(name uint32, section uint16, value, size uint64) bool {
		rank, ok := names[name]
		if !ok || int(section) >= len(l.sections) {
			return true
		}
		s := l.sections[section]
		if size == 0 || size > maxVersionText || value < s.addr || value-s.addr > uint64(s.to-s.from) {
			return true
		}
		text, ok := f.section(s.from+int64(value-s.addr), int64(size))
		if version := strings.TrimRight(string(text), "\x00"); ok {
			if _, err := Upstream(version); err == nil {
				found = append(found, candidate{rank, version})
			}
		}
		return len(found) < maxSymbolNames
	})
	if len(found) == 0 {
		return ""
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return b.rank - a.rank })
	return found[0].text
}

// symbols calls see with every symbol until it returns false.
func (f *file) symbols(l layout, see func(name uint32, section uint16, value, size uint64) bool) {
	entry := int64(16)
	if l.class64 {
		entry = 24
	}
	next := l.symbols.from
	_ = f.chunks(l.symbols, func(chunk []byte, at int64) bool { // what cannot be read has no version
		if next < at { // behind a hole
			next += (at - next + entry - 1) / entry * entry
		}
		for ; next+entry <= at+int64(len(chunk)) && next+entry <= l.symbols.to; next += entry {
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

// releaseUtils is the package whose variables most Sigstore tools stamp.
const releaseUtils = "sigs.k8s.io/release-utils/version.gitVersion"

// versionRank says how much a variable tells of the version of a program with
// that main module: 0 is nothing. A stamped library tells nothing.
func versionRank(variable, module string) int {
	dot := strings.LastIndexByte(variable, '.')
	if dot < 0 {
		return 0
	}
	switch strings.ToLower(variable[dot+1:]) {
	case "gitversion", "version", "buildversion":
	default:
		return 0
	}
	switch pkg := variable[:dot]; {
	case variable == releaseUtils:
		return 3
	case pkg == "main":
		return 2
	case module != "" && (pkg == module || strings.HasPrefix(pkg, module+"/")):
		return 1
	}
	return 0
}
