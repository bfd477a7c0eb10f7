// SPDX-License-Identifier: Apache-2.0

//go:build race

package health_test

// race says that the race detector runs. What is held against thousands of rows is then
// left out, or thinned: nothing of it runs beside anything else, and it takes many
// times as long. make test runs all of it without, too.
const race = true
