// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tufkeeper/tufkeeper/agent/durable"
)

// sweep removes what crashed writers left: our own temporary files, and those of the
// layout's client, which no client ever removes (measured).
func (l *look) sweep(done *Change) error {
	if l.dir == nil {
		return nil
	}
	errs := []error{durable.Sweep(l.base, ".", leftover, l.now)}
	for dir, told := range map[*os.Root]string{l.dir: "", l.targets.dir: l.targets.name, l.history.dir: l.history.name} {
		if dir == nil {
			continue
		}
		errs = append(errs, durable.Sweep(dir, ".", leftover, l.now))
		if l.rules.temp == nil || dir == l.targets.dir { // which no client stages anything in
			continue
		}
		names, _, err := entries(dir)
		errs = append(errs, err)
		for _, name := range names {
			if l.rules.temp.MatchString(name) {
				errs = append(errs, l.sweepOne(dir, name, filepath.Join(told, name), done))
			}
		}
	}
	return errors.Join(errs...)
}

func (l *look) sweepOne(dir *os.Root, name, told string, done *Change) error {
	info, err := dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || l.now.Sub(info.ModTime()) <= leftover {
		return nil //nolint:nilerr // gone, not a file, or perhaps of a client at work
	}
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	done.Removed = append(done.Removed, told)
	done.Mended = append(done.Mended, Damage{File: told, What: "left by a client that did not end well", Heals: false})
	return nil
}
