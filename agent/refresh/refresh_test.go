// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestTheFirstRefreshAsksForWhatItNeeds(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Delegation: true})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.options.Wanted = func(path string) bool { return path == "hello.txt" }
	h.start()
	if h.Current() != nil {
		t.Error("there is a set before the first refresh")
	}
	res := h.ok()
	got := repo.Requests()
	want := []string{"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"}
	if !slices.Equal(got[:4], want) {
		t.Errorf("asked for %q, want %q first", got, want)
	}
	if len(got) != 6 || got[4] != "1.extra-keys.json" || !strings.HasSuffix(got[5], ".hello.txt") {
		t.Errorf("asked for %q, want the delegated role and the one wanted target file last", got)
	}
	if !res.New || res.Set == nil || res.Set != h.Current() || res.Requests != 6 || len(res.Updates) != 5 || res.Origin != url {
		t.Errorf("got %+v", res)
	}
	if f := res.Set.Files(); len(f.Artifacts) != 1 || len(f.Delegated) != 1 {
		t.Errorf("the set holds %d target files and %d delegated roles, want 1 and 1", len(f.Artifacts), len(f.Delegated))
	}
}

func TestARefreshWithNothingNewCostsTwoRequestsAndNoWrite(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Delegation: true, Sigstore: true})
	must(t, repo.RotateRoot(sandbox.Rotation{}))
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.ok()
	for _, when := range []string{"in the same process", "after a restart"} {
		before := stamps(t, h.dir)
		repo.ResetRequests()
		res := h.ok()
		if got, want := repo.Requests(), []string{"3.root.json", "timestamp.json"}; !slices.Equal(got, want) || res.Requests != 2 {
			t.Errorf("%s: asked for %q (%d), want %q", when, got, res.Requests, want)
		}
		if res.Writes != 0 || res.New || len(res.Updates) != 0 {
			t.Errorf("%s: %d writes, new %v, updates %v, want none", when, res.Writes, res.New, res.Updates)
		}
		after := stamps(t, h.dir)
		for path, stamp := range after {
			if before[path] != stamp {
				t.Errorf("%s: %s was written", when, path)
			}
		}
		if len(before) != len(after) {
			t.Errorf("%s: %d files became %d", when, len(before), len(after))
		}
		h.store.Close()
		h.start()
		if h.Current() == nil {
			t.Fatal("the set is gone after a restart")
		}
	}
}

func TestAnUpdateSaysWhatChanged(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.ok()
	must(t, repo.BumpTimestamp())
	repo.ResetRequests()
	res := h.ok()
	if got, want := repo.Requests(), []string{"2.root.json", "timestamp.json"}; !slices.Equal(got, want) {
		t.Errorf("a new timestamp alone: asked for %q, want %q", got, want)
	}
	if len(res.Updates) != 1 || res.Updates[0].Role != trust.Timestamp || res.Updates[0].Previous != 1 || res.Updates[0].Version != 2 || !res.New {
		t.Errorf("got %+v, want timestamp 1 to 2", res.Updates)
	}
	must(t, repo.Publish("new.txt", []byte("new\n")))
	repo.ResetRequests()
	res = h.ok()
	if got := repo.Requests(); len(got) != 5 || !strings.HasSuffix(got[4], ".new.txt") {
		t.Errorf("asked for %q, want no target file that is at hand already", got)
	}
	must(t, repo.Remove("new.txt"))
	if h.ok().Set.Files().Artifacts["new.txt"] != nil {
		t.Error("a target file that is no longer listed stayed in the set")
	}
}

