// SPDX-License-Identifier: Apache-2.0

//go:build linux && !amd64 && !arm64

package probe

import "golang.org/x/sys/unix"

// No filter of system calls has been tried on this architecture.
const auditArch = 0

func callFilter(uint32) []unix.SockFilter { return nil }
