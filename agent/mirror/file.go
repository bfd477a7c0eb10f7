// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"syscall"
)

// readFile reads a file of a file:// mirror. The directory is opened anew each
// time, since it may be replaced as a whole. os.Root keeps every name and every
// symbolic link inside it.
func (m *Mirror) readFile(dir, name string, limit int64) ([]byte, error) {
	data, err := m.readBelow(dir, name, limit)
	var named *fs.PathError
	if errors.As(err, &named) && !Unreachable(err) {
		err = named.Err // the caller names the file, quoted
	}
	return data, err
}

func (m *Mirror) readBelow(dir, name string, limit int64) ([]byte, error) {
	name, err := url.PathUnescape(name) // as a web server would
	if err != nil {
		return nil, fmt.Errorf("its name is not a URL path")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &UnreachableError{URL: "file://" + dir, Err: err, final: true}
	}
	defer root.Close()
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	m.countBytes(len(data))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return data, nil
}
