// SPDX-License-Identifier: Apache-2.0

package client

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

// DefaultMaxFileSize is the largest file that is read when no other limit is given.
const DefaultMaxFileSize = 512 << 20

// ErrNotClient says that a file is not a Go program that links a TUF client.
var ErrNotClient = errors.New("not a Go program with a TUF client")

// TooLargeError says that an executable was not read because of its size.
type TooLargeError struct {
	Path      string
	Size, Max int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("reading %q: %d bytes, more than the %d that are read", e.Path, e.Size, e.Max)
}

// Read tells what Sigstore client the executable at path is. The file is never
// executed and never read into memory whole; maxSize 0 means DefaultMaxFileSize.
// The error is ErrNotClient for anything that is not a Go program linking a TUF
// client: a dependency on go-tuf alone does not make one (measured).
func Read(path string, model *Model, maxSize int64) (Client, error) {
	f, info, err := open(path)
	if err != nil {
		return Client{}, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	c, err := readOpen(path, f, info, model, maxSize)
	if err != nil {
		return Client{}, err
	}
	after, err := f.Stat()
	if err != nil {
		return Client{}, fmt.Errorf("reading %q: %w", path, err)
	}
	if fileID(after) != fileID(info) {
		return Client{}, fmt.Errorf("reading %q: changed while being read", path)
	}
	return c, nil
}

// open opens a regular file. Links on the way are followed first, as a shell
// does; the file itself is then opened without following another one and
// without waiting, so that a FIFO put there meanwhile cannot hold us.
func open(path string) (*os.File, fs.FileInfo, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %q: %w", path, quoted(err))
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %q: %w", path, quoted(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotClient
	}
	if err != nil {
		f.Close() // nothing was written
		return nil, nil, fmt.Errorf("reading %q: %w", path, err)
	}
	return f, info, nil
}

// quoted drops the path from an error of the file system: it may hold anything,
// and stands quoted in front already.
func quoted(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func readOpen(path string, f io.ReaderAt, info fs.FileInfo, model *Model, maxSize int64) (c Client, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Client{}, fmt.Errorf("reading %q: the parser panicked: %.200q", path, fmt.Sprint(r))
		}
	}()
	if maxSize <= 0 {
		maxSize = DefaultMaxFileSize
	}
	if !executable(f) {
		return Client{}, fmt.Errorf("reading %q: %w", path, ErrNotClient)
	}
	if info.Size() > maxSize {
		return Client{}, &TooLargeError{Path: path, Size: info.Size(), Max: maxSize}
	}
	limited := &budget{r: f, left: 2*info.Size() + 64<<20}
	build, err := buildinfo.Read(limited)
	if err != nil {
		// Every way in which a file is no Go program ends here: no build info,
		// another format, a damaged one.
		return Client{}, fmt.Errorf("reading %q: %w", path, ErrNotClient)
	}
	c = Client{Path: path, Ecosystem: Go, File: fileID(info), EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}, Libraries: map[string]string{}}
	c.addLibraries(model, build)
	if len(c.Libraries) == 0 && len(build.Deps) > 0 {
		return Client{}, fmt.Errorf("reading %q: %w", path, ErrNotClient)
	}
	found, err := scan(f, info.Size())
	if err != nil {
		return Client{}, fmt.Errorf("reading %q: %w", path, err)
	}
	c.Linked = found.linked
	if !c.Linked.Any() {
		return Client{}, fmt.Errorf("reading %q: %w", path, ErrNotClient)
	}
	c.EmbeddedRoots = found.roots
	if found.rootsLeft {
		c.Notes = append(c.Notes, "holds more root documents than are read")
	}
	c.identify(model, build, f, info.Size())
	return c, nil
}

// executable says whether a file starts like a program file: ELF, Mach-O or PE.
func executable(f io.ReaderAt) bool {
	var b [4]byte
	if n, _ := f.ReadAt(b[:], 0); n < len(b) {
		return false // too short, or unreadable: no program either way
	}
	switch string(b[:]) {
	case "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe":
		return true
	}
	return string(b[:2]) == "MZ"
}

// budget bounds what a parser may read in all, whatever the headers of a hostile
// file send it after.
type budget struct {
	r    io.ReaderAt
	left int64
}

var errBudget = errors.New("reads more than a program file holds")

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errBudget
	}
	return b.r.ReadAt(p, off)
}

// addLibraries records the TUF libraries among main module and dependencies. A
// replacement counts in place of what it replaces.
func (c *Client) addLibraries(model *Model, build *debug.BuildInfo) {
	for _, d := range slices.Concat([]*debug.Module{&build.Main}, build.Deps) {
		if d == nil {
			continue
		}
		for _, l := range model.Libraries {
			if d.Path != l.Module {
				continue
			}
			version := d.Version
			if d.Replace != nil {
				version = d.Replace.Version
				c.Notes = append(c.Notes, fmt.Sprintf("%s is replaced by %q", l.Name, strings.TrimSpace(d.Replace.Path+" "+d.Replace.Version)))
			}
			if version == "" {
				version = "(devel)"
			}
			c.Libraries[l.Name] = version
		}
	}
}
