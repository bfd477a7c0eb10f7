// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

// NoteWithoutModules is the note on a program of which only others can tell what
// it is made of: the database of the package that owns it.
const NoteWithoutModules = "built without module information: it does not tell the versions of its libraries"

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
// executed and never read into memory whole. One that holds more than maxSize
// bytes is not read (0: DefaultMaxFileSize); holes in it do not count. The error
// is ErrNotClient for anything that is not a Go program linking a TUF client: a
// dependency on go-tuf alone does not make one (measured).
func Read(path string, model *Model, maxSize int64) (Client, error) {
	c, _, err := read(context.Background(), path, model, maxSize, nil)
	return c, err
}

// read is Read until ctx ends. It also says which state of the file it read: the
// path may lead to another one than it did a moment ago. The buffer is one that
// was returned before, or nil.
func read(ctx context.Context, path string, model *Model, maxSize int64, buf *[]byte) (Client, FileID, error) {
	r, info, err := open(path)
	if err != nil {
		return Client{}, FileID{}, err
	}
	defer r.Close() // opened for reading: nothing can be lost
	id := fileID(info)
	c, err := readOpen(ctx, path, r, info, model, maxSize, buf)
	if err == nil || errors.Is(err, ErrNotClient) {
		after, statErr := r.Stat()
		switch {
		case statErr != nil:
			err = fmt.Errorf("reading %q: %w", path, statErr)
		case !sameContent(fileID(after), id):
			err = fmt.Errorf("reading %q: changed while being read", path)
		}
	}
	if err != nil {
		return Client{}, id, err
	}
	c.File = id
	return c, id, nil
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

// readOpen reads an open file.
func readOpen(ctx context.Context, path string, r *os.File, info fs.FileInfo, model *Model, maxSize int64, buf *[]byte) (c Client, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Client{}, fmt.Errorf("reading %q: the parser panicked: %.200q", path, fmt.Sprint(r))
		}
	}()
	notClient := fmt.Errorf("reading %q: %w", path, ErrNotClient)
	f := executable.New(ctx, r, info, buf)
	if f == nil || !f.MayBeGo() {
		return Client{}, notClient
	}
	if err := checkSize(path, f.Data(), maxSize); err != nil {
		return Client{}, err
	}
	c = Client{Path: path, Ecosystem: Go, EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}, Libraries: map[string]string{}}
	build, buildErr := f.Build()
	if err := ctx.Err(); err != nil {
		return Client{}, fmt.Errorf("reading %q: %w", path, err)
	}
	switch {
	case buildErr != nil:
		c.Notes = append(c.Notes, fmt.Sprintf("its build information cannot be read (%v): what it was built from is not known", buildErr))
	default:
		c.addLibraries(model, build)
		if len(c.Libraries) == 0 && len(build.Deps) > 0 {
			return Client{}, notClient
		}
	}
	found, err := scan(f, model)
	if err != nil {
		return Client{}, fmt.Errorf("reading %q: %w", path, err)
	}
	c.Linked = found.linked
	if !c.Linked.Any() {
		return Client{}, notClient
	}
	switch {
	case build == nil || len(c.Libraries) > 0:
	case build.Main.Path == "":
		c.Notes = append(c.Notes, NoteWithoutModules)
	default:
		c.Notes = append(c.Notes, "lists no library of the client that it links: it does not tell their versions")
	}
	c.EmbeddedRoots = append(c.EmbeddedRoots, found.roots...)
	if found.rootsLeft {
		c.Notes = append(c.Notes, "holds more root documents than are read")
	}
	c.identify(model, build, found, func(module string) string { return symbolVersion(f, module) })
	return c, nil
}

// checkSize refuses a file that holds more data than is read.
func checkSize(path string, size, limit int64) error {
	if limit <= 0 {
		limit = DefaultMaxFileSize
	}
	if size > limit {
		return &TooLargeError{Path: path, Size: size, Max: limit}
	}
	return nil
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
