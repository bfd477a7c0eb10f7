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

	"github.com/bmatcuk/doublestar/v4"
)

// MaxClients is how many clients of one owner a Find lists.
const MaxClients = 200

const (
	// maxClientsInAll bounds the clients that one Find lists, whoever owns them.
	maxClientsInAll = 2000
	// maxOwnersNamed bounds the owners whose clients were too many.
	maxOwnersNamed = 20
)

// FindOptions says where to look.
type FindOptions struct {
	// Files are given by name, directories and files of packages too: what is wrong
	// with one is an error.
	Files []string
	Dirs  []string // directories of programs, such as those on PATH; not below them
	Globs []string // patterns of files or directories, with ** (doublestar)
	// Packages are patterns of directories that hold packages of other languages:
	// site-packages, node_modules, RubyGems' specifications, directories of jars.
	Packages []string
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
	s := newSearch(o)
	for _, path := range o.Files {
		s.named(ctx, path)
	}
	for _, dir := range o.Dirs {
		s.dir(ctx, dir)
	}
	for _, pattern := range o.Globs {
		s.glob(ctx, pattern)
	}
	for _, pattern := range o.Packages {
		s.packageDirs(ctx, pattern)
	}
	s.flush(ctx)
	s.cut()
	if err := ctx.Err(); err != nil {
		s.errs = append(s.errs, fmt.Errorf("looking for clients: %w", err))
	} else {
		o.Cache.keep(s.seen)
	}
	slices.SortStableFunc(s.clients, func(a, b Client) int { return cmp.Compare(a.Path, b.Path) })
	return s.clients, s.errs
}

func (s *search) dir(ctx context.Context, dir string) {
	dir = filepath.Clean(dir)
	if !filepath.IsAbs(dir) || s.dirs[dir] || s.excluded(dir) {
		return // "." on PATH is whoever's directory we were started in
	}
	s.dirs[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(fmt.Errorf("reading directory %q: %w", dir, quoted(err)))
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
		s.fail(fmt.Errorf("looking for %q: not an absolute path", pattern))
		return
	}
	if s.closed(base, rest) {
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
		s.fail(fmt.Errorf("looking for %q: %w", pattern, quoted(err)))
	}
}
