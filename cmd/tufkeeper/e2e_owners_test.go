// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// An owning is one way in which a cache belongs to the wrong one, or leads astray
// (facts on caches, 3.7).
type owning struct {
	name    string
	set     func(t *testing.T, base, dir, outside string)
	lasting bool   // its client fails by itself
	state   string // what tufkeeper says, or one of them
	part    string // of detail or remedy
	mended  bool   // its client works after tufkeeper; else tufkeeper touches nothing
}

func ownings(c reads) []owning {
	trusted := c.target
	rootOwned := func(mode fs.FileMode, names ...string) func(*testing.T, string, string, string) {
		return func(t *testing.T, _, dir, _ string) {
			for _, name := range names {
				must(t, os.Chown(filepath.Join(dir, name), 0, 0))
				must(t, os.Chmod(filepath.Join(dir, name), mode))
			}
		}
	}
	all := []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", trusted}
	link := func(name string) func(*testing.T, string, string, string) {
		return func(t *testing.T, _, dir, outside string) {
			must(t, os.Remove(filepath.Join(dir, name)))
			must(t, os.Symlink(filepath.Join(outside, "somebody's"), filepath.Join(dir, name)))
		}
	}
	return []owning{
		{"the directories of root", func(t *testing.T, base, _, _ string) {
			must(t, filepath.WalkDir(base, func(file string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Chown(file, 0, 0)
			}))
			must(t, os.Chmod(base, 0o755))
		}, true, "unusable", "sudo chown -R", false},
		{"files of root, 0644", rootOwned(0o644, all...), false, "fresh", "", true},
		{"files of root, 0600", rootOwned(0o600, all...), true, "unusable", "unreadable", true},
		{"the target file of root, 0600", rootOwned(0o600, trusted), true, "unusable", "unreadable", true},
		{"metadata of root, 0600", rootOwned(0o600, "timestamp.json", "snapshot.json"), false, "damaged unusable", "unreadable", true},
		{"<mirror>.json of root, 0600", rootOwned(0o600, "../"+c.dir+".json"), false, "fresh", "", true},
		{"the mirror's directory is a link", func(t *testing.T, _, dir, outside string) {
			must(t, os.Rename(dir, outside+"/moved"))
			must(t, os.Truncate(outside+"/moved/timestamp.json", 10)) // must stay as it is
			must(t, os.Symlink(outside+"/moved", dir))
		}, true, "unusable", "is a symbolic link, and is not followed", false},
		{"everyone may write to the directory", func(t *testing.T, _, dir, _ string) {
			must(t, os.Truncate(dir+"/timestamp.json", 10))
			must(t, os.Chmod(dir, 0o777))
		}, true, "unusable", "chmod go-w", false},
		{"timestamp.json is a link out of the tree", link("timestamp.json"), true, "damaged unusable", "symbolic link", true},
		{"the target file is a link out of the tree", link(trusted), false, "damaged unusable", "symbolic link", true},
	}
}

// TestE2EOwners meets caches of the wrong owner, mode or place with a real client,
// by itself and after tufkeeper. What lies outside the cache is never touched.
func TestE2EOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can make files of another owner")
	}
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	c := r.embedded(t, w.public(t))
	whole := r.dir(t, "whole")
	ok(t, c.run(t, whole))
	config := r.config(t, "owners", c, []string{r.path("with")}, "")
	want(t, r.keeper(t, config, "refresh"), 0, "")
	var table strings.Builder
	table.WriteString("| owner or place | client alone | tufkeeper says | with tufkeeper |\n|---|---|---|---|\n")
	for _, o := range ownings(c) {
		t.Run(o.name, func(t *testing.T) {
			for _, name := range []string{"alone", "with"} {
				base, outside := r.path(name), r.path(name+"-outside")
				must(t, os.RemoveAll(base))
				must(t, os.RemoveAll(outside))
				copyTree(t, whole, base)
				r.own(t, base)
				must(t, os.Mkdir(outside, 0o755))
				must(t, os.WriteFile(outside+"/somebody's", []byte("somebody's\n"), 0o644))
				r.own(t, outside)
				o.set(t, base, filepath.Join(base, c.dir), outside)
				aged(t, base, time.Minute)
			}
			_ = c.run(t, r.path("alone"))
			second := c.run(t, r.path("alone"))
			if got := second.code != 0; got != o.lasting {
				t.Errorf("its client fails: %t, known is %t: %s", got, o.lasting, second.said())
			}
			before, around := digestOf(t, r.path("with")), digestOf(t, r.path("with-outside"))
			found := r.one(t, config)
			_ = r.keeper(t, config, "caches", "--mend") // 1 where it may not
			if !strings.Contains(o.state, found.State) || !strings.Contains(found.Detail+found.Remedy, o.part) {
				t.Errorf("it is %s: %s (%s), want %s and %q", found.State, found.Detail, found.Remedy, o.state, o.part)
			}
			if after := digestOf(t, r.path("with-outside")); after != around {
				t.Errorf("what lies outside was changed:\n%s\nis now\n%s", around, after)
			}
			after := digestOf(t, r.path("with"))
			if !o.mended && after != before {
				t.Errorf("it was changed:\n%s\nis now\n%s", before, after)
			}
			last := c.run(t, r.path("with"))
			if o.mended != (last.code == 0) {
				t.Errorf("after tufkeeper its client ends with %d: %s", last.code, last.said())
			}
			word := map[bool]string{true: "works", false: "fails"}
			fmt.Fprintf(&table, "| %s | %s | %s: %s | %s |\n", o.name, word[second.code == 0], found.State, found.Detail, word[last.code == 0])
		})
	}
	t.Logf("\n%s", strings.ReplaceAll(table.String(), r.home, "~"))
}
