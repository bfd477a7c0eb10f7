// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A world is what lies outside the host: a mirror, an image registry, and a
// transparency log, all of them on loopback or in memory.
type world struct {
	repo      *sandbox.Repo
	mirrorURL string // without a slash at its end, as people write it
	registry  string // host:port
	log       *ecdsa.PrivateKey

	distance atomic.Int64 // from the cosigns to the mirror, a time.Duration

	mu     sync.Mutex
	signed func() // called after each new timestamp
}

func newWorld(t *testing.T, o sandbox.Options) *world {
	t.Helper()
	repo, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{repo: repo, log: key}
	if o.Sigstore {
		w.installLog(t)
	}
	mirror := httptest.NewServer(w.far(repo.Handler()))
	t.Cleanup(mirror.Close)
	w.mirrorURL = mirror.URL
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(images.Close)
	w.registry = strings.TrimPrefix(images.URL, "http://")
	return w
}

// keepTimestamping re-signs the timestamp every second, as Sigstore does every day.
func (w *world) keepTimestamping(t *testing.T) {
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-tick.C:
				if err := w.repo.BumpTimestamp(); err != nil {
					t.Error(err)
					return
				}
				w.mu.Lock()
				if w.signed != nil {
					w.signed()
				}
				w.mu.Unlock()
			}
		}
	}()
}

// onTimestamp sets what is called after each new timestamp from now on. When it
// returns, what was set before is not running.
func (w *world) onTimestamp(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signed = f
}

// far answers everyone but tufkeeper with what there was when they asked, after
// the time it takes over the distance.
func (w *world) far(mirror http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d := time.Duration(w.distance.Load())
		if d == 0 || strings.HasPrefix(r.UserAgent(), "tufkeeper") {
			mirror.ServeHTTP(rw, r)
			return
		}
		answer := httptest.NewRecorder()
		mirror.ServeHTTP(answer, r)
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		maps.Copy(rw.Header(), answer.Header())
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes()) // a client that went away
	})
}

// installLog puts our log in the place of the one that the repository made up.
func (w *world) installLog(t *testing.T) {
	t.Helper()
	const path = "trusted_root.json"
	var trusted map[string]any
	if err := json.Unmarshal(w.repo.Files().Artifacts[path], &trusted); err != nil {
		t.Fatal(err)
	}
	der, id := w.logID(t)
	logs := trusted["tlogs"].([]any)
	i := slices.IndexFunc(logs, func(log any) bool { return log.(map[string]any)["baseUrl"] == "https://rekor.sandbox.invalid" })
	logs[i] = map[string]any{
		"baseUrl":       "https://rekor.sandbox.invalid",
		"hashAlgorithm": "SHA2_256",
		"publicKey": map[string]any{
			"rawBytes":   der,
			"keyDetails": "PKIX_ECDSA_P256_SHA_256",
			"validFor":   map[string]any{"start": "2021-01-01T00:00:00Z"},
		},
		"logId": map[string]any{"keyId": id[:]},
	}
	for path, data := range map[string][]byte{
		path:        marshal(t, trusted),
		"rekor.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), // for clients before there was a trusted root
	} {
		if err := w.repo.Publish(path, data); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) logID(t *testing.T) (der []byte, id [sha256.Size]byte) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(w.log.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der, sha256.Sum256(der)
}

// pushImage puts an empty image into the registry and returns its reference.
func (w *world) pushImage(t *testing.T) string {
	t.Helper()
	const config = `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`
	const name = "e2e/image"
	base := "http://" + w.registry + "/v2/" + name
	w.put(t, http.MethodPost, base+"/blobs/uploads/?digest="+digest(config), "application/octet-stream", config)
	manifest := string(marshal(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.oci.image.manifest.v1+json",
		"config":        map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
		"layers":        []any{},
	}))
	w.put(t, http.MethodPut, base+"/manifests/latest", "application/vnd.oci.image.manifest.v1+json", manifest)
	return w.registry + "/" + name + "@" + digest(manifest)
}

