// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"io/fs"
	"syscall"
)

// ctime and the inode change whenever a file is written, replaced or touched.
func ctime(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(st.Ctim, st.Ino)
}
