// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Whatever a power cut or a bad disk leaves of a file, it blocks no refresh, it is
// set aside by name, and it does not let the mirror go back.
func TestADamagedLocalFileIsSetAside(t *testing.T) {
	damage := map[string]func([]byte) []byte{
		"empty":                 func([]byte) []byte { return nil },
		"cut off":               func(b []byte) []byte { return b[:len(b)/2] },
		"zeroed":                func(b []byte) []byte { return make([]byte, len(b)) },
		"null":                  func([]byte) []byte { return []byte("null") },
		"web page":              func([]byte) []byte { return []byte("<html>") },
		"of another role":       func([]byte) []byte { return []byte(`{"signed":{"_type":"targets"},"signatures":[]}`) },
		"with a null member":    func(b []byte) []byte { return bytes.Replace(b, []byte(`"meta": {`), []byte(`"meta": {"x": null,`), 1) },
		"with one byte changed": func(b []byte) []byte { return bytes.Replace(b, []byte(`"version": 2`), []byte(`"version": 3`), 1) },
	}
	for what, spoil := range damage {
		for _, file := range []string{"timestamp.json", "snapshot.json", "targets.json", "root_history/2.root.json"} {
			t.Run(file+" "+what, func(t *testing.T) {
				repo := newRepo(t, sandbox.Options{KeyType: "ed25519"})
				must(t, repo.RotateRoot(sandbox.Rotation{}))
				must(t, repo.Publish("a", []byte("a")))
				h := newHost(t, repo.InitialRoot(), repo.Transport())
				h.ok()
				path := filepath.Join(h.dir, file)
				data, err := os.ReadFile(path)
				must(t, err)
				spoiled := spoil(data)
				if bytes.Equal(data, spoiled) {
					spoiled = bytes.Replace(data, []byte(`"spec_version": "1.0"`), []byte(`"spec_version": "1.1"`), 1)
				}
				must(t, os.WriteFile(path, spoiled, 0o600))
				h.start()
				must(t, repo.Rollback(1))
				before := h.Current()
				if _, err := h.Refresh(t.Context(), time.Now()); refresh.Kind(err) != health.FailRollback {
					t.Errorf("an older repository: got %v, want a rollback", err)
				}
				repo.Restore()
				res := h.ok()
				if res.Set != before {
					t.Error("the set changed, though the repository did not")
				}
				got, err := os.ReadFile(path)
				must(t, err)
				if !bytes.Equal(got, data) {
					t.Error("the file was not restored")
				}
				named := strings.Contains(strings.Join(h.store.Damaged(), "\n"), filepath.Base(file)+".broken-")
				// Targets with another version or hash is an everyday thing, if it parses.
				if !named && !(file == "targets.json" && strings.HasPrefix(what, "with")) {
					t.Errorf("the damage is not reported: %q", h.store.Damaged())
				}
			})
		}
	}
}

// Any error but absence stops a refresh: what cannot be read may be newer.
func TestAFileThatCannotBeReadStopsTheRefresh(t *testing.T) {
	plant := map[string]func(path string) error{
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"a FIFO":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a symbolic link":    func(path string) error { return os.Symlink("elsewhere", path) },
		"a link to itself":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"far too many bytes": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
	}
	for what, make := range plant {
		for file, asked := range map[string][]string{ // the refresh stops there and then
			"root_history/2.root.json": {},
			"timestamp.json":           {"3.root.json"},
			"snapshot.json":            {"3.root.json", "timestamp.json"},
			"targets.json":             {"3.root.json", "timestamp.json"},
		} {
			repo := newRepo(t, sandbox.Options{KeyType: "ed25519"})
			must(t, repo.RotateRoot(sandbox.Rotation{}))
			h := newHost(t, repo.InitialRoot(), repo.Transport())
			h.ok()
			must(t, os.Remove(filepath.Join(h.dir, file)))
			must(t, make(filepath.Join(h.dir, file)))
			repo.ResetRequests()
			err := h.failure(health.FailStore)
			if got := repo.Requests(); !slices.Equal(got, asked) {
				t.Errorf("%s at %s: asked for %q, want %q", what, file, got, asked)
			}
			var unusable *store.UnusableFileError
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), file) {
				t.Errorf("%s at %s: got %v, want an error that names it", what, file, err)
			}
		}
	}
}

