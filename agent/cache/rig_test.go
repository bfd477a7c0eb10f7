// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const target = "hello.txt"

// A rig is a real repository on a real listener, and a cache base that a real
// sigstore-go client fills.
type rig struct {
	*sandbox.Repo
	url, base string
	anchored  bool // the client starts from its cached root, as cosign does for a custom mirror
}

func newRig(t *testing.T, o sandbox.Options) *rig {
	t.Helper()
	repo, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repo.Handler())
	t.Cleanup(server.Close)
	base := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	return &rig{Repo: repo, url: server.URL, base: base}
}

// filled is a rig whose client has run once.
func filled(t *testing.T, o sandbox.Options) *rig {
	t.Helper()
	r := newRig(t, o)
	r.mustRead(t)
	return r
}

// twin is another cache of the same repository, filled alike.
func (r *rig) twin(t *testing.T) *rig {
	t.Helper()
	twin := *r
	twin.base = filepath.Join(t.TempDir(), "root")
	must(t, os.CopyFS(twin.base, os.DirFS(r.base)))
	return &twin
}

// read runs a sigstore-go client on the cache.
func (r *rig) read() error {
	anchor := r.RootJSON(r.Versions()[trust.Root])
	if r.anchored {
		var err error
		if anchor, err = os.ReadFile(r.path("root.json")); err != nil {
			return err
		}
	}
	_, err := sandbox.Read(r.base, r.url, anchor, target)
	return err
}

func (r *rig) mustRead(t *testing.T) {
	t.Helper()
	if err := r.read(); err != nil {
		t.Fatalf("the client fails: %v", err)
	}
}

func (r *rig) path(names ...string) string {
	return filepath.Join(append([]string{r.base, cache.DirName(r.url)}, names...)...)
}

func (r *rig) set(t *testing.T) *trust.Set {
	t.Helper()
	set, err := trust.Verify(r.Files(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (r *rig) mirror() cache.Mirror {
	return cache.Mirror{Name: "sandbox", URL: r.url, Default: !r.anchored}
}

// cache is the one cache of the rig, as Find finds it.
func (r *rig) cache(t *testing.T) cache.Cache {
	t.Helper()
	found, errs := cache.Find(cosignPlaces(r.base), []cache.Mirror{r.mirror()})
	if len(found) != 1 || len(errs) > 0 {
		t.Fatalf("found %+v, %v; want one cache", found, errs)
	}
	if found[0].Mirror != "sandbox" {
		t.Fatalf("found %+v; want one of mirror sandbox", found[0])
	}
	return found[0]
}

func (r *rig) inspect(t *testing.T) cache.Inspection {
	t.Helper()
	return r.cache(t).Inspect(r.set(t), time.Now())
}

func (r *rig) wantState(t *testing.T, want cache.State) cache.Inspection {
	t.Helper()
	got := r.inspect(t)
	if got.State != want {
		t.Fatalf("state %s (%s, %v), want %s", got.State, got.Detail, got.Damage, want)
	}
	return got
}

var both = cache.WriteOptions{Mend: true, Publish: true}

func (r *rig) replace(t *testing.T, o cache.WriteOptions) cache.Change {
	t.Helper()
	change, err := r.cache(t).Replace(r.set(t), time.Now(), o)
	if err != nil {
		t.Fatalf("replacing: %v", err)
	}
	return change
}

// version is the version of a role that lies in the cache.
func (r *rig) version(t *testing.T, role string) int64 {
	t.Helper()
	data, err := os.ReadFile(r.path(role + ".json"))
	if err != nil {
		t.Fatal(err)
	}
	peek, err := trust.Peek(role, data)
	if err != nil {
		t.Fatal(err)
	}
	return peek.Version
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o644))
}

// leftBySudo names root's cache base in the home of who is not root.
const leftBySudo = "LEFT_BY_SUDO"

// unprivileged runs the calling test in a child that is not root, where this one is.
// It returns true in the process that should do the work.
func unprivileged(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "unprivileged")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chown(dir, nobody, nobody))
	child := filepath.Join(dir, "cache.test")
	copyFile(t, "/proc/self/exe", child)
	sudo := filepath.Join(dir, ".sigstore", "root") // as root would leave it there
	must(t, os.MkdirAll(sudo, 0o700))
	cmd := exec.CommandContext(t.Context(), child, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, leftBySudo+"="+sudo)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as uid %d: %v\n%s", nobody, err, out)
	}
	return false
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}

// cosignPlaces are places of cosign's caches.
func cosignPlaces(bases ...string) []cache.Place {
	var places []cache.Place
	for _, b := range bases {
		places = append(places, cache.Place{Base: b, Reader: cache.Cosign})
	}
	return places
}
