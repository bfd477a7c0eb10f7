// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// openDir opens one directory, whose name is taken from its parent: nothing below
// the parent is followed. A kernel before 5.6 has no openat2, and some sandboxes
// refuse it; one name opened with O_NOFOLLOW then does the same.
func openDir(path string) (*os.File, error) {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(parent)
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat2(parent, filepath.Base(path), &unix.OpenHow{
		Flags:   flags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		fd, err = unix.Openat(parent, filepath.Base(path), flags, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// canFix says that a file can be made readable here.
const canFix = true

// makeReadable gives f the mode that its client gives it. Held is the very file that was
// judged: by its name another one could be met, put there meanwhile.
func makeReadable(f *file) error {
	held, err := f.dir.OpenFile(f.base, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return errors.Join(errMoved, err)
	}
	defer held.Close()
	info, err := held.Stat()
	if err != nil || !os.SameFile(info, f.info) || !fixable(&file{seen: seen{info: info}}) {
		return errMoved
	}
	// What was opened only to hold it cannot be changed by its descriptor alone.
	return os.Chmod("/proc/self/fd/"+strconv.Itoa(int(held.Fd())), f.perm) //nolint:gosec // a descriptor fits
}

// renameNew renames from to to, which must not be there yet: fs.ErrExist.
func renameNew(dir *os.Root, from, to string) error {
	held, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer held.Close()
	fd := int(held.Fd()) //nolint:gosec // a descriptor fits
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return renameUnlessThere(dir, from, to) // a kernel or a file system that has no such thing
	}
	return err
}

// changeTime is when the file itself, its mode or its name was changed last.
func changeTime(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return info.ModTime()
}
