// SPDX-License-Identifier: Apache-2.0

// Package client finds the Sigstore clients installed on this host and tells
// what they can read.
//
// A client in Go is known by what is compiled into it: the versions of its TUF
// libraries, the functions that prove a TUF client, the root documents it
// embeds. No file is ever executed, and none is trusted: parsers run under
// recover and within bounds, and a file that lies can only be misjudged itself.
// A Go program whose build information is gone is still known by its functions,
// as a client of unknown libraries. What hides even those is not seen: names
// changed by an obfuscator such as garble, programs packed as with UPX, a library
// copied under another import path.
//
// Clients in Python, JavaScript, Ruby and Java are known by what their packages say
// of themselves, in the directories that are named: no tree is walked.
//
// What each library version can is data, in compat.json, with its evidence.
// Whether a client fits a repository is decided in package health.
package client

import (
	"time"
)

// Library names as the JSON of `clients` spells them; an absent library is an absent key.
const (
	GoTUF      = "go-tuf"      // github.com/theupdateframework/go-tuf v0.x
	GoTUFv2    = "go-tuf/v2"   // github.com/theupdateframework/go-tuf/v2
	Sigstore   = "sigstore"    // github.com/sigstore/sigstore
	SigstoreGo = "sigstore-go" // github.com/sigstore/sigstore-go
)

// Library names of clients in other languages.
const (
	SigstorePython = "sigstore-python" // the distribution "sigstore"
	PythonTUF      = "python-tuf"      // the distribution "tuf"
	SigstoreJS     = "sigstore-js"     // the package "@sigstore/tuf"
	TUFJS          = "tuf-js"
	SigstoreRuby   = "sigstore-ruby" // the gem "sigstore"
	SigstoreJava   = "sigstore-java"
)

// Ecosystem is the language that a client is written in.
type Ecosystem string

// The ecosystems.
const (
	Go         Ecosystem = "go"
	Python     Ecosystem = "python"
	JavaScript Ecosystem = "javascript"
	Ruby       Ecosystem = "ruby"
	Java       Ecosystem = "java"
)

// Client is one Sigstore TUF client found on this host, as far as it can be
// known without executing it.
type Client struct {
	Path      string    `json:"path"`
	Ecosystem Ecosystem `json:"ecosystem"`
	// Name is "cosign", "gitsign", "tuf-client" …, or the module path of a client we have no name for.
	Name string `json:"name"`
	// Version as found ("v2.0.1"), "" when it cannot be told; VersionSource says where from.
	Version       string            `json:"version"`
	VersionSource string            `json:"version_source"`
	MainModule    string            `json:"main_module,omitempty"`
	Libraries     map[string]string `json:"libraries"`
	EmbeddedRoots []EmbeddedRoot    `json:"embedded_roots"`
	// Linked are the client implementations whose code is in the binary.
	Linked Linked   `json:"-"`
	Notes  []string `json:"notes"`
	// Package is the distribution's package that owns the file; nil when none is known to.
	Package *Package `json:"package,omitempty"`
	// Owner is the one user beside root who can change it, or "root": by name, and
	// by number where it has none; "" where that is not known, or there are several.
	Owner string `json:"owner,omitempty"`
	// Shared says that Owner is not all who can change it.
	Shared bool `json:"-"`
	// File tells this state of the file from every other.
	File FileID `json:"-"`
}

// Package is an entry of a distribution's package database.
type Package struct {
	Manager string `json:"manager"` // "dpkg", "apk", "rpm", "pacman", or "nix" and "homebrew", which have no database
	Name    string `json:"name"`
	Version string `json:"version"` // as the database has it: "2.5.0-2+b4"
}

// FileID tells one state of a file from every other. Whoever owns a file can give
// it any size and time of modification, and its inode to the next file by deleting
// it: the time of the inode's last change is the kernel's.
type FileID struct {
	Device       uint64 `json:"device"`
	Inode        uint64 `json:"inode"`
	Size         int64  `json:"size"`             // bytes
	ModifiedNano int64  `json:"modified_unix_ns"` // nanoseconds since 1970
	ChangedNano  int64  `json:"changed_unix_ns"`  // of the inode, nanoseconds since 1970
	Owner        uint32 `json:"owner"`
}

// EmbeddedRoot is a root.json found inside a binary.
type EmbeddedRoot struct {
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
	// Instance says of which instance of Sigstore it is: "public", "staging",
	// "configured" for another one that is a mirror here, or "" where that is not known.
	Instance string `json:"instance"`
	SHA256   string `json:"-"` // of the document as embedded, trailing newline tolerated by the finder
	// SignedSHA256 is of what is signed in it (trust.SignedDigest); "" where that is not known.
	SignedSHA256 string `json:"-"`
	Raw          []byte `json:"-"`
}

// Linked says which client code is proven to be in a binary by its function table.
type Linked struct {
	LegacyTUF   bool // go-tuf v0 client.(*Client).Update
	TUFv2       bool // go-tuf/v2 updater.(*Updater).Refresh
	SigstoreTUF bool // sigstore/sigstore pkg/tuf
	SigstoreGo  bool // sigstore-go pkg/tuf
	CosignTUF   bool // cosign's own pkg/cosign/tuf (1.1–1.9)
	HexVerifier bool // go-tuf's verifier for hex keys (set_ecdsa)
}

// Any says whether the binary links a TUF client at all.
func (l Linked) Any() bool {
	return l.LegacyTUF || l.TUFv2 || l.SigstoreTUF || l.SigstoreGo || l.CosignTUF
}
