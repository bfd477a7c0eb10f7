// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

// A public is our mirror under the name of Sigstore's own, for who goes through our
// proxy and believes our authority: only at that URL do clients start from the root
// that they carry in themselves. Nothing leaves the host.
type public struct {
	proxy string // URL
	ca    []byte // PEM
}

func (w *world) public(t *testing.T) public {
	t.Helper()
	name := "tuf-repo-cdn.sigstore.dev"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tufkeeper's tests"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	mirror := httptest.NewUnstartedServer(w.far(w.repo.Handler()))
	mirror.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	mirror.StartTLS()
	t.Cleanup(mirror.Close)
	proxy := httptest.NewServer(tunnel(name+":443", mirror.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	return public{proxy: proxy.URL, ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// publicURL is where clients look by themselves.
const publicURL = tuf.DefaultMirror

// tunnel is a proxy that leads to one place and nowhere else.
func tunnel(from, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != from {
			http.Error(w, "this proxy leads to "+from, http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() {
			_, _ = io.Copy(there, buffered) // until either side ends
			_ = there.(*net.TCPConn).CloseWrite()
		})
		both.Go(func() {
			_, _ = io.Copy(here, there)
			_ = here.(*net.TCPConn).CloseWrite()
		})
		both.Wait()
	})
}
