// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"fmt"
	"runtime/debug"
	"strings"
	"unicode"
)

// A MalformedError says why bytes cannot be metadata of a role, whoever signed
// them. Reason is safe to print: text from outside is quoted in it.
type MalformedError struct {
	Role   string
	Reason string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed metadata of role %s: %s", quote(e.Role), e.Reason)
}

// An UnknownKeyError says that a role cannot be verified because one of its keys
// is of a kind this build cannot read. What names the key is trusted: either it was
// verified, and a newer build is needed, or it is the initial root itself, and a
// newer initial root may do (the first four of Sigstore hold keys in an old form).
type UnknownKeyError struct {
	Role    string // the role that the key signs for
	KeyType string
	Scheme  string
	Err     error // what the library said about the key
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("unknown key for role %s: keytype %s, scheme %s: %v",
		quote(e.Role), quote(e.KeyType), quote(e.Scheme), e.Err)
}

func (e *UnknownKeyError) Unwrap() error { return e.Err }

// A PanicError is a panic that [Guard] caught.
type PanicError struct {
	What  string // what was being done
	Value any    // what was panicked with
	Stack []byte // for a bug report; not part of the error's text
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("%s: panic: %q", e.What, fmt.Sprint(e.Value))
}

// Guard runs f. A panic inside f becomes a *PanicError, so that a defect in a
// parser is one failed step and not the end of the agent.
func Guard(what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{What: what, Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// printable makes the text of a library's error safe to print: it may hold names
// from metadata. The error itself stays in the chain.
func printable(err error) error {
	const most = 1000
	text := err.Error()
	safe := len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	if safe {
		return err
	}
	return &quotedError{text: fmt.Sprintf("%.*q", most, text), err: err}
}

type quotedError struct {
	text string
	err  error
}

func (e *quotedError) Error() string { return e.text }
func (e *quotedError) Unwrap() error { return e.err }

// quote makes a name from outside safe to print, and short enough for a line.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q (cut off, %d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}
