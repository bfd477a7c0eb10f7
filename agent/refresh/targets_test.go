// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestADelegatedRoleMayHaveAnyName(t *testing.T) {
	for role, quoted := range map[string]string{
		"?": "%3F", "#": "%23", "/delegatedrole": "%2Fdelegatedrole", "../delegatedrole": "..%2Fdelegatedrole", "seen": "seen", "current": "current",
	} {
		f := newForge(t)
		f.publish(1, 1, 1, nil, delegate(role, "k", "*"))
		f.put("1."+role+".json", f.sign(f.targets(1, map[string]string{"file": "x"}), "k"))
		f.putSnapshot(1, map[string]int64{"targets": 1, role: 1})
		h := newHost(t, f.initial(), f)
		res := h.ok()
		if !slices.Contains(f.requests(), "1."+quoted+".json") {
			t.Errorf("%q was not asked for as %q", role, quoted)
		}
		if string(res.Set.Files().Artifacts["file"]) != "x" {
			t.Errorf("%q: its target file is not in the set", role)
		}
		outside, err := filepath.Glob(filepath.Join(filepath.Dir(h.dir), "*.json"))
		if err != nil || len(outside) != 0 {
			t.Errorf("%q: written outside of the store: %q", role, outside)
		}
		h.start()
		h.ok()
		if got := f.requests(); len(got) != 2 {
			t.Errorf("%q: a refresh with nothing new asked for %q", role, got)
		}
	}
}

// What one delegator signs for says nothing about another, in one process or two.
func TestARoleIsVerifiedForEachOfItsDelegators(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, nil, delegate("a", "ka", "team-a/*"), delegate("b", "kb", "team-b/*"))
	f.put("1.a.json", f.sign(f.targets(1, nil, delegate("release", "kra", "team-a/*")), "ka"))
	f.put("1.b.json", f.sign(f.targets(1, nil, delegate("release", "krb", "team-b/*")), "kb"))
	f.put("1.release.json", f.sign(f.targets(1, map[string]string{"team-a/x": "good", "team-b/x": "bad"}), "kra"))
	f.putSnapshot(1, map[string]int64{"targets": 1, "a": 1, "b": 1, "release": 1})
	h := newHost(t, f.initial(), f)
	h.options.Wanted = nil
	h.start()
	h.ok()
	for range 2 {
		got, err := h.Lookup(t.Context(), time.Now(), "team-a/x")
		must(t, err)
		data, err := h.Download(t.Context(), got)
		if err != nil || string(data) != "good" {
			t.Errorf("through its delegator: got %q, %v", data, err)
		}
		if _, err := h.Lookup(t.Context(), time.Now(), "team-b/x"); refresh.Kind(err) != health.FailSignature {
			t.Errorf("through another delegator: got %v, want an error about signatures", err)
		}
		h.start()
	}
	// As a whole: the path that leads through the bad delegation is wanted.
	h.options.Wanted = everything
	h.start()
	h.fails(health.FailSignature)
	h.options.Wanted = func(path string) bool { return strings.HasPrefix(path, "team-a/") }
	h.start()
	if res := h.ok(); len(res.Set.Files().Artifacts) != 1 || len(res.Notes) != 1 {
		t.Errorf("got %d target files and notes %q, want 1 and 1", len(res.Set.Files().Artifacts), res.Notes)
	}
}

// A role that nobody here needs must not keep everything else from being fresh.
func TestABrokenDelegatedRoleMattersOnlyWhereItIsNeeded(t *testing.T) {
	f := newForge(t)
	publish := func(v int64, extra string) {
		f.publish(v, v, v, map[string]string{"top": "x"}, delegate("extra", "k", "extra/*"))
		if extra != "" {
			f.put(fmt.Sprintf("%d.extra.json", v), f.sign(f.targets(v, map[string]string{"extra/file": extra}), "k"))
		}
		f.putSnapshot(v, map[string]int64{"targets": v, "extra": v})
	}
	publish(1, "one")
	needs := newHost(t, f.initial(), f)
	needs.ok()
	not := newHost(t, f.initial(), f)
	not.options.Wanted = func(path string) bool { return path == "top" }
	not.start().ok()
	publish(2, "")
	needs.fails(health.FailInconsistent)
	if res := not.ok(); !res.New || !strings.Contains(strings.Join(res.Notes, ""), `role "extra" as delegated by targets is left out`) {
		t.Errorf("got %+v, want a new set and a note", res)
	}
	// A path that is delegated outright is known without the role that lists it.
	outright := newForge(t)
	outright.publish(1, 1, 1, nil, delegate("extra", "k", "extra/file"))
	outright.putSnapshot(1, map[string]int64{"targets": 1, "extra": 1})
	newHost(t, outright.initial(), outright).fails(health.FailInconsistent)

	publish(3, "three")
	needs.ok()
	not.ok()
}