func TestRollbackIsRefused(t *testing.T) {
	lose := func(names ...string) func(*host) {
		return func(h *host) {
			h.store.Close()
			for _, name := range names {
				must(h.t, os.RemoveAll(filepath.Join(h.dir, name)))
			}
			h.start()
		}
	}
	for _, tt := range []struct {
		name string
		lose func(*host)
	}{
		{"with all files in place", func(*host) {}},
		{"after a restart", lose()},
		{"with the local files lost", lose("timestamp.json", "snapshot.json", "targets.json")},
		{"with the memory lost", lose("seen")},
		{"with the files and the memory lost, from the last good set", lose("timestamp.json", "snapshot.json", "seen")},
		{"with all but the files lost", lose("seen", "sets", "current")},
		{"with files and sets lost", lose("timestamp.json", "snapshot.json", "targets.json", "sets", "current")},
		{"with the timestamp cut off", func(h *host) { must(h.t, os.Truncate(filepath.Join(h.dir, "timestamp.json"), 30)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{})
			must(t, repo.Publish("a", []byte("a")))
			h := newHost(t, repo.InitialRoot(), repo.Transport())
			h.ok()
			must(t, repo.Rollback(1))
			tt.lose(h)
			wantRollback(t, h.failure(health.FailRollback), trust.Timestamp, 2, 1)
			repo.Restore()
			h.ok()
		})
	}
}

func TestARootThatIsTakenBackIsRefused(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	must(t, repo.RotateRoot(sandbox.Rotation{}))
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.ok()
	must(t, os.Remove(filepath.Join(h.dir, "root_history", "2.root.json")))
	must(t, repo.Rollback(1))
	wantRollback(t, h.failure(health.FailRollback), trust.Root, 2, 1)
	repo.Restore()
	h.ok()
	h.wantVersions(map[string]int64{trust.Root: 2})
}

// What a failed refresh accepted counts too, even if the file is lost afterwards.
func TestAFailedRefreshRemembersWhatItAccepted(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, nil)
	h := newHost(t, f.initial(), f)
	h.ok()
	f.put("timestamp.json", f.sign(f.timestamp(3, 3), "online"))
	h.fails(health.FailInconsistent) // there is no snapshot 3
	h.wantVersions(map[string]int64{trust.Timestamp: 3})
	must(t, os.Remove(filepath.Join(h.dir, "timestamp.json")))
	h.start()
	f.publish(2, 3, 1, nil)
	wantRollback(t, h.failure(health.FailRollback), trust.Timestamp, 3, 2)
}

// A snapshot or a role below one that was seen, under a newer timestamp: in a fresh
// process, with and without the local files.
func TestRollbackBelowANewTimestampIsRefused(t *testing.T) {
	for _, lost := range []bool{false, true} {
		f := newForge(t)
		f.publish(2, 2, 2, nil)
		h := newHost(t, f.initial(), f)
		h.ok()
		lose := func() {
			if lost {
				must(t, errors.Join(os.Remove(filepath.Join(h.dir, "timestamp.json")), os.Remove(filepath.Join(h.dir, "snapshot.json"))))
			}
		}
		lose()
		f.publish(3, 1, 2, nil)
		wantRollback(t, h.failure(health.FailRollback), trust.Snapshot, 2, 1)
		if !lost {
			h.wantVersions(map[string]int64{trust.Timestamp: 2, trust.Snapshot: 2})
		}
		f.publish(3, 3, 1, nil)
		wantRollback(t, h.failure(health.FailRollback), trust.Targets, 2, 1)
		if h.version(trust.Snapshot) == 3 {
			t.Error("the snapshot that takes targets back was kept")
		}
		f.putSnapshot(3, map[string]int64{"targets": 2, "gone": 4})
		h.ok()
		f.put("timestamp.json", f.sign(f.timestamp(4, 4), "online"))
		f.putSnapshot(4, map[string]int64{"targets": 2})
		wantRollback(t, h.failure(health.FailRollback), "gone", 4, 0)
	}
}

