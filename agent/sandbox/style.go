// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"cmp"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Who signs snapshot and timestamp.
const (
	OneOnlineKey  = ""        // one key for both, as Sigstore since root 10
	TwoOnlineKeys = "two"     // a key each, as roots 2 to 9
	NoOnlineKey   = "offline" // the key holders themselves, as root 1
)

// How public keys are written.
const (
	EncodingPEM = "pem"
	EncodingHex = "hex"
)

// A Style is how a root is written, and what is signed under it. The zero value
// is a plain one; LikeSigstore has those that Sigstore went through.
type Style struct {
	// KeyType and Scheme are those of every key: see Options. "rsa" with
	// "rsassa-pss-sha256" makes RSA keys.
	KeyType, Scheme string
	// Encoding is EncodingPEM or EncodingHex; by default hex for Ed25519, PEM for
	// all others.
	Encoding string
	// Online is who signs snapshot and timestamp.
	Online string
	// OnlineKeyType and OnlineScheme are those of the online keys where they differ.
	OnlineKeyType, OnlineScheme string
	// DelegateKeyType is that of DelegatedRole's key where it differs.
	DelegateKeyType string
	// HashAlgorithms writes keyid_hash_algorithms into every key, as Sigstore's
	// tools did; OneBare leaves it out of the last holder's key, as since root 13.
	HashAlgorithms, OneBare bool
	// TUFOnCI writes the x- fields of tuf-on-ci into keys, roles and root. OnlineURI
	// is the one that says where the online key is kept.
	TUFOnCI   bool
	OnlineURI string
	// StaleID keeps the id of the online key when its content changes, so that the
	// id is not the hash of the key: root 11.
	StaleID bool
	// EmptySlots is how many key holders have not signed a root: their signature is
	// there, and empty. At most two of five.
	EmptySlots int
	// Flat has no consistent snapshots: roots 1 to 4.
	Flat bool
	// Expiry is how the expiry of a root is written.
	Expiry Expiry
	// SHA512 and MetaHashes: see Options.
	SHA512, MetaHashes bool
	// SpecVersion is by default what Sigstore writes, "1.0".
	SpecVersion string
}

// An Expiry is how an instant is written.
type Expiry int

// The ways in which Sigstore wrote the expiry of a root.
const (
	WholeSeconds   Expiry = iota // "2026-11-20T13:58:18Z"
	Fraction                     // "2022-05-11T19:09:02.663975009Z": roots 2 and 3
	FractionOffset               // "2021-12-18T13:28:12.99008-06:00": root 1
)

func (e Expiry) of(at time.Time) time.Time {
	const fraction = 663975009 * time.Nanosecond
	switch e {
	case Fraction:
		return at.Add(fraction)
	case FractionOffset:
		return at.Add(fraction.Truncate(10 * time.Microsecond)).In(time.FixedZone("", -6*60*60))
	}
	return at
}

// LikeSigstore is the change by which Sigstore came from its public root n-1 to
// root n, for n from 1 to 15; later ones are as the last. For the first root its
// Style is for Options:
//
//	repo, err := sandbox.New(sandbox.Options{Style: *sandbox.LikeSigstore(1).Style})
//	err = repo.RotateRoot(sandbox.LikeSigstore(2))
func LikeSigstore(n int) Rotation {
	const old = metadata.KeyTypeECDSA_SHA2_P256_COMPAT
	s := Style{KeyType: old, Encoding: EncodingHex, HashAlgorithms: true, Flat: true, SHA512: true, MetaHashes: true, Online: TwoOnlineKeys}
	r := Rotation{Style: &s}
	switch n { // what was so for a while
	case 1:
		s.Online, s.Expiry = NoOnlineKey, FractionOffset
	case 2, 3:
		s.Expiry = Fraction
	case 11:
		s.StaleID = true
	case 12:
		s.EmptySlots = 2
	case 13, 14:
		s.EmptySlots = 1
	}
	r.OneRootKey = n == 4 || n == 13
	r.Online = n == 10
	if n >= 5 {
		s.Encoding, s.Flat = EncodingPEM, false
	}
	if n >= 9 {
		s.KeyType, s.Scheme = metadata.KeyTypeECDSA_SHA2_P256, metadata.KeySchemeECDSA_SHA2_P256
	}
	if n >= 10 {
		s.Online, s.TUFOnCI, s.MetaHashes = OneOnlineKey, true, false
	}
	if s.SHA512 = n < 11; n >= 11 {
		s.OnlineURI = "sandbox:online/versions/1"
	}
	s.OneBare = n >= 13
	return r
}

// withOptions is a style with what Options says beside it.
func (s Style) withOptions(o Options) Style {
	if o.KeyType != "" {
		s.KeyType = o.KeyType
	}
	if o.Scheme != "" {
		s.Scheme = o.Scheme
	}
	s.SHA512 = s.SHA512 || o.SHA512
	s.MetaHashes = s.MetaHashes || o.MetaHashes
	return s.withDefaults()
}

func (s Style) withDefaults() Style {
	if s.KeyType == "" {
		s.KeyType = metadata.KeyTypeECDSA_SHA2_P256
	}
	if s.SpecVersion == "" {
		s.SpecVersion = "1.0"
	}
	return s
}

// forms of the keys of key holders, online roles and DelegatedRole.

func (s Style) holder(i int) form {
	f := form{keyType: s.KeyType, scheme: s.Scheme, encoding: s.Encoding, extra: map[string]any{}}
	if s.HashAlgorithms && (!s.OneBare || i != holders-1) {
		f.extra["keyid_hash_algorithms"] = []string{"sha256", "sha512"}
	}
	if s.TUFOnCI {
		f.extra["x-tuf-on-ci-keyowner"] = "@holder-" + string(rune('1'+i))
	}
	return f
}

func (s Style) online() form {
	f := s.holder(0)
	if s.OnlineKeyType != "" {
		f.keyType, f.scheme = s.OnlineKeyType, ""
	}
	if s.OnlineScheme != "" {
		f.scheme = s.OnlineScheme
	}
	if s.TUFOnCI {
		delete(f.extra, "x-tuf-on-ci-keyowner")
		f.extra["x-tuf-on-ci-online-uri"] = cmp.Or(s.OnlineURI, "sandbox:online")
	}
	return f
}

func (s Style) delegate() form {
	f := s.holder(0)
	delete(f.extra, "x-tuf-on-ci-keyowner")
	if s.DelegateKeyType != "" {
		f.keyType, f.scheme, f.encoding = s.DelegateKeyType, "", ""
	}
	return f
}
