// SPDX-License-Identifier: Apache-2.0

//go:build !race

package probe

// testSpace is the address space of the hostile client: that of every client.
const testSpace = 0
