// SPDX-License-Identifier: Apache-2.0

// Package trust decides what metadata may be trusted.
//
// It parses metadata after a strict pre-check, verifies a whole set from an
// initial root at a reference time, and tells what a set holds: versions,
// expiries, targets, and what it requires of the clients that read it. It does
// no I/O, and a [Set] only comes from [Verify]. What reads metadata without
// verifying it says so: Peek, FormOf, TargetsFormOf.
//
// Metadata that go-tuf would read is pre-checked first, and every step is guarded
// against panics: whoever serves a file may send anything. Whether metadata is newer
// than what was trusted before, and what to do about it, is for package refresh.
package trust

import (
	"time"
)

// Names of the top-level roles, and of their unversioned files without ".json".
const (
	Root      = "root"
	Timestamp = "timestamp"
	Snapshot  = "snapshot"
	Targets   = "targets"
)

// Hard limits in bytes, whatever metadata says. The first four are go-tuf's own.
const (
	MaxRoot       = 512_000
	MaxTimestamp  = 16_384
	MaxSnapshot   = 2_000_000
	MaxTargets    = 5_000_000 // targets and every delegated role
	MaxTargetFile = 10 << 20

	// MaxVersion bounds every version: beyond it arithmetic on versions wraps.
	MaxVersion = 1<<31 - 1
	// MaxRootRotations bounds one walk of the root chain.
	MaxRootRotations = 256
	// MaxDelegations bounds the roles visited in one lookup.
	MaxDelegations = 32
)

// Role is what is known of one role of a verified set.
type Role struct {
	Name    string    `json:"name"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
}

// Expired says whether the role is past its expiry at t (spec 5.3.10, 5.4.4,
// 5.5.6, 5.6.6), by the same comparison as go-tuf's IsExpired.
func (r Role) Expired(t time.Time) bool { return t.After(r.Expires) }

// Files are the raw bytes of one repository, as received.
type Files struct {
	Initial   []byte   // the initial root
	Roots     [][]byte // the roots after it, ascending, without a gap
	Timestamp []byte
	Snapshot  []byte
	Targets   []byte
	Delegated map[string][]byte // delegated roles by role name
	Artifacts map[string][]byte // target files by target path
}

// Target is one target file listed by a verified set.
type Target struct {
	Path   string
	Role   string // the role that lists it
	Length int64
	Hashes map[string]string // algorithm -> lower-case hex
}
