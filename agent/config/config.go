// SPDX-License-Identifier: Apache-2.0

// Package config turns the operator's file into a Config, and a Config back
// into a file.
//
// Everything has a default: without a file the agent works for the user who
// starts it, on Sigstore's public mirror. Load and Parse promise that an error
// means no Config, that every mistake of a file is reported at once, each with
// its line, its column and, where we can guess it, what was meant, and that no
// file makes them panic. The file holds plain values only: it has no
// variables, no functions and no expressions.
//
// HCL prints the whole effective configuration as a file that parses back to
// an equal Config.
//
// Whether a cron expression is one is asked of Env.CheckCron; whether the files
// that a setting names exist, and who may read them, is left to their readers.
//
// BUG(config): HCL normalises text to Unicode NFC, so a path written in
// another normal form (as some file systems of other systems use) cannot be
// named.
package config

import (
	"net/url"
	"path/filepath"
	"time"
)

// Config is the whole configuration in effect. It is a plain value: whoever
// holds it may read it from many goroutines, and nobody changes it.
type Config struct {
	Path       string // the file it came from; "" means defaults only
	StateDir   string // absolute; the agent's own store and memory
	StatusFile string // absolute; the report that status and check read

	Mirrors    []Mirror // never empty; names are unique
	Schedule   Schedule // for mirrors without a schedule of their own
	Caches     Caches
	Clients    Clients
	Thresholds map[string]Threshold // by role: timestamp, root, snapshot, targets; all four are there
	Alerts     Alerts
	Log        Log
}

// Mirror is one TUF repository to keep fresh, and where to fetch it.
type Mirror struct {
	Name              string     // lower case, digits, "-", "_", "."; safe as a file name and a label
	URL               *url.URL   // http, https or file; without userinfo, query and fragment
	FallbackURLs      []*url.URL // tried in this order when URL cannot be reached
	InitialRoot       string     // BuiltinSigstore, BuiltinSigstage or an absolute path
	InitialRootSHA256 string     // hex, lower case; "" means not pinned
	Preview           bool       // what is coming, not what is in force: judged against, never published

	Targets            []Glob        // target files to hold, matched against the target's path
	ForbiddenEndsChain bool          // 403 for the next root means "there is none", as 404 does
	AllowHTTP          bool          // plain http to other hosts than this one
	Soak               time.Duration // how long new metadata must have been seen before caches get it

	FileTimeout    time.Duration // for one file, connecting included
	RefreshTimeout time.Duration // for a whole refresh
	Attempts       int           // per file and URL, at least 1

	Proxy          string // "" means none, "environment", or a URL
	CAFile         string // PEM; "" means the system's; absolute, as are the next three
	ClientCertFile string // "" means none; goes with ClientKeyFile
	ClientKeyFile  string
	HeadersFile    string // "Name: value" lines sent with every request; "" means none

	Schedule *Schedule // nil: the common one
}

// The names of the initial roots that are built in.
const (
	BuiltinSigstore = "builtin:sigstore"
	BuiltinSigstage = "builtin:sigstage"
)

// Schedule says when a mirror is refreshed. Either Every or Cron is set.
type Schedule struct {
	Every    time.Duration // 0 when Cron is set
	Cron     string        // "" when Every is set
	Jitter   time.Duration // the fleet spreads over this long
	RetryMin time.Duration // after the first failure
	RetryMax time.Duration // the longest pause between failures
	Lead     time.Duration // refresh this long before a role expires, if nothing did earlier
}

// Caches says which clients' caches are looked after, and how.
type Caches struct {
	Paths     []string      // absolute cache bases of cosign and its like, such as /home/ada/.sigstore/root
	Places    []CachePlace  // where other clients keep theirs
	Policy    Policy        // for caches without a rule; mend and publish only where we keep such caches
	Overrides []CacheRule   // the first that matches counts
	Debounce  time.Duration // from a change on disk to the look at it
	Quiet     time.Duration // a cache that changed within this long is in use, and left alone
	Scan      time.Duration // every cache is looked at this often, whatever the watch says
	DropAhead time.Duration // metadata newer than its mirror's is removed after this long; 0 means never
}

// PolicyFor returns what may be done to the cache at path: the policy of the
// first rule that matches it, otherwise the common one; and whether a rule did.
func (c Caches) PolicyFor(path string) (p Policy, ruled bool) {
	for _, o := range c.Overrides {
		if o.Path.Match(filepath.Clean(path)) {
			return o.Policy, true
		}
	}
	return c.Policy, false
}

// CacheRule is a policy for the caches whose path matches a glob.
type CacheRule struct {
	Path   Glob
	Policy Policy
}

// Policy is what the agent may do to a cache.
type Policy string

// The policies, from most to least.
const (
	PolicyMend    Policy = "mend"    // bring it forward, and repair what is damaged
	PolicyPublish Policy = "publish" // bring it forward; damage is reported
	PolicyReport  Policy = "report"  // look and report, never write
	PolicyIgnore  Policy = "ignore"  // do not even look
)

// Clients says where Sigstore clients are looked for. None is ever executed.
type Clients struct {
	SearchPath  bool   // every directory of PATH
	Globs       []Glob // files, or directories whose files are looked at
	Exclude     []Glob
	Packages    []Glob        // directories that hold packages of other languages
	Scan        time.Duration // between two looks
	MaxFileSize Size          // bigger files are not read

	Model        string    // absolute; a newer compatibility table; "" means the built-in one
	ProbeResults string    // absolute; what the last probes saw; "" means none
	Minimums     []Minimum // names are unique
}

// Minimum is the oldest version of a client that the operator accepts.
type Minimum struct {
	Client  string // its name as reports have it: "cosign"
	Version string // "2.6.3"
}

// Threshold is how long before the expiry of a role it becomes a problem.
type Threshold struct {
	Warning, Critical time.Duration // Critical < Warning
}

// Alerts says how problems are called out.
type Alerts struct {
	Reminder time.Duration // between reminders of a problem that goes on; 0 means never
}

// Log says what the agent logs.
type Log struct {
	Level  string // trace, debug, info, warn, error
	Format string // text, json
}
