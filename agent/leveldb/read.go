// SPDX-License-Identifier: Apache-2.0

package leveldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/golang/snappy"
	"github.com/syndtr/goleveldb/leveldb/journal"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// The copy is read here, and not by goleveldb's DB: that one believes every length in
// a file, asks memory for it, and starts goroutines whose panics nobody can recover
// from (measured). Of its packages only the journal reader is used, whose memory does
// not depend on its input. The format is LevelDB's doc/table_format.md and
// doc/log_format.md.

const (
	footerSize  = 48
	tableMagic  = "\x57\xfb\x80\x8b\x24\x75\x47\xdb"
	trailerSize = 5 // of a block: how it is packed, and a checksum
	batchHeader = 12
)

// A mode says how much is expected of a copy.
type mode bool

const (
	whole      mode = false // a manifest, and every table it names: else it may be torn
	recovering mode = true  // what is left is read, as its owner does
)

// reading is one pass over a copy: the newest of each key met so far.
type reading struct {
	held map[string]entry // an entry for each key that is asked for
	left int              // bytes that may still be unpacked
}

type entry struct {
	seq  uint64
	data []byte // nil for none, or deleted
}

// values reads the newest value of each key, in the tables that the manifest names
// (all of them where it cannot be followed, as the owner recovers them), and in the
// journals.
func (f files) values(keys []string, m mode) (map[string][]byte, error) {
	r := reading{held: map[string]entry{}, left: maxUnpacked}
	for _, key := range keys {
		r.held[key] = entry{}
	}
	live, fault := f.live()
	if fault != nil && m == whole && len(f.data) > 0 {
		return nil, fault
	}
	for fd, data := range f.data {
		if fd.Type != storage.TypeTable || fault == nil && !live[fd.Num] {
			continue
		}
		if err := r.table(data); err != nil {
			return nil, fmt.Errorf("table %d: %w", fd.Num, err)
		}
	}
	for fd, data := range f.data {
		if fd.Type == storage.TypeJournal {
			// An owner that crashed left its last record cut off; its next start skips it.
			records(data, r.batch)
		}
	}
	held := map[string][]byte{}
	for key, e := range r.held {
		if e.data != nil {
			held[key] = e.data
		}
	}
	return held, nil
}

// records hands every whole record of a journal to see, and stops where see fails.
func records(data []byte, see func([]byte) error) bool {
	j := journal.NewReader(bytes.NewReader(data), nil, false, true)
	for {
		next, err := j.Next()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		record, err := io.ReadAll(next)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			continue // cut off or skipped, as its client does
		}
		if err != nil || see(record) != nil {
			return false
		}
	}
}

// The fields of a record in a manifest.
const (
	comparer     = 1
	journalNum   = 2
	nextFileNum  = 3
	sequenceNum  = 4
	compaction   = 5
	deletedTable = 6
	addedTable   = 7
	previousNum  = 9
)

// live returns the numbers of the tables that the manifest names; an error when it
// cannot be read, or one of them is not there.
func (f files) live() (map[int64]bool, error) {
	manifest := f.data[f.meta]
	if len(manifest) == 0 {
		return nil, errors.New("no manifest")
	}
	live := map[int64]bool{}
	ended := records(manifest, func(record []byte) error {
		c := cursor{rest: record}
		for len(c.rest) > 0 && !c.bad {
			switch c.uvarint() {
			case comparer:
				c.bytes()
			case journalNum, nextFileNum, sequenceNum, previousNum:
				c.uvarint()
			case compaction:
				c.uvarint()
				c.bytes()
			case deletedTable:
				c.uvarint()
				delete(live, c.number())
			case addedTable:
				c.uvarint()
				live[c.number()] = true
				c.uvarint()
				c.bytes()
				c.bytes()
			default:
				c.bad = true
			}
		}
		return c.err()
	})
	if !ended {
		return nil, errors.New("manifest: corrupt")
	}
	for n := range live {
		if _, there := f.data[storage.FileDesc{Type: storage.TypeTable, Num: n}]; !there {
			return nil, fmt.Errorf("table %d: missing", n)
		}
	}
	return live, nil
}