func TestRepositoriesWithoutConsistentSnapshots(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, map[string]string{"dir/file": "x"})
	f.put("1.root.json", f.sign(f.root(1, doc{"consistent_snapshot": false}), "root"))
	f.put("snapshot.json", f.files["1.snapshot.json"])
	f.put("targets.json", f.files["1.targets.json"])
	for name := range f.files {
		if strings.HasPrefix(name, "1.") && name != "1.root.json" || strings.HasPrefix(name, "targets/") && name != "targets/dir/file" {
			f.remove(name)
		}
	}
	res := newHost(t, f.initial(), f).ok()
	if got := string(res.Set.Files().Artifacts["dir/file"]); got != "x" {
		t.Errorf("got %q, want the target file", got)
	}
	want := []string{"2.root.json", "timestamp.json", "snapshot.json", "targets.json", "targets/dir/file"}
	if got := f.requests(); !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// Files that do not belong together: the old set stays, the next refresh tries again.
func TestAMirrorOfTwoMinds(t *testing.T) {
	for what, spoil := range map[string]func(f *forge){
		"no snapshot yet":    func(f *forge) { f.remove("2.snapshot.json") },
		"no targets yet":     func(f *forge) { f.remove("2.targets.json") },
		"no target file yet": func(f *forge) { f.removeAll("targets/") },
		"snapshot of another": func(f *forge) {
			f.put("2.snapshot.json", f.sign(f.snapshot(3, map[string]int64{"targets": 2}), "online"))
		},
		"targets of another":         func(f *forge) { f.put("2.targets.json", f.sign(f.targets(3, nil), "targets")) },
		"target file of another":     func(f *forge) { f.swap("targets/", "other") },
		"target file that is longer": func(f *forge) { f.swap("targets/", "far too long") },
	} {
		t.Run(what, func(t *testing.T) {
			f := newForge(t)
			f.publish(1, 1, 1, map[string]string{"file": "first"})
			h := newHost(t, f.initial(), f)
			h.ok()
			next := map[string]string{"file": "later"}
			f.publish(2, 2, 2, next)
			spoil(f)
			h.fails(health.FailInconsistent)
			f.publish(2, 2, 2, next)
			if got := string(h.ok().Set.Files().Artifacts["file"]); got != "later" {
				t.Errorf("after the mirror made up its mind: got %q", got)
			}
		})
	}
}

func (f *forge) removeAll(prefix string) {
	for name := range f.files {
		if strings.HasPrefix(name, prefix) {
			f.remove(name)
		}
	}
}

func (f *forge) swap(prefix, data string) {
	for name := range f.files {
		if strings.HasPrefix(name, prefix) {
			f.put(name, []byte(data))
		}
	}
}

func TestHardCapsHoldWhateverMetadataSays(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, nil)
	f.put("1.targets.json", f.sign(with(f.targets(1, nil), doc{"targets": doc{"big": doc{
		"length": trust.MaxTargetFile + 1, "hashes": doc{"sha256": strings.Repeat("00", 32)},
	}}}), "targets"))
	newHost(t, f.initial(), f).fails(health.FailMisconfigured)
	if got := f.requests(); len(got) != 4 {
		t.Errorf("asked for %q, want no target file", got)
	}
	f.publish(1, 1, 1, nil)
	f.put("timestamp.json", f.sign(with(f.timestamp(1, 1), doc{"meta": doc{"snapshot.json": doc{"version": 1, "length": 1 << 40}}}), "online"))
	f.put("1.snapshot.json", bytes.Repeat([]byte(" "), trust.MaxSnapshot+1))
	newHost(t, f.initial(), f).fails(health.FailMisconfigured)
}
