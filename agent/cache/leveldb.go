// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// The bounds of a legacy database that is looked at. A real one is four documents,
// some hundred kilobytes, however often it was rewritten.
const (
	maxTableFiles  = 64
	maxTableFile   = 8 << 20
	maxTableTotal  = 32 << 20
	databaseTooBig = "more data than four documents need"
)

// readLevelDB returns the documents of a legacy cache by role.
//
// The database is never opened: that would take the lock its client needs, and
// rewrite its files. Its files are copied into memory, LOCK left out, and the copy is
// read. A copy that cannot be read is damage only when a second one, of files that
// have not changed in between, cannot be read either; else its client is writing to
// it, which is ErrBusy.
func readLevelDB(base *os.Root, name string) (map[string][]byte, error) {
	info, err := base.Lstat(name)
	switch {
	case err != nil:
		return nil, &BusyError{RetryAfter: retrySoon} // it was there when the cache was found
	case !info.IsDir():
		return nil, errors.New("not a directory")
	}
	dir, err := base.OpenRoot(name)
	if err != nil {
		return nil, unusable(filepath.Join(base.Name(), name), err)
	}
	defer dir.Close()

	var before tables
	var failed error
	for range attempts {
		copied, err := copyTables(dir)
		if err != nil {
			return nil, err
		}
		if failed != nil && copied.same(before) {
			return nil, failed
		}
		held, err := copied.documents()
		if err == nil {
			return held, nil
		}
		before, failed = copied, err
	}
	return nil, &BusyError{RetryAfter: retrySoon}
}

// tables is a copy of the files of a database.
type tables struct {
	data  map[storage.FileDesc][]byte
	infos map[storage.FileDesc]fs.FileInfo
	meta  storage.FileDesc // the manifest that CURRENT names; zero for none
}

func (t tables) same(o tables) bool {
	if len(t.infos) != len(o.infos) || t.meta != o.meta {
		return false
	}
	for fd, info := range t.infos {
		if !same(info, o.infos[fd]) {
			return false
		}
	}
	return true
}

func copyTables(dir *os.Root) (tables, error) {
	t := tables{data: map[storage.FileDesc][]byte{}, infos: map[storage.FileDesc]fs.FileInfo{}}
	names, more, err := entries(dir)
	if err != nil {
		return t, unusable(dir.Name(), err)
	}
	total := 0
	for _, name := range names {
		fd, known := describe(name)
		if !known {
			continue
		}
		f := readFile(dir, name, maxTableFile)
		if f.kind == absent || f.kind == unsteady {
			continue // compacted away while we read: the copy is torn, and is found to be
		}
		if f.kind == unreadable {
			return t, unusable(filepath.Join(dir.Name(), name), fs.ErrPermission)
		}
		total += len(f.data)
		if f.kind == tooLarge || more || total > maxTableTotal || len(t.data) >= maxTableFiles {
			return t, errors.New(databaseTooBig)
		}
		if f.kind != regular {
			return t, fmt.Errorf("%q: %s", name, f.kind)
		}
		t.data[fd], t.infos[fd] = f.data, f.info
	}
	current := readFile(dir, "CURRENT", maxSmall)
	if fd, ok := describe(string(bytes.TrimSpace(current.data))); ok && fd.Type == storage.TypeManifest {
		t.meta = fd
	}
	return t, nil
}

// describe parses the names that LevelDB gives its files: 000007.ldb, 000005.log,
// MANIFEST-000004. The lock and the log for humans are not among them.
func describe(name string) (storage.FileDesc, bool) {
	number, kind := "", storage.FileType(0)
	if n, ok := strings.CutPrefix(name, "MANIFEST-"); ok {
		number, kind = n, storage.TypeManifest
	} else if n, ext, ok := strings.Cut(name, "."); ok {
		number = n
		switch ext {
		case "log":
			kind = storage.TypeJournal
		case "ldb", "sst":
			kind = storage.TypeTable
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return storage.FileDesc{Type: kind, Num: n}, err == nil && kind != 0
}
