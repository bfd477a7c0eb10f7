// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// ModelSchema is the schema of compat.json that this build reads.
const ModelSchema = 1

// maxModel bounds a compat.json in bytes.
const maxModel = 4 << 20

//go:embed compat.json
var embeddedModel []byte

// Model is the compatibility table: what clients can, by the versions of the
// libraries compiled into them. It is never changed after it was parsed, and
// safe for concurrent use.
type Model struct {
	Schema int `json:"schema"`
	// KnownAsOf is the day (2006-01-02) up to which releases and advisories are known.
	KnownAsOf   string      `json:"known_as_of"`
	About       string      `json:"about"`
	Libraries   []Library   `json:"libraries"`
	HexVerifier HexVerifier `json:"hex_verifier"`
	// EmbeddedRoots says which public root each version of a library carries.
	EmbeddedRoots []LibraryRoot `json:"embedded_roots"`
	Capability    []Capability  `json:"capabilities"`
	Rules         []Rule        `json:"rules"`
	Clients       []KnownClient `json:"clients"`
	Roots         []KnownRoot   `json:"roots"`
	Releases      []Release     `json:"releases"` // of cosign, oldest first
	Advisories    []Advisory    `json:"advisories"`
	// Distributions says which release of a client a distribution's own package has.
	Distributions []Distribution `json:"distributions"`

	byCommit     map[string]int
	byVersion    map[string]int // normalised version -> index into Releases
	releaseOrder []*semver.Version
}

// Library is a Go module that makes a binary a TUF client.
type Library struct {
	Name   string `json:"name"` // GoTUF …
	Module string `json:"module"`
	// Newest is the newest version that was looked at. Newer ones of the same
	// major version count as being able to do what it can; other major versions
	// are unknown.
	Newest string `json:"newest"`
	newest *semver.Version
}

// HexVerifier tells from library versions whether go-tuf's verifier for hex keys
// is compiled in, for clients whose function table is not at hand.
type HexVerifier struct {
	Text     string                  `json:"text"`
	Versions map[string]versionRange `json:"versions"`
	Evidence string                  `json:"evidence"`
}

// LibraryRoot is the public root that versions of a library carry in themselves.
type LibraryRoot struct {
	Library  string       `json:"library"`
	Versions versionRange `json:"versions"`
	Root     int64        `json:"root"`
	Evidence string       `json:"evidence"`
}

// Capability is something that a client can or cannot do.
type Capability struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	// Have are the ways to have it: one of them must hold.
	Have []Condition `json:"have"`
	// Never are the libraries that have it in no version.
	Never    []string `json:"never,omitempty"`
	Evidence string   `json:"evidence"`
}

// Condition holds when all its parts hold.
type Condition struct {
	Versions  map[string]versionRange `json:"versions"`
	Linked    []string                `json:"linked,omitempty"`
	NotLinked []string                `json:"not_linked,omitempty"`
}

// Rule is one way in which a client and a repository do not fit together.
type Rule struct {
	ID         string `json:"id"`
	Summary    string `json:"summary"`
	Effect     string `json:"effect"`
	PublicGood string `json:"public_good,omitempty"` // since when Sigstore's public instance needs it
	Capability string `json:"capability,omitempty"`  // what the client lacks
	Symptom    string `json:"symptom"`               // the stable part of the client's error
	Remedy     string `json:"remedy"`
	Status     string `json:"status"` // "measured" or "documented"
}

// KnownClient names the clients built from a main module.
type KnownClient struct {
	Name    string `json:"name"`
	Module  string `json:"module"`
	Command string `json:"command,omitempty"` // the package's path below the module, where only that one is meant
}

// KnownRoot is one root of Sigstore's public instance, as published.
type KnownRoot struct {
	Version   int64     `json:"version"`
	Published string    `json:"published"`
	Expires   time.Time `json:"expires"`
	SHA256    string    `json:"sha256"`
	KeyType   string    `json:"keytype"`
	Scheme    string    `json:"scheme"`
	Encoding  string    `json:"encoding"`
	Curve     string    `json:"curve"`
	// OnlineKeysSince is the version whose timestamp and snapshot key ids are still this root's.
	OnlineKeysSince int64 `json:"online_keys_since"`
}

