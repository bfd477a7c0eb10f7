// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// TrustedRoot is the path of the target file that holds Sigstore's CAs and logs.
const TrustedRoot = "trusted_root.json"

// FormOf reads the form of one root WITHOUT verifying it. It also reads roots that
// go-tuf cannot start from, such as the first four of Sigstore.
func FormOf(data []byte) (RootForm, error) {
	var form RootForm
	err := step("reading the form of a root", Root, data, func() error {
		root, err := metadata.Root().FromBytes(data)
		if err != nil {
			return err
		}
		form = formOf(data, &root.Signed)
		return nil
	})
	if err != nil {
		return RootForm{}, err
	}
	return form, nil
}

// SignedDigest identifies what a root says, however it is written: the lower-case
// hex digest of its signed part with members in order and without white space. Old
// releases of sigstore and sigstore-js embed published roots in other bytes than
// the published ones (measured). It is "" for a document that two readers could
// understand differently, and verifies nothing.
func SignedDigest(data []byte) string {
	doc, err := decode(data)
	if err != nil {
		return ""
	}
	whole, _ := doc.(object)
	signed, ok := whole["signed"].(object)
	if !ok {
		return ""
	}
	text, err := json.Marshal(signed) // sorts members
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func formOf(data []byte, root *metadata.RootType) RootForm {
	sum := rootDigest(data)
	form := RootForm{
		Version:            root.Version,
		Expires:            root.Expires,
		SHA256:             hex.EncodeToString(sum[:]),
		SignedSHA256:       SignedDigest(data),
		OnlineKeys:         onlineKeys(root),
		ConsistentSnapshot: root.ConsistentSnapshot,
	}
	roles := map[string][]string{} // key id -> roles
	for _, role := range sortedKeys(root.Roles) {
		for _, id := range root.Roles[role].KeyIDs {
			if !slices.Contains(roles[id], role) {
				roles[id] = append(roles[id], role)
			}
		}
	}
	form.Keys = keyForms(root.Keys, roles)
	return form
}

// keyForms are the forms of the keys whose ids have roles, by id.
func keyForms(keys map[string]*metadata.Key, roles map[string][]string) []KeyForm {
	var forms []KeyForm
	for _, id := range sortedKeys(roles) {
		key := keys[id]
		if key == nil {
			continue // named, but not given: whatever needs it fails to verify
		}
		encoding, curve := encodingOf(key.Value.PublicKey)
		forms = append(forms, KeyForm{
			Roles:    roles[id],
			KeyType:  key.Type,
			Scheme:   key.Scheme,
			Encoding: encoding,
			Curve:    curve,
			Extra:    extraFields(key),
		})
	}
	return forms
}

// delegationKeys are the keys of the roles that targets delegate to.
func delegationKeys(d *metadata.Delegations) []KeyForm {
	if d == nil {
		return nil
	}
	roles := map[string][]string{}
	for _, role := range d.Roles {
		for _, id := range role.KeyIDs {
			if !slices.Contains(roles[id], role.Name) {
				roles[id] = append(roles[id], role.Name)
			}
		}
	}
	if d.SuccinctRoles != nil {
		for _, id := range d.SuccinctRoles.KeyIDs {
			roles[id] = []string{d.SuccinctRoles.NamePrefix}
		}
	}
	return keyForms(d.Keys, roles)
}

// extraFields are the fields of a key beside those of the specification and the
// keyid_hash_algorithms that older ones have.
func extraFields(key *metadata.Key) []string {
	var extra []string
	for _, name := range sortedKeys(key.UnrecognizedFields) {
		if name != "keyid_hash_algorithms" {
			extra = append(extra, name)
		}
	}
	return extra
}

// onlineKeys digests what must stay the same for a client to read both the old and
// the new timestamp and snapshot: per role the threshold, the key ids, since a
// signature is found by its key id, and the keys.
func onlineKeys(root *metadata.RootType) string {
	h := sha256.New()
	for _, name := range []string{Timestamp, Snapshot} {
		role := root.Roles[name]
		fmt.Fprintf(h, "%s %d\n", name, role.Threshold)
		ids := slices.Sorted(slices.Values(role.KeyIDs))
		for _, id := range slices.Compact(ids) {
			public := ""
			if key := root.Keys[id]; key != nil {
				public = strings.TrimSpace(key.Value.PublicKey)
			}
			fmt.Fprintf(h, "%q %q\n", id, public)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// encodingOf tells how a public key is written, and the curve of an ECDSA key.
func encodingOf(public string) (encoding, curve string) {
	if block, _ := pem.Decode([]byte(public)); block != nil {
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PublicKey); ok {
				curve = key.Curve.Params().Name
			}
		}
		return "pem", curve
	}
	raw, err := hex.DecodeString(public)
	if err != nil || len(raw) == 0 {
		return "other", ""
	}
	// Roots 1 to 4 of Sigstore: an uncompressed point, as go-tuf v0.3 wrote it.
	curves := map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521()}
	for name, c := range curves {
		if _, err := c.NewPublicKey(raw); err == nil {
			return "hex", name
		}
	}
	return "hex", ""
}

// TargetsFormOf reads what top-level targets demand WITHOUT verifying them.
// TrustedRoot is the content of that target file, nil where it is not at hand.
func TargetsFormOf(targets, trustedRoot []byte) (TargetsForm, error) {
	var form TargetsForm
	err := step("reading the form of targets", Targets, targets, func() (err error) {
		m, err := metadata.Targets().FromBytes(targets)
		if err != nil {
			return err
		}
		form.Version = m.Signed.Version
		for _, path := range sortedKeys(m.Signed.Targets) {
			form.Paths = append(form.Paths, path)
			hashes := m.Signed.Targets[path].Hashes
			if hashes["sha256"] != nil && hashes["sha512"] == nil {
				form.SHA256Only = append(form.SHA256Only, path)
			}
		}
		form.DelegationKeys = delegationKeys(m.Signed.Delegations)
		form.LogKeyTypes, err = logKeyTypes(trustedRoot)
		return err
	})
	if err != nil {
		return TargetsForm{}, err
	}
	return form, nil
}

// logKeyTypes reads the key types of all logs as they are named. sigstore-go's own
// parser is no use here: it refuses the very types that we want to report.
func logKeyTypes(trustedRoot []byte) ([]string, error) {
	if trustedRoot == nil {
		return nil, nil
	}
	if len(trustedRoot) > MaxTargetFile {
		return nil, fmt.Errorf("reading the trusted root: %d bytes, more than %d", len(trustedRoot), MaxTargetFile)
	}
	type log struct {
		PublicKey struct {
			KeyDetails string `json:"keyDetails"`
		} `json:"publicKey"`
	}
	var root struct {
		Tlogs  []log `json:"tlogs"`
		Ctlogs []log `json:"ctlogs"`
	}
	if err := json.Unmarshal(trustedRoot, &root); err != nil {
		return nil, fmt.Errorf("reading the trusted root: %w", err)
	}
	types := []string{}
	for _, l := range slices.Concat(root.Tlogs, root.Ctlogs) {
		if l.PublicKey.KeyDetails == "" {
			l.PublicKey.KeyDetails = "PUBLIC_KEY_DETAILS_UNSPECIFIED" // protobuf leaves out a zero
		}
		types = append(types, l.PublicKey.KeyDetails)
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// requirementsOf computes what verified files demand. A trusted root that cannot be
// read leaves its part out: the metadata is none the worse for it.
func requirementsOf(f Files, timestamp Role) (Requirements, error) {
	r := Requirements{TimestampExpires: timestamp.Expires}
	for _, data := range slices.Concat([][]byte{f.Initial}, f.Roots) {
		form, err := FormOf(data)
		if err != nil {
			return Requirements{}, err
		}
		r.Roots = append(r.Roots, form)
	}
	form, err := TargetsFormOf(f.Targets, f.Artifacts[TrustedRoot])
	if err != nil {
		form, err = TargetsFormOf(f.Targets, nil)
	}
	r.Targets = &form
	return r, err
}