// Spec 5.3.11: when the keys of timestamp or snapshot change, older versions are
// legitimate, whatever was seen; even if they change back before we look.
func TestKeyRotationRecoversFromFastForward(t *testing.T) {
	for _, role := range []string{trust.Timestamp, trust.Snapshot} {
		for _, back := range []bool{false, true} {
			f := newForge(t)
			f.publish(100, 100, 100, nil)
			h := newHost(t, f.initial(), f)
			h.ok()
			roles := f.root(2, nil)["roles"].(doc)
			rotated := f.root(2, doc{"keys": f.keysOf("root", "online", "targets", "fresh"), "roles": with(roles, doc{role: quorum("fresh")})})
			f.put("2.root.json", f.sign(rotated, "root"))
			signer := map[string]string{trust.Timestamp: "online", trust.Snapshot: "online", role: "fresh"}
			if back {
				f.put("3.root.json", f.sign(f.root(3, nil), "root"))
				signer[role] = "online"
			}
			f.put("1.targets.json", f.sign(f.targets(1, nil), "targets"))
			f.put("1.snapshot.json", f.sign(f.snapshot(1, map[string]int64{"targets": 1}), signer[trust.Snapshot]))
			f.put("timestamp.json", f.sign(f.timestamp(1, 1), signer[trust.Timestamp]))
			res := h.ok()
			h.wantVersions(map[string]int64{trust.Timestamp: 1, trust.Snapshot: 1, trust.Targets: 1})
			if !strings.Contains(strings.Join(res.Notes, " "), "keys of timestamp or snapshot have changed") {
				t.Errorf("%s, back %v: notes are %q", role, back, res.Notes)
			}
			h.start()
			h.ok()
		}
	}
}

// The same with a crash between the new root and the rest: the root is persisted,
// the old timestamp is still there.
func TestFastForwardRecoveryOutlivesACrash(t *testing.T) {
	f := newForge(t)
	f.publish(100, 100, 100, nil)
	h := newHost(t, f.initial(), f)
	h.ok()
	more := doc{"roles": with(f.root(2, nil)["roles"].(doc), doc{"snapshot": doc{"keyids": []string{"online", "root"}, "threshold": 1}})}
	root2 := f.sign(f.root(2, more), "root")
	must(t, h.store.WriteRoot(2, root2)) // and then the power went
	f.put("2.root.json", root2)
	h.start()
	f.publish(1, 1, 1, nil)
	h.ok()
	h.wantVersions(map[string]int64{trust.Timestamp: 1})
}

func TestAVersionThatJumpsIsNoted(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, nil)
	h := newHost(t, f.initial(), f)
	h.ok()
	f.publish(10_002, 2, 20_000, nil)
	notes := strings.Join(h.ok().Notes, "\n")
	if !strings.Contains(notes, "timestamp jumped from 1 to 10002") || !strings.Contains(notes, "targets jumped from 1 to 20000") || strings.Contains(notes, "snapshot") {
		t.Errorf("got %q", notes)
	}
	if notes := h.ok().Notes; len(notes) != 0 {
		t.Errorf("noted once more: %q", notes)
	}
	f.put("timestamp.json", f.sign(f.timestamp(1<<31, 2), "online"))
	h.fails(health.FailMisconfigured)
}

func TestTheClockMustNotGoBack(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	now := time.Now()
	if _, err := h.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	h.start()
	repo.ResetRequests()
	_, err := h.Refresh(t.Context(), now.Add(-time.Hour))
	var clock *refresh.ClockError
	if !errors.As(err, &clock) || refresh.Kind(err) != health.FailClock {
		t.Errorf("got %v, want a ClockError", err)
	}
	if got := repo.Requests(); len(got) != 0 {
		t.Errorf("asked for %q with a clock that cannot be right", got)
	}
	if _, err := h.Refresh(t.Context(), now.Add(-time.Minute)); err != nil {
		t.Errorf("a small correction: %v", err)
	}
	// What failed does not count as a time that was seen: a clock ten years ahead
	// finds everything expired.
	if _, err := h.Refresh(t.Context(), now.Add(10*365*24*time.Hour)); refresh.Kind(err) != health.FailExpired {
		t.Errorf("ten years ahead: got %v, want expired", err)
	}
	if _, err := h.Refresh(t.Context(), now); err != nil {
		t.Errorf("after the clock was ten years ahead: %v", err)
	}
}

