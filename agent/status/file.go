// SPDX-License-Identifier: Apache-2.0

package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// MaxSize bounds a status file, in bytes.
const MaxSize = 16 << 20

// ErrSchema says that a status file was written by another version of tufkeeper.
var ErrSchema = errors.New("unknown schema")

// JSON returns the report as one indented document.
func (r Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r.whole(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the status as JSON: %w", err)
	}
	return append(health.PlainJSON(data), '\n'), nil
}

// Write replaces the status file at path, readable for its owner and group. A
// reader sees the old report or the new one, whatever happens.
func Write(path string, r Report) error {
	data, err := r.JSON()
	if err != nil {
		return err
	}
	if len(data) > MaxSize {
		return fmt.Errorf("writing status %q: %d bytes are more than %d", path, len(data), MaxSize)
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	err = durable.Replace(dir, filepath.Base(path), data, 0o640)
	if err = errors.Join(err, dir.Close()); err != nil {
		return fmt.Errorf("writing status %q: %w", path, err)
	}
	return nil
}

// Read returns the report at path. It reads a regular file only, and no more
// than MaxSize of it. fs.ErrNotExist in the error means that no agent has
// written one; ErrSchema that another version has.
func Read(path string) (Report, error) {
	r, err := read(path)
	if err != nil {
		return Report{}, fmt.Errorf("reading status %q: %w", path, err)
	}
	return r, nil
}

func read(path string) (Report, error) {
	// A FIFO in its place would hold up a check for ever: opened without waiting, and
	// looked at once it is open, for a name can change hands in between.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Report{}, pathless(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return Report{}, errors.Join(pathless(err), f.Close())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return Report{}, pathless(err)
	}
	if len(data) > MaxSize {
		return Report{}, fmt.Errorf("more than %d bytes", MaxSize)
	}
	return Parse(data)
}

// Parse reads what JSON wrote. Members it does not know are ignored, since they
// may be added within one schema; what it knows must be there and make sense.
func Parse(data []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Report{}, fmt.Errorf("not a status: %w", err)
	}
	if r.Schema != Schema {
		return Report{}, fmt.Errorf("%w %d, this tufkeeper reads %d", ErrSchema, r.Schema, Schema)
	}
	if r.Generated.IsZero() {
		return Report{}, errors.New("not a status: it has no time")
	}
	if r.IntervalSeconds < 0 || r.IntervalSeconds > 366*24*3600 {
		return Report{}, fmt.Errorf("not a status: interval of %d s", r.IntervalSeconds)
	}
	for _, p := range r.Problems {
		if p.Code == "" || p.Severity != "warning" && p.Severity != "critical" {
			return Report{}, fmt.Errorf("not a status: problem %q of severity %q", p.Code, p.Severity)
		}
	}
	return r.whole(), nil
}

// pathless takes the path out of a file error: the caller names it, quoted.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
