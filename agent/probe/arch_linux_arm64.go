// SPDX-License-Identifier: Apache-2.0

package probe

import "golang.org/x/sys/unix"

// What the filter of system calls must know of this architecture.
const auditArch = unix.AUDIT_ARCH_AARCH64

// foreignCalls is where the numbers of another ABI begin: nowhere here.
const foreignCalls = 0

// forks are the calls that only make processes: here there is only clone.
var forks []uint32
