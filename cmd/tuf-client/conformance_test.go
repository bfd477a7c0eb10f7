// SPDX-License-Identifier: Apache-2.0

package main

// The clauses of the TUF conformance protocol, and the tests that hold us to them
// where the public suite is not at hand:
//
//	argv, and what is wrong usage            TestEveryFailureIsExitCode1
//	init makes no request, checks nothing    TestInitMakesNoRequest
//	the anchor is what init got              TestTheAnchorIsNotRootJSON
//	a fake time is asked for, only if set    TestAFakeTimeIsAskedFor
//	base URLs are not normalised             TestBaseURLsStayAsTheyAre
//	requests, exactly                        TestRequests
//	files in the metadata directory          TestFilesInTheMetadataDirectory
//	accepted files persist step by step      TestWhatIsAcceptedIsPersisted
//	expired files do not, an expired root    TestWhatIsAcceptedIsPersisted
//	rollback, fast-forward recovery,
//	quoted role names, diamond delegations   package refresh
//	files in the target directory            TestFilesInTheTargetDirectory
//	several targets, in order                TestDownloadStopsAtTheFirstFailure

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A client is one test of the suite: a repository behind a socket, and directories.
type client struct {
	t                   *testing.T
	repo                *sandbox.Repo
	url, metadata, dest string
	env                 map[string]string
}

func newClient(t *testing.T, o sandbox.Options) *client {
	t.Helper()
	repo, err := sandbox.New(o)
	must(t, err)
	server := httptest.NewServer(repo.Handler())
	t.Cleanup(server.Close)
	c := &client{t: t, repo: repo, url: server.URL + "/", metadata: t.TempDir(), dest: t.TempDir(), env: map[string]string{}}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *client) run(args ...string) int {
	c.t.Helper()
	var stderr bytes.Buffer
	code := run(c.t.Context(), args, func(name string) string { return c.env[name] }, &stderr)
	if code != 0 && stderr.Len() == 0 {
		c.t.Error("it failed and does not say why")
	}
	c.t.Logf("%q: %d\n%s", args, code, stderr.String())
	return code
}

func (c *client) init() int {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "initial_root.json")
	must(c.t, os.WriteFile(path, c.repo.InitialRoot(), 0o644))
	return c.run("--metadata-dir", c.metadata, "init", path)
}

func (c *client) refresh() int {
	c.t.Helper()
	return c.run("--metadata-url", c.url, "--metadata-dir", c.metadata, "refresh")
}

func (c *client) download(paths ...string) int {
	c.t.Helper()
	args := []string{"--metadata-url", c.url, "--metadata-dir", c.metadata}
	for _, p := range paths {
		args = append(args, "--target-name", p)
	}
	return c.run(append(args, "--target-dir", c.dest, "--target-base-url", c.url+"targets/", "download")...)
}

func (c *client) want(code int, got int) {
	c.t.Helper()
	if got != code {
		c.t.Fatalf("exit code %d, want %d", got, code)
	}
}

// roles returns the version of every *.json in the metadata directory, as the suite
// counts them: each must be metadata.
func (c *client) roles() map[string]int64 {
	c.t.Helper()
	names, err := filepath.Glob(filepath.Join(c.metadata, "*.json"))
	must(c.t, err)
	roles := map[string]int64{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(c.t, err)
		role := strings.TrimSuffix(filepath.Base(name), ".json")
		r, err := trust.Peek(role, data)
		must(c.t, err)
		roles[role] = r.Version
	}
	return roles
}

func (c *client) wantRoles(root, timestamp, snapshot, targets int64) {
	c.t.Helper()
	got := c.roles()
	for role, v := range map[string]int64{trust.Root: root, trust.Timestamp: timestamp, trust.Snapshot: snapshot, trust.Targets: targets} {
		if got[role] != v {
			c.t.Errorf("%s is version %d, want %d", role, got[role], v)
		}
	}
}

// targets returns the contents of the target directory, hidden files left out.
func (c *client) targets() []string {
	c.t.Helper()
	entries, err := os.ReadDir(c.dest)
	must(c.t, err)
	contents := []string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(c.dest, e.Name()))
		must(c.t, err)
		contents = append(contents, string(data))
	}
	slices.Sort(contents)
	return contents
}

func (c *client) wantRequests(want ...string) {
	c.t.Helper()
	if got := c.repo.Requests(); !slices.Equal(got, want) {
		c.t.Errorf("asked for %q, want %q", got, want)
	}
	c.repo.ResetRequests()
}

