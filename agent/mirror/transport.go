// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxHeaderBytes bounds the headers of an answer, informational ones included.
const maxHeaderBytes = 64 << 10

// newTransport makes the mirror's own transport: nothing is shared with
// http.DefaultTransport, and nothing is taken from the environment unasked.
// certificateAsked is called when a server wants a client certificate and there
// is none.
func newTransport(o Options, certificateAsked func()) (http.RoundTripper, error) {
	tlsConfig, err := newTLS(o, certificateAsked)
	if err != nil {
		return nil, err
	}
	proxy, err := newProxy(o.Proxy)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialer(o.ConnectTimeout),
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ResponseHeaderTimeout:  min(o.FileTimeout, progressWindow),
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // a body is taken as it was signed
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2,
		IdleConnTimeout:        30 * time.Second, // the next refresh is hours away
	}, nil
}

func newTLS(o Options, certificateAsked func()) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the host's CA certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the CA file %s: it holds no PEM certificate", o.CAFile)
		}
		c.RootCAs = pool
	}
	if o.ClientCertFile == "" && o.ClientKeyFile == "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificateAsked()
			return &tls.Certificate{}, nil // none; the server decides
		}
		return c, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(o.ClientCertFile, o.ClientKeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return c, nil
}

func newProxy(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case "environment":
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the proxy is not a URL") // it may hold a password: not repeated
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("the proxy's scheme %q is neither http, https, socks5 nor socks5h", u.Scheme)
	}
	return func(r *http.Request) (*url.URL, error) {
		if loopback(r.URL.Hostname()) {
			return nil, nil
		}
		return u, nil
	}, nil
}

// dialer dials with a time-out. A host that is called loopback must be loopback
// once resolved: that name alone is what lets plain http pass.
func dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := &net.Dialer{Timeout: timeout}
		if host, _, err := net.SplitHostPort(addr); err == nil && loopback(host) {
			d.Control = onlyLoopback
		}
		return d.DialContext(ctx, network, addr)
	}
}

func onlyLoopback(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().IsLoopback() {
		return fmt.Errorf("localhost resolved to %s, which is not a loopback address", address)
	}
	return nil
}

// loopback says whether host names this machine itself.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
