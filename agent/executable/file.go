// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Span is a part of a file: from one offset up to another.
type Span struct{ From, To int64 }

// Empty says whether there is nothing in it.
func (s Span) Empty() bool { return s.From >= s.To }

// chunkSize is how much of a file is in memory at a time while it is gone through.
const chunkSize = 1 << 20

// Overlap is how much of a chunk is seen again with the next one, so that nothing
// is missed on the border: longer than any pattern that is looked for.
const Overlap = 256

// File is a program file while it is read: no more of it is in memory than a
// chunk, holes are not read, and every read looks first whether it is still
// wanted. It is not safe for concurrent use.
type File struct {
	ctx    context.Context
	r      io.ReaderAt
	size   int64
	layout layout
	holes  func() []Span // finds data, when it is first asked for
	data   []Span        // what is no hole, in order
	buf    *[]byte       // of chunkSize+Overlap, or as long as the file; made when first needed
}

// New reads the headers of an open, regular file. It returns nil for one that does
// not begin like a program: as ELF, Mach-O or PE. Reading ends with ctx. The buffer
// is one that served for another file before, and may serve for the next; it may be
// of any length, and the pointer may be nil.
func New(ctx context.Context, r *os.File, info fs.FileInfo, buf *[]byte) *File {
	f := &File{ctx: ctx, r: r, size: info.Size(), buf: buf}
	if f.buf == nil {
		f.buf = new([]byte)
	}
	if !f.begins() {
		return nil
	}
	f.layout = readLayout(f)
	f.holes = func() []Span { return dataSpans(r, info) }
	return f
}

// begins says whether the file starts like a program file.
func (f *File) begins() bool {
	b, ok := f.section(0, 4)
	if !ok || len(b) < 4 {
		return false // too short, or unreadable: no program either way
	}
	switch string(b) {
	case "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe":
		return true
	}
	return string(b[:2]) == "MZ"
}

// Size is how long the file is, holes included.
func (f *File) Size() int64 { return f.size }

// MayBeGo is false for a file whose sections tell that Go's linker did not write it.
func (f *File) MayBeGo() bool { return !f.layout.known || f.layout.isGo }

// Interpreted says whether the file asks for a loader, and so for the system's
// libraries. Linux executes no file with more program headers than are read here.
func (f *File) Interpreted() bool { return f.layout.interpreted }

// Data is how many bytes the file holds, holes excluded: what reading all of it costs.
func (f *File) Data() int64 {
	total := int64(0)
	for _, d := range f.spans() {
		total += d.To - d.From
	}
	return total
}

func (f *File) spans() []Span {
	if f.holes != nil {
		f.data, f.holes = f.holes(), nil
	}
	return f.data
}

// Functions is where the names of functions stand: Go's function table, which
// stripped programs keep. It is empty when the table has no section of its own;
// then the names stand anywhere in Text.
func (f *File) Functions() Span { return f.layout.functions }

// Text are the parts of the file that may hold a text: all but machine code,
// symbols, what debuggers read, and the function table.
func (f *File) Text() []Span {
	return without(f.size, slices.Concat(f.layout.skip, []Span{f.layout.functions}))
}

// ReadAt reads like an io.ReaderAt, until the context ends.
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.r.ReadAt(p, at)
}

// section reads the part [at, at+n) whole, or nothing: n is small.
func (f *File) section(at, n int64) ([]byte, bool) {
	if at < 0 || n < 0 || n > f.size || at > f.size-n {
		return nil, false
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	return b, true
}

// Chunks calls see with every part of s that holds data, until see returns false;
// consecutive parts overlap. What see is given is overwritten by the next part.
func (f *File) Chunks(s Span, see func(chunk []byte, at int64) bool) error {
	want := min(f.size, chunkSize+Overlap)
	if int64(len(*f.buf)) < want { // that of a smaller file would leave gaps
		*f.buf = make([]byte, want)
	}
	buf := (*f.buf)[:want]
	for _, d := range f.spans() {
		// A hole reads as zeros, and a zero ends a name: a little of it belongs to the data.
		from, to := max(s.From, d.From-Overlap), min(s.To, d.To+Overlap, f.size)
		for at := max(0, from); at < to; at += chunkSize {
			n, err := f.ReadAt(buf[:min(int64(len(buf)), to-at)], at)
			if n > 0 && !see(buf[:n], at) {
				return nil
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if n == 0 {
				return nil
			}
		}
	}
	return nil
}

// without returns what is left of a file of that size when the skipped parts are
// taken away.
func without(size int64, skip []Span) []Span {
	skip = slices.Clone(skip)
	slices.SortFunc(skip, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var rest []Span
	at := int64(0)
	for _, s := range skip {
		if s.From > at {
			rest = append(rest, Span{at, min(s.From, size)})
		}
		at = max(at, s.To)
		if at >= size {
			return rest
		}
	}
	return append(rest, Span{at, size})
}
