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
	// Targets are the top-level targets of Sigstore's public instance, oldest first.
	Targets  []KnownTargets `json:"targets"`
	Releases []Release      `json:"releases"` // of cosign, oldest first
	// OtherReleases are those of other clients: by client, and oldest first.
	OtherReleases []Release  `json:"other_releases"`
	Advisories    []Advisory `json:"advisories"`
	// Distributions says which release of a client a distribution's own package has.
	Distributions []Distribution `json:"distributions"`

	asOf         time.Time
	byCommit     map[string]int
	byVersion    map[string]int // normalised version -> index into Releases
	releaseOrder []*semver.Version
	otherOrder   []*semver.Version
}

// Library is what makes a program a TUF client: a Go module, or a package of
// another language.
type Library struct {
	Name   string `json:"name"` // GoTUF …
	Module string `json:"module"`
	// Newest is the newest version that was looked at. Newer ones of the same
	// major version count as being able to do what it can; other major versions
	// are unknown.
	Newest string `json:"newest"`
	// AnyMajor says that newer major versions count like the newest one, too: the
	// library promises that what is used of it stays.
	AnyMajor bool `json:"any_major,omitempty"`
	newest   *semver.Version
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
	Never []string `json:"never,omitempty"`
	// Unknown are versions of which it is not known whether they have it.
	Unknown  []Condition `json:"unknown,omitempty"`
	Evidence string      `json:"evidence"`
	Source   string      `json:"source,omitempty"` // where it is written, or how it was measured
}

// Condition holds when all its parts hold.
type Condition struct {
	Versions  map[string]versionRange `json:"versions"`
	Linked    []string                `json:"linked,omitempty"`
	NotLinked []string                `json:"not_linked,omitempty"`
	// Evidence and Source are those of this one, where it differs from the capability's.
	Evidence string `json:"evidence,omitempty"`
	Source   string `json:"source,omitempty"`
}

// Rule is one way in which a client and a repository do not fit together.
type Rule struct {
	ID         string `json:"id"`
	Summary    string `json:"summary"`
	Effect     string `json:"effect"`
	PublicGood string `json:"public_good,omitempty"` // since when Sigstore's public instance needs it
	Capability string `json:"capability,omitempty"`  // what the client lacks
	Symptom    string `json:"symptom"`               // the stable part of the client's error
	SymptomV2  string `json:"symptom_v2,omitempty"`  // of go-tuf/v2's, where that is another
	Remedy     string `json:"remedy"`
	Status     string `json:"status"` // "measured" or "documented"
	Source     string `json:"source,omitempty"`
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
	// SignedSHA256 is the digest of what is signed in it (trust.SignedDigest): programs
	// embed some of these roots in other bytes. "" where it is not known.
	SignedSHA256 string `json:"signed_sha256,omitempty"`
	KeyType      string `json:"keytype"`
	Scheme       string `json:"scheme"`
	Encoding     string `json:"encoding"`
	Curve        string `json:"curve"`
	// KeyFields are the fields of its keys beside those that the specification has.
	KeyFields []string `json:"key_fields,omitempty"`
	// OnlineKeysSince is the version whose timestamp and snapshot key ids are still this root's.
	OnlineKeysSince int64  `json:"online_keys_since"`
	Evidence        string `json:"evidence"`
	Source          string `json:"source,omitempty"`
}

// KnownTargets is one version of the top-level targets of Sigstore's public instance.
type KnownTargets struct {
	Version   int64    `json:"version"`
	Published string   `json:"published"`
	Root      int64    `json:"root"`   // the newest root when it was published
	Hashes    []string `json:"hashes"` // that every target file has: "sha256", "sha512"
	// LogKeyTypes are those of the logs in trusted_root.json; none where there is no such file.
	LogKeyTypes    []string `json:"log_key_types,omitempty"`
	SigningConfigs []string `json:"signing_configs,omitempty"`
	Evidence       string   `json:"evidence"`
}

// Release is one release of a client.
type Release struct {
	Of         string            `json:"of,omitempty"` // the client's name; "" is cosign
	Version    string            `json:"version"`
	Date       string            `json:"date"`
	Commit     string            `json:"commit,omitempty"` // "" where it is not known
	MainModule string            `json:"main_module"`
	Libraries  map[string]string `json:"libraries"`
	// EmbeddedRoots are the versions of the public roots compiled in, by
	// implementation; an absent one is not known or not there.
	EmbeddedRoots map[Implementation]int64 `json:"embedded_roots,omitempty"`
	// Client is the code that initialize and verify use by default: "none",
	// "cosign" (its own), "sigstore" or "sigstore-go"; "unknown" where only the
	// libraries are known, and not which of them are linked.
	Client string `json:"client"`
	// Mirror is where it fetches from by default, "" where that is not known.
	Mirror   string `json:"mirror,omitempty"`
	Evidence string `json:"evidence"`
}

// Advisory is a known vulnerability of a client or of a library in it.
type Advisory struct {
	ID       string         `json:"id"`
	CVE      string         `json:"cve,omitempty"`
	Of       string         `json:"of"` // a library's or a client's name
	Affected []versionRange `json:"affected"`
	Fixed    []string       `json:"fixed"`
	// Severity is "low", "moderate", "high", "critical", or "unknown" where none is documented.
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	// KnownAsOf is the day up to which its source was read.
	KnownAsOf string `json:"known_as_of"`
	Evidence  string `json:"evidence"`
	Source    string `json:"source,omitempty"`
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

// ParseModel reads a compatibility table. One that is malformed, of another
// schema or contradicts itself is refused: a wrong table would call an outdated
// client fine.
func ParseModel(data []byte) (*Model, error) {
	m, err := parseModel(data)
	if err != nil {
		return nil, fmt.Errorf("reading compatibility table: %w", err)
	}
	return m, nil
}

func parseModel(data []byte) (*Model, error) {
	if len(data) > maxModel {
		return nil, fmt.Errorf("larger than %d bytes", maxModel)
	}
	var schema struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		return nil, plainly(err)
	}
	if schema.Schema != ModelSchema {
		return nil, fmt.Errorf("schema %d, this build reads schema %d", schema.Schema, ModelSchema)
	}
	if err := sayOnce(data); err != nil {
		return nil, err
	}
	m := &Model{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, plainly(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	if err := m.check(); err != nil {
		return nil, err
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

// Symptoms are the stable parts of what clients print when they meet the rule.
func (r Rule) Symptoms() []string {
	var all []string
	for _, s := range []string{r.Symptom, r.SymptomV2} {
		if s != "" {
			all = append(all, s)
		}
	}
	return all
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

// PublicRoot returns the root of Sigstore's public instance with one of these
// digests: of its bytes, or of what is signed in it.
func (m *Model) PublicRoot(sha256, signed string) (KnownRoot, bool) {
	for _, r := range m.Roots {
		if strings.EqualFold(r.SHA256, sha256) || signed != "" && strings.EqualFold(r.SignedSHA256, signed) {
			return r, true
		}
	}
	return KnownRoot{}, false
}

// embedded is the root as programs carry it.
func (r KnownRoot) embedded() EmbeddedRoot {
	return EmbeddedRoot{Version: r.Version, Expires: r.Expires, SHA256: r.SHA256, SignedSHA256: r.SignedSHA256}
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
