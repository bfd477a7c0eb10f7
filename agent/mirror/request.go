// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// A body must bring minProgress bytes in every progressWindow, and the headers
// must arrive within one: a server that feeds a byte now and then to hold us is
// let go long before a generous FileTimeout ends. 4 s gave false alarms
// elsewhere (sigstore-python 431).
const (
	progressWindow = 30 * time.Second
	minProgress    = 1024
)

const maxRedirects = 5

// get makes one request and reads its whole body.
func (m *Mirror) get(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	reqCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	deadline := time.AfterFunc(m.o.FileTimeout, func() {
		cancel(fmt.Errorf("%w: no complete answer within %s", errTimeout, m.o.FileTimeout))
	})
	defer deadline.Stop()
	watch := startWatchdog(cancel)
	defer watch.stop()

	m.certificateAsked.Store(false)
	req, err := http.NewRequestWithContext(reqCtx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, values := range m.headers {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", m.o.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")

	resp, err := m.client.Do(req)
	if err != nil {
		return nil, m.classify(ctx, reqCtx, u, err)
	}
	defer resp.Body.Close()
	watch.progress(minProgress)
	m.noteDate(resp.Header)
	if err := checkHeader(resp, u, limit); err != nil {
		return nil, err
	}
	data, err := readBody(resp, watch, limit, looksLikeJSON(u))
	m.countBytes(len(data))
	if err != nil {
		var page *NotJSONError
		if errors.Is(err, ErrTooLarge) || errors.As(err, &page) {
			return nil, err
		}
		return nil, m.classify(ctx, reqCtx, u, err)
	}
	return data, nil
}

func checkHeader(resp *http.Response, u *url.URL, limit int64) error {
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return ErrMissing
	case resp.StatusCode != http.StatusOK:
		return &StatusError{URL: redact(u), Code: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	}
	for _, e := range resp.Header.Values("Content-Encoding") {
		if e != "" && !strings.EqualFold(strings.TrimSpace(e), "identity") {
			return &EncodingError{URL: redact(u), Encoding: e}
		}
	}
	if resp.ContentLength > limit && !(looksLikeJSON(u) && webPage(resp.Header.Get("Content-Type"))) {
		return fmt.Errorf("%w: %d bytes announced, %d allowed", ErrTooLarge, resp.ContentLength, limit)
	}
	return nil
}

// readBody reads the body, whatever its headers say of its length. What it has
// read it returns along with an error too, to be counted.
func readBody(resp *http.Response, watch *watchdog, limit int64, wantJSON bool) ([]byte, error) {
	var buf bytes.Buffer
	_, err := io.Copy(&buf, io.LimitReader(watched{resp.Body, watch}, limit+1))
	data := buf.Bytes()
	if wantJSON && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n\ufeff"), []byte("<")) {
		return data, &NotJSONError{URL: redact(resp.Request.URL), ContentType: resp.Header.Get("Content-Type")}
	}
	switch {
	case int64(len(data)) > limit:
		return data, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	case errors.Is(err, io.ErrUnexpectedEOF) || err == nil && resp.ContentLength >= 0 && resp.ContentLength != int64(len(data)):
		if resp.ContentLength >= 0 {
			return data, fmt.Errorf("%w after %d of %d bytes", errCutOff, len(data), resp.ContentLength)
		}
		return data, fmt.Errorf("%w after %d bytes", errCutOff, len(data))
	}
	return data, err
}

// classify turns what the HTTP client says into one of our errors.
func (m *Mirror) classify(ctx, reqCtx context.Context, u *url.URL, err error) error {
	var redirect *RedirectError
	if errors.As(err, &redirect) {
		return redirect
	}
	if ctx.Err() != nil { // the caller's own end, not the mirror's fault
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &UnreachableError{URL: redact(u), Err: fmt.Errorf("the refresh ran out of time: %w", ctx.Err())}
		}
		return ctx.Err()
	}
	if cause := context.Cause(reqCtx); errors.Is(cause, errTimeout) {
		return &UnreachableError{URL: redact(u), Err: cause}
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // its text repeats the method and the URL
	}
	if m.certificateAsked.Load() {
		err = fmt.Errorf("%w (the server asked for a client certificate, and none is configured)", err)
	}
	return &UnreachableError{URL: redact(u), Err: err, final: badCertificate(err)}
}

// badCertificate says whether the TLS peer's certificate was refused: no retry
// will change that, and nothing weaker is tried.
func badCertificate(err error) bool {
	var v *tls.CertificateVerificationError
	var a x509.UnknownAuthorityError
	var h x509.HostnameError
	var i x509.CertificateInvalidError
	return errors.As(err, &v) || errors.As(err, &a) || errors.As(err, &h) || errors.As(err, &i)
}

// checkRedirect follows redirects within one origin only: same scheme, host and
// port. A mirror that has moved is the operator's to configure.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	refuse := func(why string) error {
		return &RedirectError{From: redact(from), To: redact(req.URL), Reason: why}
	}
	switch {
	case req.URL.Scheme != from.Scheme:
		return refuse("it changes the scheme")
	case !strings.EqualFold(req.URL.Host, from.Host):
		return refuse("it leaves the host")
	case req.URL.User != nil:
		return refuse("it holds a user name")
	case len(via) > maxRedirects:
		return refuse(fmt.Sprintf("more than %d redirects", maxRedirects))
	}
	return nil
}

func looksLikeJSON(u *url.URL) bool { return path.Ext(u.Path) == ".json" }

func webPage(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(contentType), "text/html")
}

// retryAfter reads Retry-After (RFC 9110 10.2.3): whole seconds or an HTTP date.
// What is not readable, or not ahead, is zero.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		const most = int64(1<<63-1) / int64(time.Second)
		return time.Duration(min(max(s, 0), most)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

func (m *Mirror) noteDate(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return // no date said: nothing to note
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Date, m.stats.Seen = date.UTC(), time.Now()
}

// counter counts requests where they are really sent, redirects included.
type counter struct {
	m    *Mirror
	next http.RoundTripper
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.m.mu.Lock()
	c.m.stats.Requests++
	c.m.mu.Unlock()
	return c.next.RoundTrip(r)
}
