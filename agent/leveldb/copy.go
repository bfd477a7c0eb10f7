// SPDX-License-Identifier: Apache-2.0

package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// files is a copy of the files of a database.
type files struct {
	data map[storage.FileDesc][]byte
	meta storage.FileDesc // the manifest that CURRENT names; zero for none
}

// same says whether two copies are of the same bytes. Every file of a database has a
// name of its own and only ever grows, so what is equal twice was not changed and
// changed back.
func (f files) same(o files) bool {
	if len(f.data) != len(o.data) || f.meta != o.meta {
		return false
	}
	for fd, data := range f.data {
		if other, ok := o.data[fd]; !ok || !bytes.Equal(data, other) {
			return false
		}
	}
	return true
}

// take copies the files that hold data: not the lock, nor the log for humans.
func take(dir *os.Root) (files, error) {
	f := files{data: map[storage.FileDesc][]byte{}}
	names, err := list(dir)
	if err != nil {
		return f, err
	}
	// By name: the manifests come last. One read before a journal that is written to a
	// table and removed in between would know of neither, and older values would pass
	// for the newest (measured).
	slices.Sort(names)
	total := 0
	for _, name := range names {
		fd, known := describe(name)
		if !known {
			continue
		}
		data, err := read(dir, name, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // compacted away while we read: the copy is torn, and is found to be
		}
		if err != nil {
			return f, err
		}
		if total += len(data); total > maxTotal || len(f.data) >= maxFiles {
			return f, ErrTooBig
		}
		f.data[fd] = data
	}
	current, err := read(dir, "CURRENT", 64)
	if errors.Is(err, fs.ErrPermission) {
		return f, err
	}
	if fd, ok := describe(string(bytes.TrimSpace(current))); ok && fd.Type == storage.TypeManifest {
		f.meta = fd
	}
	return f, nil
}

// list returns the names in dir, in no order.
func list(dir *os.Root) ([]string, error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxNames {
		return nil, ErrTooBig
	}
	return names, nil
}

// read reads one regular file and never blocks: links are not followed, and what is
// a pipe or a device is not opened, or not waited for where it was put there just now.
func read(dir *os.Root, name string, limit int64) ([]byte, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", name)
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrChanging
	}
	if info.Size() > limit {
		return nil, ErrTooBig
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit {
		return nil, ErrTooBig
	}
	return data.Bytes(), nil
}

// describe parses the names that LevelDB gives its files: 000007.ldb, 000005.log,
// MANIFEST-000004.
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
	n, err := strconv.ParseUint(number, 10, 63)
	return storage.FileDesc{Type: kind, Num: int64(n)}, err == nil && kind != 0
}
