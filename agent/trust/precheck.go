// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Counts beyond which metadata is refused before any signature is looked at,
// because the work would grow with their square. Public metadata has 10
// signatures and 5 keys to a role.
const (
	maxSignatures  = 1024
	maxKeyIDs      = 256
	maxRSABits     = 8192
	maxRSAExponent = 65537
	maxRoleName    = 80 // at most three times as long when escaped: a file name
)

// MaxSize returns how many bytes metadata of a role may have.
func MaxSize(role string) int64 {
	switch role {
	case Root:
		return MaxRoot
	case Timestamp:
		return MaxTimestamp
	case Snapshot:
		return MaxSnapshot
	default:
		return MaxTargets
	}
}

// Precheck says whether data has the shape of metadata of role: size, syntax, the
// members the specification asks for with their types, and bounds on every
// number. It verifies no signature. Every error is a *MalformedError.
//
// It exists because go-tuf parses before it verifies and is lenient there:
// members in another case count, of two members with one name the last wins, a
// null member can be a panic, a version near 2^63 wraps. All of that can be sent
// by whoever serves the file. So go-tuf is only given what passed here.
//
// Unknown members are allowed, as the specification asks, but not null ones, save
// inside "custom".
func Precheck(role string, data []byte) error {
	_, err := parse(role, data)
	return err
}

// document is metadata that passed the pre-check.
type document struct {
	signed  object
	signers map[string]bool // ids of keys that a signature is said to be of
	version int64
	expires time.Time
}

// parse is Precheck that keeps what it read.
func parse(role string, data []byte) (*document, error) {
	malformed := func(reason string) error { return &MalformedError{Role: role, Reason: reason} }
	if most := MaxSize(role); int64(len(data)) > most {
		return nil, malformed(fmt.Sprintf("%d bytes, more than %d", len(data), most))
	}
	v, err := decode(data)
	if err != nil {
		return nil, malformed(err.Error())
	}
	c := checker{}
	doc := c.document(role, v)
	if c.flaw != "" {
		return nil, malformed(c.flaw)
	}
	return doc, nil
}

func (c *checker) document(role string, v any) *document {
	top := c.members("metadata", v, "signed", "signatures")
	signers := c.signatures("signatures", top["signatures"])
	kind := role
	if !slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], role) {
		kind = Targets // a delegated role
	}
	own := map[string][]string{
		Root:      {"consistent_snapshot", "keys", "roles"},
		Timestamp: {"meta"},
		Snapshot:  {"meta"},
		Targets:   {"targets", "delegations"},
	}[kind]
	signed := c.members("signed", top["signed"], append(own, "_type", "spec_version", "version", "expires")...)
	if got := c.text("signed._type", signed["_type"]); got != kind {
		c.fail("signed._type", "is %s, want %q", quote(got), kind)
	}
	// Spec 4.3: a client must refuse a major version it does not know.
	if got := c.text("signed.spec_version", signed["spec_version"]); got != "1" && !strings.HasPrefix(got, "1.") {
		c.fail("signed.spec_version", "is %s, want 1.x", quote(got))
	}
	doc := &document{signed: signed, signers: signers}
	doc.version = c.integer("signed.version", signed["version"], 1, MaxVersion)
	if err := doc.expires.UnmarshalText([]byte(c.text("signed.expires", signed["expires"]))); err != nil {
		c.fail("signed.expires", "is not an RFC 3339 time")
	}
	switch kind {
	case Root:
		c.root(signed)
	case Timestamp:
		c.meta(signed["meta"], "snapshot.json")
	case Snapshot:
		c.meta(signed["meta"], "targets.json")
	case Targets:
		c.targets(signed)
	}
	// Unknown members are not walked above, so nulls are looked for everywhere.
	// "custom" belongs to the repository, and is kept as it came by go-tuf.
	if kind == Targets {
		signed = withoutCustom(signed)
	}
	c.noNull("signatures", top["signatures"])
	c.noNull("signed", signed)
	for name, v := range top {
		if name != "signed" && name != "signatures" {
			c.noNull(quote(name), v)
		}
	}
	return doc
}

func (c *checker) signatures(path string, v any) map[string]bool {
	list := c.list(path, v)
	if len(list) > maxSignatures {
		c.fail(path, "has %d entries, more than %d", len(list), maxSignatures)
		return nil
	}
	seen := map[string]bool{}
	for _, v := range list {
		sig := c.members(path, v, "keyid", "sig")
		id := c.text(path+".keyid", sig["keyid"])
		if seen[id] {
			c.fail(path, "has two signatures of key %s", quote(id))
		}
		seen[id] = true
		c.hex(path+".sig", sig["sig"]) // empty ones occur: roots 12 to 14 of Sigstore
	}
	return seen
}

