// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"iter"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A knownRoot is a root of a set's chain.
type knownRoot struct {
	raw  []byte
	doc  *metadata.Metadata[metadata.RootType]
	says string // SignedDigest
	self bool   // it is signed as it demands itself
}

func newKnownRoot(raw []byte, doc *metadata.Metadata[metadata.RootType]) knownRoot {
	return knownRoot{raw, doc, SignedDigest(raw), doc.VerifyDelegate(Root, doc) == nil}
}

// formerOf are those roots before the initial one that lead to it, ascending: each
// signed the one after it. A client that still holds one of them walks the same way.
// None of them is trusted for anything new.
func formerOf(initial []byte, first *metadata.Metadata[metadata.RootType]) []knownRoot {
	var chain []knownRoot
	next := first
	for _, raw := range slices.Backward(Former(initial)) {
		doc, err := metadata.Root().FromBytes(raw)
		if err != nil || doc.Signed.Version != next.Signed.Version-1 || doc.VerifyDelegate(Root, next) != nil {
			break // as far as it can be verified
		}
		chain = append(chain, newKnownRoot(raw, doc))
		next = doc
	}
	slices.Reverse(chain)
	return chain
}

// knownChain is every root that is known to be of this repository, ascending.
func (s *Set) knownChain() []knownRoot {
	chain := slices.Clone(s.before())
	for i, doc := range append(slices.Clone(s.former), s.workflow.trusted.Root) {
		raw := s.files.Initial
		if i > 0 {
			raw = s.files.Roots[i-1]
		}
		chain = append(chain, newKnownRoot(raw, doc))
	}
	return chain
}

// RootVersion says which root of the verified chain data is: one that says the same,
// however it is written (sigstore-java writes every root anew). It is not ok where
// data says what that root says, without enough of its signatures.
func (s *Set) RootVersion(data []byte) (version int64, ok bool) {
	err := step("looking for a root in the chain", Root, data, func() error {
		for _, known := range slices.Backward(s.chain()) {
			if bytes.Equal(known.raw, data) {
				version, ok = known.doc.Signed.Version, known.self
				return nil
			}
		}
		says := SignedDigest(data)
		for _, known := range slices.Backward(s.chain()) {
			if says == "" || known.says != says {
				continue
			}
			version = known.doc.Signed.Version
			c, err := claimOf(Root, data)
			ok = err == nil && quorumOf(known.doc, Root).met(c) == nil
			break
		}
		return nil
	})
	return version, ok && err == nil
}

// Chain are the roots of the verified chain by version, ascending, as they were
// published. The caller must not change them.
func (s *Set) Chain() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for _, known := range s.chain() {
			if !yield(known.doc.Signed.Version, known.raw) {
				return
			}
		}
	}
}

// Root returns the bytes of one root of the verified chain, as they were published.
// The caller must not change them.
func (s *Set) Root(version int64) (data []byte, ok bool) {
	for _, known := range s.chain() {
		if known.doc.Signed.Version == version {
			return known.raw, true
		}
	}
	return nil, false
}

// SelfSigned says whether a root is signed as it demands itself, which a client asks
// of any root it starts from. It makes no root trusted.
func SelfSigned(data []byte) error {
	return step("checking a root against itself", Root, data, func() error { return bySelf(data) })
}

func bySelf(data []byte) error {
	doc, err := metadata.Root().FromBytes(data)
	if err != nil {
		return &MalformedError{Role: Root, Reason: err.Error()}
	}
	c, err := claimOf(Root, data)
	if err != nil {
		return err
	}
	return quorumOf(doc, Root).met(c)
}
