// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A kind is a repository of one kind, and where a client of it starts.
type kind struct {
	name    string
	options sandbox.Options
	rotate  []sandbox.Rotation
	first   bool // clients start from root 1; else from the newest
	// What was measured before, of other builds: a column of the features, or a
	// state of the matrix, of the tests of agent/health.
	feature string
	root    int
}

func (k kind) world(t *testing.T) *world {
	t.Helper()
	k.options.Sigstore = true
	w := newWorld(t, k.options)
	for _, r := range k.rotate {
		if err := w.repo.RotateRoot(r); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (k kind) start(w *world) []byte {
	if k.first {
		return w.repo.InitialRoot()
	}
	return w.repo.RootJSON(w.repo.Versions()["root"])
}

// published are the public roots of Sigstore that the sandbox can write.
const published = 15

// publicKinds are Sigstore's public roots, each with all before it, for clients
// that start from it and for clients that walk to it from root 1.
func publicKinds() (all []kind) {
	for n := 1; n <= published; n++ {
		k := kind{
			name: fmt.Sprintf("root %d", n), root: n,
			options: sandbox.Options{Style: *sandbox.LikeSigstore(1).Style, Ed25519Log: n >= 14},
		}
		for v := 2; v <= n; v++ {
			k.rotate = append(k.rotate, sandbox.LikeSigstore(v))
		}
		all = append(all, k)
		if n > 1 {
			k.name, k.first = fmt.Sprintf("roots 1 to %d", n), true
			all = append(all, k)
		}
	}
	return all
}

// featureKinds have one feature each, as they were measured with libraries alone.
func featureKinds() []kind {
	const oldType, p384 = "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"
	base := sandbox.Style{KeyType: "ecdsa", HashAlgorithms: true, SHA512: true, MetaHashes: true}
	with := func(change func(*sandbox.Style)) sandbox.Style {
		s := base
		change(&s)
		return s
	}
	older := func(change func(*sandbox.Style)) sandbox.Style {
		return with(func(s *sandbox.Style) {
			s.KeyType = oldType
			change(s)
		})
	}
	same := func(*sandbox.Style) {}
	badID := func(s *sandbox.Style) { s.StaleID = true }
	bare := func(s *sandbox.Style) { s.MetaHashes = false }
	delegate := func(keyType string) func(s *sandbox.Style) {
		return func(s *sandbox.Style) { s.DelegateKeyType = keyType }
	}
	emptySlot := func(s *sandbox.Style) { s.EmptySlots = 1 }
	sha256Only := func(s *sandbox.Style) { s.SHA512 = false }
	spec := func(s *sandbox.Style) { s.SpecVersion = "1.0.31" }
	keyed := func(keyType, scheme, encoding string) sandbox.Style {
		return with(func(s *sandbox.Style) { s.KeyType, s.Scheme, s.Encoding = keyType, scheme, encoding })
	}
	asNow, pem, now := *sandbox.LikeSigstore(published).Style, older(same), with(same)

	var all []kind
	add := func(name string, s sandbox.Style, rotations ...sandbox.Rotation) {
		all = append(all, kind{
			name: name, feature: name, first: len(rotations) > 0, rotate: rotations,
			options: sandbox.Options{Style: s, Delegation: s.DelegateKeyType != ""},
		})
	}
	add("badkeyid", older(badID))
	add("badkeyid-ecdsa", with(badID))
	add("bare-meta", older(bare))
	add("bare-meta-ecdsa", with(bare))
	add("deleg-ecdsa", older(delegate("ecdsa")))
	add("deleg-ecdsa-under-ecdsa", with(delegate("ecdsa")))
	add("deleg-ed25519", older(delegate("ed25519")))
	add("deleg-oldtype", older(delegate(oldType)))
	add("deleg-unknown", with(delegate("ml-dsa-65")))
	add("ed25519-hex", keyed("ed25519", "", ""))
	add("ed25519-pem", keyed("ed25519", "", sandbox.EncodingPEM))
	add("emptysig", older(emptySlot))
	add("emptysig-ecdsa", with(emptySlot))
	add("frac-expires", with(func(s *sandbox.Style) { s.Expiry = sandbox.FractionOffset }))
	add("hex-oldtype", keyed(oldType, "", sandbox.EncodingHex))
	add("no-consistent-snapshot", with(func(s *sandbox.Style) { s.Flat = true }))
	add("online-p384", with(func(s *sandbox.Style) { s.OnlineScheme = p384 }))
	add("p384-ecdsa", keyed("ecdsa", p384, ""))
	add("p384-oldtype", keyed(p384, "", ""))
	add("pem-ecdsa", now)
	add("pem-ecdsa-nokha", with(func(s *sandbox.Style) { s.HashAlgorithms = false }))
	add("pem-oldtype", pem)
	add("rotate-hex-to-pemold", keyed(oldType, "", sandbox.EncodingHex), sandbox.Rotation{Style: &pem})
	add("rotate-pemold-to-ecdsa", pem, sandbox.Rotation{Style: &now})
	add("rsa-pss", keyed("rsa", "rsassa-pss-sha256", ""))
	add("sha256-only", older(sha256Only))
	add("sha256-only-ecdsa", with(sha256Only))
	add("spec-1.0.31", older(spec))
	add("spec-1.0.31-ecdsa", with(spec))
	add("tufonci-style", asNow)
	return all
}

// otherKinds have no measured truth but this test's own.
func otherKinds() []kind {
	now := *sandbox.LikeSigstore(published).Style
	return []kind{
		{name: "a key type that nobody knows", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{KeyType: "ml-dsa-65"}}},
		{name: "a scheme that nobody knows", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{Scheme: "ecdsa-sha2-nistp999"}}},
		{name: "one more key, that nobody knows", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{ExtraKeyType: "ml-dsa-65"}}},
		{name: "that key came and went", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{ExtraKeyType: "ml-dsa-65"}, {}}},
		{name: "another online key", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{Online: true}}},
		{name: "all keys are others", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{Online: true, AllRootKeys: true}}},
		{name: "RSA-PSS to ecdsa", options: sandbox.Options{Style: sandbox.Style{KeyType: "rsa", SHA512: true}}, first: true, rotate: []sandbox.Rotation{{KeyType: "ecdsa"}}},
		{name: "ecdsa to RSA-PSS", options: sandbox.Options{Style: sandbox.Style{SHA512: true}}, first: true, rotate: []sandbox.Rotation{{KeyType: "rsa"}}},
		{name: "ecdsa to P-384", options: sandbox.Options{Style: sandbox.Style{SHA512: true}}, first: true, rotate: []sandbox.Rotation{{Scheme: "ecdsa-sha2-nistp384"}}},
		{name: "an Ed25519 log", options: sandbox.Options{Style: sandbox.Style{KeyType: "ecdsa-sha2-nistp256", SHA512: true}, Ed25519Log: true}},
	}
}
