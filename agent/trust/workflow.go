// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// A Workflow is the TUF client workflow (spec 5), one step at a time: go-tuf's
// state machine, given only what passed [Precheck], and guarded against panics.
// go-tuf's own errors stay in the chain. A Workflow is not safe for concurrent
// use.
type Workflow struct {
	trusted *trustedmetadata.TrustedMetadata
}

// Begin starts a workflow from an initial root that the caller trusts, at the
// reference time that every expiry is held against.
func Begin(initial []byte, at time.Time) (*Workflow, error) {
	w := &Workflow{}
	err := step("loading the initial root", Root, initial, func() (err error) {
		w.trusted, err = trustedmetadata.New(initial)
		if err != nil {
			return explainInitial(initial, err)
		}
		w.trusted.RefTime = at
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// UpdateRoot takes the root that follows the trusted one (spec 5.3). Expiry is not
// judged here but in UpdateTimestamp (spec 5.3.10).
func (w *Workflow) UpdateRoot(data []byte) error {
	return step("verifying root", Root, data, func() error {
		_, err := w.trusted.UpdateRoot(data)
		if err == nil || errors.Is(err, &metadata.ErrRepository{}) {
			return err
		}
		// The new root may be well signed by the old one, and use a key for itself
		// that we cannot read. Only then is the key to blame.
		next, parsing := metadata.Root().FromBytes(data)
		if parsing != nil || w.trusted.Root.VerifyDelegate(Root, next) != nil {
			return err
		}
		return explain(Root, next.Signed.Keys, next.Signed.Roles[Root].KeyIDs, err)
	})
}

// UpdateTimestamp takes a timestamp (spec 5.4). As in go-tuf, one that is expired
// is an error, and guards all the same against the rollback of a later one. An
// expired root is an error too (spec 5.3.10).
func (w *Workflow) UpdateTimestamp(data []byte) error {
	return step("verifying timestamp", Timestamp, data, func() error {
		_, err := w.trusted.UpdateTimestamp(data)
		return w.explainTop(Timestamp, err)
	})
}

// UpdateSnapshot takes a snapshot (spec 5.5). Known says that these bytes were
// verified against a timestamp before, so that only their version is held against
// the present one, not their hashes.
func (w *Workflow) UpdateSnapshot(data []byte, known bool) error {
	return step("verifying snapshot", Snapshot, data, func() error {
		_, err := w.trusted.UpdateSnapshot(data, known)
		return w.explainTop(Snapshot, err)
	})
}

// UpdateTargets takes the top-level targets (spec 5.6).
func (w *Workflow) UpdateTargets(data []byte) error {
	return step("verifying targets", Targets, data, func() error {
		_, err := w.trusted.UpdateTargets(data)
		return w.explainTop(Targets, err)
	})
}

// UpdateDelegated takes a delegated role as its delegator sees it (spec 5.6.7),
// where the delegator is "targets" or a delegated role that was taken before. One
// role can have several delegators with different keys: what one of them accepts,
// another may refuse.
func (w *Workflow) UpdateDelegated(data []byte, role, delegator string) error {
	what := fmt.Sprintf("verifying role %s as delegated by %s", quote(role), quote(delegator))
	return step(what, role, data, func() error {
		_, err := w.trusted.UpdateDelegatedTargets(data, role, delegator)
		by := w.trusted.Targets[delegator]
		if err == nil || by == nil || by.Signed.Delegations == nil {
			return err
		}
		for _, d := range by.Signed.Delegations.Roles {
			if d.Name == role {
				return explain(role, by.Signed.Delegations.Keys, d.KeyIDs, err)
			}
		}
		return err
	})
}

// Trusted is the state so far. The caller must not change it.
func (w *Workflow) Trusted() *trustedmetadata.TrustedMetadata { return w.trusted }

// ErrNoTarget says that no role that may list a path does.
var ErrNoTarget = errors.New("no such target")

// Lookup finds the target file that path means (spec 5.6.7): delegations are
// searched in preorder, at most [MaxDelegations] deep in all. Load is called for
// every role on the way and takes it with UpdateDelegated, for exactly that
// delegator: a role that was verified for another one does not count. Lookup stops
// at load's first error.
func (w *Workflow) Lookup(path string, load func(role, delegator string) error) (Target, error) {
	type visit struct{ role, delegator string }
	pending := []visit{{Targets, Root}}
	visited := map[string]bool{}
	for len(pending) > 0 && len(visited) <= MaxDelegations {
		v := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if visited[v.role] {
			continue // a cycle, or a diamond: its first, most trusted visit counts
		}
		if v.role != Targets {
			if err := load(v.role, v.delegator); err != nil {
				return Target{}, err
			}
		}
		role := w.trusted.Targets[v.role]
		if role == nil {
			return Target{}, fmt.Errorf("looking up %s: role %s is not loaded", quote(path), quote(v.role))
		}
		if file, ok := role.Signed.Targets[path]; ok {
			return newTarget(path, v.role, file), nil
		}
		visited[v.role] = true
		if role.Signed.Delegations == nil {
			continue
		}
		var children []visit
		for _, d := range role.Signed.Delegations.GetRolesForTarget(path) {
			children = append(children, visit{d.Name, v.role})
			if d.Terminating {
				pending = nil
				break
			}
		}
		slices.Reverse(children)
		pending = append(pending, children...)
	}
	return Target{}, fmt.Errorf("looking up %s: %w", quote(path), ErrNoTarget)
}

// step pre-checks data and runs f on it, guarded.
func step(what, role string, data []byte, f func() error) error {
	return stepOn(what, role, data, func(*document) error { return f() })
}

// stepOn is step for what also reads the document.
func stepOn(what, role string, data []byte, f func(*document) error) error {
	err := Guard(what, func() error {
		doc, err := parse(role, data)
		if err != nil {
			return err
		}
		return f(doc)
	})
	var panicked *PanicError
	if err == nil || errors.As(err, &panicked) { // which says what by itself
		return err
	}
	return fmt.Errorf("%s: %w", what, printable(err))
}

// explainTop names the key to blame, if that is why a top-level role of the trusted
// root could not be verified.
func (w *Workflow) explainTop(role string, err error) error {
	if err == nil || w.trusted.Root.Signed.Roles[role] == nil {
		return err
	}
	return explain(role, w.trusted.Root.Signed.Keys, w.trusted.Root.Signed.Roles[role].KeyIDs, err)
}

func explainInitial(data []byte, err error) error {
	root, parsing := metadata.Root().FromBytes(data)
	if parsing != nil || root.Signed.Roles[Root] == nil {
		return err
	}
	return explain(Root, root.Signed.Keys, root.Signed.Roles[Root].KeyIDs, err)
}

// explain turns err into an UnknownKeyError if one of the keys cannot be read. go-tuf
// refuses a role as a whole then, even where the other keys meet the threshold, with
// an error that names neither key nor type. Its typed errors have other causes.
func explain(role string, keys map[string]*metadata.Key, ids []string, err error) error {
	var value *metadata.ErrValue
	if errors.Is(err, &metadata.ErrRepository{}) || errors.As(err, &value) {
		return err
	}
	for _, id := range ids {
		key := keys[id]
		if key == nil {
			continue
		}
		if _, reading := key.ToPublicKey(); reading != nil {
			return &UnknownKeyError{Role: role, KeyType: key.Type, Scheme: key.Scheme, Err: err}
		}
	}
	return err
}
