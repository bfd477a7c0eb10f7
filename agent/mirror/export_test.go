// SPDX-License-Identifier: Apache-2.0

package mirror

// OnlyLoopback is what the dialer asks of an address that "localhost" resolved
// to; no test can make it resolve elsewhere.
var OnlyLoopback = onlyLoopback
