// SPDX-License-Identifier: Apache-2.0

package client

import "slices"

// The TUF clients of other languages, one each.
const (
	ImplPython     Implementation = "python"     // python-tuf's ngclient, below sigstore-python
	ImplJavaScript Implementation = "javascript" // tuf-js, below sigstore-js
	ImplRuby       Implementation = "ruby"       // in sigstore-ruby
	ImplJava       Implementation = "java"       // in sigstore-java
)

// Ids of the capabilities that only clients in other languages differ in.
const (
	// SkipsKeys is to go on without a key that cannot be used, where enough others sign.
	SkipsKeys = "skips_unusable_keys"
	// PythonCrypto is to have libraries of Python that fit together.
	PythonCrypto = "python_crypto"
)

// implementation returns the TUF client that programs in that language have;
// those in Go have one of two, or both.
func (e Ecosystem) implementation() (Implementation, bool) {
	switch e {
	case Python:
		return ImplPython, true
	case JavaScript:
		return ImplJavaScript, true
	case Ruby:
		return ImplRuby, true
	case Java:
		return ImplJava, true
	}
	return "", false
}

// implementations returns those of which a client may have some.
func (c Client) implementations() []Implementation {
	if i, ok := c.Ecosystem.implementation(); ok {
		return []Implementation{i}
	}
	return []Implementation{Legacy, V2}
}

// has says whether that implementation is in the client at all.
func (c Client) has(i Implementation) bool {
	if own, ok := c.Ecosystem.implementation(); ok {
		return own == i
	}
	return c.Linked.has(i)
}

// needs says whether the client has that library, whether or not it is known which
// version. In other languages that is so of every library of its implementation.
func (c Client) needs(library string) bool {
	if i, ok := c.Ecosystem.implementation(); ok {
		return of(library) == i
	}
	return c.Linked.needs(library)
}

// libraries are those of a TUF client in another language, itself first.
func (i Implementation) libraries() []string {
	switch i {
	case ImplPython:
		return []string{PythonTUF, SigstorePython, SecureSystemsLib, PyCryptography}
	case ImplJavaScript:
		return []string{TUFJS, SigstoreJS}
	case ImplRuby:
		return []string{SigstoreRuby}
	case ImplJava:
		return []string{SigstoreJava}
	}
	return nil
}

// TUFLibrary is the library by whose version an implementation is known.
func (i Implementation) TUFLibrary() string { return i.library() }

// ofLanguage returns the implementation in another language that a library belongs to.
func ofLanguage(library string) (Implementation, bool) {
	for _, i := range [...]Implementation{ImplPython, ImplJavaScript, ImplRuby, ImplJava} {
		if slices.Contains(i.libraries(), library) {
			return i, true
		}
	}
	return "", false
}
