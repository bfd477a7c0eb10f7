// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Where things are in the room: a file system of its own with nothing in it but
// what one client needs.
const (
	roomSelf = "/tufkeeper"
	roomHome = "/home"
)

// libraryDirs are where the system's loader and libraries may be, and
// libraryCache is the loader's list of them.
var libraryDirs = []string{"/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store"}

const libraryCache = "/etc/ld.so.cache"

// devices are those that programs take for granted, but for /dev/zero: it is memory
// that no limit counts.
var devices = []string{"/dev/null", "/dev/random", "/dev/urandom"}

// loopback brings up the one interface of a new network namespace.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bringing up the loopback interface: %w", err)
	}
	defer unix.Close(fd) // it carries one question only
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bringing up the loopback interface: %w", err)
	}
	return nil
}

// enterRoom builds the room in this mount namespace and makes it the root. The
// host's file system is gone afterwards, but for the libraries where asked for.
func enterRoom(uid, gid int, libraries bool) error {
	// What is mounted here must not show up outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the host's mounts: %w", err)
	}
	at, err := mountPoint()
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m,nr_inodes=256"); err != nil {
		return fmt.Errorf("mounting a file system in memory: %w", err)
	}
	if err := furnish(at, libraries); err != nil {
		return err
	}
	home := at + roomHome
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	o := fmt.Sprintf("mode=0700,size=%d,nr_inodes=4096,uid=%d,gid=%d", maxFile, uid, gid)
	if err := unix.Mount("tmpfs", home, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, o); err != nil {
		return fmt.Errorf("mounting a home in memory: %w", err)
	}
	if err := allClosed(at); err != nil {
		return err
	}
	if err := unix.Chdir(at); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the old root is now over the new one
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("closing the root: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err != nil {
		return fmt.Errorf("closing the root: %w", err)
	}
	if st.Flags&unix.ST_RDONLY == 0 {
		return errors.New("closing the root: it is open still")
	}
	return unix.Chdir("/")
}

// mountPoint is a directory to build the room over. The host does not see it covered.
func mountPoint() (string, error) {
	for _, dir := range []string{"/tmp", "/run", "/var"} {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return "", errors.New("building the room: there is neither /tmp nor /run nor /var")
}

func furnish(at string, libraries bool) error {
	if err := bindFile("/proc/self/exe", at+roomSelf, closedFile); err != nil {
		return err
	}
	if err := os.Mkdir(at+"/dev", 0o755); err != nil {
		return err
	}
	for _, d := range devices {
		if err := bindFile(d, at+d, closedDevice); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !libraries {
		return nil
	}
	for _, dir := range libraryDirs {
		if err := bindDir(dir, at+dir); err != nil {
			return err
		}
	}
	if err := os.Mkdir(at+filepath.Dir(libraryCache), 0o755); err != nil {
		return err
	}
	if err := bindFile(libraryCache, at+libraryCache, closedFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func bindFile(from, to string, attributes uint64) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if err := os.WriteFile(to, nil, 0o644); err != nil {
		return err
	}
	return bind(from, to, attributes)
}

// bindDir shows a directory of the host in the room, read-only; a link to one is
// made again as a link.
func bindDir(from, to string) error {
	info, err := os.Lstat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	return bind(from, to, closedFile)
}