func (c *checker) root(signed object) {
	if v, ok := signed["consistent_snapshot"]; ok {
		c.boolean("signed.consistent_snapshot", v)
	}
	c.keys("signed.keys", signed["keys"])
	roles := c.object("signed.roles", signed["roles"])
	for _, name := range metadata.TOP_LEVEL_ROLE_NAMES {
		if roles[name] == nil {
			c.fail("signed.roles", "does not name %q", name)
		}
	}
	for name, v := range roles {
		path := "signed.roles." + quote(name)
		c.quorum(path, c.members(path, v, "keyids", "threshold"))
	}
}

func (c *checker) keys(path string, v any) {
	for id, v := range c.object(path, v) {
		path := path + "." + quote(id)
		key := c.members(path, v, "keytype", "scheme", "keyval")
		keytype := c.text(path+".keytype", key["keytype"])
		c.text(path+".scheme", key["scheme"])
		val := c.members(path+".keyval", key["keyval"], "public")
		public := c.text(path+".keyval.public", val["public"])
		// go-tuf takes hex of any length for an Ed25519 key, and crypto/ed25519 panics.
		if raw, err := hex.DecodeString(public); err == nil && keytype == metadata.KeyTypeEd25519 && len(raw) != 32 {
			c.fail(path, "is an Ed25519 key of %d bytes", len(raw))
		}
		if keytype == metadata.KeyTypeRSASSA_PSS_SHA256 {
			c.rsa(path, public)
		}
	}
}

// rsa bounds what verifying costs: with the exponent and the cube of the modulus.
func (c *checker) rsa(path, public string) {
	block, _ := pem.Decode([]byte(public))
	if block == nil {
		return // no verifier reads it
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return
		}
	}
	if key, ok := key.(*rsa.PublicKey); ok && (key.N.BitLen() > maxRSABits || key.E > maxRSAExponent) {
		c.fail(path, "is an RSA key of %d bits with exponent %d, more than %d and %d", key.N.BitLen(), key.E, maxRSABits, maxRSAExponent)
	}
}

func (c *checker) quorum(path string, o object) {
	ids := c.list(path+".keyids", o["keyids"])
	if len(ids) > maxKeyIDs {
		c.fail(path+".keyids", "has %d entries, more than %d", len(ids), maxKeyIDs)
	}
	for _, id := range ids {
		c.text(path+".keyids", id)
	}
	c.integer(path+".threshold", o["threshold"], 1, MaxVersion)
}

func (c *checker) meta(v any, required string) {
	files := c.object("signed.meta", v)
	if files[required] == nil {
		c.fail("signed.meta", "does not name %q", required)
	}
	for name, v := range files {
		path := "signed.meta." + quote(name)
		file := c.members(path, v, "version", "length", "hashes")
		c.integer(path+".version", file["version"], 1, MaxVersion)
		if v, ok := file["length"]; ok {
			c.integer(path+".length", v, 0, maxInteger)
		}
		if v, ok := file["hashes"]; ok {
			c.hashes(path+".hashes", v)
		}
	}
}

func (c *checker) targets(signed object) {
	for name, v := range c.object("signed.targets", signed["targets"]) {
		path := "signed.targets." + quote(name)
		file := c.members(path, v, "length", "hashes", "custom")
		c.integer(path+".length", file["length"], 0, maxInteger)
		if len(c.hashes(path+".hashes", file["hashes"])) == 0 {
			c.fail(path+".hashes", "is empty")
		}
	}
	v, ok := signed["delegations"]
	if !ok {
		return
	}
	d := c.members("signed.delegations", v, "keys", "roles", "succinct_roles")
	c.keys("signed.delegations.keys", d["keys"])
	if _, ok := d["succinct_roles"]; ok {
		c.fail("signed.delegations", "succinct roles (TAP 15) are not supported")
		return
	}
	seen := map[string]bool{}
	for _, v := range c.list("signed.delegations.roles", d["roles"]) {
		path := "signed.delegations.roles"
		role := c.members(path, v, "name", "keyids", "threshold", "terminating", "paths", "path_hash_prefixes")
		name := c.text(path+".name", role["name"])
		switch {
		case name == "", len(name) > maxRoleName, slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], name):
			c.fail(path, "name %s is empty, longer than %d bytes, or that of a top-level role", quote(name), maxRoleName)
		case seen[name]:
			c.fail(path, "names %s twice", quote(name))
		}
		seen[name] = true
		path += "." + quote(name)
		c.quorum(path, role)
		c.boolean(path+".terminating", role["terminating"])
		// go-tuf compares prefixes of base64 where the specification says hex.
		if _, ok := role["path_hash_prefixes"]; ok {
			c.fail(path, "delegation by path_hash_prefixes is not supported")
			continue
		}
		for _, p := range c.list(path+".paths", role["paths"]) {
			c.text(path+".paths", p)
		}
	}
}

func (c *checker) hashes(path string, v any) object {
	o := c.object(path, v)
	for algorithm, v := range o {
		c.hex(path+"."+quote(algorithm), v)
	}
	return o
}
