// SPDX-License-Identifier: Apache-2.0

// Package cache reads and writes the TUF caches of Sigstore clients on this host.
//
// A cache belongs to its user. [Cache.Replace] moves it only forward, one file at
// a time by rename and in an order in which every state between two renames can be
// read by its client; it follows no symbolic link but one among the files of the
// cache's owner that leads to the base, and root.json's into its root history; it adds
// nothing its client would not have fetched itself, and deletes nothing it does not
// understand. What was
// damaged is mended with verified bytes, moved aside, or removed so that the client
// fetches it anew, whichever is known to heal.
//
// Everything in a cache is judged, never trusted: no byte of it flows back.
// Whether metadata may be trusted is decided in package trust, when caches are
// written in package publish.
package cache

import (
	"errors"
	"fmt"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Mirror is a mirror whose caches are looked for.
type Mirror struct {
	Name string
	URL  string
	// Default says that clients carry this mirror's root in themselves and start
	// from it, whatever root.json their cache holds.
	Default bool
	// DefaultFor are readers that carry this mirror's root in themselves where Default
	// does not hold: gh has one for GitHub's own mirror.
	DefaultFor []Reader
	// Set is the last good set, nil before the first refresh. [Find] does not read it.
	Set *trust.Set
}

// Cache is one client's cache directory for one mirror. It is a plain value and may
// be copied; every method opens the directory anew.
type Cache struct {
	// Base is the client's cache root, e.g. /home/ada/.sigstore/root.
	Base string
	// Path is the directory of this mirror, e.g. Base/tuf-repo-cdn.sigstore.dev;
	// Base itself for the legacy layout, and where the base as a whole is at fault.
	Path   string
	Layout Layout
	// Reader is the client whose place the base is.
	Reader Reader
	// Targets is the directory of target files where it lies apart from Path; "" for
	// Path/targets.
	Targets string
	// Mirror is the name of the configured mirror this cache belongs to; "" for none of ours.
	Mirror string
	// URL is the mirror URL the cache stands for, as far as it is known.
	URL string
	// Default says that clients start from their embedded root here (the default
	// mirror): root.json is then not written.
	Default bool
	// Owner is the user name (or numeric uid) that owns Base.
	Owner string
}

// Key tells caches apart: two layouts may lie in one directory.
func (c Cache) Key() string { return string(c.Layout) + " " + c.Path }

// State of a cache.
type State string

// The states, as status and `caches --json` spell them.
const (
	Fresh    State = "fresh"    // what the mirror has
	Behind   State = "behind"   // older than the last good set, and valid
	Ahead    State = "ahead"    // newer than the last good set
	Damaged  State = "damaged"  // a file its client cannot read
	Expired  State = "expired"  // valid but past its expiry, and nothing newer is known
	Unusable State = "unusable" // ownership, mode, read-only, not a directory
	Foreign  State = "foreign"  // not understood, another user's, or nothing to compare it with: left alone
)

// Inspection is what one look at a cache found.
type Inspection struct {
	State State
	// Detail says in one line what was found, quoted where it holds text from outside.
	Detail string
	// Consequence says what the client will experience; "" for nothing unusual.
	Consequence string
	// Remedy is what to type, "" when nothing is needed or the agent mends it itself.
	Remedy string
	// Damage lists the files that are wrong.
	Damage []Damage
	// Versions are the versions found, by role; unverified where State is Foreign.
	Versions map[string]int64
	// Asks says when its client asks its mirror, and NotBefore until when it does not,
	// as the cache stands; zero when it does on its next run, or it is not known.
	Asks      Asks
	NotBefore time.Time
	// TimestampExpires is the expiry of the cached timestamp: until then a legacy
	// client does not contact its mirror. Zero when not known.
	TimestampExpires time.Time
	// RootSHA256 (as in trust.RootForm) and RootVersion describe the cached root of a
	// cache whose client starts from it; "" and 0 otherwise.
	RootSHA256  string
	RootVersion int64
	// NoRootFor is the mirror that remote.json names beside a legacy cache and for
	// which cosign from 2.5.1 on finds no root: it goes on with the legacy client then.
	NoRootFor string
	// Root is the raw cached root (size-capped), nil when absent. Never trusted.
	Root []byte
}

// Damage is one file of a cache that its client cannot use, or should not.
type Damage struct {
	File string // relative to the cache's Path; absolute where it does not lie below or beside it
	What string // "truncated", "not JSON", "bad signature", "directory", …
	// Heals says whether the client repairs it by itself on its next run.
	Heals bool
	// Object says that what is wrong is not the content but the file itself: its
	// owner, its mode, or something else that stands in its place.
	Object bool
}

// WriteOptions say what Replace may do. The zero value allows nothing.
type WriteOptions struct {
	// Quiet is how long a cache must have been left alone before it is written;
	// 0 writes at once.
	Quiet time.Duration
	// DropAhead is how long metadata newer than its mirror's is left in a cache; after
	// that it is removed, since its client fails on it. 0 leaves it for ever: it is
	// what protects the client from a rollback.
	DropAhead time.Duration
	// Checked is when the mirror last answered with this set. It is written into
	// <mirror>.json, which tells gh that the cache need not be refreshed yet. Zero
	// leaves that file alone.
	Checked time.Time
	// Mend repairs what its client cannot read.
	Mend bool
	// Publish brings an older cache forward to the set.
	Publish bool
	// Unsettled says that the mirror may not answer with this set everywhere yet.
	// Metadata newer than its mirror's is fatal for a client (measured), so nothing
	// is then copied from the set, except into a cache whose client has already
	// got the same timestamp. Damaged files are removed instead: the client
	// downloads them.
	Unsettled bool

	step func(done string) // a seam for crash tests; nil otherwise
}

// Change is what Replace did. Names are as in Damage.
type Change struct {
	Written []string // replaced by verified bytes
	Removed []string // for the client to fetch anew, and what crashed clients left
	Aside   []string // the new names of what stood in place of a file
	Fixed   []string // made readable again
	Mended  []Damage // the damage that is gone now
	Updates []Update // roles whose version moved
}

// Update is one role that was brought forward. Previous is 0 where the cache held
// none that could be read.
type Update struct {
	Role     string
	File     string // that holds it, as in Written
	Previous int64
	Version  int64
}

// Empty says that nothing was done.
func (c Change) Empty() bool {
	return len(c.Written)+len(c.Removed)+len(c.Aside)+len(c.Fixed) == 0
}

// What Replace does not do, and why. Test with errors.Is.
var (
	// ErrBusy: a client is at work in the cache; try again later (see [BusyError]).
	ErrBusy = errors.New("a client is at work in the cache")
	// ErrAhead: the cache is newer than the set. Its client refreshed it itself.
	ErrAhead = errors.New("the cache is newer than the last good set")
	// ErrLegacy: the cache is a LevelDB, which is reported on and never written:
	// opening it would lock its client out.
	ErrLegacy = errors.New("a legacy cache is never written")
	// ErrExpired: the set is past its expiry, and nothing is published from it.
	ErrExpired = errors.New("the last good set has expired")
	// ErrForeign: the cache starts from a root that is not of this mirror's chain.
	ErrForeign = errors.New("the cache does not belong to this mirror's root chain")
)

// BusyError says when to look at a cache again that is in use now. It is an [ErrBusy].
type BusyError struct{ RetryAfter time.Duration }

func (e *BusyError) Error() string { return ErrBusy.Error() }

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// UnusableError is a cache that cannot, or must not, be worked on as it is.
type UnusableError struct {
	Path   string
	Reason string
	Remedy string // what to type; "" when that is not for us to say
	// Consequence is what its client meets; "" for that it cannot work there.
	Consequence string
	Left        string // the other user whose it is, and to whom it is left; "" for what breaks our client
}

func (e *UnusableError) Error() string { return fmt.Sprintf("%q %s", e.Path, e.Reason) }

// CollisionError is two mirrors whose caches are one and the same directory. The
// clients overwrite each other there; neither mirror is managed in it.
type CollisionError struct {
	Base string   // the place it lies in; "" where it is the same in every place
	Dir  string   // the directory's name
	URLs []string // the mirrors
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("mirrors %q share the cache directory %q: neither is managed there", e.URLs, e.Dir)
}
