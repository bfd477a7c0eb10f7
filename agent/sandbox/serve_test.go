// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// bothWays runs f with a client of the handler in this process, inside a bubble,
// and with one that reaches it through a socket.
func bothWays(t *testing.T, f func(t *testing.T, repo *sandbox.Repo, c *http.Client, base string)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{})
			f(t, repo, repo.Client(), repo.URL())
		})
	})
	t.Run("through a socket", func(t *testing.T) {
		repo := newRepo(t, sandbox.Options{})
		server := httptest.NewServer(repo.Handler())
		defer server.Close()
		c := server.Client()
		c.Transport.(*http.Transport).DisableCompression = true
		f(t, repo, c, server.URL+"/")
	})
}

// get asks for a URL, and returns the answer with its whole body.
func get(ctx context.Context, c *http.Client, url string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(resp.Body)
	return resp, data, errors.Join(err, resp.Body.Close())
}

func TestServesWhatWasSigned(t *testing.T) {
	bothWays(t, func(t *testing.T, repo *sandbox.Repo, c *http.Client, base string) {
		resp, data, err := get(t.Context(), c, base+"1.root.json")
		must(t, err)
		if resp.StatusCode != 200 || !bytes.Equal(data, repo.InitialRoot()) || resp.ContentLength != int64(len(data)) ||
			resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Date") == "" {
			t.Errorf("got %d, %d bytes of %d, %v", resp.StatusCode, len(data), resp.ContentLength, resp.Header)
		}
		resp, _, err = get(t.Context(), c, base+"2.root.json")
		must(t, err)
		if resp.StatusCode != 404 {
			t.Errorf("the root after the last: got %d", resp.StatusCode)
		}
		if got := repo.Requests(); !slices.Equal(got, []string{"1.root.json", "2.root.json"}) {
			t.Errorf("got requests %q", got)
		}
		repo.ResetRequests()
		if got := repo.Requests(); len(got) != 0 {
			t.Errorf("got requests %q after a reset", got)
		}
	})
}

func TestFaults(t *testing.T) {
	const file = "timestamp.json"
	for _, c := range []struct {
		name  string
		fault sandbox.Fault
		check func(t *testing.T, resp *http.Response, data, whole []byte, err error)
	}{
		{"a status", sandbox.Fault{Status: 403}, func(t *testing.T, resp *http.Response, data, _ []byte, err error) {
			must(t, err)
			if resp.StatusCode != 403 || string(data) != "403 Forbidden\n" {
				t.Errorf("got %d %q", resp.StatusCode, data)
			}
		}},
		{"a status without a body", sandbox.Fault{Status: 204}, func(t *testing.T, resp *http.Response, data, _ []byte, err error) {
			must(t, err)
			if resp.StatusCode != 204 || len(data) != 0 {
				t.Errorf("got %d %q", resp.StatusCode, data)
			}
		}},
		{"a header and another body", sandbox.Fault{Header: http.Header{"Retry-After": {"7"}}, Body: []byte("<html>")}, func(t *testing.T, resp *http.Response, data, _ []byte, err error) {
			must(t, err)
			if resp.StatusCode != 200 || resp.Header.Get("Retry-After") != "7" || string(data) != "<html>" {
				t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, data)
			}
		}},
		{"a body cut off", sandbox.Fault{Truncate: 10}, func(t *testing.T, _ *http.Response, data, whole []byte, err error) {
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(data, whole[:10]) {
				t.Errorf("got %q, %v", data, err)
			}
		}},
		{"a compressed body", sandbox.Fault{Gzip: true}, func(t *testing.T, resp *http.Response, data, whole []byte, err error) {
			must(t, err)
			z, err := gzip.NewReader(bytes.NewReader(data))
			must(t, err)
			plain, err := io.ReadAll(z)
			must(t, err)
			if resp.Header.Get("Content-Encoding") != "gzip" || !bytes.Equal(plain, whole) {
				t.Errorf("got %v %q", resp.Header, plain)
			}
		}},
		{"a redirect", sandbox.Fault{Redirect: "1.root.json"}, func(t *testing.T, resp *http.Response, data, whole []byte, err error) {
			must(t, err)
			if resp.Request.URL.Path != "/1.root.json" || bytes.Equal(data, whole) {
				t.Errorf("got %s", resp.Request.URL)
			}
		}},
		{"a short stall", sandbox.Fault{Stall: 20 * time.Millisecond}, func(t *testing.T, _ *http.Response, data, whole []byte, err error) {
			must(t, err)
			if !bytes.Equal(data, whole) {
				t.Errorf("got %q", data)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, repo *sandbox.Repo, client *http.Client, base string) {
				_, whole, err := get(t.Context(), client, base+file)
				must(t, err)
				repo.SetFault(file, c.fault)
				resp, data, err := get(t.Context(), client, base+file)
				c.check(t, resp, data, whole, err)
				repo.SetFault(file, sandbox.Fault{})
				if _, data, err := get(t.Context(), client, base+file); err != nil || !bytes.Equal(data, whole) {
					t.Errorf("after the fault: %v", err)
				}
			})
		})
	}
}

