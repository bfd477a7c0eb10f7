// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
)

// The files that rpm has kept its packages in: SQLite since 4.16, its own format
// ndb on SUSE, Berkeley DB before. Where several are left, rpm uses the first.
var rpmDatabases = [...]struct {
	name string
	each eachHeader
}{
	{"rpmdb.sqlite", eachSQLite},
	{"Packages.db", eachNDB},
	{"Packages", eachBerkeley},
}

// eachHeader calls each for the header of every package in a database. The header
// is good until the next one.
type eachHeader func(ctx context.Context, s source, each func(header []byte) error) error

const (
	maxHeader   = 64 << 20 // bytes of one package's header; rpm itself allows 256 MiB
	maxDatabase = 4 << 30  // bytes of one database file
)

var errTruncated = errors.New("it ends too early")

func rpmFiles(dir string) []string {
	files := []string{path.Join(dir, "rpmdb.sqlite-wal")}
	for _, d := range rpmDatabases {
		files = append(files, path.Join(dir, d.name))
	}
	return files
}

// A source is a database file. The log is SQLite's write-ahead log, nil for none.
type source struct {
	file    io.ReaderAt
	size    int64
	log     io.ReaderAt
	logSize int64
}

// findRPM reads the database in that directory.
func findRPM(ctx context.Context, h host, dir string, w *wanted) error {
	for _, d := range rpmDatabases {
		name := path.Join(dir, d.name)
		if _, info, err := h.resolve(name); err != nil || info == nil || info.Size() == 0 {
			continue // an empty one is what a tool leaves behind that only looked
		}
		if err := h.readRPM(ctx, name, d.each, w); err != nil {
			return fmt.Errorf("reading %q: %w", name, err)
		}
		return nil
	}
	return nil
}

// readRPM reads the headers of all packages, and those of them whole that may
// list a wanted file.
func (h host) readRPM(ctx context.Context, name string, each eachHeader, w *wanted) (err error) {
	f, info, err := h.open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := source{file: f, size: info.Size()}
	if s.size > maxDatabase {
		return fmt.Errorf("larger than %d bytes", int64(maxDatabase))
	}
	log, info, err := h.open(name + "-wal")
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, log.Close()) }()
		s.log, s.logSize = log, info.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	packages := 0
	bases := w.bases()
	return each(ctx, s, func(header []byte) error {
		if packages++; packages > maxEntries {
			return fmt.Errorf("more than %d packages", maxEntries)
		}
		if contains(header, bases) {
			if err := findInHeader(header, w); err != nil {
				return fmt.Errorf("package %d: %w", packages, err)
			}
		}
		return ctx.Err()
	})
}

// bases are the last elements of the wanted names, as a header spells them.
func (w *wanted) bases() [][]byte {
	seen := map[string]bool{}
	var bases [][]byte
	for name := range w.names {
		if b := path.Base(name); !seen[b] {
			seen[b] = true
			bases = append(bases, []byte(b+"\x00"))
		}
	}
	return bases
}

func contains(header []byte, bases [][]byte) bool {
	for _, b := range bases {
		if bytes.Contains(header, b) {
			return true
		}
	}
	return false
}

// The tags of a header that are read here, and the types of their values.
const (
	tagName       = 1000
	tagVersion    = 1001
	tagRelease    = 1002
	tagEpoch      = 1003
	tagOldNames   = 1027 // whole paths, before rpm 4
	tagStates     = 1029
	tagDirIndexes = 1116
	tagBaseNames  = 1117
	tagDirNames   = 1118

	typeInt8    = 2 // CHAR is 1
	typeInt32   = 4
	typeString  = 6
	typeStrings = 8
)

// A header is what rpm keeps of one package: an index of tags, and their values.
type header struct {
	index, data []byte
}

func parseHeader(b []byte) (header, error) {
	if len(b) < 8 {
		return header{}, errTruncated
	}
	entries, size := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if b = b[8:]; entries*16+size > int64(len(b)) {
		return header{}, errTruncated
	}
	return header{index: b[:entries*16], data: b[entries*16 : entries*16+size]}, nil
}

