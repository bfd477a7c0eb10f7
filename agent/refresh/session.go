// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// bigJump is how far a version may move in one step before we make a note of it:
// fast-forwarding a role is how a stolen key freezes a repository.
const bigJump = 10_000

// A session is one run of the workflow against one base URL.
type session struct {
	o       Options
	origin  string
	now     time.Time
	current *trust.Set // the last good set, nil for none

	flow  *trust.Workflow
	roots [][]byte          // the trusted roots after the initial one
	raw   map[string][]byte // the other roles in force, as received
	edges map[edge]error    // what came of each role for each of its delegators
	seen  store.Seen        // what is remembered, and what was added since
	set   *trust.Set        // the whole, once it is verified
	notes []string
}

// run goes through the top-level roles in the order of the specification.
func (s *session) run(ctx context.Context) error {
	s.recall()
	flow, err := trust.Begin(s.o.Initial, s.now)
	if err != nil {
		return err
	}
	s.flow, s.raw, s.edges = flow, map[string][]byte{}, map[edge]error{}
	for _, step := range []func(context.Context) error{
		s.walkRoots, s.checkRoot, s.loadTimestamp, s.loadSnapshot, s.loadTargets, s.assemble,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *session) root() *metadata.RootType { return &s.flow.Trusted().Root.Signed }

// walkRoots goes from the initial root to the newest (spec 5.3). Roots that the
// store has are verified again and not asked for; each new one is persisted
// before the next is asked for.
func (s *session) walkRoots(ctx context.Context) (err error) {
	if err := s.o.Store.WriteRoot(s.root().Version, s.o.Initial); err != nil {
		return &StoreError{err}
	}
	defer func() {
		if linking := s.o.Store.SetRoot(s.root().Version); linking != nil && err == nil {
			err = &StoreError{linking}
		}
	}()
	for fetched := 0; ; {
		next := s.root().Version + 1
		stored, err := s.takeStoredRoot(next)
		if err != nil {
			return err
		}
		if stored {
			continue
		}
		data, err := s.o.Mirror.FetchRoot(ctx, s.origin, strconv.FormatInt(next, 10)+".root.json", trust.MaxRoot)
		if errors.Is(err, mirror.ErrMissing) {
			return nil // the root in force is the newest
		}
		if err != nil {
			return err
		}
		if fetched == trust.MaxRootRotations {
			return &LimitError{Limit: fetched, Version: next - 1}
		}
		if err := s.flow.UpdateRoot(data); err != nil {
			return fmt.Errorf("root %d: %w", next, err)
		}
		if err := s.o.Store.WriteRoot(next, data); err != nil {
			return &StoreError{err}
		}
		s.roots = append(s.roots, data)
		fetched++
	}
}

// takeStoredRoot takes the next root from the store's history. One that does not
// follow from the initial root is set aside, and asked for again.
func (s *session) takeStoredRoot(version int64) (bool, error) {
	data, err := s.o.Store.ReadRoot(version)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &StoreError{fmt.Errorf("reading root %d: %w", version, err)}
	}
	if err := s.flow.UpdateRoot(data); err != nil {
		s.note("root %d in the store was set aside: %v", version, err)
		if err := s.o.Store.SetAsideRoot(version, err.Error()); err != nil {
			return false, &StoreError{err}
		}
		return false, nil
	}
	s.roots = append(s.roots, data)
	return true, nil
}

// checkRoot judges the newest root: rollback, expiry (spec 5.3.10), and whether the
// keys of timestamp or snapshot have changed (spec 5.3.11).
func (s *session) checkRoot(context.Context) error {
	version := s.root().Version
	if s.seen.Initial == digest(s.o.Initial) && version < s.seen.Root {
		return &RollbackError{Role: trust.Root, Trusted: s.seen.Root, Offered: version}
	}
	s.seen.Initial, s.seen.Root = digest(s.o.Initial), version
	if s.root().IsExpired(s.now) {
		return expired(trust.Root, version, s.root().Expires)
	}
	return s.recoverFromFastForward()
}

func expired(role string, version int64, at time.Time) error {
	return fmt.Errorf("%s %d expired at %s: %w", name(role), version, at.UTC().Format(time.RFC3339),
		&metadata.ErrExpiredMetadata{Msg: "the newest " + role + " is expired"})
}

// recoverFromFastForward forgets timestamp and snapshot when any root since they
// were accepted has other keys or thresholds for them. It looks at every root, so
// that neither a crash nor a later change back hides a rotation.
func (s *session) recoverFromFastForward() error {
	keys, changed := "", false
	first := s.root().Version - int64(len(s.roots))
	for i, data := range append([][]byte{s.o.Initial}, s.roots...) {
		version := first + int64(i)
		if version < s.seen.KeysRoot && version < s.root().Version {
			continue
		}
		form, err := trust.FormOf(data)
		if err != nil {
			return err
		}
		keys = form.OnlineKeys
		changed = changed || keys != s.seen.Keys
	}
	if s.seen.Keys != "" && changed {
		if err := s.o.Store.DropTimestampAndSnapshot(); err != nil {
			return &StoreError{err}
		}
		s.seen.Versions = nil
		s.note("the keys of timestamp or snapshot have changed: versions start anew")
	}
	if s.seen.Keys == "" || changed {
		s.seen.Keys, s.seen.KeysRoot = keys, s.root().Version
	}
	return nil
}

// recall takes up what the store remembers. The last good set fills in where that
// was lost.
func (s *session) recall() {
	s.seen = s.o.Store.Seen()
	if s.current == nil || s.seen.Keys != "" {
		return
	}
	roots := s.current.Requirements().Roots
	newest := roots[len(roots)-1]
	s.seen.Keys, s.seen.KeysRoot = newest.OnlineKeys, newest.Version
	s.seen.Initial, s.seen.Root = roots[0].SHA256, newest.Version
	s.seen.Versions = map[string]int64{}
	for _, r := range s.current.Roles() {
		if r.Name != trust.Root {
			s.seen.Versions[r.Name] = r.Version
		}
	}
}

// saw notes the version of a role that was accepted.
func (s *session) saw(role string, version int64) {
	if s.seen.Versions == nil {
		s.seen.Versions = map[string]int64{}
	}
	previous := s.seen.Versions[role]
	if previous > 0 && version-previous > bigJump {
		s.note("version of %s jumped from %d to %d", name(role), previous, version)
	}
	s.seen.Versions[role] = max(previous, version)
}

// remember hands what was seen to the store; succeeded is zero after a failure.
func (s *session) remember(succeeded time.Time) error {
	s.seen.Time = succeeded
	if err := s.o.Store.Remember(s.seen); err != nil {
		return &StoreError{err}
	}
	return nil
}

// digest identifies a root, as trust.RootForm.SHA256 does: white space around it
// does not count.
func digest(data []byte) string {
	sum := sha256.Sum256(bytes.Trim(data, " \t\r\n"))
	return hex.EncodeToString(sum[:])
}
