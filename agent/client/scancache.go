// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"sync"
)

// ScanCache remembers what files were found to be, from one Find to the next. It
// is safe for concurrent use.
type ScanCache struct {
	mu    sync.Mutex
	files map[scanKey]scanned
}

// scanKey is what was read of a file: a program, wherever it lies, or the package
// at a path. What a file is as one of them says nothing of the other.
type scanKey struct {
	kind Ecosystem
	path string // "" for a program
	file FileID
}

func program(id FileID) scanKey { return scanKey{kind: Go, file: id} }

// scanned is a lasting answer: a client, or that the file is none. A file that
// could not be read is tried again next time.
type scanned struct {
	client Client
	err    error
	// brief says that the file is a client beyond the limit: no more is kept of it.
	brief bool
}

// NewScanCache returns an empty one.
func NewScanCache() *ScanCache { return &ScanCache{files: map[scanKey]scanned{}} }

func (s *ScanCache) get(key scanKey) (scanned, bool) {
	if s == nil {
		return scanned{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.files[key]
	return known, ok
}

// read returns what is remembered of a file, or reads it. Only a lasting answer
// is remembered: a file that could not be read is tried again next time.
func (s *ScanCache) read(path string, key scanKey, read func() (Client, error)) (Client, error) {
	if known, ok := s.get(key); ok && !known.brief {
		known.client.Path = path
		return known.client, known.err
	}
	c, err := read()
	if err == nil || errors.Is(err, ErrNotClient) {
		s.put(key, scanned{client: c, err: err})
	}
	return c, err
}

func (s *ScanCache) put(key scanKey, what scanned) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[key] = what
}

// keep forgets every file that is not among those seen.
func (s *ScanCache) keep(seen map[scanKey]bool) {
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
