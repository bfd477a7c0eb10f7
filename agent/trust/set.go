// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A Set is one complete verified repository. It only comes from [Verify], never
// changes, and is safe for concurrent use.
type Set struct {
	files     Files
	at        time.Time
	id        string
	workflow  *Workflow // only read from here on
	roles     []Role
	former    []*metadata.Metadata[metadata.RootType] // the chain without its newest root, ascending
	before    func() []knownRoot                      // what [Former] knows of the chain before the initial root
	chain     func() []knownRoot                      // with all that follow
	delegated map[string][]string                     // delegated role -> delegators that it was verified for
	targets   []Target
	required  Requirements
}

// Files are the bytes that were verified. The caller must not change them.
func (s *Set) Files() Files { return s.files }

// VerifiedAt is the reference time of the verification.
func (s *Set) VerifiedAt() time.Time { return s.at }

// ID is a hex digest over all bytes of the set: equal for equal files, whenever
// they were verified.
func (s *Set) ID() string { return s.id }

// Roles are root, timestamp, snapshot, targets, then the delegated roles by name.
func (s *Set) Roles() []Role { return slices.Clone(s.roles) }

// Role returns the role called name.
func (s *Set) Role(name string) (Role, bool) {
	for _, r := range s.roles {
		if r.Name == name {
			return r, true
		}
	}
	return Role{}, false
}

// Expired returns those of the four top-level roles that are past their expiry.
func (s *Set) Expired(now time.Time) []Role {
	var expired []Role
	for _, r := range s.roles[:len(metadata.TOP_LEVEL_ROLE_NAMES)] {
		if r.Expired(now) {
			expired = append(expired, r)
		}
	}
	return expired
}

// Targets are the target files that a client finds in this set, by path. A path
// that only roles outside the set might list is not among them, nor one that a
// role lists without being delegated to.
func (s *Set) Targets() []Target { return slices.Clone(s.targets) }

// Target returns the target file at path.
func (s *Set) Target(path string) (Target, bool) {
	i, ok := slices.BinarySearchFunc(s.targets, path, func(t Target, path string) int {
		switch {
		case t.Path < path:
			return -1
		case t.Path > path:
			return 1
		}
		return 0
	})
	if !ok {
		return Target{}, false
	}
	return s.targets[i], true
}

// Requirements is what this set demands of its clients. The caller must not change
// it.
func (s *Set) Requirements() Requirements { return s.required }

// Check says whether data is metadata of role, signed as this set's root (or, for a
// delegated role, one of its delegators) demands. Version and expiry are returned,
// not judged: what a cache holds may rightly be older or newer than the set. A root
// must be signed by the set's root and by itself; whether it is of this chain, older
// ones included, is for RootVersion to say.
func (s *Set) Check(role string, data []byte) (Role, error) {
	return check("checking "+quote(role), role, data, s.quorums(role))
}

// CheckFormer is Check against the roots before the newest one: for what a cache
// still holds from before the keys changed. It covers the four top-level roles.
func (s *Set) CheckFormer(role string, data []byte) (Role, error) {
	var quorums []quorum
	if slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], role) {
		for _, root := range slices.Backward(s.former) {
			quorums = append(quorums, quorumOf(root, role))
		}
		for _, root := range slices.Backward(s.before()) {
			quorums = append(quorums, quorumOf(root.doc, role))
		}
	}
	return check("checking "+quote(role)+" against former roots", role, data, quorums)
}

// quorums are those of which one must sign a role.
func (s *Set) quorums(role string) []quorum {
	if slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], role) {
		return []quorum{quorumOf(s.workflow.trusted.Root, role)}
	}
	var all []quorum
	for _, by := range s.delegated[role] {
		all = append(all, delegatedQuorum(s.workflow.trusted.Targets[by], role))
	}
	return all
}

// check says whether data is signed by one of the quorums, and a root by its own too. It
// reads no more of what is not signed than it must.
func check(what, role string, data []byte, quorums []quorum) (Role, error) {
	var found Role
	err := stepOn(what, role, data, func(doc *document) error {
		found = Role{Name: role, Version: doc.version, Expires: doc.expires}
		quorums = slices.DeleteFunc(quorums, func(q quorum) bool {
			return !q.mayBeMet(func(id string) bool { return doc.signers[id] })
		})
		if len(quorums) == 0 {
			return errUnsigned
		}
		c, err := claimOf(role, data)
		if err != nil {
			return err
		}
		err = errUnsigned
		for _, q := range quorums {
			if err = q.met(c); err == nil {
				break
			}
		}
		if err == nil && role == Root {
			err = bySelf(data)
		}
		return err
	})
	if err != nil {
		return Role{}, err
	}
	return found, nil
}

// Peek reads version and expiry of a role WITHOUT verifying a signature: for
// messages, and for deciding what to verify.
func Peek(role string, data []byte) (Role, error) {
	doc, err := parse(role, data)
	if err != nil {
		return Role{}, err
	}
	return Role{Name: role, Version: doc.version, Expires: doc.expires}, nil
}

// TargetsOf reads the target files that targets metadata lists, by path, WITHOUT
// verifying a signature; nil where it cannot be read.
func TargetsOf(data []byte) map[string]Target {
	var listed map[string]Target
	err := step("reading targets", Targets, data, func() error {
		m, err := metadata.Targets().FromBytes(data)
		if err != nil {
			return err
		}
		listed = make(map[string]Target, len(m.Signed.Targets))
		for path, file := range m.Signed.Targets {
			listed[path] = newTarget(path, Targets, file)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return listed
}

func newTarget(path, role string, file *metadata.TargetFiles) Target {
	t := Target{Path: path, Role: role, Length: file.Length, Hashes: map[string]string{}}
	for algorithm, sum := range file.Hashes {
		t.Hashes[algorithm] = sum.String()
	}
	return t
}

// sortedKeys is maps.Keys in order: for deterministic errors and digests.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
