// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxHomeFiles is how many files a home may have that is no file system of its own.
const maxHomeFiles = 4096

// watchEvery is how often such a home is looked at.
const watchEvery = 100 * time.Millisecond

func tempHome(s setup) (string, error) {
	dir, err := os.MkdirTemp("", "tufkeeper-probe-")
	if err != nil {
		return "", err
	}
	if s.Become {
		err = os.Chown(dir, s.UID, s.GID)
	}
	return dir, err
}

// watchHome calls full, once, when a home is larger than it may be, until the
// function that it returns is called. What was removed and is open still is not
// seen: it ends with the client.
func watchHome(dir string, full func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if tooLarge(dir) {
				full()
				return
			}
		}
	}()
	return func() { close(done) }
}

var errTooLarge = errors.New("too large")

// tooLarge says whether a home holds too much, or what cannot be seen: a client has
// no use for a directory that its own user cannot list.
func tooLarge(dir string) bool {
	var bytes, files int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has been removed meanwhile
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // it has been removed meanwhile
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
		if files++; files > maxHomeFiles || bytes > maxFile {
			return errTooLarge
		}
		return nil
	})
	return err != nil
}

// removeHome removes a home, whatever its client made of the modes in it. Root
// needs no modes, and changes none of a tree that another user can change.
func removeHome(dir string) error {
	if os.Geteuid() != 0 {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				_ = os.Chmod(path, 0o700) // before it is listed; removing tells what this could not do
			}
			return nil
		})
	}
	return os.RemoveAll(dir)
}
