// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads the configuration at path. With an empty path it reads the file
// at DefaultPath if there is one, and otherwise takes the defaults. An error
// is an *Error, and comes with a zero Config; errors.Is finds fs.ErrNotExist.
//
// Only a regular file of at most 1 MiB is read, and for root only one that
// nobody else can write. Whether others can write the directory it lies in is
// the administrator's matter.
func Load(path string, env Env) (Config, error) {
	asked := path != ""
	if !asked {
		path = DefaultPath(env)
	}
	if path == "" {
		return Parse(nil, "", env)
	}
	if abs, err := filepath.Abs(path); err == nil { // otherwise errors name it as it was given
		path = abs
	}
	src, err := read(path, env.Root)
	switch {
	case !asked && errors.Is(err, fs.ErrNotExist):
		return Parse(nil, "", env)
	case err != nil:
		return Config{}, err
	}
	return Parse(src, path, env)
}

// read returns the bytes of a file that may be believed. It does not block on
// a pipe, and looks at what it opened, not at what the name says.
func read(path string, strict bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		cause := err
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			cause = pe.Err
		}
		return nil, unreadable(path, err, cause.Error(), "")
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(path, err, err.Error(), "")
	}
	switch {
	case info.IsDir():
		return nil, unreadable(path, nil, "it is a directory", fmt.Sprintf("did you mean %q?", filepath.Join(path, "config.hcl")))
	case !info.Mode().IsRegular():
		return nil, unreadable(path, nil, "it is not a regular file", "")
	case strict && info.Mode().Perm()&0o022 != 0:
		return nil, unreadable(path, nil, fmt.Sprintf("others than its owner can write it (mode %04o)", info.Mode().Perm()), "chmod go-w "+shown(path))
	case strict && !trustedOwner(info):
		return nil, unreadable(path, nil, "it does not belong to root", "chown root "+shown(path))
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, unreadable(path, err, err.Error(), "")
	}
	if len(src) > maxFile {
		return nil, unreadable(path, nil, "it is bigger than 1MiB", "")
	}
	return src, nil
}

// trustedOwner reports whether a file belongs to root, or to who is reading it.
func trustedOwner(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}
