// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// Ids of the capabilities that judgements are made by.
const (
	PEMKeys            = "pem_keys"
	HexKeys            = "hex_keys"
	KeyTypeECDSA       = "keytype_ecdsa"
	KeyTypeECDSAP256   = "keytype_ecdsa_nistp256"
	Ed25519Keys        = "ed25519_keys"
	P384               = "p384"
	RSAPSS             = "rsa_pss"
	SHA256Only         = "sha256_only"
	Ed25519Log         = "ed25519_log_in_trusted_root"
	TrustedRootDefault = "trusted_root_default"
	KeyExtraFields     = "key_extra_fields"
	Forbidden          = "http403_ends_root_chain"
)

// cosign is the name of the client whose releases are in the table.
const cosign = "cosign"

// Implementation is one of the two TUF clients written in Go, or the one of
// another language.
type Implementation string

// The implementations. A binary may hold both; which of them it uses by default
// is told by Model.Uses.
const (
	Legacy Implementation = "legacy" // go-tuf v0.x, mostly below sigstore's pkg/tuf
	V2     Implementation = "v2"     // go-tuf/v2's updater, mostly below sigstore-go
)

// Answer says whether a client can do something. The zero value is Maybe: what
// is not known is never taken for yes.
type Answer int

// The answers.
const (
	Maybe Answer = iota // not known
	No
	Yes
)

func (a Answer) String() string { return [...]string{"unknown", "no", "yes"}[a] }

// Capabilities is what a client can do, by implementation.
type Capabilities struct {
	by map[Implementation]map[string]Answer
	// Newer says that a library is newer than all that were looked at.
	Newer bool
	// Notes say where the answers rest on an assumption, in words.
	Notes []string
}

// Can returns whether that implementation in the client can do that.
func (c Capabilities) Can(i Implementation, capability string) Answer { return c.by[i][capability] }

// by returns one member by its name in compat.json.
func (l Linked) by(name string) (linked, known bool) {
	switch name {
	case "hex_verifier":
		return l.HexVerifier, true
	case "sigstore_tuf":
		return l.SigstoreTUF, true
	case "cosign_tuf":
		return l.CosignTUF, true
	case "sigstore_go":
		return l.SigstoreGo, true
	}
	return false, false
}

// of returns the implementation that a library belongs to.
func of(library string) Implementation {
	if i, ok := ofLanguage(library); ok {
		return i
	}
	if library == GoTUFv2 || library == SigstoreGo {
		return V2
	}
	return Legacy
}

// Capabilities answers every capability of the table for a client.
func (m *Model) Capabilities(c Client) Capabilities {
	e := evaluation{m: m, c: c, versions: map[string]*semver.Version{}}
	for name, text := range c.Libraries {
		e.versions[name] = e.effective(name, text)
	}
	out := Capabilities{by: map[Implementation]map[string]Answer{}}
	for _, i := range c.implementations() {
		out.by[i] = map[string]Answer{}
	}
	for _, cap := range m.Capability {
		for _, i := range c.implementations() {
			out.by[i][cap.ID] = e.answer(i, cap)
		}
	}
	slices.Sort(e.notes)
	out.Notes, out.Newer = slices.Compact(e.notes), e.newer
	return out
}

type evaluation struct {
	m        *Model
	c        Client
	versions map[string]*semver.Version // nil: there, and nothing is known of it
	notes    []string
	newer    bool
}

// effective returns the version by which a library is judged: its own, or the
// newest known one of its major version when it is newer than that. It is nil
// when nothing is known of it.
func (e *evaluation) effective(name, text string) *semver.Version {
	l, ok := e.m.library(name)
	if !ok {
		return nil
	}
	v, err := semver.NewVersion(text)
	if err != nil && e.c.Ecosystem != Go {
		v, err = Upstream(text) // Python writes 4.0.0rc1
	}
	switch {
	case err != nil:
		e.notes = append(e.notes, fmt.Sprintf("%s has no readable version (%q)", name, text))
		return nil
	case v.Major() > l.newest.Major() && !l.AnyMajor:
		e.newer = true
		e.notes = append(e.notes, fmt.Sprintf("%s %s is of a major version that is not known", name, text))
		return nil
	case l.newest.LessThan(v):
		e.newer = true
		e.notes = append(e.notes, fmt.Sprintf("%s %s is newer than the newest known %s, and judged like it", name, text, l.Newest))
		return l.newest
	}
	return v
}

