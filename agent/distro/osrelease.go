// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRelease bounds os-release in bytes.
const maxRelease = 64 << 10

// System is what a distribution says of itself in os-release.
type System struct {
	ID      string   // "alpine"; "" when it does not say
	Like    []string // the distributions it is made from, nearest first
	Release string   // VERSION_ID: "3.23.0"; "" for a rolling one
	Name    string   // for people: "Alpine Linux v3.23"
}

// System reads os-release. A host without one is the zero System, without error.
func (d *Distro) System(ctx context.Context) (System, error) {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		_, info, err := d.h.resolve(path)
		if err != nil {
			return System{}, fmt.Errorf("reading %q: %w", path, err)
		}
		if info == nil {
			continue
		}
		s, err := d.h.system(ctx, path)
		if err != nil {
			return System{}, fmt.Errorf("reading os-release: %w", err)
		}
		return s, nil
	}
	return System{}, nil
}

func (h host) system(ctx context.Context, path string) (s System, err error) {
	f, _, err := h.open(path)
	if err != nil {
		return System{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return parseRelease(ctx, io.LimitReader(f, maxRelease))
}

// parseRelease reads os-release(5). A line that is not an assignment, or whose
// value is not printable, is left out: a misspelt line must not hide the others.
func parseRelease(ctx context.Context, r io.Reader) (System, error) {
	var s System
	var pretty string
	err := eachLine(ctx, r, bufio.NewReaderSize(nil, maxLine), func(line []byte) bool {
		key, raw, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if !ok || strings.HasPrefix(key, "#") {
			return true
		}
		value, ok := unquote(raw)
		if !ok || len(value) > maxText {
			return true
		}
		switch key {
		case "ID":
			s.ID = value
		case "ID_LIKE":
			s.Like = strings.Fields(value)
		case "VERSION_ID":
			s.Release = value
		case "NAME":
			s.Name = value
		case "PRETTY_NAME":
			pretty = value
		}
		return true
	})
	if pretty != "" {
		s.Name = pretty
	}
	return s, err
}

// unquote reads the value of an assignment as a shell would: bare, in single
// quotes, or in double quotes with \ before $ " \ and `.
func unquote(raw string) (string, bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case c == '\\' && quote != '\'':
			if i++; i == len(raw) {
				return "", false
			}
			if quote == '"' && !strings.ContainsRune("$\"\\`", rune(raw[i])) {
				b.WriteByte('\\')
			}
			c = raw[i]
		case quote == 0 && (c == ' ' || c == '\t'):
			// A shell would run what follows; only a comment may.
			rest := strings.TrimSpace(raw[i:])
			if rest != "" && !strings.HasPrefix(rest, "#") {
				return "", false
			}
			return b.String(), plain(b.String())
		}
		b.WriteByte(c)
	}
	return b.String(), quote == 0 && plain(b.String())
}

func plain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
