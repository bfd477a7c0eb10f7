// SPDX-License-Identifier: Apache-2.0

package leveldb_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	goleveldb "github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/tufkeeper/tufkeeper/agent/leveldb"
)

// Whatever lies in the files: no panic, no control character in what is said of it,
// and no more than bounds allow.
func FuzzRead(f *testing.F) {
	f.Add([]byte("MANIFEST-000000\n"), []byte{}, []byte{}, []byte{})
	f.Add([]byte("x"), []byte("\x00\x01\x02"), []byte("\xff\xff\xff\xff\x7f"), []byte("\xff"))
	f.Fuzz(func(t *testing.T, current, manifest, journal, table []byte) {
		path := t.TempDir()
		put(t, filepath.Join(path, "CURRENT"), current)
		put(t, filepath.Join(path, "MANIFEST-000000"), manifest)
		put(t, filepath.Join(path, "000001.log"), journal)
		put(t, filepath.Join(path, "000002.ldb"), table)
		held, err := leveldb.Read(root(t, path), documents...)
		if err != nil && (held != nil || strings.ContainsAny(err.Error(), "\n\x1b") || errors.Is(err, leveldb.ErrChanging)) {
			t.Errorf("read %v, %q", held, err)
		}
	})
}

// Whatever its owner did, the copy reads as its owner does.
func FuzzAgreesWithItsOwner(f *testing.F) {
	f.Add([]byte("\x00\x05\x40\x01\x80\xc0\x02\x41"), uint8(3))
	f.Add(bytes.Repeat([]byte("\x00\x01\xc0\x02\x03\x80\x45"), 20), uint8(0))
	f.Fuzz(func(t *testing.T, work []byte, buffer uint8) {
		if len(work) > 200 {
			return
		}
		path := t.TempDir()
		o := &opt.Options{WriteBuffer: int(buffer)<<6 + 64, DisableSeeksCompaction: true}
		db, err := goleveldb.OpenFile(path, o)
		must(t, err)
		defer func() { db.Close() }()
		for i, w := range work {
			key := []byte(documents[w%4])
			switch w >> 6 {
			case 0:
				must(t, db.Put(key, bytes.Repeat([]byte{byte(i)}, int(w)*8), nil))
			case 1:
				must(t, db.Delete(key, nil))
			case 2:
				must(t, db.CompactRange(util.Range{}))
			case 3:
				must(t, db.Close())
				db, err = goleveldb.OpenFile(path, o)
				must(t, err)
			}
		}
		must(t, db.Close())
		held, err := leveldb.Read(root(t, path), documents...)
		must(t, err)
		db, err = goleveldb.OpenFile(path, o)
		must(t, err)
		for _, key := range documents {
			want, err := db.Get([]byte(key), nil)
			if errors.Is(err, goleveldb.ErrNotFound) {
				if got, ok := held[key]; ok {
					t.Errorf("read %q of %s, which is deleted", got, key)
				}
				continue
			}
			must(t, err)
			if !bytes.Equal(held[key], want) {
				t.Errorf("read %d bytes of %s, want %d", len(held[key]), key, len(want))
			}
		}
	})
}