// value returns the type, count and bytes of a tag; the bytes go on to the end of
// all data. They are nil when the package has no such tag.
func (h header) value(tag uint32) (kind, count uint32, data []byte) {
	for e := h.index; len(e) >= 16; e = e[16:] {
		offset := binary.BigEndian.Uint32(e[8:])
		if binary.BigEndian.Uint32(e) == tag && int64(offset) < int64(len(h.data)) {
			return binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[12:]), h.data[offset:]
		}
	}
	return 0, 0, nil
}

func (h header) text(tag uint32) string {
	kind, _, data := h.value(tag)
	end := bytes.IndexByte(data, 0)
	if kind != typeString || end < 0 {
		return ""
	}
	return fit(string(data[:end]))
}

// strings calls each for every element of a list of strings.
func (h header) strings(tag uint32, each func(i int, s []byte)) error {
	kind, count, data := h.value(tag)
	if kind != typeStrings {
		return nil
	}
	for i := range int(count) {
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			return errTruncated
		}
		each(i, data[:end])
		data = data[end+1:]
	}
	return nil
}

// number returns element i of a list of 32-bit numbers.
func (h header) number(tag uint32, i int) (uint32, bool) {
	kind, count, data := h.value(tag)
	if kind != typeInt32 || i >= int(count) || len(data) < 4*(i+1) {
		return 0, false
	}
	return binary.BigEndian.Uint32(data[4*i:]), true
}

// present says whether the package's file i is on disk: a file may be replaced by
// another package's, or was not installed (documentation, another architecture).
func (h header) present(i int) bool {
	kind, count, data := h.value(tagStates)
	if kind == 0 || kind > typeInt8 || i >= int(count) || i >= len(data) {
		return true
	}
	return data[i] == 0
}

// findInHeader takes the wanted files that a package lists.
func findInHeader(raw []byte, w *wanted) error {
	h, err := parseHeader(raw)
	if err != nil {
		return err
	}
	var hits []string
	hit := func(i int, name []byte) {
		if w.has(name) && h.present(i) && len(hits) < maxPaths {
			hits = append(hits, string(name))
		}
	}
	if err := h.files(w, hit); err != nil {
		return err
	}
	if err := h.strings(tagOldNames, hit); err != nil {
		return err
	}
	if len(hits) == 0 {
		return nil
	}
	pkg := Package{Manager: "rpm", Name: h.text(tagName)}
	version, release := h.text(tagVersion), h.text(tagRelease)
	if pkg.Name == "" || version == "" {
		return errors.New("no name and version")
	}
	if pkg.Version = version; release != "" {
		pkg.Version += "-" + release
	}
	if epoch, ok := h.number(tagEpoch, 0); ok {
		pkg.Version = strconv.FormatUint(uint64(epoch), 10) + ":" + pkg.Version
	}
	for _, name := range hits {
		w.take(name, pkg)
	}
	return nil
}

// files calls each for the files in those directories in which one is wanted. A
// header has the names of files (base), and for each the index of its directory.
func (h header) files(w *wanted, each func(i int, name []byte)) error {
	wantedDirs := map[string]bool{}
	for name := range w.names {
		dir, _ := path.Split(name)
		wantedDirs[dir] = true
	}
	dirs := map[uint32]string{}
	err := h.strings(tagDirNames, func(i int, dir []byte) {
		if wantedDirs[string(dir)] {
			dirs[uint32(i)] = string(dir) //nolint:gosec // an index into at most maxHeader bytes
		}
	})
	if err != nil || len(dirs) == 0 {
		return err
	}
	kind, count, indexes := h.value(tagDirIndexes)
	if kind != typeInt32 || int64(len(indexes)) < 4*int64(count) {
		return errTruncated
	}
	return h.strings(tagBaseNames, func(i int, base []byte) {
		if i >= int(count) {
			return
		}
		if dir, ok := dirs[binary.BigEndian.Uint32(indexes[4*i:])]; ok {
			each(i, append([]byte(dir), base...))
		}
	})
}
