// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A quorum is who must sign a role: go-tuf's rule of VerifyDelegate, for documents that
// are held against many delegators. Nothing is trusted for it; sets are verified by
// go-tuf alone.
type quorum struct {
	keys      map[string]*metadata.Key
	ids       []string
	threshold int
}

func quorumOf(root *metadata.Metadata[metadata.RootType], role string) quorum {
	r := root.Signed.Roles[role]
	if r == nil {
		return quorum{}
	}
	return quorum{root.Signed.Keys, r.KeyIDs, r.Threshold}
}

func delegatedQuorum(by *metadata.Metadata[metadata.TargetsType], role string) quorum {
	if by == nil || by.Signed.Delegations == nil {
		return quorum{}
	}
	for _, r := range by.Signed.Delegations.Roles {
		if r.Name == role {
			return quorum{by.Signed.Delegations.Keys, r.KeyIDs, r.Threshold}
		}
	}
	return quorum{}
}

// A claim is a document with what claims to be signatures of it. What was signed is
// only worked out when enough of them have the right names, and then once.
type claim struct {
	signatures map[string][]byte // by key id
	payload    func() ([]byte, error)
}

func claimOf(role string, data []byte) (*claim, error) {
	switch role {
	case Root:
		return readClaim[metadata.RootType](role, data)
	case Timestamp:
		return readClaim[metadata.TimestampType](role, data)
	case Snapshot:
		return readClaim[metadata.SnapshotType](role, data)
	}
	return readClaim[metadata.TargetsType](role, data)
}

func readClaim[T metadata.Roles](role string, data []byte) (*claim, error) {
	m, err := new(metadata.Metadata[T]).FromBytes(data)
	if err != nil {
		return nil, &MalformedError{Role: role, Reason: err.Error()}
	}
	c := &claim{signatures: map[string][]byte{}, payload: sync.OnceValues(func() ([]byte, error) { return cjson.EncodeCanonical(m.Signed) })}
	for _, s := range m.Signatures {
		c.signatures[s.KeyID] = s.Signature
	}
	return c, nil
}

// mayBeMet says whether enough signatures have the right names.
func (q quorum) mayBeMet(signed func(id string) bool) bool {
	if q.threshold < 1 {
		return false
	}
	n := 0
	for i, id := range q.ids {
		if signed(id) && !slices.Contains(q.ids[:i], id) {
			n++
		}
	}
	return n >= q.threshold
}

// met says whether enough keys signed: two ids of one key count once, and one key that
// cannot be read spoils all, as in go-tuf.
func (q quorum) met(c *claim) error {
	claimed := func(id string) bool { return len(c.signatures[id]) > 0 }
	if !q.mayBeMet(claimed) {
		return errUnsigned
	}
	signed := map[[sha256.Size]byte]bool{}
	for _, id := range q.ids {
		key := q.keys[id]
		if key == nil {
			return fmt.Errorf("key %s is not given", quote(id))
		}
		public, err := key.ToPublicKey()
		if err != nil {
			return err
		}
		if !claimed(id) {
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return err
		}
		verifier, err := verifierOf(key, public)
		if err != nil {
			return err
		}
		payload, err := c.payload()
		if err != nil {
			return err
		}
		if verifier.VerifySignature(bytes.NewReader(c.signatures[id]), bytes.NewReader(payload)) == nil {
			signed[sha256.Sum256(der)] = true
		}
	}
	if len(signed) < q.threshold {
		return errUnsigned
	}
	return nil
}

var errUnsigned = errors.New("not signed by enough of its keys")

func verifierOf(key *metadata.Key, public crypto.PublicKey) (signature.Verifier, error) {
	hash := crypto.SHA256
	switch {
	case key.Type == metadata.KeyTypeEd25519:
		hash = 0
	case key.Scheme == metadata.KeySchemeECDSA_SHA2_P384:
		hash = crypto.SHA384
	}
	if key.Type == metadata.KeyTypeRSASSA_PSS_SHA256 {
		public, ok := public.(*rsa.PublicKey)
		if !ok {
			return nil, errors.New("not an RSA key")
		}
		return signature.LoadRSAPSSVerifier(public, hash, &rsa.PSSOptions{Hash: crypto.SHA256})
	}
	return signature.LoadVerifier(public, hash)
}
