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
)

// cosign is the name of the client whose releases are in the table.
const cosign = "cosign"

// Implementation is one of the two TUF clients written in Go.
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
	out := Capabilities{by: map[Implementation]map[string]Answer{Legacy: {}, V2: {}}}
	for _, cap := range m.Capability {
		for _, i := range []Implementation{Legacy, V2} {
			out.by[i][cap.ID] = e.answer(i, cap)
		}
	}
	slices.Sort(e.notes)
	out.Notes = slices.Compact(e.notes)
	return out
}

type evaluation struct {
	m        *Model
	c        Client
	versions map[string]*semver.Version // nil: there, and nothing is known of it
	notes    []string
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
	switch {
	case err != nil:
		e.notes = append(e.notes, fmt.Sprintf("%s has no readable version (%q)", name, text))
		return nil
	case v.Major() > l.newest.Major():
		e.notes = append(e.notes, fmt.Sprintf("%s %s is of a major version that is not known", name, text))
		return nil
	case l.newest.LessThan(v):
		e.notes = append(e.notes, fmt.Sprintf("%s %s is newer than the newest known %s, and judged like it", name, text, l.Newest))
		return l.newest
	}
	return v
}

func (e *evaluation) answer(i Implementation, capability Capability) Answer {
	if !e.linked(i) {
		return No
	}
	for _, name := range capability.Never {
		if name == map[Implementation]string{Legacy: GoTUF, V2: GoTUFv2}[i] {
			return No
		}
	}
	best, applied := No, false
	for _, h := range capability.Have {
		a, applies := e.condition(i, h)
		if !applies {
			continue
		}
		applied = true
		if a == Yes {
			return Yes
		}
		if a == Maybe {
			best = Maybe
		}
	}
	if !applied && len(capability.Have) > 0 && e.unread(i) {
		return Maybe
	}
	return best
}

// linked says whether the implementation is in the client at all.
func (e *evaluation) linked(i Implementation) bool {
	if i == V2 {
		return e.c.Linked.TUFv2 || e.c.Linked.SigstoreGo
	}
	return e.c.Linked.LegacyTUF || e.c.Linked.SigstoreTUF || e.c.Linked.CosignTUF
}

// unread says that the implementation is linked but its version cannot be told.
func (e *evaluation) unread(i Implementation) bool {
	base := map[Implementation]string{Legacy: GoTUF, V2: GoTUFv2}[i]
	return e.versions[base] == nil
}

// condition evaluates one way to have a capability; it applies to the
// implementation that its libraries belong to.
func (e *evaluation) condition(i Implementation, h Condition) (a Answer, applies bool) {
	a = Yes
	for name, r := range h.Versions {
		if name == cosign {
			a = min2(a, e.cosign(r))
			continue
		}
		if of(name) != i {
			return No, false
		}
		v, there := e.versions[name]
		switch {
		case !there && e.c.known(name):
			return No, false
		case v == nil:
			a = min2(a, Maybe)
		case !r.holds(v):
			a = No
		}
	}
	for _, l := range h.Linked {
		if is, _ := e.c.Linked.by(l); !is {
			a = No
		}
	}
	for _, l := range h.NotLinked {
		if is, _ := e.c.Linked.by(l); is {
			a = No
		}
	}
	return a, true
}

// known says that a library's absence from Libraries means its absence from the
// client. Without any library (a build without module information) it does not.
func (c Client) known(string) bool { return len(c.Libraries) > 0 }

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

// min2 is the answer to "both": No beats Maybe beats Yes.
func min2(a, b Answer) Answer {
	if a == No || b == No {
		return No
	}
	return min(a, b)
}

// Uses returns the implementations by which a client is judged: the one its
// release uses by default where that is known, else every one that it links.
// A client that links none returns none.
func (m *Model) Uses(c Client) []Implementation {
	e := evaluation{m: m, c: c}
	legacy, v2 := e.linked(Legacy), e.linked(V2)
	if legacy && v2 && c.Name == cosign {
		if v, err := Upstream(c.Version); err == nil {
			if cap, ok := m.capability(TrustedRootDefault); ok && slices.ContainsFunc(cap.Have, func(h Condition) bool {
				r, ok := h.Versions[cosign]
				return ok && r.holds(v)
			}) {
				return []Implementation{V2}
			}
			return []Implementation{Legacy}
		}
	}
	var uses []Implementation
	if legacy {
		uses = append(uses, Legacy)
	}
	if v2 {
		uses = append(uses, V2)
	}
	return uses
}

func (m *Model) capability(id string) (Capability, bool) {
	for _, c := range m.Capability {
		if c.ID == id {
			return c, true
		}
	}
	return Capability{}, false
}
