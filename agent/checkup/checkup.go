// SPDX-License-Identifier: Apache-2.0

// Package checkup looks at this host: which caches there are and what state
// they are in, which Sigstore clients are installed, what is compiled into them
// and which package of the distribution they came with. It executes nothing that
// it finds, changes nothing, and judges nothing: what it saw it hands on as
// health.Facts, with a line for every place it could not look at.
package checkup

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Places says where caches are looked for.
type Places struct {
	Caches []cache.Place
	// Overlaps are those among them, and what was left out of them, that overlap.
	Overlaps []*cache.OverlapError
	// Homes are the directories below which a cache is its owner's affair.
	Homes []string
	// Policy says, in config's words, what may be done to a cache, and why.
	Policy func(c cache.Cache) (policy, why string)
	// NoRule says of a cache that no rule of the configuration would have it written.
	NoRule func(c cache.Cache) bool
	// Config is the configuration's file, or where it would be; "" when that is nowhere.
	Config string
}

// Caches finds the caches of p and inspects each against the last good set of its
// mirror at now, but for those that policy has us ignore. It returns the directories
// that two caches would have, too, and a line for what could not be seen.
func Caches(p Places, mirrors []cache.Mirror, now time.Time) ([]health.CacheFacts, []health.CollisionFacts, []string) {
	found, errs := cache.Find(p.Caches, mirrors)
	sets := make(map[string]*trust.Set, len(mirrors))
	for _, m := range mirrors {
		sets[m.Name] = m.Set
	}
	facts := make([]health.CacheFacts, 0, len(found))
	for _, c := range found {
		f := health.CacheFacts{Cache: c, System: !below(c.Path, p.Homes), ConfigFile: p.Config, Unrefreshed: sets[c.Mirror] == nil}
		if p.NoRule != nil {
			f.NoRule = p.NoRule(c)
		}
		if f.Policy, f.PolicyWhy = p.Policy(c); f.Policy == "ignore" {
			continue // not even looked at
		}
		f.Inspection = c.Inspect(sets[c.Mirror], now)
		facts = append(facts, f)
	}
	collisions, errs := collisions(p.Overlaps, mirrors, errs)
	return facts, collisions, lines(errs)
}

// Clients finds the Sigstore clients that o names. A client below one of homes
// is its owner's affair, every other one the system's. The second result names
// what could not be seen.
func Clients(ctx context.Context, o client.FindOptions, homes []string) ([]health.ClientFacts, []string) {
	found, errs := client.Find(ctx, o)
	for _, home := range slices.Clone(homes) { // clients are told by where they really are
		homes = append(slices.Clip(homes), resolved(home))
	}
	facts := make([]health.ClientFacts, 0, len(found))
	for _, c := range found {
		own(&c)
		facts = append(facts, health.ClientFacts{Client: c, System: !below(resolved(c.Path), homes)})
	}
	return facts, lines(errs)
}

// resolved follows links where it can.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// below says whether path lies in one of the directories.
func below(path string, dirs []string) bool {
	for _, d := range dirs {
		rel, err := filepath.Rel(d, path)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

func lines(errs []error) []string {
	var out []string
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return out
}
