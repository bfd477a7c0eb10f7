// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// noRoot says that no root of a repository is known.
const noRoot = "no root"

// start is a root that a client starts from.
type start struct {
	words   string // "embedded root 2"
	version int64
	form    *trust.RootForm // nil where only its version is known
	public  client.KnownRoot
	expires time.Time // of the timestamp cached with it: before that its mirror is not asked
	alone   bool      // no start at all: one root, to be read by itself
}

func startFrom(m *client.Model, words string, form trust.RootForm) start {
	public, _ := m.PublicRoot(form.SHA256, form.SignedSHA256)
	return start{words: fmt.Sprintf("%s %d", words, form.Version), version: form.Version, form: &form, public: public}
}

// starts returns the roots from which that TUF client in c may start against r:
// its embedded root where it is one of this repository, the roots cached on this
// host where clients of its kind start from those, and otherwise the initial root.
func starts(m *client.Model, c client.Client, impl client.Implementation, r Repository) []start {
	newest, ok := r.newest()
	switch {
	case r.StartRoot != nil:
		return []start{startFrom(m, "given root", *r.StartRoot)}
	case !ok:
		return []start{{words: noRoot}}
	case r.Start == "newest":
		return []start{startFrom(m, "newest root", newest)}
	case r.Preview, r.Alone, startUnknown(c):
		return []start{{words: fmt.Sprintf("root %d by itself", newest.Version), version: newest.Version, alone: true}}
	}
	// The legacy client starts from what it has cached, and from its embedded root
	// for a user without a cache. The v2 client starts from its embedded root where
	// it is one of this repository, and never reads the cached one (measured).
	var all []start
	embedded, ok := embeddedStart(m, c, impl, r)
	if r.Start != "embedded" && (impl == client.Legacy || !ok) {
		all = append(all, cachedStarts(m, c, impl, r)...)
	}
	if ok {
		all = append(all, embedded)
	}
	if len(all) == 0 {
		all = append(all, startFrom(m, "initial root", r.Requirements.Roots[0]))
	}
	return all
}

// startUnknown says that it is not known where a client starts: the table does not
// say which root a release in another language carries.
func startUnknown(c client.Client) bool {
	return c.VersionSource == "assumed" && otherLanguage(c) && len(c.EmbeddedRoots) == 0
}

// embeddedRoot returns the embedded root that the client starts from, where it is
// one of this repository's.
func embeddedRoot(m *client.Model, c client.Client, impl client.Implementation, r Repository) (client.EmbeddedRoot, bool) {
	var here []client.EmbeddedRoot
	for _, e := range c.EmbeddedRoots {
		if ofRepository(m, e, r) {
			here = append(here, e)
		}
	}
	if len(here) == 0 {
		return client.EmbeddedRoot{}, false
	}
	// Of several, the release says which; else the v2 client's is the newer one,
	// since the legacy client has been left as it was (measured).
	slices.SortFunc(here, func(a, b client.EmbeddedRoot) int { return int(a.Version - b.Version) })
	e := here[0]
	if impl == client.V2 {
		e = here[len(here)-1]
	}
	if known, ok := m.Release(c.Version); ok && c.Name == cosignName {
		for _, candidate := range here {
			if candidate.Version == known.EmbeddedRoots[impl] {
				e = candidate
			}
		}
	}
	return e, true
}

// embeddedStart is that root as a start.
func embeddedStart(m *client.Model, c client.Client, impl client.Implementation, r Repository) (start, bool) {
	e, ok := embeddedRoot(m, c, impl, r)
	if !ok {
		return start{}, false
	}
	s := start{words: fmt.Sprintf("embedded root %d", e.Version), version: e.Version}
	s.public, _ = publicRoot(m, e)
	if form, err := trust.FormOf(e.Raw); err == nil {
		s.form = &form
	} else if s.public.Version != 0 {
		form := publicForm(s.public)
		s.form = &form
	}
	return s, true
}

// ofRepository says whether an embedded root belongs to a repository: it has the
// same content as the root of that version there, be it written otherwise; or, where
// that one is not known, both are of the public instance.
func ofRepository(m *client.Model, e client.EmbeddedRoot, r Repository) bool {
	public := false
	for _, root := range r.Requirements.Roots {
		if root.Version == e.Version {
			return e.Is(root.SHA256, root.SignedSHA256)
		}
		_, known := m.PublicRoot(root.SHA256, root.SignedSHA256)
		public = public || known
	}
	_, known := publicRoot(m, e)
	return public && known
}

func publicRoot(m *client.Model, e client.EmbeddedRoot) (client.KnownRoot, bool) {
	for _, known := range m.Roots {
		if e.Is(known.SHA256, known.SignedSHA256) {
			return known, true
		}
	}
	return client.KnownRoot{}, false
}

// sharesCaches says whether that TUF client in c keeps its cache where Sigstore's
// libraries do by themselves, which is where caches are looked for. The client of
// go-tuf alone is told its directory, gh has its own, and so have other languages.
func sharesCaches(c client.Client, impl client.Implementation) bool {
	switch {
	case c.Name == cosignName:
		return impl == client.Legacy || impl == client.V2
	case c.Name == "gh":
		return false
	case impl == client.Legacy:
		return c.Linked.SigstoreTUF || c.Linked.CosignTUF
	case impl == client.V2:
		return c.Linked.SigstoreGo
	}
	return false
}

// cachedStarts returns the roots in caches from which clients of that kind start.
func cachedStarts(m *client.Model, c client.Client, impl client.Implementation, r Repository) []start {
	if !sharesCaches(c, impl) {
		return nil
	}
	layout := cache.LayoutSigstoreGo
	if impl == client.Legacy {
		layout = cache.LayoutLegacy
	}
	var all []start
	for _, in := range r.Caches {
		if in.Cache.Layout != layout || impl == client.V2 && in.Cache.Default || len(in.Inspection.Root) == 0 {
			continue
		}
		form, err := trust.FormOf(in.Inspection.Root)
		if err != nil {
			continue // damaged: that is a matter of the cache, and reported as one
		}
		s := startFrom(m, "cached root", form)
		s.words += " in " + Plain(in.Cache.Path)
		if impl == client.Legacy { // the v2 client asks its mirror every time
			s.expires = in.Inspection.TimestampExpires
		}
		all = append(all, s)
	}
	return all
}
