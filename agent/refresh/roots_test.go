// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestAKeyOfUnknownTypeHasAnAlarmOfItsOwn(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.ok()
	must(t, repo.RotateRoot(sandbox.Rotation{KeyType: "post-quantum"}))
	var key *trust.UnknownKeyError
	if err := h.failure(health.FailKeyType); !errors.As(err, &key) || key.KeyType != "post-quantum" {
		t.Errorf("got %v, want an UnknownKeyError", err)
	}
}

func TestTheRootChain(t *testing.T) {
	t.Run("257 new roots are too many at once, and progress is kept", func(t *testing.T) {
		f := newForge(t)
		f.publish(1, 1, 1, nil)
		for v := int64(2); v <= 300; v++ {
			f.put(fmt.Sprintf("%d.root.json", v), f.sign(f.root(v, nil), "root"))
		}
		h := newHost(t, f.initial(), f)
		var limit *refresh.LimitError
		if err := h.failure(health.FailInconsistent); !errors.As(err, &limit) || limit.Version != 257 {
			t.Errorf("got %v, want a LimitError at root 257", err)
		}
		h.wantVersions(map[string]int64{trust.Root: 257, trust.Timestamp: 0})
		f.requests()
		h.ok()
		h.wantVersions(map[string]int64{trust.Root: 300})
		if got := f.requests(); got[0] != "258.root.json" {
			t.Errorf("the next refresh began with %q, want 258.root.json", got[0])
		}
	})
	t.Run("256 new roots are not", func(t *testing.T) {
		f := newForge(t)
		f.publish(1, 1, 1, nil)
		for v := int64(2); v <= 257; v++ {
			f.put(fmt.Sprintf("%d.root.json", v), f.sign(f.root(v, nil), "root"))
		}
		newHost(t, f.initial(), f).ok()
	})
	t.Run("each root is persisted before the next is asked for", func(t *testing.T) {
		f := newForge(t)
		f.publish(1, 1, 1, nil)
		f.put("2.root.json", f.sign(f.root(2, nil), "root"))
		f.put("3.root.json", f.sign(f.root(4, nil), "root")) // another's bytes
		h := newHost(t, f.initial(), f)
		h.fails(health.FailInconsistent)
		h.wantVersions(map[string]int64{trust.Root: 2, trust.Timestamp: 0})
		f.put("3.root.json", f.sign(f.root(3, nil), "targets")) // not signed by root 2
		h.fails(health.FailSignature)
		h.wantVersions(map[string]int64{trust.Root: 2, trust.Timestamp: 0})
	})
	t.Run("an expired root in the middle does no harm", func(t *testing.T) {
		f := newForge(t)
		f.publish(1, 1, 1, nil)
		f.put("2.root.json", f.sign(f.root(2, doc{"expires": "2020-01-01T00:00:00Z"}), "root"))
		f.put("3.root.json", f.sign(f.root(3, nil), "root"))
		newHost(t, f.initial(), f).ok()
	})
	t.Run("a 403 ends it only where configured", func(t *testing.T) {
		repo := newRepo(t, sandbox.Options{})
		repo.SetFault("2.root.json", sandbox.Fault{Status: http.StatusForbidden})
		newHost(t, repo.InitialRoot(), repo.Transport()).fails(health.FailMisconfigured)
	})
}

// Newer or older than what the store knows: the newest root that follows from the
// initial root is in force, and nothing that we have is asked for again.
func TestTheInitialRootMayChange(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	for range 4 {
		must(t, repo.RotateRoot(sandbox.Rotation{Online: true}))
	}
	h := newHost(t, repo.RootJSON(3), repo.Transport())
	h.ok()
	for _, tt := range []struct {
		version int64
		asked   []string
	}{
		{5, []string{"6.root.json", "timestamp.json"}},
		{2, []string{"6.root.json", "timestamp.json"}}, // 3 to 5 are known
		{1, []string{"6.root.json", "timestamp.json"}}, // and 2 was written down
		{4, []string{"6.root.json", "timestamp.json"}},
	} {
		h.initial = repo.RootJSON(tt.version)
		h.start()
		if h.Current() == nil {
			t.Errorf("from root %d: the set is gone", tt.version)
		}
		repo.ResetRequests()
		h.ok()
		if got := repo.Requests(); !slices.Equal(got, tt.asked) {
			t.Errorf("from root %d: asked for %q, want %q", tt.version, got, tt.asked)
		}
		h.wantVersions(map[string]int64{trust.Root: 5})
	}
	other := newRepo(t, sandbox.Options{})
	h.initial, h.via = other.InitialRoot(), other.Transport()
	h.start()
	if h.Current() != nil {
		t.Error("another repository's set was taken for this one's")
	}
	h.ok()
	h.wantVersions(map[string]int64{trust.Root: 1})
}

func TestNewRefusesABadInitialRoot(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, nil)
	for what, data := range map[string][]byte{
		"nothing": nil, "not signed": f.sign(f.root(1, nil)), "signed by another": f.sign(f.root(1, nil), "online"),
		"without a version": f.sign(with(f.root(1, nil), doc{"version": nil}), "root"),
	} {
		h := &host{t: t, dir: t.TempDir(), initial: data, via: f, urls: []string{url}}
		if err := h.tryStart(); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if got := f.requests(); len(got) != 0 {
		t.Errorf("asked for %q", got)
	}
}
