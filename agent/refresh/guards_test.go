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

// What a mirror signs can be more than a file name holds: that is said of the
// mirror, and not of a store in which nothing is wrong.
func TestATargetThatNoFileCanHoldIsTheMirrorsFault(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	h := newHost(t, repo.InitialRoot(), repo.Transport())
	h.ok()
	if err := repo.Publish(strings.Repeat("x", 300), []byte("data")); err != nil {
		t.Fatal(err)
	}
	if err := h.failure(health.FailMisconfigured); !errors.Is(err, store.ErrUnfit) {
		t.Errorf("error %v", err)
	}
}
