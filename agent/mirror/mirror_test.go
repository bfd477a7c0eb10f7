// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
)

// newMirror makes a mirror that asks once, unless o says otherwise.
func newMirror(t *testing.T, o mirror.Options) *mirror.Mirror {
	t.Helper()
	if o.Attempts == 0 {
		o.Attempts = 1
	}
	m, err := mirror.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// serve starts a server and returns a mirror of it.
func serve(t *testing.T, h http.HandlerFunc) *mirror.Mirror {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return newMirror(t, mirror.Options{URLs: []string{server.URL}})
}

// fetch gets a file of the first origin, of at most 1000 bytes.
func fetch(t *testing.T, m *mirror.Mirror, name string) (string, error) {
	t.Helper()
	data, err := m.Fetch(t.Context(), m.Origins()[0], name, 1000)
	if err != nil && data != nil {
		t.Errorf("%s: an error came with %d bytes", name, len(data))
	}
	return string(data), err
}

// wantError checks that err says every one of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one that says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("got error %q, want it to say %q", err, word)
		}
	}
}

func TestBaseURLs(t *testing.T) {
	for _, c := range []struct {
		name, url string
		allowHTTP bool
		want      string // the origin, or what the error says
		ok        bool
	}{
		{name: "a last slash is added", url: "https://tuf.example", want: "https://tuf.example/", ok: true},
		{name: "a last slash is kept", url: "https://tuf.example/a/", want: "https://tuf.example/a/", ok: true},
		{name: "nothing is cleaned or decoded", url: "https://TUF.example/a%2Fb/../%5Bc", want: "https://TUF.example/a%2Fb/../%5Bc/", ok: true},
		{name: "plain http to loopback", url: "http://127.0.0.1:8080/", want: "http://127.0.0.1:8080/", ok: true},
		{name: "plain http to loopback by IPv6", url: "http://[::1]/", want: "http://[::1]/", ok: true},
		{name: "plain http to localhost", url: "http://LocalHost/", want: "http://LocalHost/", ok: true},
		{name: "plain http elsewhere", url: "http://tuf.example/", want: "plain http"},
		{name: "plain http to a name that begins as loopback does", url: "http://127.0.0.1.tuf.example/", want: "plain http"},
		{name: "plain http to a name that ends as loopback does", url: "http://evil.localhost/", want: "plain http"},
		{name: "plain http elsewhere where allowed", url: "http://tuf.example/", allowHTTP: true, want: "http://tuf.example/", ok: true},
		{name: "a directory", url: "file:///srv/tuf", want: "file:///srv/tuf/", ok: true},
		{name: "a relative directory", url: "file:srv/tuf", want: "not absolute"},
		{name: "a directory of another host", url: "file://server/srv/tuf", want: "names a host"},
		{name: "a user name", url: "https://ada:hunter2@tuf.example/", want: "user name or password"},
		{name: "a query", url: "https://tuf.example/?sig=hunter2", want: "query"},
		{name: "a fragment", url: "https://tuf.example/#hunter2", want: "fragment"},
		{name: "an empty fragment", url: "https://tuf.example/#", want: "fragment"},
		{name: "a path that would be rewritten", url: "https://tuf.example/a%2Fb c/", want: "must be escaped"},
		{name: "another scheme", url: "ftp://tuf.example/", want: "neither http"},
		{name: "a unix socket", url: "unix:///run/x.sock", want: "neither http"},
		{name: "no host", url: "https:///x", want: "names no host"},
		{name: "not a URL", url: "https://tuf.example/hunter2\x7f", want: "malformed"},
		{name: "nothing", url: "", want: "neither http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := mirror.New(mirror.Options{Name: "x", URLs: []string{c.url}, AllowHTTP: c.allowHTTP}, nil)
			if !c.ok {
				wantError(t, err, c.want)
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error %q tells a secret", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Origins(); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got origins %q, want %q", got, c.want)
			}
		})
	}
}

func TestPathsAreJoinedPlainly(t *testing.T) {
	var got string
	m := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	base := m.Origins()[0] + "a%2Fb/../%5Bc%5D%20"
	for name, want := range map[string]string{
		"1.%2Fx%3F.json":        "/a%2Fb/../%5Bc%5D%20/1.%2Fx%3F.json",
		"1...%2Frole.json":      "/a%2Fb/../%5Bc%5D%20/1...%2Frole.json",
		"targets/x/0123.a b.[é": "/a%2Fb/../%5Bc%5D%20/targets/x/0123.a%20b.[%C3%A9",
		"1.%2f|~!$&'()*+,;=:@x": "/a%2Fb/../%5Bc%5D%20/1.%2f%7C~!$&'()*+,;=:@x",
	} {
		if _, err := m.Fetch(t.Context(), base, name, 10); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got request %q, want %q", name, got, want)
		}
	}
}

