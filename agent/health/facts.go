// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Facts is everything that was seen of this host in one look. Package checkup
// fills it; this package judges it. A zero time means "not known".
type Facts struct {
	At      time.Time
	Host    HostFacts
	Clock   ClockFacts
	Mirrors []MirrorFacts
	Caches  []CacheFacts
	// Collisions are directories that two caches would have.
	Collisions []CollisionFacts
	Clients    []ClientFacts
	// Probes are what clients did when they were run (package probe).
	Probes []ProbeFacts
	// Unseen says what could not be looked at, in words ("reading /opt/x: permission denied").
	Unseen []string
	// WatchDegraded is why changes are found by scanning only; "" when watches work.
	WatchDegraded string
	// ConfigError is the error of a refused reload; "" when the running config is the one on disk.
	ConfigError string
	// StateError is why the state directory cannot be written; "" when it can.
	StateError string
	// AlertError is why alerts wait for a sink that did not take them; "" when none wait.
	AlertError string
}

// HostFacts is what advice needs to know of this host.
type HostFacts struct {
	ID      string   // of os-release: "alpine"; "" when it is not known
	Like    []string // the distributions it is made from, nearest first
	Release string   // VERSION_ID of os-release: "3.23.0"; "" for a rolling one
	Name    string   // for people: "Alpine Linux v3.23"
	Manager string   // "dpkg", "apk", "rpm" or "pacman"; "" when none is known
	Arch    string   // of programs, as Go names it: "amd64"
	// Homes are the directories below which a file is its owner's affair.
	Homes []string
}

// ClockFacts compares this host's clock with what is known of time.
type ClockFacts struct {
	HighestSeen time.Time // the highest time this agent ever saw
	MirrorDate  time.Time // the Date header of the last answer, if any
	MirrorSeen  time.Time // this host's clock when that answer came
}

// FailureKind classifies the error of the last refresh.
type FailureKind string

// The kinds of failure. Package refresh maps its errors onto them (refresh.Kind).
const (
	FailNone          FailureKind = ""
	FailUnreachable   FailureKind = "unreachable"   // network, DNS, TLS, time-outs, 5xx, 429
	FailInconsistent  FailureKind = "inconsistent"  // files that do not fit together, 404 in mid set, a CDN of two minds
	FailMisconfigured FailureKind = "misconfigured" // 403 or HTML where 404 or JSON is due, redirects, oversize, malformed
	FailRollback      FailureKind = "rollback"      // older than what is trusted
	FailSignature     FailureKind = "signature"     // not signed as it must be
	FailExpired       FailureKind = "expired"       // offers only expired metadata
	FailKeyType       FailureKind = "key-type"      // a key type this agent cannot read
	FailClock         FailureKind = "clock"         // this host's clock is before the highest time seen
	FailStore         FailureKind = "store"         // our own directory cannot be read or written
	FailInternal      FailureKind = "internal"      // a panic in a parser, or a fault of ours
)

// MirrorFacts is what is known of one configured mirror.
type MirrorFacts struct {
	Name    string
	URL     string
	Preview bool
	// Set is the last good set; nil before the first successful refresh.
	Set         *trust.Set
	LastAttempt time.Time
	LastSuccess time.Time
	LastError   string // "" after a success
	Kind        FailureKind
	// Rollback is what was offered and refused, where Kind is FailRollback; else zero.
	Rollback Rollback
	// Unread is the key that this agent cannot read, where Kind is FailKeyType.
	Unread trust.KeyForm
	// Forbidden says that the mirror answers 403 for a root that it does not have.
	Forbidden   bool
	Failures    int // in a row
	NextAttempt time.Time
	Interval    time.Duration // between refreshes
	// Damaged lists files of the store that were set aside, with the reason.
	Damaged []string
}

// Rollback names metadata that was refused for being older than what is trusted.
type Rollback struct {
	Role             string // "" when there was none
	Trusted, Offered int64  // versions
}

// CacheFacts is one cache as it was found.
type CacheFacts struct {
	Cache      cache.Cache
	Inspection cache.Inspection
	// System says that the cache lies outside every home: only there is damage critical.
	System bool
	// Policy is what the operator lets us do with it: "mend", "publish", "report"
	// or "ignore" (no finding at all); "" is not known, and judged like "mend".
	Policy    string
	PolicyWhy string // why it is that policy, in a clause
	// NoRule says that no rule of the configuration would have it written.
	NoRule bool
	// ConfigFile is where a rule would be written; "" where that is not known.
	ConfigFile string
	// Unrefreshed says that nothing of its mirror is known yet.
	Unrefreshed bool
	// Failed is why the last attempt to write it failed; "" when it did not.
	Failed string
	// Left is why it was left as it is though it could be written; "" when it was not.
	Left string
	// Compared is why changes in it are found by comparing it with how it was, and how
	// often; "" when they are told.
	Compared string
}

// CollisionFacts is one directory that two caches would have, of two mirrors or of
// two clients.
type CollisionFacts struct {
	Path       string // the directory; its name alone where it is the same in every place
	One, Other string // who would have it, in words with text from outside quoted
	Written    bool   // it is written all the same: the two get along
	Remedy     string // what to do about it
}

// ClientFacts is one installed client.
type ClientFacts struct {
	Client client.Client
	// System says that the file lies outside every home: only there is a finding critical.
	System bool
}

// ProbeFacts is what one client did when it was run against a replica of a
// mirror's last good set. It counts for that very file and that very set only.
type ProbeFacts struct {
	Path   string        `json:"path"`
	File   client.FileID `json:"file"`
	Mirror string        `json:"mirror"`
	// Root and Targets are the versions of the set that was served.
	Root    int64     `json:"root"`
	Targets int64     `json:"targets"`
	Start   string    `json:"start"` // the root it started from, in words: "embedded root 2"
	At      time.Time `json:"at"`
	// Outcome is "ok", "failed" (the client ran and refused) or "unclear" (it could
	// not be run, was killed, or failed in a way that says nothing of the metadata).
	Outcome string `json:"outcome"`
	// Error is the client's own error, one line, at most 500 bytes; "" after "ok".
	Error string `json:"error,omitempty"`
}
