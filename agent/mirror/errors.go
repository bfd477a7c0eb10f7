// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrMissing means the mirror answered, and has no such file: status 404, or no
// such name below a file URL.
var ErrMissing = errors.New("no such file on the mirror")

// ErrTooLarge means a file is longer than its limit. No more than the limit was
// held.
var ErrTooLarge = errors.New("file is longer than its limit")

// A StatusError is an answer that is neither a file nor "no such file".
type StatusError struct {
	URL  string // without user name and query
	Code int
	// RetryAfter is what the server asked for, zero where it said nothing we can
	// read. It is not clamped.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	if text := http.StatusText(e.Code); text != "" {
		return fmt.Sprintf("server answered %d %s", e.Code, text)
	}
	return fmt.Sprintf("server answered %d", e.Code)
}

// A RedirectError is a redirect that was not followed.
type RedirectError struct {
	From, To string // without user names and queries
	Reason   string
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirect to %s refused: %s", plain(e.To), e.Reason)
}

// A NotJSONError is a page where metadata was asked for, as a captive portal, a
// proxy or a login page sends it with status 200.
type NotJSONError struct {
	URL         string
	ContentType string // what the server called it
}

func (e *NotJSONError) Error() string {
	return fmt.Sprintf("server sent a web page instead of JSON (content type %q): a proxy, login page or captive portal may be in the way", cut(e.ContentType))
}

// An EncodingError is a body in an encoding that was not asked for.
type EncodingError struct {
	URL      string
	Encoding string
}

func (e *EncodingError) Error() string {
	return fmt.Sprintf("server sent content encoding %q, only identity was asked for", cut(e.Encoding))
}

// An UnreachableError is an exchange that did not come to its end: name
// resolution, connection, TLS, a time-out, or a body cut off.
type UnreachableError struct {
	URL   string
	Err   error
	final bool // asking again now would give the same answer
}

func (e *UnreachableError) Error() string {
	if errors.Is(e.Err, errCutOff) {
		return e.Err.Error()
	}
	return plain(e.Err.Error())
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Timeout says whether time ran out.
func (e *UnreachableError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.Is(e.Err, errTimeout) || errors.Is(e.Err, context.DeadlineExceeded) ||
		errors.As(e.Err, &t) && t.Timeout()
}

var (
	errTimeout = errors.New("time ran out")
	errCutOff  = errors.New("body was cut off")
)

// Unreachable says whether err is about reaching the origin (network, name
// resolution, TLS, time-out, 5xx, 429) and not about what it holds: another
// origin may then be tried. A cancelled context is not.
func Unreachable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var u *UnreachableError
	if errors.As(err, &u) {
		return true
	}
	var s *StatusError
	return errors.As(err, &s) && (s.Code == http.StatusTooManyRequests || s.Code >= 500)
}

// maxText bounds what is repeated of a server's own words.
const maxText = 200

func cut(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "..."
	}
	return s
}

// plain makes text that may hold a server's words safe for a terminal and a log
// line: as it is where every character is printable, quoted where not.
func plain(s string) string {
	s = cut(s)
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
