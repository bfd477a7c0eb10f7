// SPDX-License-Identifier: Apache-2.0

//go:build darwin || netbsd

package cache

import (
	"syscall"
	"time"
)

func changed(st *syscall.Stat_t) time.Time { return time.Unix(0, st.Ctimespec.Nano()) }
