// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/durable"
)

// sweep removes what crashed writers left: our own temporary files, and those of the
// layout's client, which no client ever removes (measured).
func (l *look) sweep(done *Change) error {
	if l.dir == nil {
		return nil
	}
	var errs []error
	for dir, told := range map[*os.Root]string{l.base: "..", l.dir: "", l.targets.dir: l.targets.name, l.history.dir: l.history.name} {
		if dir == nil {
			continue
		}
		clients := l.rules.temp
		if dir == l.base || dir == l.targets.dir { // which no client stages anything in
			clients = nil
		}
		names, _, err := entries(dir)
		errs = append(errs, err)
		for _, name := range names {
			if strings.HasPrefix(name, durable.TempPrefix) || clients != nil && clients.MatchString(name) {
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
	ours := strings.HasPrefix(name, durable.TempPrefix)
	link := ours && info.Mode()&fs.ModeSymlink != 0 // one of a root history
	if !info.Mode().IsRegular() && !link {
		return nil // nobody leaves such a thing, whatever it is called
	}
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	if ours {
		return nil // of no interest to anybody else
	}
	done.Removed = append(done.Removed, told)
	done.Mended = append(done.Mended, Damage{File: told, What: "left by a client that did not end well", Heals: false})
	return nil
}
