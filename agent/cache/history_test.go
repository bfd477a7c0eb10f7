// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// python-tuf before 6 kept root.json as a file: it stays one, also where later
// releases bring the root themselves.
func TestRootOfAnOlderPythonStaysAFile(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		d := newDen(t, cache.SigstorePython)
		d.embedded = embedded
		must(t, os.RemoveAll(d.path("root_history")))
		must(t, os.Remove(d.path("root.json")))
		d.put(t, "root.json", d.RootJSON(1))
		d.newer(t)
		d.wantState(t, cache.Behind)
		if change := d.replace(t, both); change.Written[0] != "root.json" {
			t.Errorf("embedded %v: wrote %q, want root.json first", embedded, change.Written)
		}
		if info, err := os.Lstat(d.path("root.json")); err != nil || info.Mode() != 0o600 {
			t.Errorf("embedded %v: root.json is %v, %v", embedded, info.Mode(), err)
		}
		if _, err := os.Lstat(d.path("root_history")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("embedded %v: a history was made: %v", embedded, err)
		}
		d.wantState(t, cache.Fresh)
	}
}

// Where its client brings the root, it removes and makes the link on every run: a
// link of ours in that moment would stop it.
func TestLinkOfAnEmbeddedRootIsTheClients(t *testing.T) {
	d := newDen(t, cache.SigstorePython)
	d.embedded = true
	d.newer(t)
	change := d.replace(t, both)
	if slices.Contains(change.Written, "root.json") {
		t.Errorf("wrote %q", change.Written)
	}
	if to, _ := os.Readlink(d.path("root.json")); to != "root_history/1.root.json" {
		t.Errorf("root.json says %q", to)
	}
	d.wantState(t, cache.Fresh)
}

func TestHistoryIsMended(t *testing.T) {
	t.Run("the client was stopped before it made the link", func(t *testing.T) {
		d := newDen(t, cache.SigstorePython)
		must(t, os.Remove(d.path("root.json")))
		if in := d.wantState(t, cache.Damaged); in.Damage[0].Heals {
			t.Errorf("%v heals, without a root to start from", in.Damage)
		}
		d.replace(t, cache.WriteOptions{Mend: true})
		d.wantState(t, cache.Fresh)
		d.wantModes(t)
	})
	t.Run("no root is put where none was", func(t *testing.T) {
		d := newDen(t, cache.SigstorePython)
		must(t, os.Remove(d.path("root.json")))
		must(t, os.RemoveAll(d.path("root_history")))
		if in := d.wantState(t, cache.Damaged); in.Remedy != "sigstore --instance https://tuf.test:8443/a trust-instance FILE" {
			t.Errorf("remedy %q", in.Remedy)
		}
		d.newer(t)
		d.replace(t, both)
		if _, err := os.Lstat(d.path("root.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a root was made: %v", err)
		}
	})
	t.Run("every gap is filled", func(t *testing.T) {
		d := newDen(t, cache.SigstorePython)
		must(t, d.RotateRoot(sandbox.Rotation{}))
		d.newer(t) // root 4
		d.put(t, "root_history/3.root.json", []byte("{"))
		d.replace(t, both)
		for _, name := range []string{"2", "3", "4"} {
			got, err := os.ReadFile(d.path("root_history/" + name + ".root.json"))
			if err != nil || string(got) != string(d.RootJSON(int64(name[0]-'0'))) {
				t.Errorf("root %s: %v", name, err)
			}
			if info, err := os.Lstat(d.path("root_history/" + name + ".root.json")); err != nil || info.Mode() != 0o600 {
				t.Errorf("root %s has mode %v, %v", name, info.Mode(), err)
			}
		}
		d.wantState(t, cache.Fresh)
	})
	t.Run("a file in its place", func(t *testing.T) {
		d := newDen(t, cache.SigstorePython)
		must(t, os.RemoveAll(d.path("root_history")))
		put(t, d.path("root_history"), []byte("?"))
		d.wantState(t, cache.Unusable)
		if change := d.replace(t, cache.WriteOptions{Mend: true}); len(change.Aside) != 1 {
			t.Errorf("change %+v", change)
		}
	})
}

