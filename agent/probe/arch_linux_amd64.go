// SPDX-License-Identifier: Apache-2.0

package probe

import "golang.org/x/sys/unix"

// What the filter of system calls must know of this architecture.
const auditArch = unix.AUDIT_ARCH_X86_64

// olderCalls are refused, and later architectures have others in their place: they
// make processes, or change what a file is like.
var olderCalls = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK,
	unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT,
}
