// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// edge is the release of Alpine that is always the next one.
const edge = "edge"

// PackagedIn returns what is known of a client's package in a release of a
// distribution, as os-release names them: its ID, ID_LIKE and VERSION_ID. A
// distribution that is made from another one numbers its releases as it likes:
// of the other only what is said of a rolling release holds for it.
func (m *Model) PackagedIn(id string, like []string, release, client string) (Distribution, bool) {
	for i, name := range append([]string{id}, like...) {
		for _, d := range m.Distributions {
			if d.ID != name || d.Client != client {
				continue
			}
			if i == 0 && sameRelease(d.Release, release) || d.Release == "" && (release == "" || m.rolls(name)) {
				return d, true
			}
		}
	}
	return Distribution{}, false
}

// sameRelease says whether a host's release is a known one: "3.23.4" is 3.23, and
// what Alpine calls "3.24_alpha20260127" is its edge.
func sameRelease(known, release string) bool {
	if known == "" {
		return false
	}
	if strings.Contains(release, "_alpha") {
		release = edge
	}
	return release == known || strings.HasPrefix(release, known+".")
}

// rolls says that a distribution has rolling releases only: what it writes into
// VERSION_ID, a date or a constant, tells no release from another.
func (m *Model) rolls(id string) bool {
	return !slices.ContainsFunc(m.Distributions, func(d Distribution) bool { return d.ID == id && d.Release != "" })
}

// Rolling says whether the entry is of a release that changes from day to day, so
// that what was seen there is only ever a lower bound.
func (d Distribution) Rolling() bool { return d.Release == "" || d.Release == edge }

func (m *Model) checkDistributions(asOf time.Time) error {
	seen := map[[3]string]bool{}
	for _, d := range m.Distributions {
		key := [3]string{d.ID, d.Release, d.Client}
		where := strings.TrimSpace(fmt.Sprintf("package of %s in %s %s", d.Client, d.ID, d.Release))
		if d.ID == "" || d.Package == "" || seen[key] {
			return fmt.Errorf("%s is incomplete or listed twice", where)
		}
		seen[key] = true
		if !slices.ContainsFunc(m.Clients, func(c KnownClient) bool { return c.Name == d.Client }) {
			return fmt.Errorf("%s: %q is not a known client", where, d.Client)
		}
		if d.Version != "" {
			if _, err := Upstream(d.Version); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		}
		seenAt, err := day(d.KnownAsOf)
		if err != nil {
			return fmt.Errorf("%s: known_as_of: %w", where, err)
		}
		if seenAt.After(asOf) {
			return fmt.Errorf("%s: seen on %s, but the table is known as of %s", where, d.KnownAsOf, m.KnownAsOf)
		}
		if err := evidence(d.Evidence); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}
