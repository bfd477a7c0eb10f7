// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

const (
	holders   = 5 // key holders of root and targets, as Sigstore has
	threshold = 3
)

// A key is a signing key with the form it takes in metadata. The same signer may
// stand behind keys of several forms: their ids differ, as theirs did when
// Sigstore renamed its keytype in root 9.
type key struct {
	signer signature.Signer
	public crypto.PublicKey
	kind   string // of material
	tuf    *metadata.Key
	id     string
}

// A form is how a key is written.
type form struct {
	keyType, scheme string // an empty scheme is the usual one
	encoding        string // an empty one is the usual one
	extra           map[string]any
}

// newKey makes a key pair and writes it in that form.
func newKey(f form) (*key, error) {
	kind := f.material()
	signer, err := newSigner(kind)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	public, err := signer.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	k := &key{signer: signer, public: public, kind: kind}
	return k.as(f)
}

func newSigner(kind string) (signature.Signer, error) {
	switch kind {
	case metadata.KeySchemeEd25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return signature.LoadSigner(private, crypto.SHA256)
	case metadata.KeySchemeRSASSA_PSS_SHA256:
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		return signature.LoadRSAPSSSigner(private, crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case metadata.KeySchemeECDSA_SHA2_P384:
		private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return signature.LoadSigner(private, crypto.SHA384)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return signature.LoadSigner(private, crypto.SHA256)
}

// strangerKey is the form of a key that signs nothing and that nobody can read.
func strangerKey(keyType string) (*key, error) {
	form := &metadata.Key{Type: keyType, Scheme: keyType}
	form.Value.PublicKey = "c3RyYW5nZXI="
	id, err := form.ID()
	if err != nil {
		return nil, fmt.Errorf("naming a key: %w", err)
	}
	return &key{tuf: form, id: id}, nil
}

// as returns the same key in another form, with the id that follows from it; a
// new key where this one cannot take that form.
func (k *key) as(f form) (*key, error) {
	if k.kind != f.material() {
		return newKey(f)
	}
	t := &metadata.Key{Type: f.keyType, Scheme: f.scheme, UnrecognizedFields: f.extra}
	if f.scheme == "" {
		t.Scheme = usualScheme(f.keyType)
	}
	var err error
	if t.Value.PublicKey, err = k.encoded(f.encoding); err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	id, err := t.ID()
	if err != nil {
		return nil, fmt.Errorf("naming a key: %w", err)
	}
	return &key{signer: k.signer, public: k.public, kind: k.kind, tuf: t, id: id}, nil
}

// withID returns the key under another id.
func (k *key) withID(id string) *key {
	other := *k
	other.id = id
	return &other
}

func (k *key) encoded(encoding string) (string, error) {
	if p, ok := k.public.(ed25519.PublicKey); ok && encoding != EncodingPEM {
		return hex.EncodeToString(p), nil
	}
	if p, ok := k.public.(*ecdsa.PublicKey); ok && encoding == EncodingHex {
		point, err := p.ECDH()
		if err != nil {
			return "", err
		}
		return hex.EncodeToString(point.Bytes()), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func usualScheme(keyType string) string {
	switch keyType {
	case metadata.KeyTypeECDSA_SHA2_P256:
		return metadata.KeySchemeECDSA_SHA2_P256
	case metadata.KeyTypeRSASSA_PSS_SHA256:
		return metadata.KeySchemeRSASSA_PSS_SHA256
	}
	return keyType // "ed25519", "ecdsa-sha2-nistp256" and "ecdsa-sha2-nistp384" are their own schemes
}

// material names the kind of key that stands behind a form: a word that nobody
// knows is written over a P-256 key.
func (f form) material() string {
	switch {
	case f.keyType == metadata.KeyTypeEd25519:
		return metadata.KeySchemeEd25519
	case f.keyType == metadata.KeyTypeRSASSA_PSS_SHA256:
		return metadata.KeySchemeRSASSA_PSS_SHA256
	case f.scheme == metadata.KeySchemeECDSA_SHA2_P384, f.keyType == metadata.KeySchemeECDSA_SHA2_P384:
		return metadata.KeySchemeECDSA_SHA2_P384
	}
	return metadata.KeySchemeECDSA_SHA2_P256
}

// keys are the keys of a repository by what they are for.
type keys struct {
	offline             []*key // root and targets
	snapshot, timestamp []*key
	delegate            *key // DelegatedRole
}

// newKeys makes all keys anew.
func newKeys(s Style) (keys, error) {
	var k keys
	var err error
	for i := range holders {
		one, err := newKey(s.holder(i))
		if err != nil {
			return keys{}, err
		}
		k.offline = append(k.offline, one)
	}
	if err := k.newOnline(s); err != nil {
		return keys{}, err
	}
	k.delegate, err = newKey(s.delegate())
	return k, err
}

func (k *keys) newOnline(s Style) error {
	one, err := newOnlineKey(s)
	if err != nil {
		return err
	}
	other := one
	if s.Online == TwoOnlineKeys {
		if other, err = newOnlineKey(s); err != nil {
			return err
		}
	}
	k.setOnline(s, one, other)
	return nil
}

func newOnlineKey(s Style) (*key, error) {
	k, err := newKey(s.online())
	if err != nil || !s.StaleID {
		return k, err
	}
	sum := sha256.Sum256([]byte(k.id)) // there is no earlier id to keep: any other
	return k.withID(hex.EncodeToString(sum[:])), nil
}

// setOnline gives snapshot and timestamp their keys.
func (k *keys) setOnline(s Style, snapshot, timestamp *key) {
	switch s.Online {
	case NoOnlineKey:
		k.snapshot, k.timestamp = k.offline, k.offline
	case TwoOnlineKeys:
		k.snapshot, k.timestamp = []*key{snapshot}, []*key{timestamp}
	default:
		k.snapshot, k.timestamp = []*key{timestamp}, []*key{timestamp}
	}
}

// as returns the keys as another style writes them.
func (k keys) as(from, to Style) (keys, error) {
	var next keys
	for i, one := range k.offline {
		one, err := one.as(to.holder(i))
		if err != nil {
			return keys{}, err
		}
		next.offline = append(next.offline, one)
	}
	var err error
	if next.delegate, err = k.delegate.as(to.delegate()); err != nil {
		return keys{}, err
	}
	if from.Online != to.Online {
		return next, next.newOnline(to)
	}
	snapshot, err := k.snapshot[0].as(to.online())
	if err != nil {
		return keys{}, err
	}
	timestamp := snapshot
	if to.Online == TwoOnlineKeys {
		if timestamp, err = k.timestamp[0].as(to.online()); err != nil {
			return keys{}, err
		}
	}
	if to.StaleID {
		snapshot, timestamp = snapshot.withID(k.snapshot[0].id), timestamp.withID(k.timestamp[0].id)
	}
	next.setOnline(to, snapshot, timestamp)
	return next, nil
}

// sign adds the signatures of keys over m's canonical form, one a key id.
// metadata.Sign is not used: it names every ECDSA key "ecdsa".
func sign[T metadata.Roles](m *metadata.Metadata[T], keys ...*key) error {
	payload, err := cjson.EncodeCanonical(m.Signed)
	if err != nil {
		return fmt.Errorf("writing canonical JSON: %w", err)
	}
	signed := map[string]bool{}
	for _, k := range keys {
		if signed[k.id] {
			continue
		}
		signed[k.id] = true
		sig, err := k.signer.SignMessage(bytes.NewReader(payload))
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		m.Signatures = append(m.Signatures, metadata.Signature{KeyID: k.id, Signature: sig})
	}
	return nil
}
