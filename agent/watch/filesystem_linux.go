// SPDX-License-Identifier: Apache-2.0

package watch

import "syscall"

// unreliable are the file systems that do not tell of every change, by the magic
// numbers of statfs(2): what another host writes, or what is written below an
// overlay, is not notified here.
var unreliable = map[uint32]string{
	0x00006969: "nfs",
	0x0000517b: "smb",
	0xff534d42: "cifs",
	0xfe534d42: "smb2",
	0x65735546: "fuse", // virtiofs too
	0x01021997: "9p",
	0x794c7630: "overlay",
	0x61756673: "aufs",
	0x5346414f: "afs", // OpenAFS
	0x6b414653: "afs", // the kernel's
	0x00c36400: "ceph",
	0x0bd00bd0: "lustre",
	0x73757245: "coda",
	0x0000564c: "ncp",
	0x01161970: "gfs2",
	0x7461636f: "ocfs2",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x20030528: "orangefs",
	0xaad7aaea: "panfs",
	0xbeefdead: "snfs",
	0x786f4256: "vboxsf",
	0xbacbacbc: "vmhgfs",
	0x7c7c6673: "prl_fs",
	0x00c0ffee: "hostfs",
	0x00000187: "autofs", // what will be mounted there is not known yet
}

// fileSystem names the file system of path if it does not tell of every change;
// "" if it does, or if nobody knows.
func fileSystem(path string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return "" // gone again: it is looked at anew then
	}
	return unreliable[uint32(st.Type)]
}

// changedAt is when something about a file changed last, its mode or owner included.
func changedAt(st *syscall.Stat_t) int64 { return st.Ctim.Nano() }
