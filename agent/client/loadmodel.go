// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// OlderModelError says that a compatibility table from a file was refused: the
// one in this build knows more.
type OlderModelError struct {
	Path                string
	KnownAsOf, Embedded string // days
}

func (e *OlderModelError) Error() string {
	return fmt.Sprintf("reading compatibility table %q: known as of %s, older than the one in this build (%s)", e.Path, e.KnownAsOf, e.Embedded)
}

// LoadModel returns the compatibility table in the file at path, or for "" the
// one compiled into this build.
//
// Only a regular file of at most 4 MiB is read, and for root only one that
// nobody else can write. A table that is older than the one in this build is
// refused with an *OlderModelError. One that is more than a day ahead of
// the clock is refused, too. For the others see ParseModel.
func LoadModel(path string) (*Model, error) {
	if path == "" {
		return ParseModel(embeddedModel)
	}
	data, err := readModel(path, os.Geteuid() == 0)
	if err != nil {
		return nil, fmt.Errorf("reading compatibility table %q: %w", path, err)
	}
	m, err := parseModel(data)
	if err != nil {
		return nil, fmt.Errorf("reading compatibility table %q: %w", path, err)
	}
	ours, err := ParseModel(embeddedModel)
	if err != nil {
		return nil, err
	}
	if m.asOf.Before(ours.asOf) {
		return nil, &OlderModelError{Path: path, KnownAsOf: m.KnownAsOf, Embedded: ours.KnownAsOf}
	}
	if now := time.Now(); now.After(ours.asOf) && m.asOf.After(now.Add(24*time.Hour)) { // else the clock is wrong, and no judge
		return nil, fmt.Errorf("reading compatibility table %q: known as of %s, which is still to come: it is %s", path, m.KnownAsOf, now.UTC().Format(time.DateOnly))
	}
	return m, nil
}

// plainly says in words what encoding/json says in types of Go.
func plainly(err error) error {
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok && !strings.HasPrefix(wrong.Error(), "unexpected end") {
		return fmt.Errorf("it is not JSON (near byte %d)", wrong.Offset) // and nothing of what it is
	}
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case wrong.Field == "":
		return fmt.Errorf("it is a JSON %s, and no compatibility table", wrong.Value)
	}
	return fmt.Errorf("%q cannot be a JSON %s (near byte %d)", wrong.Field, wrong.Value, wrong.Offset)
}

// readModel does not block on a pipe, and looks at what it opened, not at what
// the name says. Strict refuses what others than root can write.
func readModel(path string, strict bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, pe.Err // the caller names the path
		}
		return nil, err
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case strict && info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("others than its owner can write it (mode %04o)", info.Mode().Perm())
	case strict && !ofRoot(info):
		return nil, errors.New("it does not belong to root")
	}
	return io.ReadAll(io.LimitReader(f, maxModel+1)) // one byte too many is refused as too many
}

func ofRoot(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}

// sayOnce refuses a document with an object that names one member twice: which
// of the two would count is a matter of the parser.
func sayOnce(data []byte) error {
	return onceIn(json.NewDecoder(bytes.NewReader(data)))
}

func onceIn(d *json.Decoder) error { // as deep as encoding/json goes
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)                       // the decoder allows nothing else there
			if name = strings.ToLower(name); seen[name] { // members are matched without regard to case
				return fmt.Errorf("%q is said twice", name)
			}
			seen[name] = true
		}
		if err := onceIn(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
