// SPDX-License-Identifier: Apache-2.0

package checkup

import (
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// own fills in who can change a client: whoever owns its file, or a directory on
// the way to it. Where a prefix or a link says something else, that is only a name.
func own(c *client.Client) {
	var owners []uint32
	others := false
	for _, p := range runs(*c) {
		for _, way := range ways(p) {
			for at := way; ; at = filepath.Dir(at) {
				info, err := os.Lstat(at)
				st, ok := statOf(info)
				switch {
				case err != nil || !ok:
					others = others || at == c.Path // what is not there, nobody owns
				default:
					if st.Uid != 0 && !slices.Contains(owners, st.Uid) {
						owners = append(owners, st.Uid)
					}
					others = others || writable(info, st)
				}
				if at == filepath.Dir(at) {
					break
				}
			}
		}
	}
	switch {
	case len(owners) == 0:
		c.Owner = "root"
	case len(owners) == 1 && owners[0] != client.OtherOwner:
		c.Owner = strconv.FormatUint(uint64(owners[0]), 10)
		if u, err := user.LookupId(c.Owner); err == nil {
			c.Owner = u.Username
		} else {
			others = true // nobody can be asked to act as him by a name
		}
	default:
		others = true
	}
	c.Shared = others
}

// runs are the files that its package manager would run or obey beside it.
func runs(c client.Client) []string {
	paths := []string{c.Path}
	if prefix, _, ok := strings.Cut(c.Path, "/lib/python3"); ok && c.Ecosystem == client.Python {
		paths = append(paths, path.Join(prefix, "bin/python3"))
	}
	if prefix, _, ok := strings.Cut(c.Path, "/node_modules/"); ok && c.Ecosystem == client.JavaScript {
		paths = append(paths, path.Join(prefix, "package.json"))
	}
	return paths
}

// ways are a path as it is written and as it leads.
func ways(p string) []string {
	if real, err := filepath.EvalSymlinks(p); err == nil && real != p {
		return []string{p, real}
	}
	return []string{p}
}

func statOf(info os.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

// firstUserGroup is the first group that is not the system's own.
const firstUserGroup = 1000

// writable says whether more than the owner can put something in its place. Groups
// of the system, such as Debian's staff, are the operator's affair.
func writable(info os.FileInfo, st *syscall.Stat_t) bool {
	mode := info.Mode()
	switch {
	case mode&os.ModeSymlink != 0 || mode.IsDir() && mode&os.ModeSticky != 0:
		return false
	case mode.Perm()&0o002 != 0:
		return true
	}
	return mode.Perm()&0o020 != 0 && st.Gid >= firstUserGroup && st.Gid != st.Uid
}
