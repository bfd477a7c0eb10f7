// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/replica"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// serve starts a replica of a repository with three roots.
func serve(t *testing.T) (*sandbox.Repo, *httptest.Server) {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{Sigstore: true, SHA512: true, Delegation: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := repo.RotateRoot(sandbox.Rotation{Online: true}); err != nil {
			t.Fatal(err)
		}
	}
	set, err := trust.Verify(repo.Files(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(replica.New(set))
	t.Cleanup(server.Close)
	return repo, server
}

func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestItAnswersAsTheMirrorDoes(t *testing.T) {
	repo, server := serve(t)
	mirror := httptest.NewServer(repo.Handler())
	t.Cleanup(mirror.Close)
	// A real client says what is asked for.
	if _, err := sandbox.Read(t.TempDir(), mirror.URL, repo.InitialRoot(), "trusted_root.json"); err != nil {
		t.Fatal(err)
	}
	asked := repo.Requests()
	if len(asked) < 6 {
		t.Fatalf("the client asked for %q only", asked)
	}
	for _, path := range append(asked, "/2.extra-keys.json", "/1.extra-keys.json", "/99.root.json") {
		path = "/" + strings.TrimPrefix(path[strings.LastIndexByte(path, ' ')+1:], "/")
		wantStatus, want := ask(t, http.MethodGet, mirror.URL+path)
		status, got := ask(t, http.MethodGet, server.URL+path)
		if status != wantStatus || status == http.StatusOK && got != want {
			t.Errorf("%s: %d with %d bytes, want %d with %d bytes", path, status, len(got), wantStatus, len(want))
		}
	}
}

func TestARealClientReadsIt(t *testing.T) {
	repo, server := serve(t)
	for _, target := range []string{"trusted_root.json", sandbox.DelegatedTarget} {
		got, err := sandbox.Read(t.TempDir(), server.URL, repo.InitialRoot(), target)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(repo.Files().Artifacts[target]) {
			t.Errorf("%s is not what was published", target)
		}
	}
}

func TestUnversionedNamesAreTheNewest(t *testing.T) {
	repo, server := serve(t)
	f := repo.Files()
	for path, want := range map[string][]byte{
		"/root.json":               f.Roots[1],
		"/timestamp.json":          f.Timestamp,
		"/snapshot.json":           f.Snapshot,
		"/targets.json":            f.Targets,
		"/extra-keys.json":         f.Delegated["extra-keys"],
		"/targets/hello.txt":       f.Artifacts["hello.txt"],
		"/1.root.json":             f.Initial,
		"/targets/extra/keys.json": f.Artifacts[sandbox.DelegatedTarget],
	} {
		if status, got := ask(t, http.MethodGet, server.URL+path); status != http.StatusOK || got != string(want) {
			t.Errorf("%s: %d, %d bytes, want %d bytes", path, status, len(got), len(want))
		}
	}
}

func TestNothingElseIsAnswered(t *testing.T) {
	_, server := serve(t)
	for path, want := range map[string]int{
		"/": 404, "/4.root.json": 404, "/0.root.json": 404, "/01.root.json": 404, "/targets/": 404, "/targets": 404,
		"/targets/../root.json": 404, "//root.json": 404, "/1.timestamp.json": 404, "/targets/missing": 404,
	} {
		if status, _ := ask(t, http.MethodGet, server.URL+path); status != want {
			t.Errorf("GET %s: %d, want %d", path, status, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if status, _ := ask(t, method, server.URL+"/root.json"); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, want 405", method, status)
		}
	}
	if status, body := ask(t, http.MethodHead, server.URL+"/root.json"); status != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d with %q", status, body)
	}
}

func TestFormerRootsComeBeforeTheInitialOne(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := repo.RotateRoot(sandbox.Rotation{Online: true}); err != nil {
			t.Fatal(err)
		}
	}
	f := repo.Files()
	first := f.Initial
	f.Initial, f.Roots = f.Roots[0], f.Roots[1:] // trust begins with root 2
	set, err := trust.Verify(f, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := replica.New(set).FirstRoot(); got != 2 {
		t.Errorf("the first root is %d, want 2", got)
	}
	r := replica.New(set, first)
	if got := r.FirstRoot(); got != 1 {
		t.Errorf("with a former one the first root is %d, want 1", got)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	for path, want := range map[string][]byte{"/1.root.json": first, "/2.root.json": f.Initial, "/3.root.json": f.Roots[0], "/root.json": f.Roots[0]} {
		if status, got := ask(t, http.MethodGet, server.URL+path); status != http.StatusOK || got != string(want) {
			t.Errorf("%s: %d, want 200 and the root", path, status)
		}
	}
}