// Release is one release of cosign.
type Release struct {
	Version    string            `json:"version"`
	Date       string            `json:"date"`
	Commit     string            `json:"commit,omitempty"` // "" where it is not known
	MainModule string            `json:"main_module"`
	Libraries  map[string]string `json:"libraries"`
	// EmbeddedRoots are the versions of the public roots compiled in, by
	// implementation; an absent one is not known or not there.
	EmbeddedRoots map[Implementation]int64 `json:"embedded_roots,omitempty"`
	// Client is the code that initialize and verify use by default: "none",
	// "cosign" (its own), "sigstore" or "sigstore-go".
	Client string `json:"client"`
}

// Advisory is a known vulnerability of a client or of a library in it.
type Advisory struct {
	ID       string         `json:"id"`
	CVE      string         `json:"cve,omitempty"`
	Of       string         `json:"of"` // a library's or a client's name
	Affected []versionRange `json:"affected"`
	Fixed    []string       `json:"fixed"`
	Summary  string         `json:"summary"`
	Evidence string         `json:"evidence"`
}

// Distribution is a client's package in one release of a distribution.
type Distribution struct {
	ID      string `json:"id"`      // of os-release: "alpine"
	Release string `json:"release"` // VERSION_ID of os-release: "3.23"; "" for a rolling one
	Client  string `json:"client"`
	Package string `json:"package"`
	// Version is the newest that was seen there, on the day KnownAsOf; "" when
	// the distribution is known to have none.
	Version   string `json:"version"`
	KnownAsOf string `json:"known_as_of"`
	Evidence  string `json:"evidence"`
}

// LoadModel returns the table in the file at path, or for "" the one compiled
// into this build.
func LoadModel(path string) (*Model, error) {
	if path != "" {
		return nil, fmt.Errorf("reading compatibility table %q: not yet", path)
	}
	return ParseModel(embeddedModel)
}

// ParseModel reads a compatibility table. One that is malformed, of another
// schema or contradicts itself is refused: a wrong table would call an outdated
// client fine.
func ParseModel(data []byte) (*Model, error) {
	if len(data) > maxModel {
		return nil, fmt.Errorf("reading compatibility table: larger than %d bytes", maxModel)
	}
	var schema struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		return nil, fmt.Errorf("reading compatibility table: %w", err)
	}
	if schema.Schema != ModelSchema {
		return nil, fmt.Errorf("reading compatibility table: schema %d, this build reads schema %d", schema.Schema, ModelSchema)
	}
	m := &Model{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("reading compatibility table: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading compatibility table: something follows it")
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("reading compatibility table: %w", err)
	}
	return m, nil
}

// Rule returns the rule with that id.
func (m *Model) Rule(id string) (Rule, bool) {
	for _, r := range m.Rules {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// Release returns the release of cosign with that version, as it was written
// upstream or by a packager ("v2.0.1", "2.0.1-r6").
func (m *Model) Release(version string) (Release, bool) {
	v, err := Upstream(version)
	if err != nil {
		return Release{}, false
	}
	i, ok := m.byVersion[v.String()]
	if !ok {
		return Release{}, false
	}
	return m.Releases[i], true
}

// PublicRoot returns the root of Sigstore's public instance that has these bytes.
func (m *Model) PublicRoot(sha256 string) (KnownRoot, bool) {
	for _, r := range m.Roots {
		if strings.EqualFold(r.SHA256, sha256) {
			return r, true
		}
	}
	return KnownRoot{}, false
}

// publicRootVersion returns the public root of that version.
func (m *Model) publicRootVersion(version int64) (KnownRoot, bool) {
	for _, r := range m.Roots {
		if r.Version == version {
			return r, true
		}
	}
	return KnownRoot{}, false
}

// libraryRoot returns the public root that a version of a library carries.
func (m *Model) libraryRoot(library, version string) (KnownRoot, bool) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return KnownRoot{}, false
	}
	for _, e := range m.EmbeddedRoots {
		if e.Library == library && e.Versions.holds(v) {
			return m.publicRootVersion(e.Root)
		}
	}
	return KnownRoot{}, false
}

func (m *Model) library(name string) (Library, bool) {
	for _, l := range m.Libraries {
		if l.Name == name {
			return l, true
		}
	}
	return Library{}, false
}
