// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A blow is one way a file can be hurt.
type blow struct {
	name string
	hit  func(t *testing.T, path string)
	// lasting says for which files a client does not recover, online and run twice:
	// root, timestamp, snapshot, targets, target file.
	lasting string
}

func blows() []blow {
	edit := func(f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			must(t, err)
			put(t, path, f(data))
		}
	}
	return []blow{
		{"zero bytes", edit(func([]byte) []byte { return nil }), "timestamp snapshot targets"},
		{"truncated", edit(func(b []byte) []byte { return b[:len(b)/2] }), "timestamp snapshot targets"},
		{"random bytes", edit(func(b []byte) []byte {
			rand.Read(b)
			return b
		}), "timestamp snapshot targets"},
		{"null", edit(func([]byte) []byte { return []byte("null") }), "timestamp snapshot targets"},
		{"valid JSON of wrong shape", edit(func([]byte) []byte { return []byte(`{"a": 1}`) }), "timestamp snapshot targets"},
		{"directory", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
			put(t, filepath.Join(path, "inside"), []byte("kept"))
		}, "root timestamp snapshot targets hello"},
		{"dangling link", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink("nowhere", path))
		}, ""},
		{"altered under its signature", edit(func(b []byte) []byte {
			b = bytes.Replace(b, []byte(`"expires": "20`), []byte(`"expires": "21`), 1)
			return bytes.Replace(b, []byte(`"expires":"20`), []byte(`"expires":"21`), 1) // as sigstore-java writes it
		}), ""},
	}
}

var matrix = map[string]string{
	"root": "root.json", "timestamp": "timestamp.json", "snapshot": "snapshot.json",
	"targets": "targets.json", "hello": "targets/hello.txt",
}

// The damage that was measured, each produced, met by a real client, and mended.
func TestEveryDamageIsMended(t *testing.T) {
	whole := filled(t, sandbox.Options{})
	for _, b := range blows() {
		for short, file := range matrix {
			if b.name == "altered under its signature" && short == "hello" {
				continue // has no signature of its own
			}
			t.Run(b.name+" "+file, func(t *testing.T) {
				t.Parallel()
				lasting := slices.Contains(strings.Fields(b.lasting), short)

				untouched := whole.twin(t)
				b.hit(t, untouched.path(file))
				_ = untouched.read() // the second run counts: the first may heal
				if err := untouched.read(); (err != nil) != lasting {
					t.Fatalf("left alone, its client ends with %v; lasting should be %v", err, lasting)
				}

				r := whole.twin(t)
				b.hit(t, r.path(file))
				found := r.inspect(t)
				at := slices.IndexFunc(found.Damage, func(d cache.Damage) bool { return d.File == file })
				byClient := !lasting && short == "root" && b.name == "altered under its signature"
				if at < 0 && !byClient {
					t.Fatalf("damage not seen: %s (%s) %v", found.State, found.Detail, found.Damage)
				}
				throughLink := short == "hello" && b.name == "dangling link" // works, and must not
				if at >= 0 && found.Damage[at].Heals == lasting && !throughLink {
					t.Errorf("%+v: heals should be %v", found.Damage[at], !lasting)
				}
				want := cache.Damaged
				if b.name == "directory" {
					want = cache.Unusable
				}
				if lasting && found.State != want {
					t.Errorf("state %s (%s), want %s", found.State, found.Detail, want)
				}
				if at >= 0 && found.Damage[at].Object != slices.Contains([]string{"directory", "dangling link"}, b.name) {
					t.Errorf("%+v: what is at fault is told wrongly", found.Damage[at])
				}
				if lasting && found.Consequence == "" {
					t.Error("no consequence told")
				}
				change := r.replace(t, cache.WriteOptions{Mend: true})
				if lasting && len(change.Mended) != 1 {
					t.Errorf("mended %+v, want one", change)
				}
				r.mustRead(t)
				r.wantState(t, cache.Fresh)
				if again := r.replace(t, both); !again.Empty() {
					t.Errorf("a second run wrote: %+v", again)
				}
				if b.name == "directory" {
					kept, err := filepath.Glob(r.path(file) + ".broken-*/inside")
					if err != nil || len(kept) != 1 {
						t.Errorf("what was in the directory is gone: %v %v", kept, err)
					}
				}
			})
		}
	}
}

func TestOlderButValidIsNoDamage(t *testing.T) {
	for _, file := range []string{"timestamp.json", "snapshot.json", "targets.json", "targets/hello.txt"} {
		t.Run(file, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			old, err := os.ReadFile(r.path(file))
			must(t, err)
			must(t, r.Publish(target, []byte("hello again\n")))
			r.mustRead(t)
			put(t, r.path(file), old)
			if file == "targets/hello.txt" {
				if d := r.wantState(t, cache.Damaged).Damage; !d[0].Heals {
					t.Errorf("damage %+v, want one that heals", d)
				}
			} else {
				r.wantState(t, cache.Behind)
			}
			r.replace(t, both)
			r.wantState(t, cache.Fresh)
			r.mustRead(t)
		})
	}
}

