// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxLinks   = 40       // symbolic links followed for one path, as the kernel's
	maxFile    = 1 << 30  // bytes read of one text database or list
	maxEntries = 100_000  // packages of one database
	maxText    = 256      // bytes of a name or version
	maxLine    = 64 << 10 // bytes of a line; a longer one names no file
)

// A host is a file tree with a distribution in it.
type host struct {
	root string
	// strict refuses databases that somebody else than root could have written.
	strict bool
	// buffer is what lines reads through: one for thousands of small files.
	buffer *bufio.Reader
}

func (h host) at(path string) string { return filepath.Join(h.root, path) }

// resolve follows every symbolic link in path, within the root, and returns where
// it ends. The info is nil when nothing is there.
func (h host) resolve(path string) (string, fs.FileInfo, error) {
	rest := strings.Split(filepath.Clean("/"+path), "/")[1:]
	done, links := "/", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, part)
		info, err := os.Lstat(h.at(next))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return filepath.Join(append([]string{next}, rest...)...), nil, nil
		}
		if err != nil {
			return "", nil, quoted(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", nil, fmt.Errorf("following %q: more than %d symbolic links", path, maxLinks)
		}
		target, err := os.Readlink(h.at(next))
		if err != nil {
			return "", nil, quoted(err)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	info, err := os.Lstat(h.at(done))
	if err != nil {
		return "", nil, quoted(err)
	}
	return done, info, nil
}

// open opens a regular file, within the root.
func (h host) open(path string) (*os.File, fs.FileInfo, error) {
	path, _, err := h.resolve(path)
	if err != nil {
		return nil, nil, err
	}
	return h.openIn(path)
}

// openIn opens a regular file in a directory that is resolved already.
func (h host) openIn(path string) (*os.File, fs.FileInfo, error) {
	// A FIFO in place of a file must not hold us up.
	f, err := os.OpenFile(h.at(path), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, quoted(err)
	}
	info, err := f.Stat()
	if err == nil {
		switch {
		case !info.Mode().IsRegular():
			err = fmt.Errorf("reading %q: not a regular file", path)
		case h.strict:
			err = rootsAlone(path, info)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// trusted refuses a database, file or directory, that others can write.
func (h host) trusted(path string) error {
	info, err := os.Lstat(h.at(path))
	if err != nil {
		return quoted(err)
	}
	if !h.strict {
		return nil
	}
	return rootsAlone(path, info)
}

// rootsAlone refuses what somebody else than root can write: as root we believe
// nobody else about what is installed.
func rootsAlone(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("reading %q: its owner is not known", path)
	}
	if st.Uid != 0 || info.Mode().Perm()&0o002 != 0 || info.Mode().Perm()&0o020 != 0 && st.Gid != 0 {
		return fmt.Errorf("reading %q: others than root can write it", path)
	}
	return nil
}

// lines calls each for every line of a file, without its newline, until it
// returns false. The directory is resolved already. The line is good until the
// next one; each reads no other file. Lines that are too long to name a file are
// left out.
func (h host) lines(ctx context.Context, path string, each func(line []byte) bool) (err error) {
	f, _, err := h.openIn(path)
	if errors.Is(err, syscall.ELOOP) { // it is a link itself
		f, _, err = h.open(path)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := eachLine(ctx, f, h.buffer, each); err != nil {
		return fmt.Errorf("reading %q: %w", path, quoted(err))
	}
	return nil
}

func eachLine(ctx context.Context, from io.Reader, r *bufio.Reader, each func(line []byte) bool) error {
	limited := &io.LimitedReader{R: from, N: maxFile}
	r.Reset(limited)
	long := false
	for n := 0; n%4096 != 0 || ctx.Err() == nil; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case errors.Is(err, io.EOF) && limited.N == 0:
			return fmt.Errorf("longer than %d bytes", int64(maxFile))
		case errors.Is(err, io.EOF):
			if !long && len(line) > 0 {
				each(line)
			}
			return nil
		case err != nil:
			return err
		}
		if !long && !each(line[:len(line)-1]) {
			return nil
		}
		long = false
	}
	return ctx.Err()
}

// list names the entries of a directory, which may be some for each package.
func (h host) list(path string) (names []string, err error) {
	f, err := os.OpenFile(h.at(path), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, quoted(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	const perPackage = 16 // dpkg keeps that many files of one at most
	for {
		some, err := f.Readdirnames(4096)
		names = append(names, some...)
		switch {
		case errors.Is(err, io.EOF):
			return names, nil
		case err != nil:
			return nil, quoted(err)
		case len(names) > maxEntries*perPackage:
			return nil, fmt.Errorf("reading %q: more than %d entries", path, maxEntries*perPackage)
		}
	}
}

// fit bounds a name or version; what is longer is none.
func fit(text string) string {
	if len(text) > maxText {
		return ""
	}
	return text
}

func inode(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// quoted quotes the path in an error of the operating system.
func quoted(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s %q: %w", p.Op, p.Path, p.Err)
	}
	return err
}
