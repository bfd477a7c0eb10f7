// SPDX-License-Identifier: Apache-2.0

package client

import (
	"io/fs"
	"syscall"
)

// Is says whether info is of that very file in that very state.
func (id FileID) Is(info fs.FileInfo) bool { return fileID(info) == id }

// OtherOwner is the owner of a file, in a user namespace that maps only root and
// ourselves, where it is anybody else: such is the unit's.
const OtherOwner = 65534

// Same says whether two, perhaps of different user namespaces, are one state of one
// file.
func (id FileID) Same(other FileID) bool {
	if id.Owner == OtherOwner && other.Owner != 0 || other.Owner == OtherOwner && id.Owner != 0 {
		id.Owner = other.Owner
	}
	return id == other
}

func fileID(info fs.FileInfo) FileID {
	id := FileID{Size: info.Size(), ModifiedNano: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.Device, id.Inode = uint64(st.Dev), st.Ino //nolint:unconvert // Dev is 32 bits wide on other systems
		id.ChangedNano, id.Owner = changed(st), st.Uid
	}
	return id
}

// sameContent compares two states of a file that was open all the while: losing its
// name changes its inode, and not what it holds.
func sameContent(a, b FileID) bool {
	a.ChangedNano, b.ChangedNano = 0, 0
	return a == b
}