// signImage pushes an image, and beside it its signature with what the log said of
// it. It returns the image's reference and the signer's key.
func (w *world) signImage(t *testing.T) (image string, public []byte) {
	t.Helper()
	image = w.pushImage(t)
	base, of, _ := strings.Cut(image, "@")
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},`+
		`"type":"cosign container image signature"},"optional":null}`, of)
	signed := w.logged(t, []byte(payload))
	var said struct {
		Base64Signature string
		RekorBundle     json.RawMessage
	}
	if err := json.Unmarshal(signed.legacy, &said); err != nil {
		t.Fatal(err)
	}
	url := "http://" + strings.Replace(base, "/", "/v2/", 1)
	const config = `{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`
	for _, blob := range []string{payload, config} {
		w.put(t, http.MethodPost, url+"/blobs/uploads/?digest="+digest(blob), "application/octet-stream", blob)
	}
	w.put(t, http.MethodPut, url+"/manifests/"+strings.Replace(of, ":", "-", 1)+".sig", "application/vnd.oci.image.manifest.v1+json",
		string(marshal(t, map[string]any{
			"schemaVersion": 2,
			"mediaType":     "application/vnd.oci.image.manifest.v1+json",
			"config":        map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
			"layers": []any{map[string]any{
				"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest(payload), "size": len(payload),
				"annotations": map[string]any{
					"dev.cosignproject.cosign/signature": said.Base64Signature,
					"dev.sigstore.cosign/bundle":         string(said.RekorBundle),
				},
			}},
		})))
	return image, signed.public
}

func (w *world) put(t *testing.T, method, url, mediaType, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := new(http.Client).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s", method, url, resp.Status)
	}
}

// A signed is what verify-blob needs besides the log's key, which it can only
// have from TUF.
type signed struct {
	public []byte // the signer's key, as PEM
	bundle []byte // a Sigstore bundle with the log's promise
	legacy []byte // the same as cosign wrote it before there were bundles
}

// logged signs blob and writes it into our log.
func (w *world) logged(t *testing.T, blob []byte) signed {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	sum := sha256.Sum256(blob)
	signature := sign(t, signer, blob)
	body := marshal(t, map[string]any{
		"apiVersion": "0.0.1", "kind": "hashedrekord",
		"spec": map[string]any{
			"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
			"signature": map[string]any{"content": signature, "publicKey": map[string]any{"content": public}},
		},
	})
	_, logID := w.logID(t)
	at := time.Now().Unix()
	// The log's promise covers this entry, as canonical JSON: members sorted, no space.
	promise := sign(t, w.log, fmt.Appendf(nil, `{"body":"%s","integratedTime":%d,"logID":"%x","logIndex":1}`,
		base64.StdEncoding.EncodeToString(body), at, logID))
	hint := sha256.Sum256(der)
	bundle := marshal(t, map[string]any{
		"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
		"verificationMaterial": map[string]any{
			"publicKey": map[string]any{"hint": hint[:]},
			"tlogEntries": []any{map[string]any{
				"logIndex":          "1", // not 0, which sigstore-go before 0.6 takes for none
				"logId":             map[string]any{"keyId": logID[:]},
				"kindVersion":       map[string]any{"kind": "hashedrekord", "version": "0.0.1"},
				"integratedTime":    fmt.Sprint(at),
				"inclusionPromise":  map[string]any{"signedEntryTimestamp": promise},
				"canonicalizedBody": body,
			}},
		},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]},
			"signature":     signature,
		},
	})
	legacy := marshal(t, map[string]any{
		"base64Signature": signature,
		"rekorBundle": map[string]any{
			"SignedEntryTimestamp": promise,
			"Payload":              map[string]any{"body": body, "integratedTime": at, "logIndex": 1, "logID": hex.EncodeToString(logID[:])},
		},
	})
	return signed{public, bundle, legacy}
}

// sign returns a signature over the SHA-256 of message.
func sign(t *testing.T, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

// marshal writes canonical enough JSON: members sorted, no space, no HTML escapes.
// Byte slices become base64, as protobuf's JSON has them.
func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}