func (e *evaluation) answer(i Implementation, capability Capability) Answer {
	if !e.c.has(i) || slices.Contains(capability.Never, i.library()) {
		return No
	}
	best := No
	for _, h := range capability.Unknown {
		if e.condition(i, h) != No {
			best = Maybe
		}
	}
	for _, h := range capability.Have {
		switch e.condition(i, h) {
		case Yes:
			return Yes
		case Maybe:
			best = Maybe
		}
	}
	return best
}

// has says whether an implementation is in a client at all.
func (l Linked) has(i Implementation) bool {
	if i == V2 {
		return l.TUFv2 || l.SigstoreGo
	}
	return l.LegacyTUF || l.SigstoreTUF || l.CosignTUF
}

// library is what the implementation is made of.
func (i Implementation) library() string {
	if libraries := i.libraries(); len(libraries) > 0 {
		return libraries[0]
	}
	if i == V2 {
		return GoTUFv2
	}
	return GoTUF
}

// condition evaluates one way to have a capability; a condition on the libraries
// of the other implementation does not hold.
func (e *evaluation) condition(i Implementation, h Condition) Answer {
	a := Yes
	for name, r := range h.Versions {
		v, listed := e.versions[name]
		switch {
		case name == cosign:
			a = both(a, e.cosign(r))
		case of(name) != i:
			return No
		case !listed && !e.c.needs(name):
			return No // it is not in there
		case v == nil:
			a = both(a, Maybe)
		case !r.holds(v):
			return No
		}
	}
	for _, l := range h.Linked {
		if is, _ := e.c.Linked.by(l); !is {
			return No
		}
	}
	for _, l := range h.NotLinked {
		if is, _ := e.c.Linked.by(l); is {
			return No
		}
	}
	return a
}

// needs says whether functions that are linked come from that library: it is
// there then, although a build without module information does not list it.
func (l Linked) needs(library string) bool {
	switch library {
	case GoTUF:
		return l.LegacyTUF
	case GoTUFv2:
		return l.TUFv2
	case Sigstore:
		return l.SigstoreTUF
	case SigstoreGo:
		return l.SigstoreGo
	}
	return false
}

func (e *evaluation) cosign(r versionRange) Answer {
	if e.c.Name != cosign {
		return No
	}
	v, err := Upstream(e.c.Version)
	if err != nil {
		return Maybe
	}
	if r.holds(v) {
		return Yes
	}
	return No
}

// both is the answer to two questions at once: no if one is no, yes if both are.
func both(a, b Answer) Answer {
	switch {
	case a == No || b == No:
		return No
	case a == Yes && b == Yes:
		return Yes
	}
	return Maybe
}

// Uses returns the implementations by which a client is judged: the one its
// release uses by default where that is known, else every one that it links.
// A client that links none returns none.
func (m *Model) Uses(c Client) []Implementation {
	if i, ok := c.Ecosystem.implementation(); ok {
		return []Implementation{i}
	}
	legacy, v2 := c.Linked.has(Legacy), c.Linked.has(V2)
	switch {
	case legacy && v2:
		if c.Name == cosign {
			switch m.Capabilities(c).Can(V2, TrustedRootDefault) {
			case Yes:
				return []Implementation{V2}
			case No:
				return []Implementation{Legacy}
			}
		}
		return []Implementation{Legacy, V2}
	case legacy:
		return []Implementation{Legacy}
	case v2:
		return []Implementation{V2}
	}
	return nil
}

func (m *Model) capability(id string) (Capability, bool) {
	for _, c := range m.Capability {
		if c.ID == id {
			return c, true
		}
	}
	return Capability{}, false
}
