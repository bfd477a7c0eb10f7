// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// The mirrors whose clients start from their embedded root, whatever root their cache
// holds (measured, or read in their sources). Written otherwise (a slash at the end, http)
// a client takes it for a custom one, but in the same directory with most: which
// directory is whose, package cache knows.
const (
	publicMirror  = "https://tuf-repo-cdn.sigstore.dev" // cosign from 2.5.1, gh, sigstore-python
	stagingMirror = "https://tuf-repo-cdn.sigstage.dev" // sigstore-python
	githubMirror  = "https://tuf-repo.github.com"       // gh
)

func cacheMirror(m config.Mirror, set *trust.Set) cache.Mirror {
	c := cache.Mirror{Name: m.Name, URL: m.URL.String(), Set: set}
	switch usual := cache.Spelled(c.URL); "https://" + strings.TrimPrefix(strings.TrimPrefix(usual, "http://"), "https://") {
	case publicMirror:
		c.Default = true
	case stagingMirror:
		c.DefaultFor = []cache.Reader{cache.SigstorePython}
	case githubMirror:
		c.DefaultFor = []cache.Reader{cache.GH}
	}
	return c
}

// places are where clients keep their caches, and what may be done there.
type places struct {
	cfg      config.Config
	list     []cache.Place         // each directory once
	overlaps []*cache.OverlapError // among those of the config
}

func placesOf(cfg config.Config) places {
	var all []cache.Place
	for _, base := range cfg.Caches.Paths {
		all = append(all, cache.Place{Base: base, Reader: cache.Cosign})
	}
	for _, p := range cfg.Caches.Places {
		place := cache.Place{Base: p.Path, Reader: cache.Reader(p.Client), Targets: p.Targets}
		if p.URL != nil {
			place.URL = p.URL.String()
		}
		all = append(all, place)
	}
	ps := places{cfg: cfg}
	ps.list, ps.overlaps = cache.Apart(all)
	return ps
}

// policy is what may be done to one cache, and why. A rule says it outright. Without
// one, a cache is never more than reported on where we do not keep it: in a layout
// that no real client was seen to read as we write it, of a mirror that is not ours,
// or that is only a preview. Where the files of two clients have the same names, no
// rule makes it safe to write.
func (ps places) policy(c cache.Cache) (config.Policy, string) {
	p, ruled := ps.cfg.Caches.PolicyFor(c.Path)
	i := slices.IndexFunc(ps.cfg.Mirrors, func(m config.Mirror) bool { return m.Name == c.Mirror })
	switch {
	case ps.unsafe(c):
		return least(p), "its place is another client's, too"
	case ruled:
		return p, fmt.Sprintf("a rule of the configuration says %q", p)
	case p == config.PolicyIgnore || p == config.PolicyReport:
		return p, fmt.Sprintf("the configuration says %q", p)
	case c.Layout == cache.LayoutLegacy:
		return config.PolicyReport, "a legacy cache is never written"
	case i < 0 && c.Path == c.Base && c.Layout != cache.LayoutSigstoreJava: // which holds many mirrors'
		return config.PolicyReport, "only its owner can act on the place as a whole"
	case i < 0:
		return config.PolicyReport, "its mirror is not configured"
	case ps.cfg.Mirrors[i].Preview:
		return config.PolicyReport, "its mirror is only a preview"
	case !c.Layout.Kept():
		return config.PolicyReport, fmt.Sprintf("caches of %s are written only where a rule of the configuration says so", c.Reader)
	}
	return p, fmt.Sprintf("the configuration says %q", p)
}

// unsafe says that two clients name their files alike where a cache lies.
func (ps places) unsafe(c cache.Cache) bool {
	return slices.ContainsFunc(ps.overlaps, func(o *cache.OverlapError) bool {
		return o.Unsafe && (o.One.Base == c.Base || o.Other.Base == c.Base)
	})
}

// noRule says that no rule would have a cache written.
func (ps places) noRule(c cache.Cache) bool {
	preview := slices.ContainsFunc(ps.cfg.Mirrors, func(m config.Mirror) bool { return m.Name == c.Mirror && m.Preview })
	return ps.unsafe(c) || preview || c.Layout == cache.LayoutLegacy
}

// least is report, or ignore where that was asked for.
func least(p config.Policy) config.Policy {
	if p == config.PolicyIgnore {
		return p
	}
	return config.PolicyReport
}

// checked says where to look for caches, and what may be done there.
func (ps places) checked(env config.Env) checkup.Places {
	return checkup.Places{
		Caches:   ps.list,
		Overlaps: ps.overlaps,
		Homes:    homes(env),
		Config:   cmp.Or(ps.cfg.Path, config.DefaultPath(env)),
		NoRule:   ps.noRule,
		Policy: func(c cache.Cache) (string, string) {
			p, why := ps.policy(c)
			return string(p), why
		},
	}
}

// watched are the directories whose change is worth a cycle: every place, and every
// cache in it, with its target files where they lie apart.
func (ps places) watched(mirrors []cache.Mirror) []string {
	var dirs []string
	add := func(dir string) {
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, p := range ps.list {
		add(p.Base)
		add(p.Targets)
	}
	found, _ := cache.Find(ps.list, mirrors) // what cannot be found is told by look
	for _, c := range found {
		if p, _ := ps.policy(c); p == config.PolicyIgnore {
			continue
		}
		add(c.Path)
		add(c.Targets)
	}
	return dirs
}
