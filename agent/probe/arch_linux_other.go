// SPDX-License-Identifier: Apache-2.0

//go:build linux && !amd64 && !arm64

package probe

// No filter of system calls has been tried on this architecture.
const (
	auditArch    = 0
	foreignCalls = 0
)

var forks []uint32
