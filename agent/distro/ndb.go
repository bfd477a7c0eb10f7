// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// eachNDB reads rpm's own format: pages of slots, each of which says at which
// block the header of a package lies. All numbers are little endian.
func eachNDB(ctx context.Context, s source, each func(header []byte) error) error {
	const (
		slotSize, pageSize, blockSize = 16, 4096, 16
		headMagic                     = "RpmP"
		slotMagic                     = "Slot"
		blobMagic                     = "BlbS"
		maxPages                      = 4096
	)
	head := make([]byte, 32)
	if err := readAt(s.file, head, 0); err != nil {
		return err
	}
	if string(head[:4]) != headMagic || binary.LittleEndian.Uint32(head[4:]) != 0 {
		return errors.New("not an ndb database of version 0")
	}
	pages := binary.LittleEndian.Uint32(head[12:])
	if pages == 0 || pages > maxPages {
		return fmt.Errorf("%d pages of slots", pages)
	}
	slots := make([]byte, int64(pages)*pageSize)
	if err := readAt(s.file, slots, 0); err != nil {
		return err
	}
	var blob []byte
	for at := 2 * slotSize; at < len(slots); at += slotSize { // the head takes two
		slot := slots[at:][:slotSize]
		if string(slot[:4]) != slotMagic {
			return errors.New("a slot is damaged")
		}
		id, offset := slot[4:8], int64(binary.LittleEndian.Uint32(slot[8:]))*blockSize
		if binary.LittleEndian.Uint32(id) == 0 {
			continue // free
		}
		if err := readAt(s.file, head[:16], offset); err != nil {
			return err
		}
		size := int64(binary.LittleEndian.Uint32(head[12:]))
		if string(head[:4]) != blobMagic || string(head[4:8]) != string(id) || size > maxHeader || offset+16+size > s.size {
			return fmt.Errorf("package %d is damaged", binary.LittleEndian.Uint32(id))
		}
		blob = sized(blob, size)
		if err := readAt(s.file, blob, offset+16); err != nil {
			return err
		}
		if err := each(blob); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// readAt fills b from the file at offset.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return errTruncated
	}
	return quoted(err)
}

// sized returns b with size bytes, grown where needed.
func sized(b []byte, size int64) []byte {
	if int64(cap(b)) < size {
		return make([]byte, size)
	}
	return b[:size]
}
