// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// What a mount in the room may not be used for.
const (
	closedFile   = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	closedDevice = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)

// bind shows what is at from at to as well, closed: what it shows belongs to the
// host, in the room as outside, and its owner may be who the client is.
func bind(from, to string, attributes uint64) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %q: %w", from, err)
	}
	if err := closeMount(to, attributes); err != nil {
		return fmt.Errorf("mounting %q read-only: %w", from, err)
	}
	return nil
}

// closeMount takes rights from a mount, and from those below it where the kernel
// knows how; allClosed sees what is left.
func closeMount(at string, attributes uint64) error {
	attr := unix.MountAttr{Attr_set: attributes}
	if unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr) == nil {
		return nil
	}
	// Linux before 5.12. What the mount is without already has to be said again.
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	flags := uintptr(st.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	flags |= uintptr(attributes) // the two kinds of flags are the same numbers
	if st.Flags&unix.ST_RELATIME != 0 {
		flags |= unix.MS_RELATIME
	}
	return unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|flags, "")
}

// allClosed sees that every mount in the room at that path, which is the last one
// made there, can neither be written to nor give rights; but for its home.
func allClosed(room string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("checking the mounts: %w", err)
	}
	defer f.Close() // opened for reading: nothing can be lost
	type mount struct{ id, parent, at, options string }
	var all []mount
	var in []string // the room's mounts; a mount comes after the one it is on
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if len(w) < 6 {
			return fmt.Errorf("checking the mounts: %.100q is none", lines.Text())
		}
		all = append(all, mount{w[0], w[1], w[4], w[5]})
		if w[4] == room {
			in = []string{w[0]}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("checking the mounts: %w", err)
	}
	if len(in) == 0 {
		return errors.New("checking the mounts: the room is not among them")
	}
	for more := true; more; {
		more = false
		for _, m := range all {
			if slices.Contains(in, m.id) || !slices.Contains(in, m.parent) || m.at == room+roomHome {
				continue
			}
			in, more = append(in, m.id), true
			if has := strings.Split(m.options, ","); !slices.Contains(has, "ro") || !slices.Contains(has, "nosuid") {
				return fmt.Errorf("closing the mounts: %q is open still (%s)", strings.TrimPrefix(m.at, room), m.options)
			}
		}
	}
	return nil
}
