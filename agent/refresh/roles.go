// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// readStored returns a role of the trusted state, nil when there is none. What
// cannot be parsed is set aside first: it must not block every refresh to come.
func (s *session) readStored(role string) ([]byte, error) {
	data, err := s.o.Store.ReadRole(role)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		// It may be there: going on would forget which version was trusted.
		return nil, &StoreError{fmt.Errorf("reading %s: %w", name(role), err)}
	}
	if err := trust.Precheck(role, data); err != nil {
		return nil, s.setAside(role, err)
	}
	return data, nil
}

func (s *session) setAside(role string, reason error) error {
	s.note("%s in the store was set aside: %v", name(role), reason)
	if err := s.o.Store.SetAsideRole(role, reason.Error()); err != nil {
		return &StoreError{err}
	}
	return nil
}

// accept persists a role, and counts it as in force.
func (s *session) accept(role string, data []byte) error {
	if err := s.o.Store.WriteRole(role, data); err != nil {
		return &StoreError{err}
	}
	s.raw[role] = data
	return nil
}

// loadTimestamp gets the newest timestamp (spec 5.4). The stored one guards against
// rollback even when it has expired.
func (s *session) loadTimestamp(ctx context.Context) error {
	stored, err := s.readStored(trust.Timestamp)
	if err != nil {
		return err
	}
	if stored != nil {
		err := s.flow.UpdateTimestamp(stored)
		if err != nil && !errors.Is(err, &metadata.ErrExpiredMetadata{}) {
			if err := s.setAside(trust.Timestamp, err); err != nil {
				return err
			}
		}
	}
	before := s.flow.Trusted().Timestamp
	data, err := s.o.Mirror.Fetch(ctx, s.origin, "timestamp.json", trust.MaxTimestamp)
	if err != nil {
		return err
	}
	err = s.flow.UpdateTimestamp(data)
	if errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		// The one we have stays, whatever else this one says (spec 5.4.3.1).
		data, err = stored, nil
		if before.Signed.IsExpired(s.now) {
			err = expired(trust.Timestamp, before.Signed.Version, before.Signed.Expires)
		}
	}
	if !signed(err) {
		return err
	}
	offered, parsing := metadata.Timestamp().FromBytes(data)
	if parsing != nil {
		return parsing
	}
	// Whatever else is wrong with it, rollback is said first.
	if err := s.checkTimestamp(before, &offered.Signed, err); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	s.saw(trust.Timestamp, offered.Signed.Version)
	return s.accept(trust.Timestamp, data)
}

// signed says whether err leaves the signatures of metadata in order: it is nil, or
// about versions and expiry, which go-tuf judges after them.
func signed(err error) bool {
	var removed *metadata.ErrRepository // its own type, not those that count as one
	return err == nil || errors.Is(err, &metadata.ErrBadVersionNumber{}) ||
		errors.Is(err, &metadata.ErrExpiredMetadata{}) || errors.As(err, &removed)
}

// checkTimestamp holds the versions a timestamp offers against those of the one
// before and those seen. A snapshot's rollback is refused here already, so that
// the timestamp that announces it is not persisted.
func (s *session) checkTimestamp(before *metadata.Metadata[metadata.TimestampType], offered *metadata.TimestampType, err error) error {
	trusted := map[string]int64{trust.Timestamp: s.seen.Versions[trust.Timestamp], trust.Snapshot: s.seen.Versions[trust.Snapshot]}
	if before != nil {
		trusted[trust.Timestamp] = max(trusted[trust.Timestamp], before.Signed.Version)
		trusted[trust.Snapshot] = max(trusted[trust.Snapshot], before.Signed.Meta["snapshot.json"].Version)
	}
	offers := map[string]int64{trust.Timestamp: offered.Version, trust.Snapshot: offered.Meta["snapshot.json"].Version}
	for _, role := range []string{trust.Timestamp, trust.Snapshot} {
		if offers[role] < trusted[role] {
			return &RollbackError{Role: role, Trusted: trusted[role], Offered: offers[role], Err: err}
		}
	}
	return nil
}

// loadSnapshot gets the snapshot that the timestamp announces (spec 5.5).
func (s *session) loadSnapshot(ctx context.Context) error {
	meta := s.flow.Trusted().Timestamp.Signed.Meta["snapshot.json"]
	stored, err := s.readStored(trust.Snapshot)
	if err != nil {
		return err
	}
	if stored != nil {
		err := s.flow.UpdateSnapshot(stored, true)
		if err == nil && meta.VerifyLengthHashes(stored) == nil {
			return s.useSnapshot(nil, stored, nil)
		}
		// An outdated one still guards against the rollback of targets.
		if !signed(err) {
			if err := s.setAside(trust.Snapshot, err); err != nil {
				return err
			}
		}
	}
	before := s.flow.Trusted().Snapshot
	data, err := s.fetch(ctx, trust.Snapshot, meta.Version)
	if err != nil {
		return err
	}
	err = s.flow.UpdateSnapshot(data, false)
	if !signed(err) {
		return mismatch(trust.Snapshot, err)
	}
	return s.useSnapshot(before, data, err)
}

