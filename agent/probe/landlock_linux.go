// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock is asked for by its three calls: all that is wanted of it is that one
// thread, which then becomes the client, is restricted.

// landlockVersion is the ABI of Landlock here; 0 when there is none.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

const (
	landRead = unix.LANDLOCK_ACCESS_FS_READ_FILE
	landRun  = unix.LANDLOCK_ACCESS_FS_EXECUTE | landRead
	landList = unix.LANDLOCK_ACCESS_FS_READ_DIR
	landHome = landRead | landList | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landFirst = 1<<13 - 1 // what the first ABI handles
)

const rulePort = 2 // LANDLOCK_RULE_NET_PORT

// handled is what an ABI can restrict.
func handled(abi int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: landFirst}
	if abi >= 2 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		a.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

// restrict leaves this thread, and what it becomes: its home, to run the program,
// the system's libraries where it is linked to them, and the port of the replica.
func restrict(program int, s step) error {
	abi := landlockVersion()
	if abi == 0 {
		return nil // the parent has noted it
	}
	attr := handled(abi)
	// An older kernel takes the longer structure as long as what it does not know is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("restricting by landlock: %w", errno)
	}
	ruleset := int(fd)
	defer unix.Close(ruleset) // the kernel keeps what was restricted
	allow := func(fd int, access uint64) error {
		rule := unix.LandlockPathBeneathAttr{Allowed_access: access & attr.Handled_access_fs, Parent_fd: int32(fd)}
		return landlockRule(ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule))
	}
	if err := allow(program, landRun); err != nil {
		return fmt.Errorf("restricting to the program: %w", err)
	}
	for path, access := range allowedPaths(s) {
		err := withPath(path, func(fd int) error { return allow(fd, access) })
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("restricting to %q: %w", path, err)
		}
	}
	if attr.Handled_access_net != 0 {
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(s.Port)}
		if err := landlockRule(ruleset, rulePort, unsafe.Pointer(&rule)); err != nil {
			return fmt.Errorf("restricting to port %d: %w", s.Port, err)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return fmt.Errorf("restricting by landlock: %w", errno)
	}
	return nil
}

// allowedPaths are what the client may use by name. What is missing is left out.
func allowedPaths(s step) map[string]uint64 {
	paths := map[string]uint64{
		s.Home:         landHome,
		"/dev/null":    landRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE,
		"/dev/random":  landRead,
		"/dev/urandom": landRead,
	}
	if s.Libraries {
		for _, dir := range libraryDirs {
			paths[dir] = landRun | landList
		}
		paths[libraryCache] = landRead
	}
	return paths
}

func withPath(path string, do func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // a mere name: nothing can be lost
	return do(fd)
}

func landlockRule(ruleset, kind int, rule unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), uintptr(kind), uintptr(rule), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