// table reads one table: its index names its blocks, which hold its entries.
func (r *reading) table(data []byte) error {
	if len(data) < footerSize || string(data[len(data)-len(tableMagic):]) != tableMagic {
		return errors.New("not a whole table")
	}
	footer := cursor{rest: data[len(data)-footerSize:]}
	footer.handle() // of the filters, which a client does without
	index, err := r.block(data, footer.handle())
	if err != nil || footer.bad {
		return errors.Join(err, footer.err())
	}
	return eachEntry(index, func(_, value []byte) error {
		c := cursor{rest: value}
		block, err := r.block(data, c.handle())
		if err != nil || c.bad {
			return errors.Join(err, c.err())
		}
		return eachEntry(block, func(key, value []byte) error {
			if len(key) < 8 {
				return errCorrupt
			}
			tail := binary.LittleEndian.Uint64(key[len(key)-8:])
			return r.see(key[:len(key)-8], tail>>8, byte(tail), value)
		})
	})
}

// handle says where in a table a block lies.
type handle struct{ offset, size uint64 }

// block returns what a block holds.
func (r *reading) block(table []byte, h handle) ([]byte, error) {
	size := uint64(len(table))
	if h.offset > size || h.size > size-h.offset || size-h.offset-h.size < trailerSize {
		return nil, errCorrupt
	}
	data := table[h.offset : h.offset+h.size+trailerSize]
	packed, sum := data[:h.size+1], binary.LittleEndian.Uint32(data[h.size+1:])
	if util.NewCRC(packed).Value() != sum {
		return nil, errors.New("checksum mismatch")
	}
	const plain, snappied = 0, 1
	how, data := packed[h.size], packed[:h.size]
	unpacked := len(data)
	if how == snappied {
		var err error
		if unpacked, err = snappy.DecodedLen(data); err != nil {
			return nil, errCorrupt
		}
	}
	if r.left -= unpacked; r.left < 0 {
		return nil, ErrTooBig
	}
	switch how {
	case plain:
		return data, nil
	case snappied:
		data, err := snappy.Decode(nil, data)
		if err != nil {
			return nil, errCorrupt
		}
		return data, nil
	}
	return nil, errCorrupt
}

// eachEntry walks the entries of a block. A key is told by what it shares with the
// one before it, and is valid until see returns.
func eachEntry(block []byte, see func(key, value []byte) error) error {
	if len(block) < 4 {
		return errCorrupt
	}
	restarts := uint64(binary.LittleEndian.Uint32(block[len(block)-4:]))
	if tail := 4 + 4*restarts; tail <= uint64(len(block)) {
		block = block[:uint64(len(block))-tail]
	} else {
		return errCorrupt
	}
	var key []byte
	for c := (cursor{rest: block}); len(c.rest) > 0; {
		shared, unshared, size := c.uvarint(), c.uvarint(), c.uvarint()
		rest, value := c.take(unshared), c.take(size)
		if c.bad || shared > uint64(len(key)) {
			return errCorrupt
		}
		key = append(key[:shared], rest...)
		if err := see(key, value); err != nil {
			return err
		}
	}
	return nil
}

// batch reads one record of a journal: entries with consecutive numbers. One that
// does not parse is skipped, as its client does.
func (r *reading) batch(record []byte) error {
	if len(record) < batchHeader {
		return nil
	}
	seq := binary.LittleEndian.Uint64(record)
	for c := (cursor{rest: record[batchHeader:]}); len(c.rest) > 0; seq++ {
		kind, key := c.take(1), c.bytes()
		var value []byte
		if len(kind) == 1 && kind[0] == valueEntry {
			value = c.bytes()
		}
		if c.bad = c.bad || r.see(key, seq, kind[0], value) != nil; c.bad {
			break
		}
	}
	return nil
}

const (
	deletedEntry = 0
	valueEntry   = 1
)

// see keeps an entry when it is asked for, and the newest so far.
func (r *reading) see(key []byte, seq uint64, kind byte, value []byte) error {
	if kind != valueEntry && kind != deletedEntry {
		return errCorrupt
	}
	known, asked := r.held[string(key)]
	if !asked || known.seq > seq {
		return nil
	}
	e := entry{seq: seq}
	if kind == valueEntry {
		e.data = append([]byte{}, value...)
	}
	r.held[string(key)] = e
	return nil
}

var errCorrupt = errors.New("corrupt")

// cursor reads what is encoded one after the other; bad stays once it is set.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) err() error {
	if c.bad {
		return errCorrupt
	}
	return nil
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) number() int64 {
	v := c.uvarint()
	if v > math.MaxInt64 {
		c.bad = true
		return -1
	}
	return int64(v)
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) bytes() []byte { return c.take(c.uvarint()) }

func (c *cursor) handle() handle { return handle{offset: c.uvarint(), size: c.uvarint()} }
