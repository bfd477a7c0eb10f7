// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds on the work that the delegations of one set may cause, since whoever holds
// the targets key shapes them. Sigstore has one delegated role.
const (
	maxDelegated = 256
	maxEdges     = 1024    // signature checks of delegated roles
	maxMatches   = 500_000 // comparisons of a target path with a delegated one
)

// errAbsent says that a delegated role is not among the files of the set.
var errAbsent = errors.New("not in the set")

// delegations are the delegated roles of a set under verification.
type delegations struct {
	workflow *Workflow
	files    map[string][]byte
	edges    map[edge]error
	by       map[string][]string // role -> delegators that it was verified for
	matches  int
}

type edge struct{ role, delegator string }

// verifyDelegated verifies every file against every delegator that was itself
// verified. A file that none of them verifies has no place in a set.
func verifyDelegated(w *Workflow, files map[string][]byte) (*delegations, error) {
	if len(files) > maxDelegated {
		return nil, fmt.Errorf("verifying delegated roles: %d of them, more than %d", len(files), maxDelegated)
	}
	d := &delegations{workflow: w, files: files, edges: map[edge]error{}, by: map[string][]string{}}
	refused := map[string]error{}
	for reached := []string{Targets}; len(reached) > 0; reached = reached[1:] {
		delegator := reached[0]
		for _, role := range d.delegatesOf(delegator) {
			err := d.load(role, delegator)
			switch {
			case errors.Is(err, errAbsent):
			case err != nil:
				refused[role] = err
			default:
				if len(d.by[role]) == 0 {
					reached = append(reached, role)
				}
				d.by[role] = append(d.by[role], delegator)
			}
			if len(d.edges) > maxEdges {
				return nil, fmt.Errorf("verifying delegated roles: more than %d delegations", maxEdges)
			}
		}
	}
	for _, role := range sortedKeys(files) {
		if len(d.by[role]) > 0 {
			continue
		}
		if err := refused[role]; err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("verifying role %s: no role of the set delegates to it", quote(role))
	}
	return d, nil
}

func (d *delegations) delegatesOf(delegator string) []string {
	signed := d.workflow.trusted.Targets[delegator].Signed
	if signed.Delegations == nil {
		return nil
	}
	var names []string
	for _, r := range signed.Delegations.Roles {
		names = append(names, r.Name)
	}
	return names
}

// load takes a role for one delegator, once.
func (d *delegations) load(role, delegator string) error {
	data, ok := d.files[role]
	if !ok {
		return fmt.Errorf("loading role %s: %w", quote(role), errAbsent)
	}
	e := edge{role, delegator}
	if _, done := d.edges[e]; !done {
		d.edges[e] = d.workflow.UpdateDelegated(data, role, delegator)
	}
	return d.edges[e]
}

// targets are the target files that a client finds. Those of the top-level role
// are found at once; one that a delegated role lists only counts if the lookup of
// its path, role by role, ends there.
func (d *delegations) targets() ([]Target, error) {
	var found []Target
	top := d.workflow.trusted.Targets[Targets].Signed.Targets
	for path, file := range top {
		found = append(found, newTarget(path, Targets, file))
	}
	looked := map[string]bool{}
	for role := range d.by {
		for path := range d.workflow.trusted.Targets[role].Signed.Targets {
			if top[path] != nil || looked[path] {
				continue
			}
			looked[path] = true
			t, err := d.workflow.Lookup(path, d.loadCounted)
			if d.matches > maxMatches {
				return nil, fmt.Errorf("looking up delegated targets: more than %d comparisons", maxMatches)
			}
			if err == nil { // else it is not found: what a client would be told, too
				found = append(found, t)
			}
		}
	}
	slices.SortFunc(found, func(a, b Target) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// loadCounted is load for Lookup, which goes on to compare the path with all that
// the role delegates.
func (d *delegations) loadCounted(role, delegator string) error {
	if signed := d.workflow.trusted.Targets[delegator].Signed; signed.Delegations != nil {
		for _, r := range signed.Delegations.Roles {
			d.matches += 1 + len(r.Paths)
		}
	}
	return d.load(role, delegator)
}
