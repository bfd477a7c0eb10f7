// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// maxRoots bounds the chain of one set.
const maxRoots = 4 * MaxRootRotations

// Verify runs the whole TUF client workflow (spec 5) over f at a reference time.
// The initial root is trusted because the caller says so; nothing else is. Every
// delegated role in f must be verified by at least one delegator, and every
// artifact must be a target of the set with the right length and hashes. After an
// error there is no set. Verify keeps f's bytes: they must not change.
//
// Expiry is judged at the reference time only. Whoever holds the set longer asks
// [Set.Expired].
func Verify(f Files, at time.Time) (*Set, error) {
	var s *Set
	err := Guard("verifying a set", func() (err error) {
		s, err = verify(f, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func verify(f Files, at time.Time) (*Set, error) {
	f.Roots = slices.Clone(f.Roots)
	f.Delegated = maps.Clone(f.Delegated)
	f.Artifacts = maps.Clone(f.Artifacts)
	if len(f.Roots) > maxRoots {
		return nil, fmt.Errorf("verifying roots: %d of them, more than %d", len(f.Roots), maxRoots)
	}
	w, err := Begin(f.Initial, at)
	if err != nil {
		return nil, err
	}
	first := w.trusted.Root
	s := &Set{files: f, at: at, workflow: w, before: sync.OnceValue(func() []knownRoot { return formerOf(f.Initial, first) })}
	for _, data := range f.Roots {
		s.former = append(s.former, w.trusted.Root)
		if err := w.UpdateRoot(data); err != nil {
			return nil, fmt.Errorf("after root %d: %w", w.trusted.Root.Signed.Version, err)
		}
	}
	if err := w.UpdateTimestamp(f.Timestamp); err != nil {
		return nil, err
	}
	if err := w.UpdateSnapshot(f.Snapshot, false); err != nil {
		return nil, err
	}
	if err := w.UpdateTargets(f.Targets); err != nil {
		return nil, err
	}
	d, err := verifyDelegated(w, f.Delegated)
	if err != nil {
		return nil, err
	}
	s.delegated = d.by
	if s.targets, err = d.targets(); err != nil {
		return nil, err
	}
	if err := s.verifyArtifacts(); err != nil {
		return nil, err
	}
	s.chain = sync.OnceValue(s.knownChain)
	s.roles = rolesOf(w)
	s.id = f.id()
	if s.required, err = requirementsOf(f, s.roles[1]); err != nil {
		return nil, err
	}
	return s, nil
}

func rolesOf(w *Workflow) []Role {
	t := w.trusted
	roles := []Role{
		{Root, t.Root.Signed.Version, t.Root.Signed.Expires},
		{Timestamp, t.Timestamp.Signed.Version, t.Timestamp.Signed.Expires},
		{Snapshot, t.Snapshot.Signed.Version, t.Snapshot.Signed.Expires},
		{Targets, t.Targets[Targets].Signed.Version, t.Targets[Targets].Signed.Expires},
	}
	for _, name := range sortedKeys(t.Targets) {
		if name != Targets {
			roles = append(roles, Role{name, t.Targets[name].Signed.Version, t.Targets[name].Signed.Expires})
		}
	}
	return roles
}

// verifyArtifacts holds target files against what targets metadata says of them.
func (s *Set) verifyArtifacts() error {
	for _, path := range sortedKeys(s.files.Artifacts) {
		t, ok := s.Target(path)
		if !ok {
			return fmt.Errorf("verifying target file %s: %w", quote(path), ErrNoTarget)
		}
		if err := t.Verify(s.files.Artifacts[path]); err != nil {
			return err
		}
	}
	return nil
}

// Verify says whether data is the target file: its length and all its hashes.
func (t Target) Verify(data []byte) error {
	file := &metadata.TargetFiles{Length: t.Length, Hashes: metadata.Hashes{}}
	for algorithm, sum := range t.Hashes {
		raw, err := hex.DecodeString(sum)
		if err != nil {
			return fmt.Errorf("verifying target file %s: %w", quote(t.Path), err)
		}
		file.Hashes[algorithm] = raw
	}
	if t.Length > MaxTargetFile {
		return fmt.Errorf("verifying target file %s: %d bytes, more than %d", quote(t.Path), t.Length, MaxTargetFile)
	}
	if err := file.VerifyLengthHashes(data); err != nil {
		return fmt.Errorf("verifying target file %s: %w", quote(t.Path), err)
	}
	return nil
}

// rootDigest tells one root from another. White space around it does not count:
// copies of one root differ in a newline at the end.
func rootDigest(data []byte) [32]byte { return sha256.Sum256(bytes.Trim(data, " \t\r\n")) }

// id is a digest over all bytes, each framed by its name and length.
func (f Files) id() string {
	h := sha256.New()
	add := func(name string, data []byte) {
		for _, b := range [][]byte{[]byte(name), data} {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(b)))
			h.Write(n[:])
			h.Write(b)
		}
	}
	add(Root, f.Initial)
	for _, data := range f.Roots {
		add(Root, data)
	}
	add(Timestamp, f.Timestamp)
	add(Snapshot, f.Snapshot)
	add(Targets, f.Targets)
	for _, name := range sortedKeys(f.Delegated) {
		add("role "+name, f.Delegated[name])
	}
	for _, path := range sortedKeys(f.Artifacts) {
		add("target "+path, f.Artifacts[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}