// The link is followed in the form that its client gives it, and in no other.
func TestNoOtherLinkIsFollowed(t *testing.T) {
	for _, to := range []string{"", "../root.json", "/etc/passwd", "./root_history/1.root.json", "root_history/01.root.json",
		"root_history/../../outside.json", "root_history/+1.root.json", "root_history/-1.root.json", "root_history/9.root.json"} {
		t.Run(to, func(t *testing.T) {
			d := newDen(t, cache.SigstorePython)
			outside := filepath.Join(d.place, "outside.json")
			if to == "" {
				to = outside
			}
			put(t, outside, d.RootJSON(1))
			must(t, os.Remove(d.path("root.json")))
			must(t, os.Symlink(to, d.path("root.json")))
			in := d.wantState(t, cache.Unusable)
			if in.Root != nil {
				t.Error("what the link leads to was read")
			}
			d.replace(t, cache.WriteOptions{Mend: true})
			if got, err := os.ReadFile(outside); err != nil || string(got) != string(d.RootJSON(1)) {
				t.Errorf("what the link led to was changed: %v", err)
			}
			d.wantState(t, cache.Fresh)
			d.wantModes(t)
		})
	}
	t.Run("a history that is a link", func(t *testing.T) {
		d := newDen(t, cache.SigstorePython)
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		must(t, os.Rename(d.path("root_history"), elsewhere))
		must(t, os.Symlink(elsewhere, d.path("root_history")))
		d.newer(t)
		before := picture(t, elsewhere)
		_, _ = d.cache(t).Replace(d.set(t), later(), both)
		wantUntouched(t, elsewhere, before)
	})
}

// The file that root.json leads to holds another root than its name says: mending it
// does not take root.json back to an older root, at no step.
func TestMendingTheHistoryLowersNoRoot(t *testing.T) {
	for name, row := range map[string]struct {
		hit     func(t *testing.T, d *den)
		holds   int64 // what root.json leads to
		mended  bool
		publish bool
	}{
		"its own file is there":      {func(*testing.T, *den) {}, 3, true, true},
		"its own file is missing":    {func(t *testing.T, d *den) { must(t, os.Remove(d.path("root_history/3.root.json"))) }, 3, true, true},
		"its own file is damaged":    {func(t *testing.T, d *den) { put(t, d.path("root_history/3.root.json"), []byte("?")) }, 3, true, true},
		"it holds an older root":     {func(*testing.T, *den) {}, 2, true, true},
		"it is mended only":          {func(*testing.T, *den) {}, 2, true, false},
		"it holds a root not judged": {func(*testing.T, *den) {}, 4, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDen(t, cache.SigstorePython)
			for range 2 {
				must(t, d.RotateRoot(sandbox.Rotation{}))
			}
			d.fill(t)
			d.known = d.set(t)
			must(t, d.RotateRoot(sandbox.Rotation{}))
			row.hit(t, d)
			d.put(t, "root_history/1.root.json", d.RootJSON(row.holds))
			must(t, os.Remove(d.path("root.json")))
			must(t, os.Symlink("root_history/1.root.json", d.path("root.json")))
			held := row.holds
			for range 3 {
				o := cache.WithStep(cache.WriteOptions{Mend: true, Publish: row.publish}, func(done string) {
					if got := rootOf(t, d); got < held {
						t.Fatalf("after %s root.json holds root %d, and held %d", done, got, held)
					} else {
						held = got
					}
				})
				if _, err := d.cache(t).Replace(d.set(t), later(), o); err != nil && row.mended {
					t.Fatal(err)
				}
			}
			in := d.inspect(t)
			if mended := len(in.Damage) == 0; mended != row.mended {
				t.Errorf("%s, damage %v", in.State, in.Damage)
			}
			if row.mended && row.publish {
				d.wantState(t, cache.Fresh)
			}
		})
	}
}

func rootOf(t *testing.T, d *den) int64 {
	t.Helper()
	data, err := os.ReadFile(d.path("root.json"))
	must(t, err)
	role, err := trust.Peek(trust.Root, data)
	must(t, err)
	return role.Version
}
