// SPDX-License-Identifier: Apache-2.0

package cache

// Layout names how a client lays out its cache.
type Layout string

// The layouts. All but the legacy one are plain TUF metadata files; they differ in
// names, in what their client starts from, and in what it gets over by itself.
const (
	LayoutSigstoreGo     Layout = "sigstore-go"
	LayoutSigstoreJS     Layout = "sigstore-js"
	LayoutSigstorePython Layout = "sigstore-python"
	LayoutSigstoreRuby   Layout = "sigstore-ruby"
	LayoutSigstoreJava   Layout = "sigstore-java"
	LayoutLegacy         Layout = "legacy" // the LevelDB of cosign up to 2.5.0 and gitsign
)

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

// Readers lists the readers by name, in the order of reports.
func Readers() []Reader {
	return []Reader{Cosign, GH, SigstoreJS, NPM, SigstorePython, SigstoreRuby, SigstoreJava}
}
