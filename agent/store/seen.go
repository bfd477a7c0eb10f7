// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"
)

const (
	// maxSeen bounds the file: a snapshot's worth of role names, escaped.
	maxSeen = 16 << 20
	// saveTimeEvery bounds how often the passing of time alone is written down.
	saveTimeEvery = 6 * time.Hour
)

// Seen is what we remember apart from the metadata itself, so that a file that is
// lost or set aside does not let a mirror go back to an older one.
type Seen struct {
	// Time is the highest time at which a refresh succeeded.
	Time time.Time `json:"time,omitzero"`
	// Root is the highest version of root that was reached from the initial
	// root with the digest Initial.
	Root    int64  `json:"root,omitempty"`
	Initial string `json:"initial,omitempty"`
	// Versions are the highest versions of all other roles, by role name. They
	// hold as long as the keys and thresholds of timestamp and snapshot are
	// those that Keys identifies, in every root since KeysRoot: when these
	// change, older versions are legitimate (spec 5.3.11).
	Versions map[string]int64 `json:"versions,omitempty"`
	Keys     string           `json:"keys,omitempty"`
	KeysRoot int64            `json:"keys_root,omitempty"`
}

// equal says whether both remember the same versions, at whatever time.
func (m Seen) equal(o Seen) bool {
	return m.Root == o.Root && m.Initial == o.Initial &&
		m.Keys == o.Keys && m.KeysRoot == o.KeysRoot && maps.Equal(m.Versions, o.Versions)
}

// Seen returns what is remembered; the caller may change its copy.
func (s *Store) Seen() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.seen
	m.Versions = maps.Clone(m.Versions)
	return m
}

// Remember keeps m; the highest time is never lowered. What is remembered already
// costs no write, and a later time alone is written down at most every six hours,
// and on Close.
func (s *Store) Remember(m Seen) error {
	m.Time = m.Time.UTC().Truncate(time.Second)
	m.Versions = maps.Clone(m.Versions)
	s.mu.Lock()
	if m.Time.Before(s.seen.Time) {
		m.Time = s.seen.Time
	}
	if same := m.equal(s.seen); same {
		s.seen.Time = m.Time
		s.mu.Unlock()
		return s.saveTime(saveTimeEvery)
	}
	s.mu.Unlock()
	return s.writeSeen(m)
}

func (s *Store) writeSeen(m Seen) error {
	data, err := json.Marshal(m)
	if err == nil && len(data) > maxSeen {
		err = fmt.Errorf("%d bytes are more than %d", len(data), maxSeen)
	}
	if err == nil {
		err = s.replace(seenFile, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("remembering the versions seen: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.saved = m, m.Time
	return nil
}

// HighestTime returns the highest time at which a refresh succeeded; zero when
// there was none.
func (s *Store) HighestTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.Time
}

// ReadHighestTime is HighestTime for those who do not own the store in dir: it
// changes nothing. Zero when nothing is remembered there.
func ReadHighestTime(dir string) (time.Time, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the highest time seen: %w", err)
	}
	defer root.Close()
	data, err := readFile(root, seenFile, maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	var m Seen
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the highest time seen: %w", err)
	}
	return m.Time, nil
}

// saveTime writes the highest time down if the one on disk is older by more than
// the given age.
func (s *Store) saveTime(age time.Duration) error {
	m := s.Seen()
	s.mu.Lock()
	due := m.Time.Sub(s.saved) > age
	s.mu.Unlock()
	if !due {
		return nil
	}
	return s.writeSeen(m)
}

// readSeen reads what was remembered. A file that cannot be parsed is set aside:
// the metadata itself still guards against going back.
func (s *Store) readSeen() error {
	data, err := readFile(s.dir, seenFile, maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the versions seen: %w", err)
	}
	var m Seen
	if err := json.Unmarshal(data, &m); err != nil {
		return s.setAside(seenFile, fmt.Sprintf("not what we wrote: %v", err))
	}
	s.seen, s.saved = m, m.Time
	return nil
}
