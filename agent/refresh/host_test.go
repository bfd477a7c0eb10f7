// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const url = "http://sandbox.invalid/"

// A host refreshes one mirror into one directory.
type host struct {
	t       *testing.T
	dir     string
	initial []byte
	options refresh.Options // for start
	urls    []string
	via     http.RoundTripper
	*refresh.Refresher
	store *store.Store
}

func everything(string) bool { return true }

func newHost(t *testing.T, initial []byte, via http.RoundTripper) *host {
	h := &host{t: t, dir: t.TempDir(), initial: initial, via: via, urls: []string{url}, options: refresh.Options{Wanted: everything}}
	return h.start()
}

func newRepo(t *testing.T, o sandbox.Options) *sandbox.Repo {
	t.Helper()
	repo, err := sandbox.New(o)
	must(t, err)
	return repo
}

// start begins a new process on the same directory.
func (h *host) start() *host {
	h.t.Helper()
	must(h.t, h.tryStart())
	return h
}

func (h *host) tryStart() error {
	if h.store != nil {
		h.store.Close()
	}
	m, err := mirror.New(mirror.Options{Name: "test", URLs: h.urls, AllowHTTP: true, Attempts: 1, Transport: h.via}, nil)
	if err != nil {
		return err
	}
	s, err := store.Open(h.dir, nil)
	if err != nil {
		return err
	}
	h.store = s
	h.t.Cleanup(func() { s.Close() })
	o := h.options
	o.Name, o.Mirror, o.Store, o.Initial = "test", m, s, h.initial
	h.Refresher, err = refresh.New(o)
	return err
}

func (h *host) ok() refresh.Result {
	h.t.Helper()
	res, err := h.Refresh(context.Background(), time.Now())
	must(h.t, err)
	return res
}

// failure refreshes, and wants an error of this kind that leaves the set as it was.
func (h *host) failure(kind health.FailureKind) error {
	h.t.Helper()
	before := h.Current()
	res, err := h.Refresh(context.Background(), time.Now())
	if got := refresh.Kind(err); err == nil || got != kind {
		h.t.Fatalf("got %q, %v, want an error of kind %q", got, err, kind)
	}
	if strings.Contains(err.Error(), "\n") {
		h.t.Errorf("the error has more than one line: %q", err)
	}
	if h.Current() != before || res.Set != before || res.New {
		h.t.Error("a failure changed the last good set")
	}
	return err
}

func (h *host) fails(kind health.FailureKind) {
	h.t.Helper()
	_ = h.failure(kind) // looked at there
}

func (h *host) version(role string) int64 {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, role+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	must(h.t, err)
	r, err := trust.Peek(role, data)
	must(h.t, err)
	return r.Version
}

func (h *host) wantVersions(want map[string]int64) {
	h.t.Helper()
	for role, v := range want {
		if got := h.version(role); got != v {
			h.t.Errorf("trusted %s is version %d, want %d", role, got, v)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantRollback(t *testing.T, err error, role string, trusted, offered int64) {
	t.Helper()
	var r *refresh.RollbackError
	if !errors.As(err, &r) || r.Role != role || r.Trusted != trusted || r.Offered != offered {
		t.Errorf("got %v, want a rollback of %s from %d to %d", err, role, trusted, offered)
	}
}

// stamps tells every file below dir apart from one that was written since.
func stamps(t *testing.T, dir string) map[string][4]int64 {
	t.Helper()
	all := map[string][4]int64{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		all[path] = [4]int64{int64(st.Ino), st.Mtim.Nano(), st.Ctim.Nano(), info.Size()}
		return nil
	}))
	return all
}
