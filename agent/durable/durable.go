// SPDX-License-Identifier: Apache-2.0

// Package durable replaces files and symbolic links so that readers and crashes
// never see half of one.
//
// A file is staged under a temporary name in the directory it will live in,
// synced, and renamed over its final name. Whoever reads that name finds the old
// bytes or the new ones; after an error, or a crash at any point, the old bytes
// are still there. A symbolic link at the final name is replaced, never followed,
// and the mode is the one asked for, whatever the umask.
//
// All names are relative to an [os.Root], so nothing leaves the directory that
// was opened. Whether that directory may be written to at all, and by whom, is
// for the caller to decide. What a crash leaves behind bears [TempPrefix], and
// [Sweep] removes it.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// TempPrefix begins the name of everything that is staged and not yet in place.
const TempPrefix = ".tufkeeper-"

// IsTemp says whether name is one that was made for something staged: the prefix and
// the text of [rand.Text], and not what somebody else called after us.
func IsTemp(name string) bool {
	random, ours := strings.CutPrefix(name, TempPrefix)
	return ours && len(random) >= 26 && strings.Trim(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// A Staged file is written and synced under a temporary name, and waits to take
// its final one. It is not safe for concurrent use.
type Staged struct {
	dir        *os.Root // not closed by us
	temp, name string
	done       bool // committed or discarded
}

// Replace makes data the content of name in dir, and returns when that would
// survive a power cut. Name may hold subdirectories, which must exist. After an
// error the old content is in place, except where only the last sync failed: then
// the new one is, and may not survive a power cut.
func Replace(dir *os.Root, name string, data []byte, perm fs.FileMode) error {
	s, err := Stage(dir, name, data, perm)
	if err != nil {
		return err
	}
	if err := s.Commit(); err != nil {
		return err
	}
	return SyncDir(dir, filepath.Dir(name))
}

// Stage writes data beside name, with exactly the permission bits of perm, and
// syncs it. Nothing is left after an error. The caller ends what it staged with
// Commit or Discard.
func Stage(dir *os.Root, name string, data []byte, perm fs.FileMode) (*Staged, error) {
	s := &Staged{dir: dir, name: name, temp: tempBeside(name)}
	// O_EXCL: whatever is there already was not made by us, and is not written to.
	f, err := dir.OpenFile(s.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("staging %q: %w", name, err)
	}
	err = fill(f, data, perm)
	if closing := f.Close(); err == nil {
		err = closing // NFS and quotas report a lost write only here
	}
	if err != nil {
		return nil, fmt.Errorf("staging %q: %w", name, errors.Join(err, s.Discard()))
	}
	return s, nil
}

func fill(f *os.File, data []byte, perm fs.FileMode) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	// The mode given to open is cut down by the umask, this one is not.
	if err := f.Chmod(perm.Perm()); err != nil {
		return err
	}
	return f.Sync()
}

// Commit renames the staged file over its final name. It does not sync the
// directory: a caller that commits several files calls [SyncDir] once at the end.
// After an error the final name is as it was, and the staged file is removed.
func (s *Staged) Commit() error {
	if s.done {
		return fmt.Errorf("replacing %q: %w", s.name, fs.ErrClosed)
	}
	if err := s.dir.Rename(s.temp, s.name); err != nil {
		return fmt.Errorf("replacing %q: %w", s.name, errors.Join(err, s.Discard()))
	}
	s.done = true
	return nil
}

// Discard removes the staged file. It does nothing after Commit or Discard, so it
// may be deferred.
func (s *Staged) Discard() error {
	if s.done {
		return nil
	}
	s.done = true
	if err := s.dir.Remove(s.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("discarding what was staged for %q: %w", s.name, err)
	}
	return nil
}

// SyncDir makes the entries of the directory name in dir survive a power cut; "."
// is dir itself.
func SyncDir(dir *os.Root, name string) error {
	d, err := openDir(dir, name)
	if err != nil {
		return fmt.Errorf("syncing directory %q: %w", name, err)
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // a file system that has no such thing; there is no other way to ask it
	}
	if closing := d.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("syncing directory %q: %w", name, err)
	}
	return nil
}

// Relink makes link a symbolic link to target, whatever file or link was there
// before, and syncs the directory. Readers find the old target or the new one. A
// directory at link is not replaced: that is an error.
func Relink(dir *os.Root, link, target string) error {
	s := &Staged{dir: dir, name: link, temp: tempBeside(link)}
	if err := dir.Symlink(target, s.temp); err != nil {
		return fmt.Errorf("staging link %q: %w", link, err)
	}
	if err := s.Commit(); err != nil {
		return err
	}
	return SyncDir(dir, filepath.Dir(link))
}

// Sweep removes from the directory sub of dir ("." is dir itself) what a crash
// left (see [IsTemp]), if it was last changed longer than olderThan before
// now: what is younger may belong to a writer at work. It goes on after an error
// and returns all of them.
func Sweep(dir *os.Root, sub string, olderThan time.Duration, now time.Time) error {
	d, err := openDir(dir, sub)
	if err != nil {
		return fmt.Errorf("sweeping %q: %w", sub, err)
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sweeping %q: %w", sub, err)
	}
	var errs []error
	for _, e := range entries {
		if !IsTemp(e.Name()) {
			continue
		}
		name := filepath.Join(sub, e.Name())
		info, err := dir.Lstat(name)
		if err == nil && now.Sub(info.ModTime()) > olderThan {
			err = dir.RemoveAll(name) // does not follow links
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweeping %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// openDir opens a directory and nothing else: opening a FIFO in its place would wait
// for a writer for ever.
func openDir(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(filepath.Clean(name), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
}

func tempBeside(name string) string {
	return filepath.Join(filepath.Dir(name), TempPrefix+rand.Text())
}