// Unsigned nulls, wrong types and missing members at every place of every role: an
// error each time, and never a panic.
func TestNoValueAMirrorServesMakesItPanic(t *testing.T) {
	f := newForge(t)
	f.publish(1, 1, 1, map[string]string{"a": "a"}, delegate("role", "k", "x/*"))
	f.put("1.role.json", f.sign(f.targets(1, nil), "k"))
	f.putSnapshot(1, map[string]int64{"targets": 1, "role": 1})
	f.put("2.root.json", f.sign(f.root(2, nil), "root"))
	cases := 0
	for _, file := range []string{"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"} {
		good := f.files[file]
		var tree any
		must(t, json.Unmarshal(good, &tree))
		mutate(tree, func(where string) {
			cases++
			f.put(file, marshal(t, tree))
			h := newHost(t, f.initial(), f)
			_, err := h.Refresh(t.Context(), time.Now())
			kind := refresh.Kind(err)
			// What carries no signature of its own may be changed without effect.
			harmless := err == nil && strings.HasPrefix(where, "/signatures")
			if !harmless && kind != health.FailMisconfigured && kind != health.FailSignature && kind != health.FailInconsistent {
				t.Errorf("%s at %s: kind %q, %v", file, where, kind, err)
			}
			h.store.Close()
		})
		f.put(file, good)
	}
	if cases < 200 {
		t.Errorf("only %d mutations were made", cases)
	}
}

// mutate calls f for every place of a tree, with null, another type, and nothing
// there; a place is restored afterwards.
func mutate(tree any, f func(where string)) { mutateBelow(tree, "", f) }

func mutateBelow(tree any, where string, f func(string)) {
	values := []any{nil, []any{}}
	switch node := tree.(type) {
	case map[string]any:
		for _, name := range sorted(node) {
			old := node[name]
			for i, v := range values {
				node[name] = v
				f(fmt.Sprintf("%s/%s (%d)", where, name, i))
			}
			delete(node, name)
			f(where + "/" + name + " (gone)")
			node[name] = old
			mutateBelow(old, where+"/"+name, f)
		}
	case []any:
		for i, old := range node {
			node[i] = nil
			f(fmt.Sprintf("%s/%d", where, i))
			node[i] = old
			mutateBelow(old, fmt.Sprintf("%s/%d", where, i), f)
		}
	}
}

