// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"
)

const maxHeadersFile = 64 << 10

// readHeaders reads a headers file: one "Name: value" a line; empty lines and
// lines that begin with # are skipped. Its content is secret: errors give the
// line's number, never its text.
func readHeaders(name string) (http.Header, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the headers file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the headers file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the headers file %s: it is not a regular file", name)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("reading the headers file %s: others may write it (mode %04o): chmod go-w it", name, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxHeadersFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the headers file: %w", err)
	}
	if len(data) > maxHeadersFile {
		return nil, fmt.Errorf("reading the headers file %s: longer than %d bytes", name, maxHeadersFile)
	}
	return parseHeaders(name, data)
}

func parseHeaders(file string, data []byte) (http.Header, error) {
	h := http.Header{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxHeadersFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !found || !validName(name) || !validValue(value) {
			return nil, fmt.Errorf("reading the headers file %s: line %d is not \"Name: value\"", file, n)
		}
		if reserved(name) {
			return nil, fmt.Errorf("reading the headers file %s: line %d sets a header that the agent sets itself", file, n)
		}
		h.Add(name, value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the headers file %s: %w", file, err)
	}
	return h, nil
}

// reserved names headers that would change how the body or the connection is
// read, or hide who we are.
func reserved(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "User-Agent", "Accept-Encoding", "Range", "Te", "Content-Length", "Transfer-Encoding",
		"Connection", "Upgrade", "Expect", "Trailer",
		"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range":
		return true
	}
	return false
}

// validName: a token of RFC 9110 5.6.2.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func validValue(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
