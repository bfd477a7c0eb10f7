// SPDX-License-Identifier: Apache-2.0

package cache

import "path/filepath"

// Reader names the client that a cache belongs to.
type Reader string

// The readers whose caches are known. Several may share a layout, and each keeps
// its caches in a place of its own.
const (
	Cosign         Reader = "cosign" // and everything else on sigstore-go's defaults; the legacy cache lies beside
	GH             Reader = "gh"
	SigstoreJS     Reader = "sigstore-js"
	NPM            Reader = "npm"
	SigstorePython Reader = "sigstore-python"
	SigstoreRuby   Reader = "sigstore-ruby"
	SigstoreJava   Reader = "sigstore-java"
)

// Readers lists the readers by name, in the order of reports.
func Readers() []Reader {
	return []Reader{Cosign, GH, SigstoreJS, NPM, SigstorePython, SigstoreRuby, SigstoreJava}
}

// Asks says when a client asks its mirror, whatever its cache holds.
type Asks string

// When clients ask (measured, and read in their sources).
const (
	AsksAlways Asks = "always"    // on every run: a cache that is behind is caught up by itself
	AsksDaily  Asks = "daily"     // when the last check is a day old
	AsksLate   Asks = "on-expiry" // only when the cached timestamp has expired
)

// Place is where one client keeps its caches: a directory that holds one for each
// mirror, or is the one there is (sigstore-java).
type Place struct {
	Base   string // absolute; it need not exist
	Reader Reader
	// Targets is the directory that corresponds to Base for target files, for
	// readers that keep them apart (sigstore-python, sigstore-ruby); "" for none.
	Targets string
	// URL is the mirror of the cache, for readers whose directories do not say it
	// (sigstore-java); "" means the public one.
	URL string
}

// habits are what is known of a reader beside its layout.
type habits struct {
	layout Layout
	asks   Asks
	readBy string
	// remote: remote.json in the base says which mirror is used, and a legacy cache may
	// lie there too.
	remote bool
	// offline is what becomes of it when it cannot reach its mirror.
	offline string
}

var readers = map[Reader]habits{
	Cosign: {LayoutSigstoreGo, AsksAlways, "cosign 2.5.1 and newer, and other programs on sigstore-go", true,
		"without its mirror it fails, whatever its cache holds"},
	GH: {LayoutSigstoreGo, AsksDaily, "gh", false,
		"without its mirror it fails then"},
	SigstoreJS: {LayoutSigstoreJS, AsksAlways, "programs on sigstore-js", false,
		"without its mirror it fails"},
	NPM: {LayoutSigstoreJS, AsksAlways, "npm", false,
		"without its mirror npm audit signatures fails; programs on pacote read the cache until its timestamp expires"},
	SigstorePython: {LayoutSigstorePython, AsksAlways, "sigstore-python", false,
		"without its mirror it fails; with --offline it reads the cached trusted_root.json as it is"},
	SigstoreRuby: {LayoutSigstoreRuby, AsksAlways, "sigstore-ruby", false,
		"without its mirror it fails; offline it reads the cached trusted_root.json as it is"},
	SigstoreJava: {LayoutSigstoreJava, AsksAlways, "sigstore-java", false,
		"without its mirror it fails"},
}

// habits are those of the cache's reader. A cache that was not found in a place is
// read by whatever its layout is the usual one of.
func (c Cache) habits() habits {
	if c.Layout == LayoutLegacy {
		return habits{LayoutLegacy, AsksLate, "cosign up to 2.5.0, and gitsign", true, ""}
	}
	if h, ok := readers[c.Reader]; ok {
		return h
	}
	for _, r := range Readers() {
		if readers[r].layout == c.Layout {
			return readers[r]
		}
	}
	return habits{}
}

// ReadBy says in words which programs read the cache.
func (c Cache) ReadBy() string {
	if c.misplaced() {
		return "nothing that keeps its caches here"
	}
	return c.habits().readBy
}

// misplaced says whether the cache looks like one of another layout than its place's
// reader has.
func (c Cache) misplaced() bool {
	h, known := readers[c.Reader]
	return known && c.Layout != h.layout && (c.Layout != LayoutLegacy || !h.remote)
}

// whole says whether the cache is its base, or what is wrong is the base as a whole.
func (c Cache) whole() bool { return filepath.Clean(c.Path) == filepath.Clean(c.Base) }
