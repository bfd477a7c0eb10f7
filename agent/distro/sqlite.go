// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// sqlite reads one table of a SQLite 3 database file, by its documented format. A
// driver would bring a whole database engine, create files beside the one it
// reads and lock it against rpm; this reads pages.
type sqlite struct {
	s      source
	page   int64            // bytes
	usable int64            // bytes of a page that are not reserved
	logged map[uint32]int64 // where the write-ahead log has a newer page
	budget int64            // pages that may still be read: more than there are means a loop
}

const (
	sqliteMagic  = "SQLite format 3\x00"
	pageInterior = 0x05
	pageLeaf     = 0x0d
	maxDepth     = 20
)

// eachSQLite reads the table Packages(hnum INTEGER PRIMARY KEY, blob BLOB).
func eachSQLite(ctx context.Context, s source, each func(header []byte) error) error {
	db, err := openSQLite(s)
	if err != nil {
		return err
	}
	root := uint32(0)
	// sqlite_schema(type, name, tbl_name, rootpage, sql) is the table at page 1.
	err = db.table(ctx, 1, 0, func(record []byte) error {
		kind, _ := column(record, 0)
		name, _ := column(record, 1)
		at, integer := column(record, 3)
		if string(kind) == "table" && string(name) == "Packages" && integer && len(at) <= 4 {
			root = uint32(number(at)) //nolint:gosec // at most 4 bytes
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return errors.New("it has no table Packages")
	}
	return db.table(ctx, root, 0, func(record []byte) error {
		blob, integer := column(record, 1)
		if blob == nil || integer {
			return errors.New("a row has no header")
		}
		return each(blob)
	})
}

func openSQLite(s source) (*sqlite, error) {
	head := make([]byte, 100)
	if err := readAt(s.file, head, 0); err != nil {
		return nil, err
	}
	if string(head[:16]) != sqliteMagic {
		return nil, errors.New("not a SQLite database")
	}
	db := &sqlite{s: s, page: int64(binary.BigEndian.Uint16(head[16:]))}
	if db.page == 1 {
		db.page = 64 << 10
	}
	if db.page < 512 || db.page&(db.page-1) != 0 {
		return nil, fmt.Errorf("pages of %d bytes", db.page)
	}
	if db.usable = db.page - int64(head[20]); db.usable < 480 {
		return nil, fmt.Errorf("pages with %d usable bytes", db.usable)
	}
	if err := db.readLog(); err != nil {
		return nil, err
	}
	// The schema is read first, then the table: each page of the file at most twice.
	db.budget = 2*(s.size/db.page+int64(len(db.logged))) + 2
	return db, nil
}

// readLog finds the pages that are committed to the write-ahead log and not yet
// in the database file. A log that does not begin like one is a left-over that
// SQLite ignores too, and so is everything after the first frame that is not
// signed for by the one before it.
func (db *sqlite) readLog() error {
	const headSize, frameHead = 32, 24
	if db.s.log == nil || db.s.logSize < headSize {
		return nil
	}
	head := make([]byte, headSize)
	if err := readAt(db.s.log, head, 0); err != nil {
		return err
	}
	magic := binary.BigEndian.Uint32(head)
	if magic&^1 != 0x377f0682 || int64(binary.BigEndian.Uint32(head[8:])) != db.page {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	var sum logSum
	if sum.add(order, head[:24]); !sum.is(head[24:]) {
		return nil
	}
	salt := string(head[16:24])
	frame := make([]byte, frameHead+db.page)
	db.logged = map[uint32]int64{}
	pending := map[uint32]int64{}
	for at := int64(headSize); at+int64(len(frame)) <= db.s.logSize; at += int64(len(frame)) {
		if err := readAt(db.s.log, frame, at); err != nil {
			return err
		}
		sum.add(order, frame[:8])
		sum.add(order, frame[frameHead:])
		if string(frame[8:16]) != salt || !sum.is(frame[16:24]) {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = at + frameHead
		if binary.BigEndian.Uint32(frame[4:]) == 0 {
			continue // not the last frame of its transaction
		}
		for page, where := range pending {
			db.logged[page] = where
		}
		clear(pending)
	}
	return nil
}

// logSum is the running checksum of a write-ahead log.
type logSum [2]uint32

func (s *logSum) add(order binary.ByteOrder, b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
}

func (s *logSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s[0] && binary.BigEndian.Uint32(b[4:]) == s[1]
}

// read fills b with a page.
func (db *sqlite) read(n uint32, b []byte) error {
	if db.budget--; db.budget < 0 {
		return errors.New("its pages form a loop")
	}
	if n == 0 {
		return errors.New("page 0 does not exist")
	}
	if where, ok := db.logged[n]; ok {
		return readAt(db.s.log, b, where)
	}
	return readAt(db.s.file, b, int64(n-1)*db.page)
}

// table calls each for the record of every row of the table whose root is page n.
// The record is good until the next one.
func (db *sqlite) table(ctx context.Context, n uint32, depth int, each func(record []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return errors.New("its tree is too deep")
	}
	page := make([]byte, db.page)
	if err := db.read(n, page); err != nil {
		return err
	}
	head := page
	if n == 1 {
		head = page[100:] // the header of the file
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	size := map[byte]int{pageInterior: 12, pageLeaf: 8}[head[0]]
	if size == 0 || size+2*cells > len(head) {
		return fmt.Errorf("page %d is no page of a table", n)
	}
	for i := range cells {
		at := int64(binary.BigEndian.Uint16(head[size+2*i:]))
		if at+4 > db.usable {
			return fmt.Errorf("page %d: row %d is damaged", n, i)
		}
		var err error
		if head[0] == pageInterior {
			err = db.table(ctx, binary.BigEndian.Uint32(page[at:]), depth+1, each)
		} else {
			var record []byte
			if record, err = db.record(page[at:db.usable]); err == nil {
				err = each(record)
			}
		}
		if err != nil {
			return err
		}
	}
	if head[0] == pageInterior {
		return db.table(ctx, binary.BigEndian.Uint32(head[8:]), depth+1, each)
	}
	return nil
}

// record puts together the record of a cell: what is on the page, and the chain
// of overflow pages.
func (db *sqlite) record(cell []byte) ([]byte, error) {
	size, cell, ok := varint(cell)
	_, cell, idOK := varint(cell)
	if !ok || !idOK || size < 0 || size > maxHeader || size > db.s.size+db.s.logSize {
		return nil, errors.New("a row is damaged")
	}
	local := size
	if most := db.usable - 35; size > most {
		least := (db.usable-12)*32/255 - 23
		if local = least + (size-least)%(db.usable-4); local > most {
			local = least
		}
	}
	if local > int64(len(cell)) {
		return nil, errTruncated
	}
	if local == size {
		return cell[:size], nil
	}
	if int64(len(cell)) < local+4 {
		return nil, errTruncated
	}
	record := append(make([]byte, 0, size), cell[:local]...)
	next := binary.BigEndian.Uint32(cell[local:])
	page := make([]byte, db.page)
	for next != 0 && int64(len(record)) < size {
		if err := db.read(next, page); err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		record = append(record, page[4:min(db.usable, 4+size-int64(len(record)))]...)
	}
	if int64(len(record)) < size {
		return nil, errTruncated
	}
	return record, nil
}

// column returns the bytes of a column, and whether they are an integer. They are
// nil for NULL, a floating-point number, and a column that is not there.
func column(record []byte, n int) (value []byte, integer bool) {
	size, types, ok := varint(record)
	if !ok || size < 0 || size > int64(len(record)) {
		return nil, false
	}
	data := record[size:]
	if len(types) < len(data) {
		return nil, false
	}
	types = types[:len(types)-len(data)]
	for i := 0; ; i++ {
		var kind int64
		if kind, types, ok = varint(types); !ok || kind < 0 {
			return nil, false
		}
		length := int64(0)
		switch {
		case kind >= 12:
			length = (kind - 12) / 2
		case kind <= 7:
			length = [...]int64{0, 1, 2, 3, 4, 6, 8, 8}[kind]
		}
		if length > int64(len(data)) {
			return nil, false
		}
		if i < n {
			data = data[length:]
			continue
		}
		if kind == 0 || kind == 7 {
			return nil, false
		}
		return data[:length], kind < 12
	}
}

// number reads a big-endian integer of a few bytes.
func number(b []byte) int64 {
	n := int64(0)
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// varint reads SQLite's integer of up to nine bytes, and returns what follows it.
func varint(b []byte) (n int64, rest []byte, ok bool) {
	for i := range min(9, len(b)) {
		if i == 8 {
			return n<<8 | int64(b[i]), b[9:], true
		}
		n = n<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}
