// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openBase opens a client's cache root. The base may be a symbolic link only where
// both the link and what it leads to are our own: whoever can turn a link chooses
// where we write.
func openBase(base string) (*os.Root, error) {
	if err := wayTo(base, 0); err != nil {
		return nil, err
	}
	info, err := os.Lstat(base)
	if err != nil {
		return nil, unusable(base, err)
	}
	if owner := uidOf(info); owner != os.Geteuid() && !amongOurs(base) {
		return nil, foreignOwner(base, owner)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := filepath.EvalSymlinks(base)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &UnusableError{Path: base, Reason: "is a symbolic link that leads nowhere", Remedy: moveAway(base)}
		}
		if err != nil {
			return nil, unusable(base, err)
		}
		there, err := os.Lstat(target)
		if err != nil {
			return nil, unusable(base, err)
		}
		if uidOf(info) != os.Geteuid() || uidOf(there) != os.Geteuid() {
			return nil, &UnusableError{Path: base, Reason: fmt.Sprintf(
				"is a symbolic link of %s to %q of %s; a link is followed only among the files of one user",
				userName(uidOf(info)), target, userName(uidOf(there)))}
		}
		base = target
	}
	return open(base)
}

// onlyDir ends the name of what is opened as an os.Root, which opens whatever has the
// name and asks afterwards: for a FIFO, put there meanwhile, it would wait for ever.
// A name with this end is opened only where it is a directory.
const onlyDir = "/."

// wayTo says whether nobody but this user and root can turn the way to path elsewhere
// by a symbolic link on it; what path itself is, is not looked at.
func wayTo(path string, links int) error {
	for at := filepath.Dir(filepath.Clean(path)); at != filepath.Dir(at); at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			continue // what cannot be looked at cannot be opened either
		}
		to, err := os.Readlink(at)
		if owner := uidOf(info); err == nil && owner != 0 && owner != os.Geteuid() {
			return &UnusableError{Path: path, Reason: fmt.Sprintf(
				"is reached through the symbolic link %q of %s: whoever owns the link chooses where we write", at, userName(owner))}
		}
		if err != nil || links > maxLinks {
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		if err := wayTo(filepath.Join(to, "in it"), links+1); err != nil {
			return err
		}
	}
	return nil
}

// maxLinks is how many links a system follows on one way.
const maxLinks = 40

// openIn opens the directory at path, whose parent is open already.
func openIn(base *os.Root, path string) (*os.Root, error) {
	name := filepath.Base(path)
	info, err := base.Lstat(name)
	if err != nil {
		return nil, unusable(path, err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, &UnusableError{Path: path,
			Reason: "is a symbolic link, and is not followed",
			Remedy: moveAway(path), Consequence: "its client follows the link; tufkeeper does not"}
	}
	dir, err := base.OpenRoot(name + onlyDir)
	if err != nil {
		if now, e := base.Lstat(name); e == nil && !os.SameFile(info, now) {
			err = &BusyError{RetryAfter: retrySoon} // exchanged meanwhile
		}
		return nil, unusable(path, err)
	}
	opened, err := dir.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = &BusyError{RetryAfter: retrySoon}
	}
	if err == nil {
		err = suited(path, opened)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// open opens the directory at path, which must be ours and no link. The identity is
// compared afterwards: os.OpenRoot would follow a link put there in between.
func open(path string) (*os.Root, error) {
	safe, err := openDir(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	defer safe.Close()
	info, err := safe.Stat()
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := suited(path, info); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path + onlyDir)
	if err != nil {
		return nil, unusable(path, err)
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = &UnusableError{Path: path, Reason: "was exchanged while it was being opened"}
	}
	if err != nil {
		root.Close()
		return nil, unusable(path, err)
	}
	return root, nil
}

// suited says whether a directory is one we may work in: ours, ours alone to write,
// and writable. Our own group may write to it too: that is what a umask of 002 makes
// where every user has a group of their own.
func suited(path string, info fs.FileInfo) error {
	if owner := uidOf(info); owner != os.Geteuid() {
		return foreignOwner(path, owner)
	}
	who := ""
	switch group := gidOf(info); {
	case info.Mode().Perm()&0o002 != 0:
		who = "by every user of this host"
	case info.Mode().Perm()&0o020 != 0 && group != os.Getegid():
		who = "by another group than its owner's, " + strconv.Itoa(group)
	}
	if who != "" {
		return &UnusableError{Path: path,
			Reason: fmt.Sprintf("can be written %s (mode %04o): what is in it can be anyone's", who, info.Mode().Perm()),
			Remedy: "chmod go-w " + quote(path)}
	}
	err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.EROFS) {
		return &UnusableError{Path: path, Reason: "lies on a file system that is mounted read-only"}
	}
	return unusable(path, err)
}

// foreignOwner is what another user has at path: left to that user, except in a
// directory of ours, where our own client fails on it (a sudo left it there).
func foreignOwner(path string, owner int) error {
	who := userName(owner)
	if amongOurs(path) {
		me := userName(os.Geteuid())
		return &UnusableError{Path: path,
			Reason: fmt.Sprintf("belongs to %s, not to %s", who, me),
			Remedy: fmt.Sprintf("sudo chown -R %s %s", quote(me), quote(path))}
	}
	typed := quote(who)
	if who == strconv.Itoa(owner) {
		typed = "'#" + who + "'" // how sudo takes a uid
	}
	return &UnusableError{Path: path, Left: who,
		Reason: fmt.Sprintf("belongs to %s, and is left to %s: not looked at", who, who),
		Remedy: fmt.Sprintf("sudo -u %s tufkeeper caches", typed)}
}

// amongOurs says whether path lies in a directory of ours, at any depth. To root
// nothing of another user is.
func amongOurs(path string) bool {
	me := os.Geteuid()
	for dir := filepath.Dir(path); me != 0; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		switch {
		case err == nil && uidOf(info) == me:
			return true
		case dir == filepath.Dir(dir):
			return false
		}
	}
	return false
}