func TestEveryFailureIsExitCode1(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.want(0, c.init())
	for _, args := range [][]string{
		nil, {"--help"}, {"refresh"}, {"unknown"}, {"--unknown", "refresh"},
		{"--metadata-dir", c.metadata, "init"},
		{"--metadata-dir", c.metadata, "init", filepath.Join(c.dest, "none")},
		{"--metadata-dir", filepath.Join(c.dest, "none"), "--metadata-url", c.url, "refresh"},
		{"--metadata-dir", c.metadata, "--metadata-url", "not a url", "refresh"},
		{"--metadata-dir", c.metadata, "refresh", "--metadata-url", c.url},
		{"--metadata-dir", c.metadata, "--metadata-url", c.url, "download"},
	} {
		c.want(1, c.run(args...))
	}
	c.want(1, c.download("no-such-target"))
	c.repo.Down(true)
	c.want(1, c.refresh())
	// A panic is exit code 1 too: there is no environment to ask.
	if code := run(t.Context(), []string{"--metadata-dir", c.metadata, "--metadata-url", c.url, "refresh"}, nil, &bytes.Buffer{}); code != 1 {
		t.Errorf("after a panic: exit code %d, want 1", code)
	}
}

func TestInitMakesNoRequest(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.want(0, c.init())
	c.wantRequests()
	// A bad root may pass init; the refresh must fail, and ask for nothing.
	path := filepath.Join(t.TempDir(), "root")
	bad := bytes.Replace(c.repo.InitialRoot(), []byte(`"version"`), []byte(`"Version"`), 1)
	must(t, os.WriteFile(path, bad, 0o644))
	c.run("--metadata-dir", c.metadata, "init", path)
	c.want(1, c.refresh())
	c.wantRequests()
}

func TestTheAnchorIsNotRootJSON(t *testing.T) {
	c, evil := newClient(t, sandbox.Options{}), newClient(t, sandbox.Options{})
	c.want(0, c.init())
	c.want(0, c.refresh())
	must(t, os.Remove(filepath.Join(c.metadata, "root.json")))
	must(t, os.WriteFile(filepath.Join(c.metadata, "root.json"), evil.repo.InitialRoot(), 0o644))
	c.want(0, c.refresh())
	got, err := os.ReadFile(filepath.Join(c.metadata, "root.json"))
	must(t, err)
	if !bytes.Equal(got, c.repo.InitialRoot()) {
		t.Error("root.json is not the trusted root again")
	}
	c.url = evil.url
	c.want(1, c.refresh())
}

func TestAFakeTimeIsAskedFor(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.want(0, c.init())
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = +%%s ] && echo %d\n", time.Now().Add(8*24*time.Hour).Unix())
	must(t, os.WriteFile(filepath.Join(bin, "date"), []byte(script), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c.want(0, c.refresh()) // no FAKETIME: the real time
	c.env["FAKETIME"] = "+691200"
	c.want(1, c.refresh()) // the timestamp has expired by then
	must(t, os.WriteFile(filepath.Join(bin, "date"), []byte("#!/bin/sh\necho soon\n"), 0o755))
	c.want(1, c.refresh())
}

func TestBaseURLsStayAsTheyAre(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	var asked []string
	const base = "/test_x%5Ba%20b%2Fc%5D/"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.RequestURI)
		req.URL.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(req.RequestURI, base), "metadata/")
		c.repo.Handler().ServeHTTP(w, req)
	}))
	defer server.Close()
	c.want(0, c.init())
	c.want(0, c.run("--metadata-url", server.URL+base+"metadata/", "--metadata-dir", c.metadata,
		"--target-name", "hello.txt", "--target-dir", c.dest, "--target-base-url", server.URL+base+"targets/", "download"))
	want := []string{base + "metadata/2.root.json", base + "metadata/timestamp.json", base + "metadata/1.snapshot.json", base + "metadata/1.targets.json"}
	if len(asked) != 5 || !slices.Equal(asked[:4], want) || !strings.HasPrefix(asked[4], base+"targets/") {
		t.Errorf("asked for %q, want %q and a target file", asked, want)
	}
}

func TestRequests(t *testing.T) {
	c := newClient(t, sandbox.Options{Delegation: true})
	c.want(0, c.init())
	c.want(0, c.refresh())
	c.wantRequests("2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json")
	c.want(0, c.refresh())
	c.wantRequests("2.root.json", "timestamp.json")
	c.want(0, c.download(sandbox.DelegatedTarget))
	got := c.repo.Requests()
	if len(got) != 4 || got[2] != "1.extra-keys.json" || !strings.HasPrefix(got[3], "targets/extra/") {
		t.Errorf("asked for %q, want the delegated role and the target file last", got)
	}
}

func TestFilesInTheMetadataDirectory(t *testing.T) {
	c := newClient(t, sandbox.Options{Delegation: true})
	c.repo.Edit("timestamp.json", func(b []byte) []byte { return append(b, "  \n"...) })
	c.want(0, c.init())
	c.want(0, c.refresh())
	got, err := os.ReadFile(filepath.Join(c.metadata, "timestamp.json"))
	must(t, err)
	if want := append(c.repo.Files().Timestamp, "  \n"...); !bytes.Equal(got, want) {
		t.Error("timestamp.json is not what was received")
	}
	if n := len(c.roles()); n != 4 {
		t.Errorf("%d roles, want 4", n)
	}
	c.want(0, c.download(sandbox.DelegatedTarget))
	if n := len(c.roles()); n != 5 {
		t.Errorf("%d roles, want 5 with the delegated one", n)
	}
}

