// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxEntries bounds the directories we list. Nothing of ours comes near it.
const maxEntries = 16384

// UnusableFileError says that something other than a file of ours lies under the
// name of one. It is not touched: a person should look at it.
type UnusableFileError struct {
	Path, Reason string
}

func (e *UnusableFileError) Error() string {
	return fmt.Sprintf("%q %s: look at it, then remove it", e.Path, e.Reason)
}

// readFile reads a regular file of at most limit bytes. It follows no link, and
// does not wait for a FIFO or a device. fs.ErrNotExist means that the name does
// not exist, and nothing else.
func readFile(dir *os.Root, name string, limit int64) ([]byte, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := usable(dir, name, info, limit); err != nil {
		return nil, err
	}
	// Between the two calls the name may have changed hands: do not wait, look again.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := usable(dir, name, info, limit); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, unusable(dir, name, fmt.Sprintf("is larger than %d bytes", limit))
	}
	return data, nil
}

func usable(dir *os.Root, name string, info fs.FileInfo, limit int64) error {
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() > limit:
		return unusable(dir, name, fmt.Sprintf("is larger than %d bytes", limit))
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return unusable(dir, name, "is a directory in place of a file")
	case mode&fs.ModeSymlink != 0:
		return unusable(dir, name, "is a symbolic link in place of a file")
	case mode&fs.ModeNamedPipe != 0:
		return unusable(dir, name, "is a FIFO in place of a file")
	default:
		return unusable(dir, name, "is a device or a socket in place of a file")
	}
}

func unusable(dir *os.Root, name, reason string) error {
	return &UnusableFileError{Path: dir.Name() + "/" + name, Reason: reason}
}

// readDir lists a directory, in no order.
func readDir(dir *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxEntries {
		return nil, unusable(dir, name, fmt.Sprintf("has more than %d entries", maxEntries))
	}
	return entries, nil
}
