// SPDX-License-Identifier: Apache-2.0

package trust

import "time"

// Requirements is what a repository demands of a client that reads it. It is
// computed from the metadata itself, never from a list of version numbers, so
// that a private Sigstore instance is judged as well as the public one.
type Requirements struct {
	// Roots are all known roots, ascending: the initial root first when the
	// requirements come from a verified set.
	Roots []RootForm
	// Targets is nil where the repository's targets are not known.
	Targets *TargetsForm
	// TimestampExpires is zero where the timestamp is not known.
	TimestampExpires time.Time
}

// RootForm is what one root demands.
type RootForm struct {
	Version int64
	Expires time.Time
	// SHA256 is the lower-case hex digest of the raw bytes without white space around
	// them: it tells whether two chains are the same. The root that sigstore-go
	// embeds ends with a newline that the published one does not have (measured).
	SHA256 string
	// SignedSHA256 is what SignedDigest says of it: it tells whether two roots say the
	// same, however they are written.
	SignedSHA256 string
	Keys         []KeyForm
	// OnlineKeys identifies the keys and thresholds of timestamp and snapshot;
	// equal strings mean equal keys.
	OnlineKeys         string
	ConsistentSnapshot bool
}

// KeyForm is the form of one key that a role of a root uses.
type KeyForm struct {
	Roles    []string // sorted: "root", "targets" …
	KeyType  string   // as written: "ecdsa", "ecdsa-sha2-nistp256", "ed25519", "rsa" …
	Scheme   string
	Encoding string // "pem", "hex" or "other"
	Curve    string // "P-256", "P-384" … for ECDSA keys that parse, else ""
	// Extra are the fields of the key beside those of the specification, sorted.
	Extra []string
}

// TargetsForm is what the targets demand.
type TargetsForm struct {
	Version int64
	// SHA256Only lists target paths that carry a sha256 hash and no sha512.
	SHA256Only []string
	// Paths are all target paths of the top-level role, sorted.
	Paths []string
	// DelegationKeys are the keys that the top-level targets delegate to.
	DelegationKeys []KeyForm
	// LogKeyTypes are the key types of the logs in trusted_root.json as it names
	// them ("PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519"), sorted, without
	// duplicates; nil where the trusted root is not at hand.
	LogKeyTypes []string
}
