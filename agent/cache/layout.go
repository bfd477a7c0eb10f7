// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"io/fs"
	"net/url"
	"regexp"
)

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

// Kept says whether caches of this layout are written unless the configuration says
// otherwise: its real client was seen reading what was written.
func (l Layout) Kept() bool { return l.rules().kept }

// rules are all that tells one layout from another.
type rules struct {
	// dir is the directory of a mirror in the base; nil where the base is the cache.
	dir func(url string) string
	// role and target name the files of a role (without ".json") and of a target path.
	role, target func(string) string
	// anchored: its client starts from the cached root.json, whichever the mirror.
	anchored bool
	// brings: where there is no root.json, its program may bring one; if it does not, only
	// the public mirror's is built in.
	brings bool
	// history: root.json may be a symbolic link into root_history. Where it is a file, its
	// client is an older one, which starts from it.
	history bool
	// inPlace: its client truncates metadata and writes it anew, so that half a file
	// may be one that is being written.
	inPlace bool
	// believes: its client verifies nothing that it finds in its cache. Where the cached
	// timestamp is the mirror's, it goes on with what lies beside it, and so the timestamp
	// is written last.
	believes bool
	// apart: target files lie in a tree of their own.
	apart bool
	// told: the time of the last check is in <directory>.json.
	told bool
	// rolePerm and targetPerm are the modes that its client gives files.
	rolePerm, targetPerm fs.FileMode
	// What its client gets over by itself, in the file it starts from, in other metadata,
	// and in target files.
	rootHeals, roleHeals, targetHeals faults
	// temp matches the names of what its client leaves in a cache when it is killed; nil
	// for nothing. Where vague, somebody else may give a file such a name: only one with
	// the mode and the beginning of what that client writes is taken for its own.
	temp  *regexp.Regexp
	vague bool
	kept  bool
}

// faults are kinds of damage.
type faults uint

const (
	noJSON   faults = 1 << iota // empty, truncated, garbage
	noRole                      // JSON of another shape, "null"
	unsigned                    // not signed, or not what is listed
	locked                      // unreadable
	linked                      // a symbolic link in its place
	occupied                    // a directory or a device in its place

	content = noJSON | noRole | unsigned
)

// layouts is the whole truth about each (docs/caches.md has where it was seen).
var layouts = map[Layout]rules{
	LayoutSigstoreGo: {
		dir: DirName, role: url.PathEscape, target: url.PathEscape,
		told: true, rolePerm: 0o644, targetPerm: 0o644,
		roleHeals: unsigned | locked | linked, targetHeals: content,
		temp: regexp.MustCompile(`^tuf_tmp[0-9]+$`), kept: true,
	},
	LayoutSigstoreJS: {
		dir: dirNameJS, role: escapeJS, target: escapeJS,
		anchored: true, brings: true, inPlace: true, rolePerm: 0o644, targetPerm: 0o644,
		roleHeals: content, targetHeals: content, kept: true,
	},
	LayoutSigstorePython: {
		dir: dirNamePython, role: escapePython, target: escapePython,
		history: true, apart: true, rolePerm: 0o600, targetPerm: 0o644,
		roleHeals: content | locked | linked, // offline, target files are believed as they are
		temp:      regexp.MustCompile(`^tmp[a-z0-9_]{8}$`), vague: true, kept: true,
	},
	LayoutSigstoreRuby: {
		dir: dirNameRuby, role: escapeForm, target: escapeForm,
		anchored: true, apart: true, rolePerm: 0o600, targetPerm: 0o644,
		roleHeals: unsigned | linked,
		temp:      regexp.MustCompile(`^[0-9]{8}-[0-9]+-[a-z0-9]+$`), vague: true, kept: true,
	},
	LayoutSigstoreJava: {
		role: asItIs, target: escapeForm,
		anchored: true, brings: true, inPlace: true, believes: true, rolePerm: 0o644, targetPerm: 0o644,
		targetHeals: content,
	},
	LayoutLegacy: {},
}

func (l Layout) rules() rules { return layouts[l] }
