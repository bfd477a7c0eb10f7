// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxExtents bounds the pieces of data that a sparse file is taken apart into;
// what lies behind them counts as data.
const maxExtents = 4096

// dataSpans are the parts of a file that are not holes. A file without holes is
// one Span, and costs no look.
func dataSpans(f *os.File, info fs.FileInfo) []Span {
	size := info.Size()
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Blocks*512 >= size {
		return []Span{{0, size}}
	}
	var spans []Span
	for at := int64(0); at < size; {
		from, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return spans // nothing but a hole from here
		}
		if err != nil || from < at || len(spans) == maxExtents {
			return append(spans, Span{at, size}) // the file system cannot tell, or there is no end to it
		}
		to, err := f.Seek(from, unix.SEEK_HOLE)
		if err != nil || to <= from {
			to = size
		}
		spans = append(spans, Span{from, min(to, size)})
		at = to
	}
	return spans
}
