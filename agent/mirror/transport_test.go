// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
)

// TestMain is also a child process that fetches one URL: the environment's proxy
// is read once a process, so a test of it needs one of its own.
func TestMain(m *testing.M) {
	base := os.Getenv("MIRROR_TEST_FETCH")
	if base == "" {
		m.Run()
		return
	}
	c, err := mirror.New(mirror.Options{URLs: []string{base}, AllowHTTP: true, Attempts: 1, Proxy: os.Getenv("MIRROR_TEST_PROXY")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	data, err := c.Fetch(context.Background(), base, "x", 100)
	fmt.Printf("%s %v", data, err)
}

func TestConnectionsThatBreakAreErrors(t *testing.T) {
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	for _, c := range []struct {
		name string
		say  func(net.Conn)
		want string
	}{
		{"reset before the answer", reset, "reset"},
		{"closed before the answer", func(net.Conn) {}, "EOF"},
		{"reset within the headers", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-"); reset(c) }, ""},
		{"closed within the headers", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: 1\r\n") }, "EOF"},
		{"closed within the body", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1") }, "cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fetch(t, talk(t, c.say), "x")
			wantError(t, err, c.want)
			if !mirror.Unreachable(err) {
				t.Errorf("%v does not count as unreachable", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	_ = l.Close()
	_, err = fetch(t, newMirror(t, mirror.Options{URLs: []string{base}}), "x")
	wantError(t, err, "connection refused", "getting "+base+"/x: ")
	if !mirror.Unreachable(err) {
		t.Errorf("%v does not count as unreachable", err)
	}
}

// silent accepts connections and says nothing until the test ends.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var kept []net.Conn
		defer func() {
			for _, c := range kept {
				_ = c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			kept = append(kept, c)
		}
	}()
	return l.Addr().String()
}

func TestSilenceEndsOnARealSocketToo(t *testing.T) {
	const soon = 200 * time.Millisecond
	for name, m := range map[string]*mirror.Mirror{
		"no TLS handshake": newMirror(t, mirror.Options{URLs: []string{"https://" + silent(t)}, ConnectTimeout: soon}),
		"no headers":       newMirror(t, mirror.Options{URLs: []string{"http://" + silent(t)}, FileTimeout: soon}),
		"headers byte by byte": withTimeout(t, soon, talk(t, func(c net.Conn) {
			for _, b := range []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("X", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := fetch(t, m, "x")
			var u *mirror.UnreachableError
			if !errors.As(err, &u) || !u.Timeout() {
				t.Errorf("got %v, want a time-out", err)
			}
			if took := time.Since(start); took < soon || took > 20*soon {
				t.Errorf("took %s, want about %s", took, soon)
			}
		})
	}
}

func withTimeout(t *testing.T, d time.Duration, m *mirror.Mirror) *mirror.Mirror {
	t.Helper()
	return newMirror(t, mirror.Options{URLs: m.Origins(), FileTimeout: d})
}

// anywhere is a URL of a local server that no rule takes for loopback.
func anywhere(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "http://0.0.0.0:" + u.Port() + "/"
}

func TestProxies(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") }))
	defer target.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		_, _ = io.WriteString(w, "by proxy")
	}))
	defer proxy.Close()
	withPassword := strings.Replace(proxy.URL, "http://", "http://ada:hunter2@", 1)
	far, near := anywhere(t, target), target.URL+"/"

	for _, c := range []struct{ name, base, proxy, want string }{
		{"no proxy", far, "", "direct"},
		{"a proxy", far, withPassword, "by proxy"},
		{"a proxy, and a mirror on loopback", near, withPassword, "direct"},
		{"a proxy that wants a password", far, proxy.URL, "407"},
		{"a proxy that wants a password, for https", strings.Replace(far, "http", "https", 1), proxy.URL, "Proxy Authentication Required"},
		{"a proxy that is not there", far, "http://ada:hunter2@127.0.0.1:1", "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t, mirror.Options{URLs: []string{c.base}, Proxy: c.proxy, AllowHTTP: true})
			got, err := fetch(t, m, "x")
			text := fmt.Sprint(got, err)
			if !strings.Contains(text, c.want) || strings.Contains(text, "hunter2") {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	for setting, want := range map[string]string{"": "direct", "environment": "by proxy"} {
		t.Run(fmt.Sprintf("the environment names a proxy, we are set to %q", setting), func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = []string{"MIRROR_TEST_FETCH=" + far, "MIRROR_TEST_PROXY=" + setting, "HTTP_PROXY=" + withPassword}
			out, err := child.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), want+" <nil>") {
				t.Errorf("got %q, %v, want %q", out, err, want)
			}
		})
	}
}

func TestLocalhostMustResolveToLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"10.0.0.1:80": false, "169.254.169.254:80": false, "[fe80::1%eth0]:80": false, "[::]:80": false, "0.0.0.0:80": false, "x": false,
	} {
		if err := mirror.OnlyLoopback("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
