package cache

import (
	"time"
)

// Layout names how a client lays out its cache.
type Layout string

// The layouts known so far (facts: one directory per mirror with plain JSON
// files, or the LevelDB of cosign up to 2.5.0 and gitsign).
const (
	LayoutSigstoreGo Layout = "sigstore-go"
	LayoutLegacy     Layout = "legacy"
)

// Cache is one client's cache directory for one mirror.
type Cache struct {
	// Base is the client's cache root, e.g. /home/ada/.sigstore/root.
	Base string
	// Path is the directory of this mirror, e.g. Base/tuf-repo-cdn.sigstore.dev;
	// Base itself for the legacy layout.
	Path   string
	Layout Layout
	// Mirror is the name of the configured mirror this cache belongs to; "" for none of ours.
	Mirror string
	// URL is the mirror URL the cache stands for, as far as it is known.
	URL string
	// Default says that clients start from their embedded root here (the default
	// mirror): root.json is then never written.
	Default bool
	// Owner is the user name (or numeric uid) that owns Base.
	Owner string
}

// State of a cache.
type State string

// The states, as status and `caches --json` spell them.
const (
	Fresh    State = "fresh"    // what the mirror has
	Behind   State = "behind"   // older than the last good set, and valid
	Ahead    State = "ahead"    // newer than the last good set
	Damaged  State = "damaged"  // a file its client cannot read
	Expired  State = "expired"  // valid but past its expiry, and nothing newer is known
	Unusable State = "unusable" // ownership, mode, read-only, a directory in place of a file
	Foreign  State = "foreign"  // not understood: left alone
)

// Inspection is what one look at a cache found.
type Inspection struct {
	State State
	// Detail says in one line what was found, quoted where it holds text from outside.
	Detail string
	// Consequence says what the client will experience.
	Consequence string
	// Remedy is what to type, "" when nothing is needed or the agent mends it itself.
	Remedy string
	// Damage lists the files that are wrong.
	Damage []Damage
	// Versions are the versions found, by role.
	Versions map[string]int64
	// TimestampExpires is the expiry of the cached timestamp: until then a legacy
	// client does not contact its mirror. Zero when not known.
	TimestampExpires time.Time
	// RootSHA256 and RootVersion describe the cached root of a cache whose client
	// starts from it; "" and 0 otherwise.
	RootSHA256  string
	RootVersion int64
	// Root is the raw cached root (size-capped), nil when absent. Never trusted.
	Root []byte
}

// Damage is one file of a cache that its client cannot use.
type Damage struct {
	File string // relative to the cache's Path
	What string // "truncated", "not JSON", "bad signature", "directory", …
	// Heals says whether the client repairs it by itself on its next run.
	Heals bool
}
