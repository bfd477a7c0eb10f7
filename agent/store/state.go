// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// roleFile returns the file of a role other than root. A delegated role may have
// any name; none leaves the directory or takes the name of a file of ours.
func roleFile(role string) (string, error) {
	if role == "" || role == trust.Root {
		return "", fmt.Errorf("role %q has no file of its own", role)
	}
	return fileName(role, ".json")
}

// maxName leaves room for what is added to a name when its file is set aside.
const maxName = 220

// fileName turns text from metadata into the name of a file, reversibly.
func fileName(text, suffix string) (string, error) {
	name := trust.Escape(text) + suffix
	if len(name) > maxName {
		return "", fmt.Errorf("name %.40q… is longer than %d bytes in a file name", text, maxName)
	}
	return name, nil
}

func textOf(name, suffix string) (string, error) {
	base, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return "", fmt.Errorf("file %q does not end in %q", name, suffix)
	}
	return url.PathUnescape(base)
}

func rootFile(version int64) string {
	return strconv.FormatInt(version, 10) + ".root.json"
}

// ReadRole returns the trusted metadata of a role other than root, as it was
// received. fs.ErrNotExist means that there is none; any other error means that
// there may be, and must stop a refresh.
func (s *Store) ReadRole(role string) ([]byte, error) {
	name, err := roleFile(role)
	if err != nil {
		return nil, err
	}
	return readFile(s.dir, name, trust.MaxSize(role))
}

// WriteRole persists metadata of a role other than root that was accepted. The
// same bytes again cost no write.
func (s *Store) WriteRole(role string, data []byte) error {
	name, err := roleFile(role)
	if err != nil {
		return fmt.Errorf("persisting metadata: %w", err)
	}
	old, err := readFile(s.dir, name, trust.MaxSize(role))
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("persisting role %q: %w", role, err)
	}
	if err := s.replace(name, data); err != nil {
		return fmt.Errorf("persisting role %q: %w", role, err)
	}
	return nil
}

// SetAsideRole takes a role's file that cannot be parsed out of the way, under a
// name that tells what it was, and reports it in Damaged.
func (s *Store) SetAsideRole(role, reason string) error {
	name, err := roleFile(role)
	if err != nil {
		return err
	}
	return s.setAside(name, reason)
}

// ReadRoot returns one root of the history; errors are those of ReadRole.
func (s *Store) ReadRoot(version int64) ([]byte, error) {
	return readFile(s.dir, filepath.Join(rootHistory, rootFile(version)), trust.MaxRoot)
}

// WriteRoot persists a root that was accepted. The same bytes again cost no
// write; other bytes under that version are replaced.
func (s *Store) WriteRoot(version int64, data []byte) error {
	old, err := s.ReadRoot(version)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("persisting root %d: %w", version, err)
	}
	if err := s.replace(filepath.Join(rootHistory, rootFile(version)), data); err != nil {
		return fmt.Errorf("persisting root %d: %w", version, err)
	}
	return nil
}

// SetAsideRoot is SetAsideRole for one root of the history.
func (s *Store) SetAsideRoot(version int64, reason string) error {
	return s.setAside(filepath.Join(rootHistory, rootFile(version)), reason)
}

// SetRoot lets root.json name the root that is in force.
func (s *Store) SetRoot(version int64) error {
	target := filepath.Join(rootHistory, rootFile(version))
	if at, err := s.dir.Readlink("root.json"); err == nil && at == target {
		return nil
	}
	if err := s.link("root.json", target); err != nil {
		return fmt.Errorf("naming root %d as the trusted one: %w", version, err)
	}
	return nil
}

// DropTimestampAndSnapshot removes both from the trusted state: what the
// specification asks for when their keys have changed (5.3.11).
func (s *Store) DropTimestampAndSnapshot() error {
	dropped := false
	for _, role := range []string{trust.Timestamp, trust.Snapshot} {
		name, err := roleFile(role)
		if err != nil {
			return err
		}
		if _, err := s.dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := s.remove(name); err != nil {
			return fmt.Errorf("dropping %s: %w", role, err)
		}
		dropped = true
	}
	if !dropped {
		return nil
	}
	return s.sync(".")
}
