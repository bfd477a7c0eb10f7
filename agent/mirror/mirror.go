// SPDX-License-Identifier: Apache-2.0

// Package mirror fetches files from where a repository is served.
//
// A Mirror is a list of base URLs (http, https or file) and one HTTP client of
// its own. What it promises: a fetch ends, within a deadline that covers the
// body, and sooner when nothing moves; it never holds more than the limit it was
// given; only a whole answer with status 200 is a file; a redirect leaves the
// origin never; and no error text holds a secret or an unquoted word of a
// server's. One request is in flight at a time.
//
// What it leaves to others: which file to ask for, which base URL to try next
// (see Unreachable), and whether a single byte of it may be trusted. The private
// network is not refused: many mirrors live there, and a base URL is the
// operator's word.
package mirror

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options say where a mirror is and how it is asked. The zero value of a field
// means its default.
type Options struct {
	// Name names the mirror in errors of New.
	Name string
	// URLs are the base URL and its fallbacks: http, https or file. A missing
	// last slash is added; nothing else is changed.
	URLs []string

	// FileTimeout bounds one request with its body; 60 s by default. Each retry
	// starts it again.
	FileTimeout time.Duration
	// ConnectTimeout bounds dialling, and then the TLS handshake; 10 s by default.
	ConnectTimeout time.Duration
	// Attempts is how often a file is asked for in all; 3 by default, 1 means no
	// retry.
	Attempts int
	// RetryMin and RetryMax bound the wait before a retry, and so also what a
	// server may ask for with Retry-After; 1 s and 30 s by default.
	RetryMin, RetryMax time.Duration

	// ForbiddenEndsChain makes FetchRoot read a 403 as "no such file", as object
	// stores answer that hide what does not exist.
	ForbiddenEndsChain bool
	// AllowHTTP allows plain http to hosts that are not loopback.
	AllowHTTP bool

	// Proxy is "" for none, "environment" for HTTP_PROXY and its kin, or the URL
	// of a proxy (http, https, socks5, socks5h). Loopback hosts are asked directly.
	Proxy string
	// CAFile holds PEM certificates trusted in addition to the host's own.
	CAFile string
	// ClientCertFile and ClientKeyFile hold a PEM certificate and key; they are
	// read again at each handshake, so that a renewed one is used.
	ClientCertFile, ClientKeyFile string
	// HeadersFile holds one "Name: value" a line, sent to every URL of the mirror
	// (and along redirects, which stay on their origin). It is read once, by New.
	HeadersFile string
	// UserAgent is "tufkeeper" by default.
	UserAgent string

	// Transport replaces the mirror's own transport (and with it ConnectTimeout,
	// Proxy, CAFile and the client certificate): for tests.
	Transport http.RoundTripper
}

// A Mirror fetches files. It is safe for concurrent use.
type Mirror struct {
	o       Options
	origins []string
	headers http.Header
	client  *http.Client
	log     hclog.Logger
	turn    chan struct{} // one request in flight
	// certificateAsked says that the server of the request in flight wanted a
	// client certificate, and there is none: TLS 1.3 tells only by hanging up.
	certificateAsked atomic.Bool

	mu    sync.Mutex
	stats Stats
}

// Stats count what a mirror has done since New.
type Stats struct {
	Requests int64 // HTTP requests sent: retries and redirects count, files do not
	Bytes    int64 // bytes of bodies and files read
	// Date is what the server last said the time was, and Seen when it said so by
	// our clock; both are zero until a server has said a time.
	Date, Seen time.Time
	// Forbidden says that the last root asked for was answered with 403.
	Forbidden bool
}

// New checks the options, reads the files they name, and makes no request.
func New(o Options, log hclog.Logger) (*Mirror, error) {
	m, err := build(o, log)
	if err != nil {
		return nil, fmt.Errorf("setting up mirror %q: %w", o.Name, err)
	}
	return m, nil
}

func build(o Options, log hclog.Logger) (*Mirror, error) {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	o = withDefaults(o)
	if o.RetryMax < o.RetryMin {
		return nil, fmt.Errorf("the longest retry wait %s is shorter than the shortest %s", o.RetryMax, o.RetryMin)
	}
	if len(o.URLs) == 0 {
		return nil, fmt.Errorf("no URL given")
	}
	m := &Mirror{o: o, log: log, turn: make(chan struct{}, 1)}
	for _, raw := range o.URLs {
		base, _, err := m.parseBase(raw)
		if err != nil {
			return nil, err
		}
		m.origins = append(m.origins, base)
	}
	headers, err := readHeaders(o.HeadersFile)
	if err != nil {
		return nil, err
	}
	m.headers = headers
	transport := o.Transport
	if transport == nil {
		if transport, err = newTransport(o, func() { m.certificateAsked.Store(true) }); err != nil {
			return nil, err
		}
	}
	m.client = &http.Client{Transport: counter{m, transport}, CheckRedirect: checkRedirect}
	return m, nil
}

func withDefaults(o Options) Options {
	if o.FileTimeout <= 0 {
		o.FileTimeout = time.Minute
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.RetryMin <= 0 {
		o.RetryMin = time.Second
	}
	if o.RetryMax <= 0 {
		o.RetryMax = max(30*time.Second, o.RetryMin)
	}
	if o.UserAgent == "" {
		o.UserAgent = "tufkeeper"
	}
	return o
}

// Origins are the base URLs in the order to try them, each with a last slash.
func (m *Mirror) Origins() []string { return slices.Clone(m.origins) }

// Stats returns the counts so far.
func (m *Mirror) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *Mirror) answered(forbidden bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Forbidden = forbidden
}

func (m *Mirror) countBytes(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Bytes += int64(n)
}

// parseBase checks a base URL and gives it a last slash. Nothing is cleaned or
// decoded: "..", "%2F" and upper case stay as they were written.
func (m *Mirror) parseBase(raw string) (string, *url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", nil, fmt.Errorf("URL is malformed") // the parser's error repeats the URL, and it may hold a secret
	}
	switch {
	case u.User != nil:
		return "", nil, fmt.Errorf("URL of host %q holds a user name or password: put them into a headers file", u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return "", nil, fmt.Errorf("URL %q holds a query or fragment: a base URL ends with its path", redact(u))
	case !strings.HasSuffix(raw, u.EscapedPath()):
		return "", nil, fmt.Errorf("URL %q holds characters that must be escaped", redact(u))
	case u.Scheme == "file":
		if u.Host != "" && !strings.EqualFold(u.Host, "localhost") {
			return "", nil, fmt.Errorf("file URL %q names a host: write file:///path", redact(u))
		}
		if !strings.HasPrefix(u.Path, "/") {
			return "", nil, fmt.Errorf("file URL %q is not absolute: write file:///path", redact(u))
		}
	case u.Scheme != "http" && u.Scheme != "https":
		return "", nil, fmt.Errorf("URL %q is neither http, https nor file", redact(u))
	case u.Hostname() == "":
		return "", nil, fmt.Errorf("URL %q names no host", redact(u))
	case u.Scheme == "http" && !m.o.AllowHTTP && !loopback(u.Hostname()):
		return "", nil, fmt.Errorf("URL %q is plain http: use https, or allow http for this mirror", redact(u))
	}
	if !strings.HasSuffix(raw, "/") {
		raw += "/"
	}
	return raw, u, nil
}

// redact returns u without user name, password, query and fragment.
func redact(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.ForceQuery, c.Fragment, c.RawFragment = nil, "", false, "", ""
	return c.String()
}
