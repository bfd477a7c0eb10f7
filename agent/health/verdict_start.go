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
	// Clients that prefer their cache start from their embedded root for a user who has
	// none. The others start from their embedded root where it is one of this
	// repository, and never read the cached one (measured).
	var all []start
	embedded, ok := embeddedStart(m, c, impl, r)
	if r.Start != "embedded" && (prefersCache(impl) || !ok) {
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

// readerOf is the client whose caches that TUF client in c reads: by themselves,
// Sigstore's Go libraries share cosign's; gh, npm and the libraries of other languages
// have their own. It is "" for none that is known: the client of go-tuf alone is told
// its directory.
func readerOf(c client.Client, impl client.Implementation) cache.Reader {
	switch {
	case impl == client.ImplJavaScript && c.Name == "npm":
		return cache.NPM
	case impl == client.ImplJavaScript:
		return cache.SigstoreJS
	case impl == client.ImplPython:
		return cache.SigstorePython
	case impl == client.ImplRuby:
		return cache.SigstoreRuby
	case impl == client.ImplJava:
		return cache.SigstoreJava
	case impl == client.V2 && c.Name == "gh":
		return cache.GH
	case c.Name == cosignName,
		impl == client.Legacy && (c.Linked.SigstoreTUF || c.Linked.CosignTUF),
		impl == client.V2 && c.Linked.SigstoreGo:
		return cache.Cosign
	}
	return ""
}

// prefersCache says whether a client starts from its cached root where there is one,
// whatever is embedded in it (measured, or read in their sources).
func prefersCache(impl client.Implementation) bool {
	switch impl {
	case client.Legacy, client.ImplJavaScript, client.ImplRuby, client.ImplJava:
		return true
	}
	return false
}

// cachedStarts returns the roots in caches from which clients of that kind start.
func cachedStarts(m *client.Model, c client.Client, impl client.Implementation, r Repository) []start {
	reader := readerOf(c, impl)
	var all []start
	for _, in := range r.Caches {
		legacy := in.Cache.Layout == cache.LayoutLegacy
		switch {
		case reader == "" || in.Cache.Reader != reader || legacy != (impl == client.Legacy),
			in.Cache.Default && !legacy, len(in.Inspection.Root) == 0:
			continue
		}
		form, err := trust.FormOf(in.Inspection.Root)
		if err != nil {
			continue // damaged: that is a matter of the cache, and reported as one
		}
		s := startFrom(m, "cached root", form)
		s.words += " in " + Plain(in.Cache.Path)
		if legacy { // all others ask their mirror every time
			s.expires = in.Inspection.TimestampExpires
		}
		all = append(all, s)
	}
	return all
}