// useSnapshot accepts a well signed snapshot, unless it takes a role back, or err
// says what else is wrong with it.
func (s *session) useSnapshot(before *metadata.Metadata[metadata.SnapshotType], data []byte, err error) error {
	offered, parsing := metadata.Snapshot().FromBytes(data)
	if parsing != nil {
		return parsing
	}
	trusted := map[string]int64{}
	for role, version := range s.seen.Versions {
		if role != trust.Timestamp && role != trust.Snapshot {
			trusted[role] = version
		}
	}
	if before != nil {
		for role, version := range rolesIn(before) {
			trusted[role] = max(trusted[role], version)
		}
	}
	versions := rolesIn(offered)
	for _, role := range slices.Sorted(maps.Keys(trusted)) {
		if versions[role] < trusted[role] { // no role may vanish either (spec 5.5.5)
			return &RollbackError{Role: role, Trusted: trusted[role], Offered: versions[role], Err: err}
		}
	}
	if err != nil {
		return mismatch(trust.Snapshot, err)
	}
	s.saw(trust.Snapshot, offered.Signed.Version)
	for role, version := range versions {
		s.saw(role, version)
	}
	return s.accept(trust.Snapshot, data)
}

// rolesIn returns the versions of the roles that a snapshot names. What it may say
// of timestamp and snapshot counts for nothing: they are above it.
func rolesIn(snapshot *metadata.Metadata[metadata.SnapshotType]) map[string]int64 {
	versions := map[string]int64{}
	for file, meta := range snapshot.Signed.Meta {
		role, ok := strings.CutSuffix(file, ".json")
		if ok && role != trust.Timestamp && role != trust.Snapshot {
			versions[role] = meta.Version
		}
	}
	return versions
}

// loadTargets gets the top-level targets (spec 5.6).
func (s *session) loadTargets(ctx context.Context) error {
	return s.loadRole(ctx, trust.Targets, trust.Root)
}

// loadRole gets a targets role and verifies it as its delegator demands. A role that
// is at hand is verified once more for each further delegator: what one of them
// signs for says nothing about another.
func (s *session) loadRole(ctx context.Context, role, delegator string) error {
	e := edge{role, delegator}
	err, done := s.edges[e]
	if !done {
		err = s.verifyRole(ctx, role, delegator)
		if err == nil || ctx.Err() == nil && !reachedNot(err) {
			s.edges[e] = err
		}
	}
	return err
}

type edge struct{ role, delegator string }

func (s *session) verifyRole(ctx context.Context, role, delegator string) error {
	verify := func(data []byte) error {
		if role == trust.Targets {
			return s.flow.UpdateTargets(data)
		}
		return s.flow.UpdateDelegated(data, role, delegator)
	}
	if data, ok := s.raw[role]; ok {
		return verify(data)
	}
	meta, ok := s.flow.Trusted().Snapshot.Signed.Meta[role+".json"]
	if !ok {
		return &InconsistentError{name(role), errors.New("the snapshot does not name it")}
	}
	stored, err := s.readStored(role)
	if err != nil {
		return err
	}
	if stored != nil && verify(stored) == nil {
		s.raw[role] = stored
		return nil
	}
	data, err := s.fetch(ctx, role, meta.Version)
	if err != nil {
		return err
	}
	if err := verify(data); err != nil {
		return mismatch(role, err)
	}
	return s.accept(role, data)
}

// fetch gets a role that other metadata announced: it must be there.
func (s *session) fetch(ctx context.Context, role string, version int64) ([]byte, error) {
	file := url.PathEscape(role) + ".json"
	if s.root().ConsistentSnapshot {
		file = strconv.FormatInt(version, 10) + "." + file
	}
	data, err := s.o.Mirror.Fetch(ctx, s.origin, file, trust.MaxSize(role))
	if errors.Is(err, mirror.ErrMissing) {
		return nil, &InconsistentError{name(role), err}
	}
	return data, err
}

// mismatch marks the errors of a file that is not the one that was announced.
func mismatch(role string, err error) error {
	if errors.Is(err, &metadata.ErrBadVersionNumber{}) || errors.Is(err, &metadata.ErrLengthOrHashMismatch{}) {
		return &InconsistentError{name(role), err}
	}
	return err
}