func TestExpiredMetadataIsNotPersisted(t *testing.T) {
	for _, tt := range []struct {
		role string
		want map[string]int64
	}{
		{trust.Root, map[string]int64{trust.Root: 2, trust.Timestamp: 1, trust.Snapshot: 1, trust.Targets: 1}},
		{trust.Timestamp, map[string]int64{trust.Timestamp: 1, trust.Snapshot: 1, trust.Targets: 1}},
		{trust.Snapshot, map[string]int64{trust.Timestamp: 2, trust.Snapshot: 1, trust.Targets: 1}},
		{trust.Targets, map[string]int64{trust.Timestamp: 2, trust.Snapshot: 2, trust.Targets: 1}},
	} {
		t.Run(tt.role, func(t *testing.T) {
			f := newForge(t)
			f.publish(1, 1, 1, nil)
			h := newHost(t, f.initial(), f)
			h.ok()
			f.publish(2, 2, 2, nil)
			past := doc{"expires": "2020-01-01T00:00:00Z"}
			switch tt.role {
			case trust.Root:
				f.put("2.root.json", f.sign(f.root(2, past), "root"))
			case trust.Timestamp:
				f.put("timestamp.json", f.sign(with(f.timestamp(2, 2), past), "online"))
			case trust.Snapshot:
				f.put("2.snapshot.json", f.sign(with(f.snapshot(2, map[string]int64{"targets": 2}), past), "online"))
			case trust.Targets:
				f.put("2.targets.json", f.sign(with(f.targets(2, nil), past), "targets"))
			}
			if err := h.failure(health.FailExpired); !errors.Is(err, &metadata.ErrExpiredMetadata{}) {
				t.Errorf("go-tuf's error is not in the chain of %v", err)
			}
			h.wantVersions(tt.want)
			if asked := f.requests(); tt.role == trust.Root && slices.Contains(asked[len(asked)-2:], "timestamp.json") {
				t.Errorf("after an expired root it asked for %q", asked)
			}
		})
	}
}

func TestAFrozenMirrorIsNoticedAtExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repo := newRepo(t, sandbox.Options{})
		h := newHost(t, repo.InitialRoot(), repo.Transport())
		h.ok()
		time.Sleep(6 * 24 * time.Hour)
		h.ok()
		time.Sleep(2 * 24 * time.Hour)
		repo.ResetRequests()
		h.fails(health.FailExpired)
		if got := repo.Requests(); len(got) != 2 {
			t.Errorf("of a frozen mirror it asked for %q", got)
		}
		h.start() // an expired set is still known for what it is
		if h.Current() == nil || len(h.Current().Expired(time.Now())) != 1 {
			t.Error("after a restart the expired set is not known as such")
		}
		must(t, repo.BumpTimestamp()) // the expired timestamp guards against rollback
		h.ok()
	})
}

func TestDeadlinesAndCancelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repo := newRepo(t, sandbox.Options{})
		h := newHost(t, repo.InitialRoot(), repo.Transport())
		h.options.Timeout = 20 * time.Second
		h.start()
		h.ok()
		repo.SetFault("timestamp.json", sandbox.Fault{Stall: time.Hour})
		start := time.Now()
		h.fails(health.FailUnreachable)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("the refresh took %s, its limit is 20 s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		_, err := h.Refresh(ctx, time.Now())
		if took := time.Since(start); took > 1100*time.Millisecond || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled after a second: took %s, %v", took, err)
		}
		if refresh.Kind(err) != health.FailNone {
			t.Errorf("a refresh that was called off is of kind %q", refresh.Kind(err))
		}
		repo.SetFault("timestamp.json", sandbox.Fault{})
		h.ok()
	})
}
