// SPDX-License-Identifier: Apache-2.0

//go:build !darwin && !netbsd

package client

import "syscall"

func changed(st *syscall.Stat_t) int64 { return st.Ctim.Nano() }