// What its owner cannot read: metadata heals, a target file does not.
func TestUnreadableFilesAreMadeReadable(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	whole := filled(t, sandbox.Options{})
	for short, file := range matrix {
		t.Run(file, func(t *testing.T) {
			alone := whole.twin(t)
			must(t, os.Chmod(alone.path(file), 0))
			_ = alone.read()
			if err := alone.read(); (err != nil) != (short == "hello") {
				t.Fatalf("left alone, its client ends with %v", err)
			}

			r := whole.twin(t)
			must(t, os.Chmod(r.path(file), 0))
			change := r.replace(t, cache.WriteOptions{Mend: true})
			if short != "root" && !slices.Equal(change.Fixed, []string{file}) {
				t.Errorf("change %+v, want %s made readable", change, file)
			}
			r.mustRead(t)
			r.wantState(t, cache.Fresh)
		})
	}
	t.Run("not through a hard link", func(t *testing.T) {
		r := whole.twin(t)
		other := filepath.Join(r.base, "other")
		must(t, os.Link(r.path("targets", target), other))
		must(t, os.Chmod(other, 0))
		r.replace(t, cache.WriteOptions{Mend: true})
		if info, err := os.Stat(other); err != nil || info.Mode().Perm() != 0 {
			t.Errorf("the other name's mode is %v (%v)", info.Mode(), err)
		}
		r.mustRead(t)
	})
}

// Between the look at a file and the change of its mode another one can be put in its
// place: a second name of a file outside of the cache.
func TestOnlyTheFileThatWasJudgedIsMadeReadable(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	r := filled(t, sandbox.Options{})
	c, set := r.cache(t), r.set(t)
	secret, lure := filepath.Join(filepath.Dir(r.base), "secret"), filepath.Join(r.base, "lure")
	put(t, secret, nil)
	must(t, os.Chmod(secret, 0o600))
	must(t, os.Link(secret, lure))
	must(t, os.Chmod(r.path("timestamp.json"), 0))
	exchange := cache.WithStep(cache.WriteOptions{Mend: true}, func(done string) {
		if done == "judged" {
			must(t, os.Rename(lure, r.path("timestamp.json")))
		}
	})
	change, err := c.Replace(set, time.Now(), exchange)
	if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file outside of the cache has mode %v now (%v)", info.Mode(), err)
	}
	if err != nil || len(change.Fixed) > 0 || !slices.Equal(change.Written, []string{"timestamp.json"}) {
		t.Errorf("change %+v, %v: what was put there is replaced", change, err)
	}
}

// A pipe in place of a file makes a client wait for ever; the agent must not.
func TestNothingBlocks(t *testing.T) {
	for _, file := range []string{"timestamp.json", "targets/hello.txt", "root.json", "../remote.json"} {
		t.Run(file, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			os.Remove(r.path(file))
			must(t, syscall.Mkfifo(r.path(file), 0o644))
			done := make(chan cache.Inspection, 1)
			go func() { done <- r.inspect(t) }()
			select {
			case found := <-done:
				if len(found.Damage) != 1 || found.Damage[0].What != "not a regular file" {
					t.Fatalf("found %s %v, want one damage", found.State, found.Damage)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("inspecting blocks")
			}
			if file != "../remote.json" {
				r.replace(t, cache.WriteOptions{Mend: true})
				r.mustRead(t)
			}
		})
	}
}

func TestMirrorDirectoryThatIsAFile(t *testing.T) {
	for _, which := range []string{"", "targets"} {
		t.Run(which, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			must(t, os.RemoveAll(r.path(which)))
			put(t, r.path(which), []byte("?"))
			if err := r.read(); err == nil {
				t.Fatal("its client does not mind")
			}
			r.wantState(t, cache.Unusable)
			if change := r.replace(t, cache.WriteOptions{Mend: true}); len(change.Aside) != 1 {
				t.Errorf("change %+v, want one moved aside", change)
			}
			r.mustRead(t)
			r.wantState(t, cache.Fresh)
		})
	}
}

// Without the mirror's metadata there is nothing to write, but what its client
// cannot parse can be taken out of its way.
func TestDamageIsMendedWithoutASet(t *testing.T) {
	r := filled(t, sandbox.Options{})
	for _, file := range []string{"timestamp.json", "snapshot.json", "targets.json"} {
		put(t, r.path(file), nil)
	}
	if err := r.read(); err == nil {
		t.Fatal("its client does not mind")
	}
	c := r.cache(t)
	if found := c.Inspect(nil, time.Now()); found.State != cache.Damaged || len(found.Damage) != 3 {
		t.Errorf("found %s %v, want damage in three files", found.State, found.Damage)
	}
	change, err := c.Replace(nil, time.Now(), cache.WriteOptions{Mend: true, Publish: true})
	must(t, err)
	if len(change.Removed) != 3 || len(change.Written) != 0 {
		t.Errorf("change %+v, want three removed", change)
	}
	r.mustRead(t)
}

func TestWithoutARootNothingIsRemoved(t *testing.T) {
	r := filled(t, sandbox.Options{})
	put(t, r.path("timestamp.json"), []byte("somebody's notes"))
	put(t, r.path("root.json"), []byte("somebody's notes"))
	change, err := r.cache(t).Replace(nil, time.Now(), cache.WriteOptions{Mend: true})
	must(t, err)
	if !change.Empty() {
		t.Errorf("change %+v in what may be no cache at all", change)
	}
}