func TestWaitsEndWithTheRequest(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"a delay":         {Delay: time.Hour},
		"a stall":         {Stall: time.Hour},
		"an endless body": {Endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, repo *sandbox.Repo, c *http.Client, base string) {
				repo.SetFault("", fault)
				if fault.Endless {
					resp, err := c.Get(base + "timestamp.json")
					must(t, err)
					n, err := io.CopyN(io.Discard, resp.Body, 1<<20)
					must(t, errors.Join(err, resp.Body.Close()))
					if n != 1<<20 || resp.ContentLength != -1 {
						t.Errorf("got %d bytes of %d", n, resp.ContentLength)
					}
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				start := time.Now()
				if _, _, err := get(ctx, c, base+"timestamp.json"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestAnAnswerNobodyReadsEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails where a goroutine is left
		repo := newRepo(t, sandbox.Options{})
		repo.SetFault("", sandbox.Fault{Endless: true})
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, repo.URL()+"timestamp.json", nil)
		must(t, err)
		resp, err := repo.Client().Do(req)
		must(t, err)
		cancel()
		synctest.Wait()
		if data, err := io.ReadAll(resp.Body); len(data) != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d bytes, %v", len(data), err)
		}
	})
}

func TestADelayTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repo := newRepo(t, sandbox.Options{})
		repo.SetFault("", sandbox.Fault{Delay: time.Minute, Stall: time.Hour})
		start := time.Now()
		_, _, err := get(t.Context(), repo.Client(), repo.URL()+"timestamp.json")
		if took := time.Since(start); err != nil || took != time.Hour+time.Minute {
			t.Errorf("took %s, %v", took, err)
		}
	})
}

func TestFaultsMeetTheirFiles(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	repo.SetFault("", sandbox.Fault{Status: 500})
	repo.SetFault("*.root.json", sandbox.Fault{Status: 403})
	repo.SetFault("1.root.json", sandbox.Fault{Status: 410})
	for file, want := range map[string]int{"1.root.json": 410, "2.root.json": 403, "timestamp.json": 500, "nothing": 500} {
		resp, _, err := get(t.Context(), repo.Client(), repo.URL()+file)
		must(t, err)
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", file, resp.StatusCode, want)
		}
	}
}

func TestDown(t *testing.T) {
	bothWays(t, func(t *testing.T, repo *sandbox.Repo, c *http.Client, base string) {
		repo.Down(true)
		_, _, err := get(t.Context(), c, base+"timestamp.json")
		if err == nil || strings.Contains(base, "invalid") && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v", err)
		}
		if got := repo.Requests(); len(got) != 0 {
			t.Errorf("got requests %q", got)
		}
		repo.Down(false)
		if _, _, err = get(t.Context(), c, base+"timestamp.json"); err != nil {
			t.Error(err)
		}
	})
}

func TestEdits(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	serve := func(file string) string {
		t.Helper()
		resp, data, err := get(t.Context(), repo.Client(), repo.URL()+file)
		must(t, err)
		if resp.StatusCode == 404 {
			return "404"
		}
		return string(data)
	}
	before := serve("timestamp.json")
	repo.Edit("timestamp.json", func(b []byte) []byte { b[0] = 'x'; return b })
	repo.Edit("new.json", func(b []byte) []byte { return append(b, "new"...) })
	repo.Edit("1.root.json", func([]byte) []byte { return nil })
	if got := serve("timestamp.json"); got != "x"+before[1:] {
		t.Errorf("an edited file: got %q", got)
	}
	if got := serve("new.json"); got != "new" {
		t.Errorf("a file that is not there: got %q", got)
	}
	if got := serve("1.root.json"); got != "404" {
		t.Errorf("a file taken away: got %q", got)
	}
	verify(t, repo.Files()) // what was signed is as it was
	repo.Edit("timestamp.json", nil)
	if got := serve("timestamp.json"); got != before {
		t.Errorf("after the edit: got %q", got)
	}
}

func TestRollbackServesAnOlderState(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	version := func() int64 {
		t.Helper()
		_, data, err := get(t.Context(), repo.Client(), repo.URL()+"timestamp.json")
		must(t, err)
		return parse(t, data).Signed.Version
	}
	must(t, repo.BumpTimestamp())
	must(t, repo.Publish("x", nil))
	must(t, repo.Rollback(2))
	if got := version(); got != 1 {
		t.Errorf("rolled back by 2: got timestamp %d, want 1", got)
	}
	if got := parse(t, repo.Files().Timestamp).Signed.Version; got != 3 {
		t.Errorf("the newest files hold timestamp %d, want 3", got)
	}
	if got := repo.Versions()["timestamp"]; got != 3 {
		t.Errorf("the newest timestamp is %d, want 3", got)
	}
	repo.Restore()
	if got := version(); got != 3 {
		t.Errorf("restored: got timestamp %d, want 3", got)
	}
	must(t, repo.Rollback(1))
	must(t, repo.BumpTimestamp())
	if got := version(); got != 4 {
		t.Errorf("changed while rolled back: got timestamp %d, want 4", got)
	}
	for _, n := range []int{-1, 4} {
		if repo.Rollback(n) == nil {
			t.Errorf("rolled back by %d, of 3 older states", n)
		}
	}
	if err := repo.Remove("nothing"); err == nil {
		t.Error("a file that is not listed was removed")
	}
}

func TestWrittenOutItIsTheSameRepository(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Delegation: true, SHA512: true})
	must(t, repo.Publish("a/b.txt", []byte("b")))
	must(t, repo.RotateRoot(sandbox.Rotation{Online: true}))
	dir := filepath.Join(t.TempDir(), "x", "y")
	must(t, repo.WriteTo(dir))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for target, want := range map[string]string{"a/b.txt": "b", sandbox.DelegatedTarget: "{\"keys\":[]}\n"} {
		got, err := sandbox.Read(t.TempDir(), server.URL, repo.InitialRoot(), target)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", target, got, err)
		}
	}
	if err := repo.WriteTo(filepath.Join(dir, "1.root.json")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("over a file: got %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "timestamp.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v", info, err)
	}
}
