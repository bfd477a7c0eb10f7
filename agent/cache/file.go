// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// kind is what stands where a client keeps a file.
type kind int

const (
	absent     kind = iota
	regular         // read
	unreadable      // a regular file we may not read, or that the disk will not give
	tooLarge
	symlink
	directory
	special // a named pipe, a socket, a device: opening it can block or do harm
	unsteady
)

func (k kind) String() string {
	return [...]string{"missing", "regular file", "unreadable", "too large",
		"symbolic link", "directory", "not a regular file", "changing"}[k]
}

// seen is one look at one name.
type seen struct {
	kind kind
	info fs.FileInfo // of the name itself, links not followed; nil when absent
	data []byte      // when regular
}

// readFile reads the regular file name, at most limit bytes of it, and never
// blocks: links are not followed, pipes and devices not opened.
func readFile(dir *os.Root, name string, limit int64) seen {
	for range 3 {
		s, steady := tryRead(dir, name, limit)
		if steady {
			return s
		}
	}
	return seen{kind: unsteady} // replaced under our eyes, each time: a client is at work
}

func tryRead(dir *os.Root, name string, limit int64) (s seen, steady bool) {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR):
		return seen{}, true
	case err != nil:
		return seen{kind: unreadable}, true
	}
	s.info = info
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		s.kind = symlink
		return s, true
	case info.IsDir():
		s.kind = directory
		return s, true
	case !info.Mode().IsRegular():
		s.kind = special
		return s, true
	}
	// O_NONBLOCK: what we saw as a file may be a pipe by now.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, false
	case err != nil:
		s.kind = unreadable
		return s, true
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil || !os.SameFile(info, opened) {
		return s, false
	}
	s.info = opened
	if opened.Size() > limit {
		s.kind = tooLarge
		return s, true
	}
	s.data, err = io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		s.kind, s.data = unreadable, nil
	case int64(len(s.data)) > limit:
		s.kind, s.data = tooLarge, nil
	default:
		s.kind = regular
	}
	return s, true
}

// same says whether two looks at one name saw the same file, unchanged.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}

func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // its type differs from system to system
	}
	return 0
}

// jsonSpace surrounds the same root in some copies and not in others; digests leave
// it out, as trust.FormOf does.
const jsonSpace = " \t\r\n"

// What is wrong with the bytes of a file.
const (
	emptyFile  = "empty"
	truncated  = "truncated"
	notJSON    = "not JSON"
	wrongShape = "not what it should hold"
)

// shape says what a JSON parser makes of data, "" for nothing wrong.
func shape(data []byte) string {
	if len(data) == 0 {
		return emptyFile
	}
	if json.Valid(data) {
		switch bytes.TrimSpace(data)[0] {
		case '{':
			return ""
		}
		return wrongShape
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var v json.RawMessage
	if err := d.Decode(&v); errors.Is(err, io.ErrUnexpectedEOF) && utf8.Valid(data) {
		return truncated
	}
	return notJSON
}

// quote makes a path fit to be typed into a shell, on one line. A leading "=" means
// something to zsh, a comma at the end to a reader.
func quote(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@,%=:"
	if path != "" && strings.Trim(path, plain) == "" && !strings.ContainsAny(path[:1], "=-") && !strings.ContainsAny(path[len(path)-1:], ",") {
		return path
	}
	if strconv.Quote(path) == `"`+path+`"` { // no control character, no quote, no backslash
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	// $'…' of bash and zsh takes the escapes that Go writes for such names.
	q := strconv.QuoteToASCII(path)
	return "$'" + strings.ReplaceAll(q[1:len(q)-1], "'", `\'`) + "'"
}

// oneLine makes the text of an error fit for one line; names in it come from outside.
func oneLine(err error) string {
	q := strconv.Quote(err.Error())
	return q[1 : len(q)-1]
}