func TestWhatIsAcceptedIsPersisted(t *testing.T) {
	for _, tt := range []struct {
		name                               string
		next                               func(t *testing.T, r *sandbox.Repo)
		root, timestamp, snapshot, targets int64
	}{
		{"no timestamp", func(t *testing.T, r *sandbox.Repo) {
			r.SetFault("timestamp.json", sandbox.Fault{Status: 404})
		}, 2, 1, 1, 1},
		{"no snapshot", func(t *testing.T, r *sandbox.Repo) { r.SetFault("2.snapshot.json", sandbox.Fault{Status: 404}) }, 2, 2, 1, 1},
		{"a snapshot that is not signed", func(t *testing.T, r *sandbox.Repo) {
			r.Edit("2.snapshot.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"1.0"`), []byte(`"1.1"`), 1) })
		}, 2, 2, 1, 1},
		{"no targets", func(t *testing.T, r *sandbox.Repo) { r.SetFault("2.targets.json", sandbox.Fault{Status: 404}) }, 2, 2, 2, 1},
		{"targets that are not signed", func(t *testing.T, r *sandbox.Repo) {
			r.Edit("2.targets.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"1.0"`), []byte(`"1.1"`), 1) })
		}, 2, 2, 2, 1},
		{"an expired root", func(t *testing.T, r *sandbox.Repo) { must(t, r.RotateRoot(sandbox.Rotation{Expires: -time.Hour})) }, 3, 1, 1, 1},
		{"a root that is not signed", func(t *testing.T, r *sandbox.Repo) {
			r.Edit("2.root.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"1.0"`), []byte(`"1.1"`), 1) })
		}, 1, 1, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, sandbox.Options{KeyType: "ed25519"})
			c.want(0, c.init())
			c.want(0, c.refresh())
			must(t, c.repo.RotateRoot(sandbox.Rotation{}))
			must(t, c.repo.Publish("more", []byte("more")))
			tt.next(t, c.repo)
			c.want(1, c.refresh())
			c.wantRoles(tt.root, tt.timestamp, tt.snapshot, tt.targets)
		})
	}
	t.Run("an expired timestamp", func(t *testing.T) {
		c := newClient(t, sandbox.Options{TimestampLife: time.Second})
		c.want(0, c.init())
		time.Sleep(2 * time.Second)
		c.want(1, c.refresh())
		c.wantRoles(1, 0, 0, 0)
	})
}

func TestFilesInTheTargetDirectory(t *testing.T) {
	c := newClient(t, sandbox.Options{SHA512: true})
	must(t, c.repo.Publish("path/to/a/file.txt", []byte("one")))
	c.want(0, c.init())
	c.want(0, c.refresh())
	if got := c.targets(); len(got) != 0 {
		t.Errorf("a refresh left %q", got)
	}
	c.want(0, c.download("path/to/a/file.txt"))
	before, err := os.ReadDir(c.dest)
	must(t, err)
	stat, err := before[0].Info()
	must(t, err)

	c.repo.ResetRequests()
	c.want(0, c.download("path/to/a/file.txt"))
	c.wantRequests("2.root.json", "timestamp.json") // not the file once more
	again, err := os.Stat(filepath.Join(c.dest, before[0].Name()))
	must(t, err)
	if !again.ModTime().Equal(stat.ModTime()) {
		t.Error("a file that was there was touched")
	}

	must(t, c.repo.Publish("path/to/a/file.txt", []byte("two")))
	c.want(0, c.download("path/to/a/file.txt"))
	if got := c.targets(); !slices.Equal(got, []string{"two"}) {
		t.Errorf("got %q, want the new content alone", got)
	}

	must(t, c.repo.Publish("other.txt", []byte("good")))
	c.repo.SetFault("targets/*", sandbox.Fault{Body: []byte("evil")})
	c.want(1, c.download("other.txt"))
	if got := c.targets(); !slices.Equal(got, []string{"two"}) {
		t.Errorf("after a file that does not verify: got %q", got)
	}
}

func TestDownloadStopsAtTheFirstFailure(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	must(t, c.repo.Publish("a", []byte("A")))
	must(t, c.repo.Publish("b", []byte("B")))
	c.want(0, c.init())
	c.want(1, c.download("a", "none", "b"))
	if got := c.targets(); !slices.Equal(got, []string{"A"}) {
		t.Errorf("got %q, want the file before the failure", got)
	}
	c.repo.ResetRequests()
	c.want(0, c.download("a", "b"))
	if got := c.repo.Requests(); len(got) != 3 {
		t.Errorf("asked for %q, want one refresh and one file", got)
	}
}
