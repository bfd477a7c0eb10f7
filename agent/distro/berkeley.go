// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// What a page of a Berkeley DB hash is, and what an item on one.
const (
	berkeleyMagic    = 0x061561
	pageHashUnsorted = 2 // before version 4.6
	pageOverflow     = 7
	pageMetadata     = 8
	pageHash         = 13
	pageHead         = 26 // bytes before the items of a page

	itemInline  = 1
	itemOffPage = 3
)

// berkeley is a Berkeley DB hash, written in the byte order of its machine.
type berkeley struct {
	s     source
	order binary.ByteOrder
	page  int64 // bytes
	pages int64
}

// eachBerkeley reads Berkeley DB's hash: the values of all its pages in turn,
// most of which lie on chains of overflow pages.
func eachBerkeley(ctx context.Context, s source, each func(header []byte) error) error {
	b, err := openBerkeley(s)
	if err != nil {
		return err
	}
	page, value := make([]byte, b.page), []byte(nil)
	// A value lies on pages of its own: reading more of them than there are means a loop.
	budget := b.pages
	for n := range b.pages {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readAt(s.file, page, n*b.page); err != nil {
			return err
		}
		if kind := page[25]; kind != pageHash && kind != pageHashUnsorted {
			continue
		}
		items := int64(b.order.Uint16(page[20:]))
		if items%2 != 0 || pageHead+2*items > b.page {
			return fmt.Errorf("page %d has %d items", n, items)
		}
		for i := int64(1); i < items; i += 2 { // keys and values take turns
			start, end := int64(b.order.Uint16(page[pageHead+2*i:])), int64(b.order.Uint16(page[pageHead+2*(i-1):]))
			if start < pageHead || start >= end || end > b.page {
				return fmt.Errorf("page %d: item %d is damaged", n, i)
			}
			item := page[start:end]
			switch {
			case item[0] == itemInline:
				// The number that the next package gets is as short as that, a header is not.
				if value = item[1:]; len(value) < 16 {
					continue
				}
			case item[0] == itemOffPage && len(item) >= 12:
				first, size := b.order.Uint32(item[4:]), int64(b.order.Uint32(item[8:]))
				if value, err = b.chain(value[:0:0], first, size, &budget); err != nil {
					return fmt.Errorf("page %d: item %d: %w", n, i, err)
				}
			default:
				continue
			}
			if err := each(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func openBerkeley(s source) (berkeley, error) {
	head := make([]byte, 72)
	if err := readAt(s.file, head, 0); err != nil {
		return berkeley{}, err
	}
	b := berkeley{s: s, order: binary.LittleEndian}
	if b.order.Uint32(head[12:]) != berkeleyMagic {
		b.order = binary.BigEndian
	}
	if b.order.Uint32(head[12:]) != berkeleyMagic || head[25] != pageMetadata {
		return b, errors.New("not a Berkeley DB hash")
	}
	if head[24] != 0 {
		return b, errors.New("it is encrypted")
	}
	b.page = int64(b.order.Uint32(head[20:]))
	if b.page < 512 || b.page > 64<<10 || b.page&(b.page-1) != 0 {
		return b, fmt.Errorf("pages of %d bytes", b.page)
	}
	b.pages = min(int64(b.order.Uint32(head[32:]))+1, s.size/b.page)
	return b, nil
}

// chain reads a value from the overflow pages that begin at page n.
func (b berkeley) chain(value []byte, n uint32, size int64, budget *int64) ([]byte, error) {
	if size > maxHeader || size > b.s.size {
		return nil, fmt.Errorf("%d bytes", size)
	}
	page := make([]byte, b.page)
	for n != 0 && int64(len(value)) < size {
		if *budget--; *budget < 0 {
			return nil, errors.New("its pages form a loop")
		}
		if err := readAt(b.s.file, page, int64(n)*b.page); err != nil {
			return nil, err
		}
		used := int64(b.order.Uint16(page[22:]))
		if page[25] != pageOverflow || pageHead+used > b.page {
			return nil, fmt.Errorf("page %d is no overflow page", n)
		}
		value = append(value, page[pageHead:pageHead+used]...)
		n = b.order.Uint32(page[16:])
	}
	if int64(len(value)) != size {
		return nil, errTruncated
	}
	return value, nil
}
