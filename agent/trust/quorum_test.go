// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A document that is not of a set is held to go-tuf's own rule, whatever its keys are.
func TestSelfSignedIsGoTUFsRule(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := metadata.Root(now.AddDate(1, 0, 0).Truncate(time.Second))
	pss, err := signature.LoadRSAPSSSigner(rsaKey, crypto.SHA256, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	signers := []signature.Signer{pss}
	for _, k := range []crypto.Signer{p256, edKey} {
		s, err := signature.LoadSigner(k, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
	}
	for _, k := range []crypto.Signer{rsaKey, p256, edKey} {
		key, err := metadata.KeyFromPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
			if err := root.Signed.AddKey(key, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	for threshold := 1; threshold <= 4; threshold++ {
		root.Signed.Roles[trust.Root].Threshold = threshold
		root.Signatures = nil
		for n := range len(signers) + 1 {
			if n > 0 {
				if _, err := root.Sign(signers[n-1]); err != nil {
					t.Fatal(err)
				}
			}
			data, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			altered := []byte(strings.Replace(string(data), `"expires":"2`, `"expires":"3`, 1))
			for _, doc := range [][]byte{data, altered} {
				wantGoTUFs(t, fmt.Sprintf("%d of %d", n, threshold), doc)
			}
		}
	}
	for version := 5; version <= 12; version++ {
		wantGoTUFs(t, fmt.Sprintf("public root %d", version), publicRoot(t, version))
	}
}

func wantGoTUFs(t *testing.T, name string, data []byte) {
	t.Helper()
	doc, err := metadata.Root().FromBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	want, got := doc.VerifyDelegate(trust.Root, doc), trust.SelfSigned(data)
	if (want == nil) != (got == nil) {
		t.Errorf("%s: %v, go-tuf says %v", name, got, want)
	}
}

// What verifying costs is bounded before it is done.
func TestDearDocumentsAreRefused(t *testing.T) {
	f := newForge()
	rsaRoot := func(bits uint, exponent int) []byte {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: exponent})
		if err != nil {
			t.Fatal(err)
		}
		root := clone(t, f.root)
		at(root, "keys")["big"] = doc{"keytype": "rsa", "scheme": "rsassa-pss-sha256",
			"keyval": doc{"public": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}}
		return sign(t, root, f.rootKey)
	}
	values := func(n int) []byte {
		targets := clone(t, f.targets)
		targets["x-list"] = make([]int, n)
		return sign(t, targets, f.rootKey)
	}
	for name, row := range map[string]struct {
		role    string
		data    []byte
		refused string
	}{
		"an RSA key as they are":      {trust.Root, rsaRoot(4096, 65537), ""},
		"an RSA key of 8192 bits":     {trust.Root, rsaRoot(8192, 65537), ""},
		"an RSA key of more bits":     {trust.Root, rsaRoot(8193, 65537), "8193 bits"},
		"an RSA key of high exponent": {trust.Root, rsaRoot(2048, 1<<31-1), "exponent"},
		"many values":                 {trust.Targets, values(150_000), ""},
		"too many values":             {trust.Targets, values(200_000), "200000 values"},
	} {
		switch err := trust.Precheck(row.role, row.data); {
		case err == nil && row.refused != "", err != nil && (row.refused == "" || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: %v, want %q", name, err, row.refused)
		}
	}
}