// notDirectory is a path that is none itself, or has a file on the way to it.
func notDirectory(path string) error {
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil {
			return &UnusableError{Path: dir, Reason: "is not a directory", Remedy: moveAway(dir)}
		}
	}
	return &UnusableError{Path: path, Reason: "is not a directory"}
}

// moveAway is what to type to put something out of its client's way.
func moveAway(path string) string { return "mv " + quote(path) + " " + quote(path+".broken") }

// unreachable is a path that a directory on the way to it denies us.
func unreachable(path string) error {
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		switch owner := uidOf(info); {
		case owner == os.Geteuid():
			return &UnusableError{Path: path, Reason: "cannot be reached: permission denied", Remedy: "chmod u+rwx " + quote(dir)}
		case amongOurs(dir):
			return foreignOwner(dir, owner)
		default:
			return foreignOwner(path, owner)
		}
	}
	return &UnusableError{Path: path, Reason: "cannot be reached: permission denied"}
}

// unusable turns the error of opening path into one that says what to type.
func unusable(path string, err error) error {
	var known *UnusableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, ErrBusy):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &UnusableError{Path: path, Reason: "does not exist"}
	case errors.Is(err, syscall.ENOTDIR):
		return notDirectory(path)
	case errors.Is(err, syscall.ELOOP):
		return &UnusableError{Path: path, Reason: "is a symbolic link that leads nowhere"}
	case errors.Is(err, fs.ErrPermission):
		info, statErr := os.Lstat(path)
		if statErr != nil {
			return unreachable(path)
		}
		if owner := uidOf(info); owner != os.Geteuid() {
			return foreignOwner(path, owner)
		}
		return &UnusableError{Path: path,
			Reason: fmt.Sprintf("cannot be worked in by its owner (mode %04o)", info.Mode().Perm()),
			Remedy: "chmod u+rwx " + quote(path)}
	}
	return &UnusableError{Path: path, Reason: "cannot be opened: " + oneLine(err)}
}

// unwritable turns the error of staging a file; nothing was changed.
func unwritable(path string, err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return &UnusableError{Path: path, Reason: "lies on a file system that is mounted read-only"}
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &UnusableError{Path: path, Reason: "has no room left: " + oneLine(err)}
	case errors.Is(err, fs.ErrPermission):
		return unusable(path, err)
	}
	return fmt.Errorf("writing to %q: %w", path, err)
}

func ownerOf(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	return userName(uidOf(info))
}

func uidOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1 // nobody's: whatever compares it with a user finds a difference
}

func gidOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
