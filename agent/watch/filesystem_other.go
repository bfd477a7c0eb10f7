// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package watch

import "syscall"

func fileSystem(string) string { return "" }

func changedAt(*syscall.Stat_t) int64 { return 0 }
