// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
)

// speak listens on loopback and answers every request with these very bytes, and
// then closes the connection.
func speak(t *testing.T, answer string) *mirror.Mirror {
	t.Helper()
	return talk(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
}

// talk listens on loopback and hands every connection, its request read, to say.
func talk(t *testing.T, say func(net.Conn)) *mirror.Mirror {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					say(c)
				}
			}()
		}
	}()
	return newMirror(t, mirror.Options{URLs: []string{"http://" + l.Addr().String()}})
}

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		code                    int
		missing, root           bool // is ErrMissing; for FetchRoot where 403 ends the chain
		unreachable, successful bool
	}{
		{code: 200, successful: true},
		{code: 201}, {code: 204}, {code: 205}, {code: 206}, {code: 300}, {code: 304},
		{code: 301}, // without a Location
		{code: 400}, {code: 401}, {code: 407}, {code: 410}, {code: 416}, {code: 418},
		{code: 403, root: true},
		{code: 404, missing: true, root: true},
		{code: 429, unreachable: true},
		{code: 500, unreachable: true}, {code: 503, unreachable: true}, {code: 599, unreachable: true},
		{code: 999, unreachable: true},
	} {
		t.Run(strconv.Itoa(c.code), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.code) }))
			defer server.Close()
			m := newMirror(t, mirror.Options{URLs: []string{server.URL}, ForbiddenEndsChain: true})
			_, err := fetch(t, m, "2.root.json")
			var status *mirror.StatusError
			if got := errors.As(err, &status); got == (c.missing || c.successful) || got && status.Code != c.code {
				t.Errorf("got %v", err)
			}
			if (err == nil) != c.successful || errors.Is(err, mirror.ErrMissing) != c.missing || mirror.Unreachable(err) != c.unreachable {
				t.Errorf("got %v, unreachable %v", err, mirror.Unreachable(err))
			}
			_, err = m.FetchRoot(t.Context(), m.Origins()[0], "2.root.json", 10)
			if errors.Is(err, mirror.ErrMissing) != c.root {
				t.Errorf("as a root: got %v", err)
			}
			if got := m.Stats().Forbidden; got != (c.code == http.StatusForbidden) {
				t.Errorf("forbidden: %v", got)
			}
		})
	}
	t.Run("403 ends no chain where that is not configured", func(t *testing.T) {
		m := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		_, err := m.FetchRoot(t.Context(), m.Origins()[0], "2.root.json", 10)
		if errors.Is(err, mirror.ErrMissing) {
			t.Error("got ErrMissing")
		}
		wantError(t, err, m.Origins()[0]+"2.root.json", "403 Forbidden")
	})
}

func TestAnswersThatAreNoFile(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name, answer, want string
		is                 error // where the kind of the error matters
		unreachable        bool
	}{
		{name: "a body shorter than announced", answer: ok + "Content-Length: 10\r\n\r\n12345", want: "cut off after 5 of 10 bytes", unreachable: true},
		{name: "a chunked body without its end", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", want: "cut off after 5 bytes", unreachable: true},
		{name: "more announced than allowed", answer: ok + "Content-Length: 1001\r\n\r\n", want: "1001 bytes announced", is: mirror.ErrTooLarge},
		{name: "far more announced than allowed", answer: ok + "Content-Length: 9223372036854775807\r\n\r\n", want: "announced", is: mirror.ErrTooLarge},
		{name: "a length beyond all integers", answer: ok + "Content-Length: 99999999999999999999\r\n\r\n", want: "Content-Length", unreachable: true},
		{name: "a negative length", answer: ok + "Content-Length: -5\r\n\r\n12345", want: "Content-Length", unreachable: true},
		{name: "two different lengths", answer: ok + "Content-Length: 5\r\nContent-Length: 4\r\n\r\n12345", want: "Content-Length", unreachable: true},
		{name: "more than allowed, no length", answer: ok + "\r\n" + strings.Repeat("x", 1001), want: "more than 1000", is: mirror.ErrTooLarge},
		{name: "a megabyte of headers", answer: ok + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 1000) + "\r\n", want: "header", unreachable: true},
		{name: "a flood of 100 Continue", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100_000) + ok + "Content-Length: 0\r\n\r\n", want: "header", unreachable: true},
		{name: "a switch of protocols", answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", want: "101"},
		{name: "nothing", answer: "", want: "EOF", unreachable: true},
		{name: "no HTTP", answer: "SSH-2.0-\x1b[31mOpenSSH\r\n", want: `\x1b[31mOpenSSH`, unreachable: true},
		{name: "a header with an escape sequence", answer: ok + "\x1b[31m\r\n\r\n", want: `\x1b[31m`, unreachable: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fetch(t, speak(t, c.answer), "timestamp.json")
			wantError(t, err, c.want, "getting http://127.0.0.1:")
			if strings.Contains(err.Error(), "\x1b") {
				t.Errorf("the error %q holds an escape sequence", err)
			}
			if c.is != nil && !errors.Is(err, c.is) || mirror.Unreachable(err) != c.unreachable {
				t.Errorf("got %v, unreachable %v", err, mirror.Unreachable(err))
			}
		})
	}
}

