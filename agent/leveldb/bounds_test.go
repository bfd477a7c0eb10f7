// SPDX-License-Identifier: Apache-2.0

package leveldb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	goleveldb "github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/tufkeeper/tufkeeper/agent/leveldb"
)

// lying makes a database of many small tables, each Put in one of its own, and hands
// every table to change before it is read.
func lying(t *testing.T, change func(table []byte) []byte) *os.Root {
	t.Helper()
	path := t.TempDir()
	// Nothing is compacted by us: the tables are left for whoever opens the copy.
	db, err := goleveldb.OpenFile(path, &opt.Options{
		WriteBuffer: 1 << 10, Compression: opt.NoCompression,
		CompactionL0Trigger: 1000, WriteL0SlowdownTrigger: 2000, WriteL0PauseTrigger: 3000,
	})
	must(t, err)
	for range 12 {
		for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
			must(t, db.Put([]byte(role+".json"), bytes.Repeat([]byte("x"), 600), nil))
		}
	}
	must(t, db.Close())
	tables, err := filepath.Glob(filepath.Join(path, "*.ldb"))
	if err != nil || len(tables) < 4 {
		t.Fatalf("made %d tables, %v; the point needs 4", len(tables), err)
	}
	for _, name := range tables {
		data, err := os.ReadFile(name)
		must(t, err)
		put(t, name, change(data))
	}
	return root(t, path)
}

// withIndex puts an index of our own, with a good checksum, over the data of a table.
func withIndex(table, index []byte, size uint64) []byte {
	block := append(bytes.Clone(index), 0) // not packed
	block = binary.LittleEndian.AppendUint32(block, util.NewCRC(block).Value())
	if len(block) > len(table)-48 {
		table = append(make([]byte, len(block)), table[len(table)-48:]...)
	}
	copy(table, block)
	footer := table[len(table)-48:]
	_, a := binary.Uvarint(footer)
	_, b := binary.Uvarint(footer[a:])
	clear(footer[a+b : 40])
	binary.PutUvarint(footer[a+b+binary.PutUvarint(footer[a+b:], 0):], size)
	return table
}

// indexOf is an index block that names one block again and again.
func indexOf(times int, offset, size uint64) []byte {
	var index []byte
	for range times {
		value := binary.AppendUvarint(binary.AppendUvarint(nil, offset), size)
		key := "zzzz\x01\x00\x00\x00\x00\x00\x00\x00"
		for _, n := range []int{0, len(key), len(value)} {
			index = binary.AppendUvarint(index, uint64(n))
		}
		index = append(append(index, key...), value...)
	}
	return append(index, 0, 0, 0, 0, 1, 0, 0, 0)
}

// A database is its owner's word. Lengths in it that lie cost neither memory nor,
// on a goroutine that nobody guards, the agent (measured with goleveldb's DB).
func TestDatabaseThatLies(t *testing.T) {
	for _, size := range []uint64{3 << 30, 1 << 46, 1 << 62, 1<<64 - 1} {
		for name, change := range map[string]func([]byte) []byte{
			"of a block": func(table []byte) []byte {
				index := indexOf(1, 0, size)
				return withIndex(table, index, uint64(len(index)))
			},
			"of an index": func(table []byte) []byte { return withIndex(table, nil, size) },
		} {
			t.Run(fmt.Sprintf("a size of %d %s", size, name), func(t *testing.T) {
				db := lying(t, change)
				cost(t, 64, 2*time.Second, func() {
					if _, err := leveldb.Read(db, documents...); err == nil || errors.Is(err, leveldb.ErrChanging) {
						t.Errorf("error %v, want it called damaged", err)
					}
				})
			})
		}
	}
}

