// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// Notes are the notes on a client, with those that depend on the time: that it
// cannot do without its mirror, since the root it embeds for one of these
// repositories is expired. Without any of them it is the public instance's.
func Notes(m *client.Model, c client.Client, repos []Repository, at time.Time) []string {
	notes := slices.Clone(c.Notes)
	if len(c.EmbeddedRoots) == 0 || at.IsZero() || otherLanguage(c) {
		return notes // in other languages an expired one keeps nobody from their cache
	}
	for _, impl := range m.Uses(c) {
		root, ok := startingRoot(m, c, impl, repos)
		if !ok || !at.After(root.Expires) {
			continue
		}
		what := "it can work offline only while a cached timestamp is valid"
		if impl == client.V2 {
			what = "it can never use its cache offline"
		}
		return append(notes, fmt.Sprintf("needs-network: its embedded root %d expired at %s, so %s", root.Version, Instant(root.Expires), what))
	}
	return notes
}

// startingRoot is the embedded root that a client starts from against the first
// of the repositories that it embeds one of: never another instance's.
func startingRoot(m *client.Model, c client.Client, impl client.Implementation, repos []Repository) (client.EmbeddedRoot, bool) {
	var public Repository
	for _, known := range m.Roots {
		public.Requirements.Roots = append(public.Requirements.Roots, publicForm(known))
	}
	for _, r := range append(slices.Clone(repos), public) {
		if r.Preview {
			continue
		}
		if e, ok := embeddedRoot(m, c, impl, r); ok {
			return e, true
		}
	}
	return client.EmbeddedRoot{}, false
}
