// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// foreign says whether dir is there and belongs to another user, and to which.
func foreign(dir string) (uid int, other bool) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, false // what cannot be seen is told by whoever opens it
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return 0, false
	}
	return int(st.Uid), true
}

// becomeOwner makes root the owner of the state directory, or of that of probe
// results, for good, before anything of it is opened: what root wrote there its
// service could not replace, and root parses nothing that another user can write.
// For others it does nothing.
func becomeOwner(stateDir string) error {
	uid, other := foreign(stateDir)
	if os.Geteuid() != 0 || !other {
		return nil
	}
	if dir, ok := closed(stateDir); ok {
		return &hinted{
			fmt.Errorf("the directory %q belongs to uid %d, who cannot reach it through %q from outside its service", stateDir, uid, dir),
			"start the service, and ask again: tufkeeper service start",
		}
	}
	info, err := os.Stat(stateDir)
	if err != nil {
		return err
	}
	gid := uid
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		gid = int(st.Gid)
	}
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid)} {
		if err != nil {
			return fmt.Errorf("becoming uid %d, who owns %q: %w", uid, stateDir, err)
		}
	}
	return nil
}

// closed finds a directory on the way to path that others may not search.
func closed(path string) (string, bool) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path, true
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return dir, true
		}
		if dir == "/" {
			return "", false
		}
	}
}
