// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

// MaxClients is how many clients one Find lists.
const MaxClients = 200

// maxCandidates bounds the files that one Find looks at.
const maxCandidates = 100_000

// FindOptions says where to look.
type FindOptions struct {
	Files []string // given by name: what is wrong with one is an error
	Dirs  []string // directories of programs, such as those on PATH; not below them
	Globs []string // patterns of files or directories, with ** (doublestar)
	// Exclude are patterns of paths that are left alone. Files are never excluded.
	Exclude     []string
	MaxFileSize int64 // 0: DefaultMaxFileSize
	Model       *Model
	Cache       *ScanCache // nil: every file is read
}

// Find lists the Sigstore clients among the files it is pointed at. A file is
// read once however many names lead to it. What could not be read comes back as
// errors beside the clients found; nothing is executed.
func Find(ctx context.Context, o FindOptions) ([]Client, []error) {
	s := search{o: o, seen: map[FileID]bool{}, dirs: map[string]bool{}, clients: []Client{}}
	for _, path := range o.Files {
		s.look(ctx, path, true)
	}
	for _, dir := range o.Dirs {
		s.dir(ctx, dir)
	}
	for _, pattern := range o.Globs {
		s.glob(ctx, pattern)
	}
	if s.more > 0 {
		s.errs = append(s.errs, fmt.Errorf("listing clients: %d more than the %d that are listed", s.more, MaxClients))
	}
	if s.dropped {
		s.errs = append(s.errs, fmt.Errorf("looking for clients: there are more than the %d files that are looked at", maxCandidates))
	}
	if err := ctx.Err(); err != nil {
		s.errs = append(s.errs, fmt.Errorf("looking for clients: %w", err))
	} else {
		o.Cache.keep(s.seen)
	}
	slices.SortStableFunc(s.clients, func(a, b Client) int { return cmp.Compare(a.Path, b.Path) })
	return s.clients, s.errs
}

type search struct {
	o       FindOptions
	seen    map[FileID]bool
	dirs    map[string]bool
	clients []Client
	errs    []error
	more    int
	dropped bool
}

func (s *search) excluded(path string) bool {
	return slices.ContainsFunc(s.o.Exclude, func(pattern string) bool {
		ok, err := doublestar.PathMatch(pattern, path)
		return ok && err == nil
	})
}

func (s *search) dir(ctx context.Context, dir string) {
	dir = filepath.Clean(dir)
	if !filepath.IsAbs(dir) || s.dirs[dir] || s.excluded(dir) {
		return // "." on PATH is whoever's directory we were started in
	}
	s.dirs[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.errs = append(s.errs, fmt.Errorf("reading directory %q: %w", dir, quoted(err)))
	}
	for _, e := range entries {
		if t := e.Type(); t.IsRegular() || t&fs.ModeSymlink != 0 {
			s.look(ctx, filepath.Join(dir, e.Name()), false)
		}
	}
}

var errEnough = errors.New("enough matches")

func (s *search) glob(ctx context.Context, pattern string) {
	base, rest := doublestar.SplitPattern(filepath.ToSlash(pattern))
	if !filepath.IsAbs(base) {
		s.errs = append(s.errs, fmt.Errorf("looking for %q: not an absolute path", pattern))
		return
	}
	matches := 0
	err := doublestar.GlobWalk(os.DirFS(base), rest, func(name string, _ fs.DirEntry) error {
		if matches++; matches > maxCandidates {
			return errEnough
		}
		path := filepath.Join(base, filepath.FromSlash(name))
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			s.dir(ctx, path)
		} else {
			s.look(ctx, path, false)
		}
		return ctx.Err()
	}, doublestar.WithNoFollow())
	if errors.Is(err, errEnough) {
		s.dropped = true
		return
	}
	// What is not there is simply not found.
	if err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
		s.errs = append(s.errs, fmt.Errorf("looking for %q: %w", pattern, quoted(err)))
	}
}

// look reads one file, unless it was read before.
func (s *search) look(ctx context.Context, path string, named bool) {
	if ctx.Err() != nil || !named && s.excluded(path) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && (named || !errors.Is(err, fs.ErrNotExist)):
		s.errs = append(s.errs, fmt.Errorf("reading %q: %w", path, quoted(err)))
		return
	case err != nil: // a dangling link: no program
		return
	case !info.Mode().IsRegular():
		if named {
			s.errs = append(s.errs, fmt.Errorf("reading %q: not a regular file", path))
		}
		return
	case !named && info.Mode()&0o111 == 0:
		return // not a program
	}
	key := fileID(info)
	if s.seen[key] {
		return
	}
	if len(s.seen) == maxCandidates {
		s.dropped = true
		return
	}
	s.seen[key] = true
	c, err := s.o.Cache.read(path, key, func() (Client, error) { return Read(path, s.o.Model, s.o.MaxFileSize) })
	switch {
	case err == nil && len(s.clients) < MaxClients:
		s.clients = append(s.clients, c)
	case err == nil:
		s.more++
	case named || !errors.Is(err, ErrNotClient):
		s.errs = append(s.errs, err)
	}
}

func fileID(info fs.FileInfo) FileID {
	id := FileID{Size: info.Size(), ModifiedNano: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.Device, id.Inode = uint64(st.Dev), st.Ino //nolint:unconvert // Dev is 32 bits wide on other systems
	}
	return id
}

// ScanCache remembers what files were found to be, from one Find to the next. It
// is safe for concurrent use.
type ScanCache struct {
	mu    sync.Mutex
	files map[FileID]scanned
}

type scanned struct {
	client Client
	err    error
}

// NewScanCache returns an empty one.
func NewScanCache() *ScanCache { return &ScanCache{files: map[FileID]scanned{}} }

// read returns what is remembered of a file, or reads it. Only a lasting answer
// is remembered: a file that could not be read is tried again next time.
func (s *ScanCache) read(path string, key FileID, read func() (Client, error)) (Client, error) {
	if s == nil {
		return read()
	}
	s.mu.Lock()
	known, ok := s.files[key]
	s.mu.Unlock()
	if ok {
		known.client.Path = path
		return known.client, known.err
	}
	c, err := read()
	if err == nil || errors.Is(err, ErrNotClient) {
		s.mu.Lock()
		s.files[key] = scanned{client: c, err: err}
		s.mu.Unlock()
	}
	return c, err
}

// keep forgets every file that is not among those seen.
func (s *ScanCache) keep(seen map[FileID]bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.files {
		if !seen[key] {
			delete(s.files, key)
		}
	}
}