func TestDatabaseThatUnpacksWithoutEnd(t *testing.T) {
	packed := snappy.Encode(nil, make([]byte, 8<<20))
	bomb := append(bytes.Clone(packed), 1)
	bomb = binary.LittleEndian.AppendUint32(bomb, util.NewCRC(bomb).Value())
	db := lying(t, func(table []byte) []byte {
		index := indexOf(10_000, 1<<20, uint64(len(packed))) // far behind itself, and always of one length
		whole := append(bytes.Clone(index), 0)
		whole = binary.LittleEndian.AppendUint32(whole, util.NewCRC(whole).Value())
		whole = append(append(whole, make([]byte, 1<<20-len(whole))...), bomb...)
		return withIndex(append(whole, table[len(table)-48:]...), index, uint64(len(index)))
	})
	cost(t, 256, 5*time.Second, func() {
		if _, err := leveldb.Read(db, documents...); !errors.Is(err, leveldb.ErrTooBig) {
			t.Errorf("error %v, want too big", err)
		}
	})
}

// cost runs f and holds what it takes against limits: MiB allocated, and time.
func cost(t *testing.T, mib uint64, limit time.Duration, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	f()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	used := (after.TotalAlloc - before.TotalAlloc) >> 20
	if used > mib || took > limit {
		t.Errorf("took %d MiB and %s, want at most %d and %s", used, took, mib, limit)
	}
}

// What stands in the directory beside, or in place of, its files.
func TestObjectsInADatabase(t *testing.T) {
	tests := map[string]struct {
		put  func(path string) error
		want error // nil: read all the same
	}{
		"a pipe for a lock":      {func(p string) error { os.Remove(p + "/LOCK"); return syscall.Mkfifo(p+"/LOCK", 0o600) }, nil},
		"a pipe for a log":       {func(p string) error { os.Remove(p + "/LOG"); return syscall.Mkfifo(p+"/LOG", 0o600) }, nil},
		"names of nothing known": {func(p string) error { return os.WriteFile(p+"/-1.log\n\x1b.ldb", []byte("x"), 0o600) }, nil},
		"a pipe for CURRENT":     {func(p string) error { os.Remove(p + "/CURRENT"); return syscall.Mkfifo(p+"/CURRENT", 0o600) }, nil},
		"a pipe for a table":     {func(p string) error { return syscall.Mkfifo(p+"/000999.ldb", 0o600) }, errDamage},
		"a link for a table":     {func(p string) error { return os.Symlink("/etc/passwd", p+"/000999.ldb") }, errDamage},
		"a directory for a log":  {func(p string) error { return os.Mkdir(p+"/000999.log", 0o700) }, errDamage},
		"a table of 10 GB": {func(p string) error {
			return errors.Join(os.WriteFile(p+"/000999.ldb", nil, 0o600), os.Truncate(p+"/000999.ldb", 10<<30))
		}, leveldb.ErrTooBig},
		"10 GB of tables": {func(p string) (err error) {
			for n := range 1280 {
				name := fmt.Sprintf("%s/%06d.ldb", p, 1000+n)
				err = errors.Join(err, os.WriteFile(name, nil, 0o600), os.Truncate(name, 8<<20))
			}
			return err
		}, leveldb.ErrTooBig},
		"20,000 files": {func(p string) (err error) {
			for n := range 20_000 {
				err = errors.Join(err, os.WriteFile(fmt.Sprintf("%s/%d.tmp", p, n), nil, 0o600))
			}
			return err
		}, leveldb.ErrTooBig},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			must(t, tt.put(path))
			cost(t, 128, 3*time.Second, func() {
				held, err := leveldb.Read(root(t, path), documents...)
				tooBig, changing := errors.Is(err, leveldb.ErrTooBig), errors.Is(err, leveldb.ErrChanging)
				switch {
				case tt.want == nil && (err != nil || len(held) != len(documents)):
					t.Errorf("read %d documents, %v", len(held), err)
				case errors.Is(tt.want, errDamage) && (err == nil || tooBig || changing):
					t.Errorf("error %v, want it called damaged", err)
				case errors.Is(tt.want, leveldb.ErrTooBig) && !tooBig:
					t.Errorf("error %v, want too big", err)
				}
			})
		})
	}
}

var errDamage = errors.New("damage")
