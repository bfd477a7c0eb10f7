// SPDX-License-Identifier: Apache-2.0

// Package sandbox makes a throwaway TUF repository, signed with keys made on the
// spot, and serves it: for the tests, the demo and trials by hand.
//
// It is a real repository: real keys and signatures, versions that only grow,
// roots signed by their predecessor's keys, consistent snapshots, and the shape
// of Sigstore's own (five key holders of whom three sign root and targets, one
// online key for snapshot and timestamp). go-tuf v0.5 and v2, sigstore-go and
// cosign read it. LikeSigstore writes it as Sigstore wrote any of its roots. What a mirror can do wrong, Handler does on demand: faults,
// tampering, an older state, no answer at all.
//
// It protects nothing: its keys live in memory and die with it. Never point a
// client that matters at it.
package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const day = 24 * time.Hour

// DelegatedRole is the role that Options.Delegation adds, and DelegatedTarget
// the target file that only this role lists.
const (
	DelegatedRole   = "extra-keys"
	DelegatedTarget = "extra/keys.json"
)

// Options shape a repository. The zero value is a plain one with one target
// file, "hello.txt".
type Options struct {
	// KeyType is the keytype written for every key: "ecdsa" (the default, as
	// Sigstore since root 9), "ecdsa-sha2-nistp256" (as before, all that go-tuf up
	// to 0.5 can read), "ed25519", or any other word: then a P-256 key under a name
	// no client knows.
	KeyType string
	// Scheme is the scheme written for every key; by default the usual one of the
	// keytype. "ecdsa-sha2-nistp384" with the keytype "ecdsa" makes P-384 keys.
	Scheme string
	// Lifetimes of the roles from the moment they are signed; by default
	// Sigstore's: 7 days, 10 years, 10 years, 197 days.
	TimestampLife, SnapshotLife, TargetsLife, RootLife time.Duration
	// SHA512 lists the sha512 of every target file beside its sha256, as Sigstore
	// did before its targets 11, and as sigstore before 1.7.2 wants.
	SHA512 bool
	// MetaHashes lists length and hashes in timestamp and snapshot, as Sigstore did
	// before root 10; otherwise they list versions only.
	MetaHashes bool
	// Style says more about how the first root is written. What is set above goes
	// before it.
	Style Style
	// Now is the repository's clock; time.Now by default.
	Now func() time.Time
	// Sigstore adds the target files of a Sigstore instance, made on the spot.
	Sigstore bool
	// Ed25519Log lists a second log in trusted_root.json, with an Ed25519 key, as
	// Sigstore does since October 2025.
	Ed25519Log bool
	// Delegation adds DelegatedRole.
	Delegation bool
}

// A Repo is a repository and what serves it. It is safe for concurrent use.
type Repo struct {
	opts Options

	mu    sync.Mutex
	style Style
	keys  keys

	root, targets, snapshot, timestamp int64 // versions
	delegated                          int64
	artifacts                          map[string]artifact

	states []state // every state published, the newest last
	back   int     // how many states ago is served

	server server // what is done to the answers
}

// An artifact is a target file with what targets says of it.
type artifact struct {
	data   []byte
	custom json.RawMessage
}

// A state is every file of the repository at one moment.
type state struct {
	files    map[string][]byte
	roles    map[string][]byte // the newest file of each role
	versions map[string]int64
}

// New makes a repository at version 1 of every role.
func New(o Options) (*Repo, error) {
	r := &Repo{
		opts:      withDefaults(o),
		style:     o.Style.withOptions(o),
		artifacts: map[string]artifact{"hello.txt": {data: []byte("hello\n")}},
		states:    []state{{files: map[string][]byte{}, roles: map[string][]byte{}, versions: map[string]int64{}}},
	}
	if err := r.build(); err != nil {
		return nil, fmt.Errorf("making a sandbox repository: %w", err)
	}
	return r, nil
}

func withDefaults(o Options) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, life := range []struct {
		of  *time.Duration
		def time.Duration
	}{{&o.TimestampLife, 7 * day}, {&o.SnapshotLife, 3650 * day}, {&o.TargetsLife, 3650 * day}, {&o.RootLife, 197 * day}} {
		if *life.of == 0 {
			*life.of = life.def
		}
	}
	return o
}

