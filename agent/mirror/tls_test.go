// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
)

// A pair is a certificate and its key, as PEM files and as used by a server.
type pair struct {
	tls               tls.Certificate
	certFile, keyFile string
}

// certify makes a certificate for 127.0.0.1 that signs itself, changed by edit.
func certify(t *testing.T, edit func(*x509.Certificate)) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := pair{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if p.tls, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{p.certFile: certPEM, p.keyFile: keyPEM} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// serveTLS starts a server with p's certificate, and returns its URL.
func serveTLS(t *testing.T, p pair, config func(*tls.Config), h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{p.tls}}
	if config != nil {
		config(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestTLS(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*x509.Certificate)
		config  func(*tls.Config)
		unknown bool // the CA
		want    string
		retried bool
	}{
		{name: "a certificate of the CA file"},
		{name: "an unknown CA", unknown: true, want: "unknown authority"},
		{name: "an expired certificate", edit: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, want: "expired"},
		{name: "a certificate that is not valid yet", edit: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, want: "not yet valid: current time"},
		{name: "a certificate for another name", edit: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"x\x1b.example"} }, want: "127.0.0.1"},
		{name: "TLS 1.1", config: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, want: "protocol version", retried: true},
		{name: "a client certificate that we do not have", config: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, want: "asked for a client certificate, and none is configured", retried: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := certify(t, c.edit)
			base := serveTLS(t, p, c.config, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
			ca := p.certFile
			if c.unknown {
				ca = certify(t, nil).certFile
			}
			m := newMirror(t, mirror.Options{URLs: []string{base}, CAFile: ca, Attempts: 2, RetryMin: time.Millisecond, RetryMax: time.Millisecond})
			got, err := fetch(t, m, "x")
			if c.want == "" {
				if err != nil || got != "here" {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			wantError(t, err, c.want)
			if !mirror.Unreachable(err) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %q, unreachable %v", err, mirror.Unreachable(err))
			}
			if n := m.Stats().Requests; (n == 2) != c.retried {
				t.Errorf("got %d requests", n)
			}
		})
	}
}

func TestTheCAFileIsTrustedBesideTheHostsOwn(t *testing.T) {
	hosts, mine := certify(t, nil), certify(t, nil)
	t.Setenv("SSL_CERT_FILE", hosts.certFile) // what the host trusts; read once, by the first use of it in a process
	base := serveTLS(t, mine, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	m := newMirror(t, mirror.Options{URLs: []string{base}, CAFile: mine.certFile})
	if _, err := fetch(t, m, "x"); err != nil {
		t.Error(err)
	}
	if _, err := fetch(t, newMirror(t, mirror.Options{URLs: []string{base}}), "x"); err == nil {
		t.Error("a certificate that neither knows was trusted")
	}
}

func TestAClientCertificateIsSentAndReadAgain(t *testing.T) {
	server, client, renewed := certify(t, nil), certify(t, nil), certify(t, nil)
	var got []byte
	base := serveTLS(t, server, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, func(w http.ResponseWriter, r *http.Request) {
		got = r.TLS.PeerCertificates[0].Raw
		w.Header().Set("Connection", "close")
	})
	m := newMirror(t, mirror.Options{URLs: []string{base}, CAFile: server.certFile, ClientCertFile: client.certFile, ClientKeyFile: client.keyFile})
	for _, want := range []pair{client, renewed} {
		for from, to := range map[string]string{want.certFile: client.certFile, want.keyFile: client.keyFile} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fetch(t, m, "x"); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want.tls.Certificate[0]) {
			t.Error("another client certificate was sent than the file holds")
		}
	}
}

func TestHTTP2IsSpokenAndItsResetsAreErrors(t *testing.T) {
	p := certify(t, nil)
	proto := ""
	base := serveTLS(t, p, nil, func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // RST_STREAM
	})
	m := newMirror(t, mirror.Options{URLs: []string{base}, CAFile: p.certFile, Attempts: 2, RetryMin: time.Millisecond, RetryMax: time.Millisecond})
	_, err := fetch(t, m, "x")
	if proto != "HTTP/2.0" || err == nil || !mirror.Unreachable(err) || m.Stats().Requests != 2 {
		t.Errorf("got %s, %v, %d requests", proto, err, m.Stats().Requests)
	}
}
