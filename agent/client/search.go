// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	// maxCandidates bounds the files that one Find looks at, maxOwned those of one
	// owner: nobody's heap of files hides the clients of others.
	maxCandidates = 100_000 // beside root's, for which there is always room
	maxOwned      = 20_000
	// maxErrors bounds the errors of one Find.
	maxErrors = 200
	// batch is how many files are read before what they are is written down.
	batch = 128
	// maxReaders bounds the files that are read at once.
	maxReaders = 4
)

// search is one Find under way. Candidates are stated one after the other, read a
// few at a time, and listed in the order in which they came.
type search struct {
	o       FindOptions
	seen    map[scanKey]bool
	dirs    map[string]bool
	pending []candidate

	clients []Client
	listed  map[uint32]int // by owner
	more    map[uint32]int // found, not listed
	owned   map[uint32]int // files looked at
	errs    []error
	errsCut int
	looked  int // files of others than root
	dropped bool

	closedDirs map[string]bool // that patterns begin with, and we may not look into

	packagesSeen    map[string]bool // metadata files of packages
	packageDirsSeen int
	packagesDropped bool
}

// candidate is a file that may be a client.
type candidate struct {
	path  string
	key   FileID
	owner uint32
	named bool

	known  bool // from the cache
	id     FileID
	client Client
	err    error
}

func newSearch(o FindOptions) *search {
	return &search{
		o: o, seen: map[scanKey]bool{}, dirs: map[string]bool{}, clients: []Client{},
		listed: map[uint32]int{}, more: map[uint32]int{}, owned: map[uint32]int{},
		packagesSeen: map[string]bool{}, closedDirs: map[string]bool{},
	}
}

func (s *search) fail(err error) {
	if len(s.errs) == maxErrors {
		s.errsCut++
		return
	}
	s.errs = append(s.errs, err)
}

func (s *search) excluded(path string) bool {
	return slices.ContainsFunc(s.o.Exclude, func(pattern string) bool {
		ok, err := doublestar.PathMatch(pattern, path)
		return ok && err == nil
	})
}

// look takes one file up, unless it was before.
func (s *search) look(ctx context.Context, path string, named bool) {
	if ctx.Err() != nil || !named && s.excluded(path) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && (named || !errors.Is(err, fs.ErrNotExist)):
		s.take(ctx, candidate{path: path, named: named, known: true, err: fmt.Errorf("reading %q: %w", path, quoted(err))})
		return
	case err != nil: // a dangling link: no program
		return
	case !info.Mode().IsRegular():
		if named {
			s.take(ctx, candidate{path: path, named: true, known: true, err: fmt.Errorf("reading %q: not a regular file", path)})
		}
		return
	case !named && info.Mode()&0o111 == 0:
		return // not a program
	}
	key, owner := fileID(info), ownerOf(info)
	if s.seen[program(key)] {
		return
	}
	// Who made a link pays for it, not the owner of what it leads to.
	by := owner
	if entry, err := os.Lstat(path); err == nil {
		by = ownerOf(entry)
	}
	if s.owned[by] == maxOwned || by != 0 && s.looked == maxCandidates {
		s.dropped = true
		return
	}
	s.seen[program(key)] = true
	s.owned[by]++
	if by != 0 {
		s.looked++
	}
	c := candidate{key: key, owner: owner, named: named}
	if known, ok := s.o.Cache.get(program(key)); ok && (!known.brief || s.listed[owner] >= MaxClients) {
		c.known, c.id, c.client, c.err = true, key, known.client, known.err
	}
	if c.known && errors.Is(c.err, ErrNotClient) && !named {
		return // nearly all there are: nothing more is asked of them
	}
	c.path = realPath(path) // a link in a home makes no program of the system a user's
	c.client.Path = c.path
	s.take(ctx, c)
}

// take puts a candidate in line.
func (s *search) take(ctx context.Context, c candidate) {
	if s.pending = append(s.pending, c); len(s.pending) == batch {
		s.flush(ctx)
	}
}

// flush reads what is pending and lists what are clients.
func (s *search) flush(ctx context.Context) {
	next := make(chan *candidate)
	var readers sync.WaitGroup
	start := func() {
		readers.Go(func() {
			var buf []byte
			for c := range next {
				c.client, c.id, c.err = read(ctx, c.path, s.o.Model, s.o.MaxFileSize, &buf)
			}
		})
	}
	for i, started := 0, 0; i < len(s.pending); i++ {
		if c := &s.pending[i]; !c.known {
			if started < min(maxReaders, runtime.GOMAXPROCS(0)) {
				started++
				start()
			}
			next <- c
		}
	}
	close(next)
	readers.Wait()
	for i := range s.pending {
		s.settle(ctx, &s.pending[i])
	}
	clear(s.pending)
	s.pending = s.pending[:0]
}

// settle writes down what a file turned out to be.
func (s *search) settle(ctx context.Context, c *candidate) {
	isClient, notClient := c.err == nil, errors.Is(c.err, ErrNotClient)
	listed := isClient && s.list(c.owner, c.client)
	if !c.known && (isClient || notClient) && c.id != (FileID{}) {
		kept := scanned{client: c.client, err: c.err}
		if isClient && !listed { // not worth the memory of its roots
			kept = scanned{brief: true}
		}
		// Under what was read, which may be newer than what was looked at.
		s.seen[program(c.id)] = true
		s.o.Cache.put(program(c.id), kept)
	}
	if !isClient && (c.named || !notClient) && ctx.Err() == nil {
		s.fail(c.err)
	}
}

// list adds a client of that owner to what is found, unless there are too many.
func (s *search) list(owner uint32, c Client) bool {
	if s.listed[owner] >= MaxClients || owner != 0 && len(s.clients) >= maxClientsInAll {
		s.more[owner]++
		return false
	}
	s.listed[owner]++
	s.clients = append(s.clients, c)
	return true
}

// cut reports what there was too much of.
func (s *search) cut() {
	owners := make([]uint32, 0, len(s.more))
	total := 0
	for owner, n := range s.more {
		owners = append(owners, owner)
		total += n
	}
	slices.Sort(owners)
	if len(owners) > maxOwnersNamed {
		s.errs = append(s.errs, fmt.Errorf("listing clients: %d more of %d users than are listed", total, len(owners)))
		owners = nil
	}
	for _, owner := range owners {
		s.errs = append(s.errs, fmt.Errorf("listing clients: %d more of user %d than the %d that are listed", s.more[owner], owner, s.listed[owner]))
	}
	if s.dropped {
		s.errs = append(s.errs, fmt.Errorf("looking for clients: there are more than the %d files, or %d of one owner, that are looked at", maxCandidates, maxOwned))
	}
	if s.errsCut > 0 {
		s.errs = append(s.errs, fmt.Errorf("looking for clients: %d more errors like these", s.errsCut))
	}
}

func ownerOf(info fs.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid
	}
	return 0
}
