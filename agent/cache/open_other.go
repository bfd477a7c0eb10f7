// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package cache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// openDir opens one directory that is not a symbolic link.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
}

// canFix says that no file can be made readable here: what cannot be read cannot be
// held while its mode is changed, and by its name another file could be met.
const canFix = false

func makeReadable(*file) error { return errors.ErrUnsupported }

// renameNew renames from to to, which must not be there yet: fs.ErrExist.
func renameNew(dir *os.Root, from, to string) error { return renameUnlessThere(dir, from, to) }

func changeTime(info fs.FileInfo) time.Time { return info.ModTime() }
