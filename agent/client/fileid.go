// SPDX-License-Identifier: Apache-2.0

package client

import (
	"io/fs"
	"syscall"
)

// Is says whether info is of that very file in that very state.
func (id FileID) Is(info fs.FileInfo) bool { return fileID(info) == id }

func fileID(info fs.FileInfo) FileID {
	id := FileID{Size: info.Size(), ModifiedNano: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.Device, id.Inode = uint64(st.Dev), st.Ino //nolint:unconvert // Dev is 32 bits wide on other systems
	}
	return id
}
