// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// closed says whether we may not look into the directory that a pattern begins
// with, and tells it: a pattern below it would match nothing in silence. However
// many patterns begin there, it is told once. What is not there is simply not found.
func (s *search) closed(base, rest string) bool {
	dir := filepath.Clean(base)
	if s.excluded(dir) {
		return false
	}
	if !forbidden(os.Stat(dir + "/.")) { // "/." asks whether it may be searched
		first, _, _ := strings.Cut(rest, "/")
		if !strings.ContainsAny(first, "*?[") {
			return false // what its names are need not be read
		}
		f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
		if err == nil {
			_ = f.Close() // nothing was read
		}
		if !errors.Is(err, fs.ErrPermission) {
			return false
		}
	}
	for up := filepath.Dir(dir); up != dir && forbidden(os.Stat(up+"/.")); up = filepath.Dir(dir) {
		dir = up
	}
	if !s.closedDirs[dir] {
		s.closedDirs[dir] = true
		s.fail(fmt.Errorf("looking for clients below %q: %w", dir, fs.ErrPermission))
	}
	return true
}

func forbidden(_ fs.FileInfo, err error) bool { return errors.Is(err, fs.ErrPermission) }
