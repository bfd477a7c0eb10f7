// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
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
	tuf    *metadata.Key
	id     string
}

// newKey makes a key pair for a keytype; an empty scheme is the usual one.
func newKey(keyType, scheme string) (*key, error) {
	var private crypto.PrivateKey
	var err error
	hash := crypto.SHA256
	switch material(keyType, scheme) {
	case metadata.KeySchemeEd25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case metadata.KeySchemeECDSA_SHA2_P384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		hash = crypto.SHA384
	default:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	signer, err := signature.LoadSigner(private, hash)
	if err != nil {
		return nil, fmt.Errorf("making a signer: %w", err)
	}
	public, err := signer.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("making a signer: %w", err)
	}
	k := &key{signer: signer, public: public}
	return k.as(keyType, scheme)
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

// as returns the same key in another form, with the id that follows from it.
func (k *key) as(keyType, scheme string) (*key, error) {
	form := &metadata.Key{Type: keyType, Scheme: scheme}
	if scheme == "" {
		form.Scheme = usualScheme(keyType)
	}
	if p, ok := k.public.(ed25519.PublicKey); ok {
		form.Value.PublicKey = hex.EncodeToString(p)
	} else {
		der, err := x509.MarshalPKIXPublicKey(k.public)
		if err != nil {
			return nil, fmt.Errorf("writing a key: %w", err)
		}
		form.Value.PublicKey = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	id, err := form.ID()
	if err != nil {
		return nil, fmt.Errorf("naming a key: %w", err)
	}
	return &key{signer: k.signer, public: k.public, tuf: form, id: id}, nil
}

func usualScheme(keyType string) string {
	switch keyType {
	case metadata.KeyTypeEd25519:
		return metadata.KeySchemeEd25519
	case metadata.KeyTypeECDSA_SHA2_P256, metadata.KeyTypeECDSA_SHA2_P256_COMPAT:
		return metadata.KeySchemeECDSA_SHA2_P256
	}
	return keyType
}

// material names the kind of key that stands behind a keytype and scheme: a
// word that nobody knows is written over a P-256 key.
func material(keyType, scheme string) string {
	switch {
	case keyType == metadata.KeyTypeEd25519:
		return metadata.KeySchemeEd25519
	case scheme == metadata.KeySchemeECDSA_SHA2_P384:
		return metadata.KeySchemeECDSA_SHA2_P384
	}
	return metadata.KeySchemeECDSA_SHA2_P256
}

// newKeys makes all keys anew.
func (r *Repo) newKeys(keyType, scheme string) error {
	if err := r.newOffline(keyType, scheme); err != nil {
		return err
	}
	var err error
	if r.online, err = newKey(keyType, scheme); err != nil {
		return err
	}
	r.delegate, err = newKey(keyType, scheme)
	return err
}

func (r *Repo) newOffline(keyType, scheme string) error {
	r.offline = nil
	for range holders {
		k, err := newKey(keyType, scheme)
		if err != nil {
			return err
		}
		r.offline = append(r.offline, k)
	}
	return nil
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
