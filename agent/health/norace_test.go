// SPDX-License-Identifier: Apache-2.0

//go:build !race

package health_test

// race says that the race detector runs, which it does not: nothing is left out.
const race = false
