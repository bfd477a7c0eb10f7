// SPDX-License-Identifier: Apache-2.0

//go:build race

package probe

// testSpace is the address space of the hostile client: the race detector that is
// in it takes more of that than there is memory.
const testSpace = 1 << 62
