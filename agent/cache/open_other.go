// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package cache

import (
	"os"
	"syscall"
)

// openDir opens one directory that is not a symbolic link.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
}
