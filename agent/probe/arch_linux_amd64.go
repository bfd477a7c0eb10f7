// SPDX-License-Identifier: Apache-2.0

package probe

import "golang.org/x/sys/unix"

// What the filter of system calls must know of this architecture.
const auditArch = unix.AUDIT_ARCH_X86_64

// foreignCalls is where the numbers of another ABI begin (x32).
const foreignCalls = 0x40000000

// forks are the calls that only make processes.
var forks = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