func (r *Repo) build() error {
	if r.opts.Sigstore {
		files, err := sigstoreTargets(r.opts.Now(), r.opts.Ed25519Log)
		if err != nil {
			return fmt.Errorf("making Sigstore's target files: %w", err)
		}
		maps.Copy(r.artifacts, files)
	}
	var err error
	if r.keys, err = newKeys(r.style); err != nil {
		return err
	}
	s := r.begin()
	if err := r.signRoot(&s, nil, nil, r.opts.RootLife); err != nil {
		return err
	}
	if err := r.signTargets(&s); err != nil {
		return err
	}
	r.publish(s)
	return nil
}

// begin returns a copy of the newest state, to be changed and then published.
// The bytes of files are shared: they are replaced, never changed.
func (r *Repo) begin() state {
	newest := r.states[len(r.states)-1]
	return state{files: maps.Clone(newest.files), roles: maps.Clone(newest.roles), versions: maps.Clone(newest.versions)}
}

func (r *Repo) publish(s state) {
	r.states = append(r.states, s)
	r.back = 0
}

func (r *Repo) served() state { return r.states[len(r.states)-1-r.back] }

func (r *Repo) newest() state { return r.states[len(r.states)-1] }

// BumpTimestamp signs a new timestamp over the same snapshot.
func (r *Repo) BumpTimestamp() error {
	return r.change(r.signTimestamp)
}

// BumpSnapshot signs a new snapshot and timestamp over the same targets.
func (r *Repo) BumpSnapshot() error {
	return r.change(r.signSnapshot)
}

// Publish adds or replaces a target file, and signs new targets, snapshot and
// timestamp.
func (r *Repo) Publish(path string, data []byte) error {
	return r.change(func(s *state) error {
		r.artifacts[path] = artifact{data: bytes.Clone(data), custom: r.artifacts[path].custom}
		return r.signTargets(s)
	})
}

// Remove takes a target file out of targets. Its file stays, as it does on real
// mirrors.
func (r *Repo) Remove(path string) error {
	return r.change(func(s *state) error {
		if _, listed := r.artifacts[path]; !listed {
			return fmt.Errorf("no target file %q", path)
		}
		delete(r.artifacts, path)
		return r.signTargets(s)
	})
}

func (r *Repo) change(f func(*state) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.begin()
	if err := f(&s); err != nil {
		return fmt.Errorf("changing the sandbox repository: %w", err)
	}
	r.publish(s)
	return nil
}

// Rollback serves the state of n changes ago, in whole, as a mirror restored
// from a backup does. Nothing is signed anew. A later change ends it.
func (r *Repo) Rollback(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < 0 || n >= len(r.states)-1 {
		return fmt.Errorf("rolling the sandbox repository back by %d: there are %d states", n, len(r.states)-1)
	}
	r.back = n
	return nil
}

// Restore ends a Rollback.
func (r *Repo) Restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back = 0
}

// InitialRoot is the first root.
func (r *Repo) InitialRoot() []byte { return r.RootJSON(1) }

// RootJSON is the root of that version; nil where there is none.
func (r *Repo) RootJSON(version int64) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.newest().files[rootName(version)])
}

// Versions are the newest versions by role, whatever is served.
func (r *Repo) Versions() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.newest().versions)
}

// Files are the newest signed state as one set, whatever is served: every root
// since the first, the roles, and every target file.
func (r *Repo) Files() trust.Files {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.newest()
	get := func(name string) []byte { return bytes.Clone(s.files[name]) }
	f := trust.Files{
		Initial:   get(rootName(1)),
		Timestamp: bytes.Clone(s.roles[trust.Timestamp]),
		Snapshot:  bytes.Clone(s.roles[trust.Snapshot]),
		Targets:   bytes.Clone(s.roles[trust.Targets]),
		Delegated: map[string][]byte{},
		Artifacts: map[string][]byte{},
	}
	for v := int64(2); v <= r.root; v++ {
		f.Roots = append(f.Roots, get(rootName(v)))
	}
	if r.opts.Delegation {
		f.Delegated[DelegatedRole] = bytes.Clone(s.roles[DelegatedRole])
		f.Artifacts[DelegatedTarget] = bytes.Clone(delegatedData)
	}
	for path, a := range r.artifacts {
		f.Artifacts[path] = bytes.Clone(a.data)
	}
	return f
}

// TargetPaths are the target files of the top-level role, sorted.
func (r *Repo) TargetPaths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.artifacts))
}

func rootName(version int64) string { return roleName(version, trust.Root) }

func roleName(version int64, role string) string { return fmt.Sprintf("%d.%s.json", version, role) }
