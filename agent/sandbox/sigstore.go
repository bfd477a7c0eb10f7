// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

const (
	fulcioURL = "https://fulcio.sandbox.invalid"
	rekorURL  = "https://rekor.sandbox.invalid"
	rekor2URL = "https://rekor2.sandbox.invalid"
	ctfeURL   = "https://ctfe.sandbox.invalid"
	tsaURL    = "https://tsa.sandbox.invalid/api/v1/timestamp"
	oidcURL   = "https://oauth2.sandbox.invalid/auth"
)

// An instance is the keys of one Sigstore instance.
type instance struct {
	from                                  time.Time
	rekor, ctfe                           *ecdsa.PrivateKey
	rekor2                                ed25519.PublicKey // nil where there is none; nothing is logged there
	fulcioRoot, fulcioIntermediate        *x509.Certificate
	tsaRoot, tsaLeaf                      *x509.Certificate
	rekorPEM, ctfePEM, rootPEM, middlePEM []byte
}

// sigstoreTargets makes the target files that Sigstore's own repository has,
// with the custom metadata by which sigstore's client before cosign 2.5.1 finds
// the single key files.
func sigstoreTargets(now time.Time, ed25519Log bool) (map[string]artifact, error) {
	i, err := newInstance(now.UTC().Truncate(time.Second).Add(-day))
	if err != nil {
		return nil, err
	}
	if ed25519Log {
		if i.rekor2, _, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, fmt.Errorf("making a log's key: %w", err)
		}
	}
	trusted, err := i.trustedRoot()
	if err != nil {
		return nil, fmt.Errorf("making trusted_root.json: %w", err)
	}
	signing, err := i.signingConfig()
	if err != nil {
		return nil, fmt.Errorf("making signing_config.v0.2.json: %w", err)
	}
	return map[string]artifact{
		"trusted_root.json":              {data: trusted},
		"signing_config.v0.2.json":       {data: signing},
		"rekor.pub":                      {i.rekorPEM, custom("Rekor", rekorURL)},
		"ctfe.pub":                       {i.ctfePEM, custom("CTFE", ctfeURL)},
		"fulcio_v1.crt.pem":              {i.rootPEM, custom("Fulcio", fulcioURL)},
		"fulcio_intermediate_v1.crt.pem": {i.middlePEM, custom("Fulcio", fulcioURL)},
	}, nil
}

func custom(usage, uri string) json.RawMessage {
	return fmt.Appendf(nil, `{"sigstore":{"status":"Active","uri":%q,"usage":%q}}`, uri, usage)
}

func newInstance(from time.Time) (*instance, error) {
	i := &instance{from: from}
	for _, log := range []struct {
		key *(*ecdsa.PrivateKey)
		pem *[]byte
	}{{&i.rekor, &i.rekorPEM}, {&i.ctfe, &i.ctfePEM}} {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making a log's key: %w", err)
		}
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return nil, fmt.Errorf("writing a log's key: %w", err)
		}
		*log.key, *log.pem = k, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	ca, err := newCertificate(from, "sandbox-fulcio", nil, x509.ExtKeyUsageCodeSigning, true)
	if err != nil {
		return nil, err
	}
	middle, err := newCertificate(from, "sandbox-fulcio-intermediate", ca, x509.ExtKeyUsageCodeSigning, true)
	if err != nil {
		return nil, err
	}
	tsaCA, err := newCertificate(from, "sandbox-tsa", nil, x509.ExtKeyUsageTimeStamping, true)
	if err != nil {
		return nil, err
	}
	tsa, err := newCertificate(from, "sandbox-tsa-leaf", tsaCA, x509.ExtKeyUsageTimeStamping, false)
	if err != nil {
		return nil, err
	}
	i.fulcioRoot, i.fulcioIntermediate, i.tsaRoot, i.tsaLeaf = ca.cert, middle.cert, tsaCA.cert, tsa.cert
	i.rootPEM, i.middlePEM = ca.pem(), middle.pem()
	return i, nil
}

// An issuer is a certificate with its key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i *issuer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

// newCertificate makes a certificate signed by parent, or by itself.
func newCertificate(from time.Time, name string, parent *issuer, use x509.ExtKeyUsage, ca bool) (*issuer, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making the serial number of %s: %w", name, err)
	}
	c := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"sandbox.invalid"}, CommonName: name},
		NotBefore:    from, NotAfter: from.Add(3650 * day),
		BasicConstraintsValid: true, IsCA: ca,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	signer := &issuer{cert: c, key: k}
	if parent != nil {
		signer = parent
		c.ExtKeyUsage = []x509.ExtKeyUsage{use}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, signer.cert, k.Public(), signer.key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of %s: %w", name, err)
	}
	return &issuer{cert: cert, key: k}, nil
}

func (i *instance) trustedRoot() ([]byte, error) {
	logs := i.log(i.rekor.Public(), rekorURL)
	if i.rekor2 != nil {
		maps.Copy(logs, i.log(i.rekor2, rekor2URL))
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: i.fulcioRoot, Intermediates: []*x509.Certificate{i.fulcioIntermediate},
			ValidityPeriodStart: i.from, URI: fulcioURL,
		}},
		i.log(i.ctfe.Public(), ctfeURL),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: i.tsaRoot, Leaf: i.tsaLeaf, ValidityPeriodStart: i.from, URI: tsaURL,
		}},
		logs)
	if err != nil {
		return nil, err
	}
	return tr.MarshalJSON()
}

func (i *instance) log(k crypto.PublicKey, url string) map[string]*root.TransparencyLog {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil // cannot be: this key has been written before
	}
	id := sha256.Sum256(der)
	return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
		BaseURL: url, ID: id[:], ValidityPeriodStart: i.from,
		HashFunc: crypto.SHA256, PublicKey: k, SignatureHashFunc: crypto.SHA256,
	}}
}

func (i *instance) signingConfig() ([]byte, error) {
	service := func(url string) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: 1, ValidityPeriodStart: i.from, Operator: "sandbox.invalid"}}
	}
	anyOne := root.ServiceConfiguration{Selector: 2} // ANY
	sc, err := root.NewSigningConfig(root.SigningConfigMediaType02,
		service(fulcioURL), service(oidcURL), service(rekorURL), anyOne, service(tsaURL), anyOne)
	if err != nil {
		return nil, err
	}
	return sc.MarshalJSON()
}
