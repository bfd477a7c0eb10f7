// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
)

// sweep removes what crashed writers left: our own temporary files and, where mending
// is allowed, those of the layout's client, which no client ever removes (measured).
func (l *look) sweep(o WriteOptions, done *Change) error {
	if l.dir == nil {
		return nil
	}
	var errs []error
	for dir, told := range map[*os.Root]string{l.base: "..", l.dir: "", l.targets.dir: l.targets.name, l.history.dir: l.history.name} {
		if dir == nil {
			continue
		}
		clients := l.rules.temp
		if !o.Mend || dir == l.base || dir == l.targets.dir { // which no client stages anything in
			clients = nil
		}
		names, _, err := entries(dir)
		errs = append(errs, err)
		for _, name := range names {
			if durable.IsTemp(name) || clients != nil && clients.MatchString(name) {
				errs = append(errs, l.sweepOne(dir, name, filepath.Join(told, name), done))
			}
		}
	}
	return errors.Join(errs...)
}

func (l *look) sweepOne(dir *os.Root, name, told string, done *Change) error {
	info, err := dir.Lstat(name)
	if err != nil || l.now.Sub(info.ModTime()) <= leftover {
		return nil //nolint:nilerr // gone, or perhaps of a writer at work
	}
	ours, by := durable.IsTemp(name), "a tufkeeper"
	link := ours && info.Mode()&fs.ModeSymlink != 0 // one of a root history
	if !info.Mode().IsRegular() && !link {
		return nil // nobody leaves such a thing, whatever it is called
	}
	if !ours {
		if by = "a client"; l.rules.vague && !l.isStaged(dir, name, info) {
			return nil
		}
	}
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	done.Removed = append(done.Removed, told)
	done.Mended = append(done.Mended, Damage{File: told, What: "left by " + by + " that did not end well", Heals: false})
	return nil
}

// isStaged says whether a file is what a client stages metadata in: for its owner alone,
// with a document or nothing in it; and if there is a date in its name, one on which
// there were such clients.
func (l *look) isStaged(dir *os.Root, name string, info fs.FileInfo) bool {
	if date, _, dated := strings.Cut(name, "-"); dated {
		day, err := time.Parse("20060102", date)
		if err != nil || day.Year() < 2020 || day.After(l.now.Add(24*time.Hour)) {
			return false
		}
	}
	if info.Mode().Perm() != checkPerm || uidOf(info) != os.Geteuid() {
		return false
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil || !os.SameFile(info, opened) {
		return false
	}
	var first [1]byte
	n, err := f.Read(first[:])
	return n == 0 && errors.Is(err, io.EOF) || n == 1 && first[0] == '{'
}
