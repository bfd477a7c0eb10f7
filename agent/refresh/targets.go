// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// assemble makes the set: what is in force, the delegated roles, and the wanted
// target files. It is the last good set itself where nothing differs.
func (s *session) assemble(ctx context.Context) error {
	files := trust.Files{
		Initial:   s.o.Initial,
		Roots:     s.roots,
		Delegated: map[string][]byte{},
		Artifacts: map[string][]byte{},
	}
	if s.o.Wanted != nil {
		if err := s.gather(ctx, &files); err != nil {
			return err
		}
	}
	files.Timestamp, files.Snapshot, files.Targets = s.raw[trust.Timestamp], s.raw[trust.Snapshot], s.raw[trust.Targets]
	if s.current != nil && same(files, s.current.Files()) {
		s.set = s.current
		return nil
	}
	set, err := trust.Verify(files, s.now)
	s.set = set
	return err
}

func same(a, b trust.Files) bool {
	return bytes.Equal(a.Initial, b.Initial) && slices.EqualFunc(a.Roots, b.Roots, bytes.Equal) &&
		bytes.Equal(a.Timestamp, b.Timestamp) && bytes.Equal(a.Snapshot, b.Snapshot) && bytes.Equal(a.Targets, b.Targets) &&
		maps.EqualFunc(a.Delegated, b.Delegated, bytes.Equal) && maps.EqualFunc(a.Artifacts, b.Artifacts, bytes.Equal)
}

// gather adds the delegated roles and the wanted target files.
func (s *session) gather(ctx context.Context, files *trust.Files) error {
	wanted, err := s.loadDelegated(ctx)
	if err != nil {
		return err
	}
	for _, p := range wanted {
		t, err := s.lookup(ctx, p)
		if errors.Is(err, trust.ErrNoTarget) {
			continue // listed where nobody delegates it to, or no longer listed
		}
		if err != nil {
			return err
		}
		if files.Artifacts[p], err = s.artifact(ctx, t); err != nil {
			return err
		}
	}
	for role, data := range s.raw {
		if role != trust.Timestamp && role != trust.Snapshot && role != trust.Targets {
			files.Delegated[role] = data
		}
	}
	return nil
}

// loadDelegated loads the delegated roles in preorder, and returns the wanted paths
// that a lookup may find, sorted. A role that the mirror does not have in order is
// left out with a note: only the lookup of a wanted path that leads through it
// makes that an error. (Clients of Sigstore never ask for the one role it has.)
func (s *session) loadDelegated(ctx context.Context) ([]string, error) {
	wanted := map[string]bool{}
	want := func(p string) {
		if s.o.Wanted(p) {
			wanted[p] = true
		}
	}
	if s.current != nil {
		for p := range s.current.Files().Artifacts {
			want(p)
		}
	}
	visited := map[edge]bool{}
	pending := []edge{{trust.Targets, trust.Root}}
	for len(pending) > 0 {
		e := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if visited[e] {
			continue
		}
		if len(visited) > trust.MaxDelegations {
			s.note("more than %d delegations: the others are left out", trust.MaxDelegations)
			break
		}
		visited[e] = true
		err := s.loadRole(ctx, e.role, e.delegator)
		var store *StoreError
		if err != nil && (ctx.Err() != nil || reachedNot(err) || errors.As(err, &store)) {
			return nil, err
		}
		if err != nil {
			s.note("%s as delegated by %s is left out: %v", name(e.role), name(e.delegator), err)
			continue
		}
		signed := s.flow.Trusted().Targets[e.role].Signed
		for p := range signed.Targets {
			want(p)
		}
		if signed.Delegations == nil {
			continue
		}
		for _, d := range slices.Backward(signed.Delegations.Roles) {
			pending = append(pending, edge{d.Name, e.role})
			for _, p := range d.Paths {
				if !strings.ContainsAny(p, `*?[\`) {
					want(p) // a path outright, whether or not its role can be had
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(wanted)), nil
}

// lookup finds a target file, and loads the roles on the way (spec 5.6.7).
func (s *session) lookup(ctx context.Context, path string) (trust.Target, error) {
	return s.flow.Lookup(path, func(role, delegator string) error { return s.loadRole(ctx, role, delegator) })
}

// artifact returns a target file: that of the last good set where it is the same.
func (s *session) artifact(ctx context.Context, t trust.Target) ([]byte, error) {
	if s.current != nil {
		if data, ok := s.current.Files().Artifacts[t.Path]; ok && t.Verify(data) == nil {
			return data, nil
		}
	}
	return s.download(ctx, t)
}

// download gets a target file and verifies it (spec 5.7).
func (s *session) download(ctx context.Context, t trust.Target) ([]byte, error) {
	what := fmt.Sprintf("target file %q", t.Path)
	if t.Length > trust.MaxTargetFile {
		return nil, fmt.Errorf("%s has %d bytes: %w", what, t.Length, mirror.ErrTooLarge)
	}
	file, err := s.targetFile(t)
	if err != nil {
		return nil, err
	}
	base, prefix := s.o.TargetsURL, ""
	if base == "" {
		base, prefix = s.origin, "targets/"
	}
	data, err := s.o.Mirror.Fetch(ctx, base, prefix+file, t.Length)
	if errors.Is(err, mirror.ErrMissing) || errors.Is(err, mirror.ErrTooLarge) {
		return nil, &InconsistentError{what, err}
	}
	if err != nil {
		return nil, err
	}
	if err := t.Verify(data); err != nil {
		return nil, &InconsistentError{what, err}
	}
	return data, nil
}

// targetFile returns where a target file lies below the base URL: its path, with
// one of its hashes before the last part where snapshots are consistent.
func (s *session) targetFile(t trust.Target) (string, error) {
	parts := strings.Split(t.Path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	if s.root().ConsistentSnapshot {
		sum := t.Hashes["sha256"]
		if sum == "" {
			sum = t.Hashes["sha512"]
		}
		if sum == "" {
			return "", fmt.Errorf("target file %q has no hash that is known here", t.Path)
		}
		parts[len(parts)-1] = sum + "." + parts[len(parts)-1]
	}
	return strings.Join(parts, "/"), nil
}