func TestNamesThatLeaveTheMirrorAreRefused(t *testing.T) {
	m := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.RequestURI) })
	for _, name := range []string{"", ".", "/etc/passwd", "../x", "a/../../x", "x?y", "x#y", `a\b`, "%zz"} {
		if _, err := fetch(t, m, name); err == nil {
			t.Errorf("name %q: got no error", name)
		}
	}
	if _, err := m.Fetch(t.Context(), "http://elsewhere.example/", "x", 10); err == nil {
		t.Error("an origin that New refuses was asked")
	}
}

func TestRequestsSayWhoTheyAreAndWantPlainBytes(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	m := newMirror(t, mirror.Options{URLs: []string{server.URL}, UserAgent: "tufkeeper/1.2.3"})
	if _, err := fetch(t, m, "timestamp.json"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"User-Agent": "tufkeeper/1.2.3", "Accept-Encoding": "identity"} {
		if got.Get(name) != want {
			t.Errorf("got %s %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestHeadersFile(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	for _, c := range []struct {
		name, text, want string
		mode             os.FileMode
	}{
		{name: "names and values, comments and empty lines", text: "# token\n\nAuthorization: Bearer hunter2\r\nX-A: 1\nX-A: 2\n", mode: 0o600},
		{name: "a line without a colon", text: "X-A: 1\nhunter2\n", mode: 0o600, want: "line 2"},
		{name: "a name with a space", text: "hunter2 x: 1\n", mode: 0o600, want: "line 1"},
		{name: "no value", text: "X-A:\n", mode: 0o600, want: "line 1"},
		{name: "a control character", text: "X-A: hunter2\x1b\n", mode: 0o600, want: "line 1"},
		{name: "a header of ours", text: "accept-encoding: gzip\n", mode: 0o600, want: "sets itself"},
		{name: "others may write it", text: "X-A: hunter2\n", mode: 0o602, want: "chmod"},
		{name: "its group may write it", text: "X-A: hunter2\n", mode: 0o620, want: "chmod"},
		{name: "too long", text: strings.Repeat("X-A: hunter2\n", 10000), mode: 0o600, want: "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "headers")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, c.mode); err != nil {
				t.Fatal(err)
			}
			m, err := mirror.New(mirror.Options{URLs: []string{server.URL}, HeadersFile: file}, nil)
			if c.want != "" {
				wantError(t, err, c.want)
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error %q tells a secret", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fetch(t, m, "x"); err != nil {
				t.Fatal(err)
			}
			if got.Get("Authorization") != "Bearer hunter2" || !slices.Equal(got.Values("X-A"), []string{"1", "2"}) {
				t.Errorf("got headers %v", got)
			}
		})
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := mirror.New(mirror.Options{URLs: []string{server.URL}, HeadersFile: fifo}, nil)
	wantError(t, err, "not a regular file")
}

func TestOptionsThatCannotBe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ok := []string{"https://tuf.example"}
	for name, o := range map[string]mirror.Options{
		"no URL":                          {},
		"a fallback that is refused":      {URLs: []string{"https://tuf.example", "http://tuf.example"}},
		"waits the wrong way round":       {URLs: ok, RetryMin: time.Minute, RetryMax: time.Second},
		"a CA file that is not there":     {URLs: ok, CAFile: empty + ".not"},
		"a CA file without a certificate": {URLs: ok, CAFile: empty},
		"a client certificate alone":      {URLs: ok, ClientCertFile: empty},
		"a proxy without a scheme":        {URLs: ok, Proxy: "proxy.example:3128"},
		"a proxy of another scheme":       {URLs: ok, Proxy: "ftp://proxy.example"},
		"a proxy that is not a URL":       {URLs: ok, Proxy: "http://ada:hunter2@proxy.example:x"},
	} {
		if _, err := mirror.New(o, nil); err == nil {
			t.Errorf("%s: got no error", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error %q tells a secret", name, err)
		}
	}
}

func TestStatsCountRequestsAndSeeTheServersClock(t *testing.T) {
	date := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	m := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		if r.URL.Path == "/a" {
			http.Redirect(w, r, "/b", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("12345"))
	})
	if s := m.Stats(); s != (mirror.Stats{}) {
		t.Errorf("got %+v before the first request", s)
	}
	if _, err := fetch(t, m, "a"); err != nil {
		t.Fatal(err)
	}
	s := m.Stats()
	if s.Requests != 2 || s.Bytes != 5 || !s.Date.Equal(date) || time.Since(s.Seen) > time.Minute {
		t.Errorf("got %+v, want 2 requests, 5 bytes, date %s", s, date)
	}
}

func TestOneRequestIsInFlight(t *testing.T) {
	here, more := make(chan struct{}, 2), make(chan struct{})
	m := serve(t, func(http.ResponseWriter, *http.Request) { here <- struct{}{}; <-more })
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := fetch(t, m, "a"); done <- err }()
	<-here
	go func() { _, err := m.Fetch(ctx, m.Origins()[0], "b", 10); done <- err }()
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := <-done; !strings.Contains(err.Error(), "waiting for another request") {
		t.Errorf("got %v", err)
	}
	close(more)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(here); n != 0 {
		t.Errorf("a second request was sent beside the first")
	}
}
