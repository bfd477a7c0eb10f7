// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
)

// span is a part of a file: from one offset up to another.
type span struct{ from, to int64 }

// chunkSize is how much of a file is in memory at a time while it is scanned.
const chunkSize = 1 << 20

// overlap is how much of a chunk is looked at again with the next one, so that
// nothing is missed on the border: longer than any pattern.
const overlap = 256

// file is an executable while it is read: no more of it is in memory than a
// chunk, holes are not read, and every read looks first whether it is still wanted.
type file struct {
	ctx  context.Context
	r    io.ReaderAt
	size int64
	data []span // what is no hole, in order
	buf  []byte // of chunkSize+overlap, or as long as the file; made when first needed
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.r.ReadAt(p, at)
}

// section reads the part [at, at+n) whole, or nothing: n is small.
func (f *file) section(at, n int64) ([]byte, bool) {
	if at < 0 || n < 0 || n > f.size || at > f.size-n {
		return nil, false
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	return b, true
}

// chunks calls see with every part of s that holds data, until see returns false;
// consecutive parts overlap.
func (f *file) chunks(s span, see func(chunk []byte, at int64) bool) error {
	for _, d := range f.data {
		// A hole reads as zeros, and a zero ends a name: a little of it belongs to the data.
		from, to := max(s.from, d.from-overlap), min(s.to, d.to+overlap, f.size)
		for at := max(0, from); at < to; at += chunkSize {
			if want := min(f.size, chunkSize+overlap); int64(len(f.buf)) < want { // that of a smaller file would leave gaps
				f.buf = make([]byte, want)
			}
			n, err := f.ReadAt(f.buf[:min(int64(len(f.buf)), to-at)], at)
			if n > 0 && !see(f.buf[:n], at) {
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
func without(size int64, skip []span) []span {
	skip = slices.Clone(skip)
	slices.SortFunc(skip, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var rest []span
	at := int64(0)
	for _, s := range skip {
		if s.from > at {
			rest = append(rest, span{at, min(s.from, size)})
		}
		at = max(at, s.to)
		if at >= size {
			return rest
		}
	}
	return append(rest, span{at, size})
}
