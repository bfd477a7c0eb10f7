// SPDX-License-Identifier: Apache-2.0

package client

// ScanFunctions looks for the functions that prove a client in one chunk.
func ScanFunctions(chunk []byte) Linked {
	var l Linked
	scanFunctions(chunk, &l)
	return l
}