func sorted(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The same, well signed: whoever holds the key can do no more than fail us.
func TestNoSignedNonsenseMakesItPanic(t *testing.T) {
	for what, spoil := range map[string]func(f *forge){
		"a timestamp without snapshot": func(f *forge) {
			f.put("timestamp.json", f.sign(with(f.timestamp(1, 1), doc{"meta": doc{}}), "online"))
		},
		"a snapshot without targets": func(f *forge) { f.putSnapshot(1, nil) },
		"a snapshot with null": func(f *forge) {
			f.put("1.snapshot.json", f.sign(with(f.snapshot(1, nil), doc{"meta": doc{"targets.json": nil}}), "online"))
		},
		"a short key": func(f *forge) {
			keys := f.keysOf("root", "online", "targets")
			keys["online"].(doc)["keyval"] = doc{"public": "abcd"}
			f.put("2.root.json", f.sign(f.root(2, doc{"keys": keys}), "root"))
		},
		"a threshold of zero": func(f *forge) {
			roles := with(f.root(2, nil)["roles"].(doc), doc{"timestamp": doc{"keyids": []string{"online"}, "threshold": 0}})
			f.put("2.root.json", f.sign(f.root(2, doc{"roles": roles}), "root"))
		},
		"a root version beyond all bounds": func(f *forge) {
			f.put("2.root.json", f.sign(f.root(1<<62, nil), "root"))
		},
		"a delegation by hash prefixes": func(f *forge) {
			d := delegate("role", "k")
			delete(d, "paths")
			d["path_hash_prefixes"] = []string{"00"}
			f.put("1.targets.json", f.sign(f.targets(1, nil, d), "targets"))
		},
		"succinct roles": func(f *forge) {
			f.put("1.targets.json", f.sign(with(f.targets(1, nil), doc{"delegations": doc{
				"keys":           f.keysOf("k"),
				"succinct_roles": doc{"keyids": []string{"k"}, "threshold": 1, "bit_length": 99, "name_prefix": "bin"},
			}}), "targets"))
		},
		"a delegated role called root": func(f *forge) {
			f.put("1.targets.json", f.sign(f.targets(1, nil, delegate("root", "k", "*")), "targets"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newForge(t)
			f.publish(1, 1, 1, nil)
			h := newHost(t, f.initial(), f)
			spoil(f)
			var malformed *trust.MalformedError
			if err := h.failure(health.FailMisconfigured); !errors.As(err, &malformed) {
				t.Errorf("got %v, want a MalformedError", err)
			}
		})
	}
}

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
		"no target file yet": func(f *forge) { clear(f.files2("targets/")) },
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

func (f *forge) files2(prefix string) map[string][]byte {
	for name := range f.files {
		if strings.HasPrefix(name, prefix) {
			f.remove(name)
		}
	}
	return nil
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

func TestFallbacks(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	other := newRepo(t, sandbox.Options{})
	hosts := byHost{"a.invalid": repo.Transport(), "b.invalid": repo.Transport()}
	h := newHost(t, repo.InitialRoot(), hosts)
	h.urls = []string{"http://a.invalid/", "http://b.invalid/"}
	h.start()
	if res := h.ok(); res.Origin != "http://a.invalid/" {
		t.Errorf("served by %q, want the first", res.Origin)
	}
	down := newRepo(t, sandbox.Options{})
	down.Down(true)
	hosts["a.invalid"] = down.Transport()
	must(t, repo.BumpTimestamp())
	if res := h.ok(); res.Origin != "http://b.invalid/" || !res.New || len(res.Notes) != 1 {
		t.Errorf("got %+v, want the second and a note", res)
	}
	hosts["b.invalid"] = down.Transport()
	err := h.failure(health.FailUnreachable)
	if !strings.Contains(err.Error(), "a.invalid") || !strings.Contains(err.Error(), "b.invalid") {
		t.Errorf("got %v, want both named", err)
	}
	hosts["b.invalid"] = repo.Transport()
	must(t, repo.Rollback(1))
	h.fails(health.FailInconsistent) // a fallback that lags behind
	repo.Restore()

	// What a mirror holds is never a reason to ask another.
	hosts["a.invalid"] = other.Transport()
	must(t, other.RotateRoot(sandbox.Rotation{}))
	repo.ResetRequests()
	h.fails(health.FailSignature)
	if got := repo.Requests(); len(got) != 0 {
		t.Errorf("the fallback was asked for %q", got)
	}
	// One that stops in the middle leaves time for the next.
	slow := newRepo(t, sandbox.Options{})
	slow.SetFault("", sandbox.Fault{Stall: time.Hour, Body: []byte("{}")})
	hosts["a.invalid"] = slow.Transport()
	h.options.Timeout = 2 * time.Second
	h.start()
	if res := h.ok(); res.Origin != "http://b.invalid/" {
		t.Errorf("served by %q, want the second", res.Origin)
	}
}

type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	return b[req.URL.Host].RoundTrip(req)
}

func TestEveryFailureHasAKind(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		fault      sandbox.Fault
		want       health.FailureKind
	}{
		{"500", "timestamp.json", sandbox.Fault{Status: 500}, health.FailUnreachable},
		{"429", "timestamp.json", sandbox.Fault{Status: 429}, health.FailUnreachable},
		{"403", "timestamp.json", sandbox.Fault{Status: 403}, health.FailMisconfigured},
		{"404", "timestamp.json", sandbox.Fault{Status: 404}, health.FailMisconfigured},
		{"404 in mid set", "2.snapshot.json", sandbox.Fault{Status: 404}, health.FailInconsistent},
		{"410 for the next root", "2.root.json", sandbox.Fault{Status: 410}, health.FailMisconfigured},
		{"a redirect", "timestamp.json", sandbox.Fault{Redirect: "http://evil.invalid/"}, health.FailMisconfigured},
		{"a login page", "2.root.json", sandbox.Fault{Body: []byte("<html>log in</html>"), Header: http.Header{"Content-Type": {"text/html"}}}, health.FailMisconfigured},
		{"no end", "timestamp.json", sandbox.Fault{Endless: true}, health.FailMisconfigured},
		{"gzip", "timestamp.json", sandbox.Fault{Gzip: true}, health.FailMisconfigured},
		{"a body cut off", "timestamp.json", sandbox.Fault{Truncate: 40}, health.FailUnreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{KeyType: "ed25519"})
			h := newHost(t, repo.InitialRoot(), repo.Transport())
			h.ok()
			must(t, repo.BumpSnapshot())
			repo.SetFault(tt.path, tt.fault)
			h.fails(tt.want)
			repo.SetFault(tt.path, sandbox.Fault{})
			h.ok()
		})
	}
	if got := refresh.Kind(errors.New("anything else")); got != health.FailInternal {
		t.Errorf("an unknown error is of kind %q", got)
	}
	if got := refresh.Kind(trust.Guard("parsing", func() error { panic("oops") })); got != health.FailInternal {
		t.Errorf("a panic is of kind %q", got)
	}
	if got := refresh.Kind(fmt.Errorf("x: %w", context.Canceled)); got != health.FailNone {
		t.Errorf("cancelling is of kind %q", got)
	}
}

// A transport or anything else that panics is a failed refresh, no more.
func TestAPanicIsAFailedRefresh(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.options.Wanted = func(string) bool { panic("oops") }
	h.start()
	h.fails(health.FailInternal)
	h.options.Wanted = everything
	h.start()
	h.ok()
}
