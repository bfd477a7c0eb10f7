// SPDX-License-Identifier: Apache-2.0

package probe

import "golang.org/x/sys/unix"

// What the filter of system calls must know of this architecture.
const auditArch = unix.AUDIT_ARCH_AARCH64

// olderCalls are refused, but this architecture has none of them.
var olderCalls []uint32
