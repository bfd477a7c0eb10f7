// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

const (
	// Schema is the schema of the results file.
	Schema = 1
	// maxResults bounds the entries of a results file, and maxResultsFile its bytes.
	maxResults     = 1000
	maxResultsFile = 4 << 20
	maxWords       = 4096 // of one text in it
)

type results struct {
	Schema int                 `json:"schema"`
	Probes []health.ProbeFacts `json:"probes"`
}

// An unbelievedError says why a results file that is there is not believed.
type unbelievedError struct{ path, why string }

func (e *unbelievedError) Error() string {
	return fmt.Sprintf("reading probe results: %q %s", e.path, e.why)
}

// ReadResults reads what WriteResults has written, perhaps as another user: it is
// bounded and read strictly. A file that others than its owner can write is
// refused, and so is one that is not a regular file, or that belongs to neither
// root nor the owner of its directory: that one, and nobody else, can write there.
func ReadResults(path string) ([]health.ProbeFacts, error) {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	defer dir.Close() // opened for reading: nothing can be lost
	at, err := dir.Stat(".")
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	name, err := dir.Lstat(filepath.Base(path)) // a link is not followed
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	if !name.Mode().IsRegular() {
		return nil, &unbelievedError{path, "is not a regular file"}
	}
	f, err := dir.OpenFile(filepath.Base(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	owner, theirs := ownerOf(info), ownerOf(at)
	switch {
	case !os.SameFile(name, info):
		return nil, &unbelievedError{path, "was replaced while it was opened"}
	case info.Mode().Perm()&0o022 != 0:
		return nil, &unbelievedError{path, fmt.Sprintf("can be written by others than its owner (mode %04o)", info.Mode().Perm())}
	case owner != 0 && owner != theirs:
		return nil, &unbelievedError{path, fmt.Sprintf("belongs to uid %d, and its directory to uid %d", owner, theirs)}
	case owner != 0 && at.Mode().Perm()&0o022 != 0:
		return nil, &unbelievedError{path, fmt.Sprintf("is in a directory that others than its owner can write (mode %04o)", at.Mode().Perm())}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxResultsFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading probe results: %w", err)
	}
	probes, err := ParseResults(data, time.Now())
	if err != nil {
		return nil, &unbelievedError{path, err.Error()}
	}
	return probes, nil
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1 // nobody's
}

// ParseResults decodes a results file as it may be at that time.
func ParseResults(data []byte, now time.Time) ([]health.ProbeFacts, error) {
	if len(data) > maxResultsFile {
		return nil, fmt.Errorf("larger than %d bytes", maxResultsFile)
	}
	var r results
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows the document")
	}
	switch {
	case r.Schema != Schema:
		return nil, fmt.Errorf("schema %d, this version reads %d", r.Schema, Schema)
	case r.Probes == nil:
		return nil, errors.New("it has no probes")
	case len(r.Probes) > maxResults:
		return nil, fmt.Errorf("more than %d probes", maxResults)
	}
	for i, p := range r.Probes {
		if err := check(p, now); err != nil {
			return nil, fmt.Errorf("probe %d: %w", i+1, err)
		}
	}
	return r.Probes, nil
}

// firstProbe is before every probe there can have been.
var firstProbe = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func check(p health.ProbeFacts, now time.Time) error {
	switch {
	case !filepath.IsAbs(p.Path) || len(p.Path) > maxWords:
		return fmt.Errorf("%.100q is no absolute path", p.Path)
	case p.Mirror == "" || len(p.Mirror) > maxWords || len(p.Start) > maxWords || len(p.Error) > maxError:
		return errors.New("a text is missing or too long")
	case p.Root < 1 || p.Targets < 1 || p.File.Size < 1:
		return errors.New("a number is not positive")
	case p.At.Before(firstProbe) || p.At.After(now.Add(time.Hour)): // an hour of clocks that differ
		return fmt.Errorf("it was at %s", p.At.Format(time.RFC3339))
	}
	switch p.Outcome {
	case OK:
		if p.Error != "" {
			return errors.New("it is ok, with an error")
		}
	case Failed, Unclear:
		if p.Error == "" {
			return fmt.Errorf("it is %s, without an error", p.Outcome)
		}
	default:
		return fmt.Errorf("%.50q is no outcome", p.Outcome)
	}
	return nil
}

// refusedSuffix ends the name that a results file gets that is not believed.
const refusedSuffix = ".refused"

// WriteResults adds probes to the results file at path, in place of older ones of
// the same client and mirror, and makes its directory. A file that is not believed
// is set aside, with ".refused" added to its name. Root writes in no directory that
// belongs to another user: whoever calls it as root becomes that one before.
func WriteResults(path string, probes []health.ProbeFacts) error {
	if err := rootMayWrite(there(filepath.Dir(path))); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing probe results: %w", err)
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing probe results: %w", err)
	}
	defer dir.Close() // what was written is synced
	at, err := dir.Stat(".")
	if err != nil {
		return fmt.Errorf("writing probe results: %w", err)
	}
	if err := rootMayWrite(filepath.Dir(path), at); err != nil {
		return err
	}
	old, err := ReadResults(path)
	var unbelieved *unbelievedError
	if errors.As(err, &unbelieved) {
		err = setAside(dir, filepath.Base(path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	same := func(a, b health.ProbeFacts) bool { return a.Path == b.Path && a.Mirror == b.Mirror }
	all := slices.DeleteFunc(old, func(o health.ProbeFacts) bool {
		return slices.ContainsFunc(probes, func(p health.ProbeFacts) bool { return same(o, p) })
	})
	all = append(all, probes...)
	slices.SortStableFunc(all, func(a, b health.ProbeFacts) int { return b.At.Compare(a.At) }) // the newest first
	all = all[:min(len(all), maxResults)]
	if all == nil {
		all = []health.ProbeFacts{}
	}
	data, err := json.MarshalIndent(results{Schema: Schema, Probes: all}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing probe results: %w", err)
	}
	if err := durable.Replace(dir, filepath.Base(path), append(health.PlainJSON(data), '\n'), 0o644); err != nil {
		return fmt.Errorf("writing probe results: %w", err)
	}
	return nil
}

// setAside renames what is in the way of results; but no directory: nobody made
// that instead of results.
func setAside(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%q is a directory", name)
	}
	if err == nil {
		err = dir.Rename(name, name+refusedSuffix)
	}
	if err != nil {
		return fmt.Errorf("setting probe results aside: %w", err)
	}
	return nil
}

// there is the directory, or the nearest above it that is there.
func there(dir string) (string, fs.FileInfo) {
	for {
		info, err := os.Stat(dir)
		if err == nil || dir == filepath.Dir(dir) {
			return dir, info
		}
		dir = filepath.Dir(dir)
	}
}

func rootMayWrite(dir string, info fs.FileInfo) error {
	if os.Geteuid() != 0 || info == nil || ownerOf(info) == 0 {
		return nil
	}
	return fmt.Errorf("writing probe results: %q belongs to uid %d: root does not write there", dir, ownerOf(info))
}