func TestWhatIsBeyondTheAnnouncedLengthIsNotRead(t *testing.T) {
	got, err := fetch(t, speak(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}"), "timestamp.json")
	if err != nil || got != "{}" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBodiesWithoutALengthAreTaken(t *testing.T) {
	for name, answer := range map[string]string{
		"HTTP/1.0, as the conformance suite's server": "HTTP/1.0 200 OK\r\n\r\n{}",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		if got, err := fetch(t, speak(t, answer), "timestamp.json"); err != nil || got != "{}" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestABodyAsLongAsTheLimitIsTaken(t *testing.T) {
	m := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) })
	if got, err := fetch(t, m, "x"); err != nil || len(got) != 1000 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestAnEndlessBodyIsBounded(t *testing.T) {
	m := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for junk := bytes.Repeat([]byte("x"), 1<<16); r.Context().Err() == nil; {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := m.Fetch(t.Context(), m.Origins()[0], "x", 100_000)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if s := m.Stats(); s.Bytes > 100_001 {
		t.Errorf("read %d bytes of at most 100000", s.Bytes)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("allocated %d bytes to read at most 100000", grown)
	}
}

func TestEncodingsThatWereNotAskedForAreRefused(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	for _, encoding := range []string{"gzip", "br", "zstd", "identity, gzip", "x\x1b[31m"} {
		m := speak(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", encoding, bomb.Len(), bomb.String()))
		_, err := m.Fetch(t.Context(), m.Origins()[0], "timestamp.json", 20<<20)
		var e *mirror.EncodingError
		if !errors.As(err, &e) && !strings.HasPrefix(encoding, "x") || err == nil {
			t.Errorf("%q: got %v", encoding, err)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("the error %q holds an escape sequence", err)
		}
	}
	m := speak(t, "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 2\r\n\r\n{}")
	if got, err := fetch(t, m, "timestamp.json"); err != nil || got != "{}" {
		t.Errorf("identity: got %q, %v", got, err)
	}
}

func TestAWebPageIsNotMetadata(t *testing.T) {
	page := "\n <!DOCTYPE html><title>Log in to the hotel's network</title>"
	for _, c := range []struct {
		name, file string
		length     int // padded to
		want       bool
	}{
		{"for the next root", "2.root.json", 0, true},
		{"for a timestamp, and longer than one may be", "timestamp.json", 5000, true},
		{"for a target file that is no JSON", "targets/0123.rekor.pub", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				body := page + strings.Repeat(" ", max(c.length-len(page), 0))
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				_, _ = io.WriteString(w, body)
			})
			_, err := fetch(t, m, c.file)
			var e *mirror.NotJSONError
			if errors.As(err, &e) != c.want {
				t.Fatalf("got %v", err)
			}
			if c.want {
				wantError(t, err, "web page", "captive portal", `"text/html"`)
			}
			if mirror.Unreachable(err) || errors.Is(err, mirror.ErrMissing) {
				t.Errorf("%v counts as unreachable or missing", err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the other host was asked for %s", r.URL) }))
	defer other.Close()
	for _, c := range []struct{ name, to, want string }{
		{"another port", other.URL + "/x", "leaves the host"},
		{"another host", "https://elsewhere.example/x", "changes the scheme"},
		{"another name of the same host", "http://localhost:1/x", "leaves the host"},
		{"a scheme-less other host", "//elsewhere.example/x", "leaves the host"},
		{"the metadata service of a cloud", "http://169.254.169.254/latest", "leaves the host"},
		{"a private host", "http://10.0.0.1/", "leaves the host"},
		{"a file", "file:///etc/passwd", "changes the scheme"},
		{"a unix socket", "unix:///run/x.sock", "changes the scheme"},
		{"a user name", "http://ada:hunter2@HOST/x", "user name"},
		{"an endless chain", "/more", "more than 5 redirects"},
		{"itself", "", "more than 5 redirects"},
		{"what is not a URL", "http://[::1", "Location"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := serve(t, func(w http.ResponseWriter, r *http.Request) {
				to := strings.ReplaceAll(c.to, "HOST", r.Host)
				if to == "" {
					to = r.URL.Path
				}
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusMovedPermanently)
			})
			_, err := fetch(t, m, "2.root.json")
			wantError(t, err, c.want)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error %q tells a secret", err)
			}
			var e *mirror.RedirectError
			if errors.As(err, &e) == (c.want == "Location") || errors.Is(err, mirror.ErrMissing) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("from https to http of the same host", func(t *testing.T) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+"/x", http.StatusFound)
		}))
		defer server.Close()
		m := newMirror(t, mirror.Options{URLs: []string{server.URL}, Transport: server.Client().Transport})
		_, err := fetch(t, m, "x")
		wantError(t, err, "changes the scheme", "http://127.0.0.1")
	})
	t.Run("within the origin", func(t *testing.T) {
		m := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/x" {
				http.Redirect(w, r, "/deeper/x?secret=1", http.StatusTemporaryRedirect)
				return
			}
			_, _ = io.WriteString(w, "here")
		})
		if got, err := fetch(t, m, "x"); err != nil || got != "here" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTheCallersEndIsNotTheMirrorsFault(t *testing.T) {
	m := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Fetch(ctx, m.Origins()[0], "x", 10)
	if !errors.Is(err, context.Canceled) || mirror.Unreachable(err) {
		t.Errorf("got %v, unreachable %v", err, mirror.Unreachable(err))
	}
}

func TestUnreachableIsOnlyAboutTheWay(t *testing.T) {
	for _, err := range []error{nil, io.EOF, mirror.ErrMissing, mirror.ErrTooLarge, &mirror.StatusError{Code: 403}, &mirror.RedirectError{}} {
		if mirror.Unreachable(err) {
			t.Errorf("%v counts as unreachable", err)
		}
	}
}
