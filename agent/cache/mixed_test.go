// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// Caches of several layouts below one directory are told apart; what the place's
// reader does not read is left alone, whatever is allowed.
func TestLayoutsBelowOneDirectoryAreToldApart(t *testing.T) {
	mirrors := []cache.Mirror{{Name: "sandbox", URL: denURL}}
	names := map[cache.Layout]string{
		cache.LayoutSigstoreGo:     "tuf.test-8443-a",
		cache.LayoutSigstoreJS:     "tuf.test%3A8443%2Fa",
		cache.LayoutSigstorePython: "https%3A%2F%2Ftuf.test%3A8443%2Fa",
	}
	own := map[cache.Reader]cache.Layout{cache.Cosign: cache.LayoutSigstoreGo, cache.GH: cache.LayoutSigstoreGo,
		cache.SigstoreJS: cache.LayoutSigstoreJS, cache.NPM: cache.LayoutSigstoreJS, cache.SigstorePython: cache.LayoutSigstorePython}
	for reader, layout := range own {
		t.Run(string(reader), func(t *testing.T) {
			base := t.TempDir()
			for _, name := range names {
				mirrorDir(t, base, name)
			}
			must(t, os.Mkdir(filepath.Join(base, "tuf.db"), 0o700))
			d := newDen(t, cache.Cosign)
			found, errs := cache.Find([]cache.Place{{Base: base, Reader: reader}}, mirrors)
			if len(found) != 4 || len(errs) > 0 {
				t.Fatalf("found %+v, %v; want four", found, errs)
			}
			before := picture(t, base)
			for _, c := range found {
				name := filepath.Base(c.Path)
				if c.Layout != cache.LayoutLegacy && names[c.Layout] != name {
					t.Errorf("%s is called %s", name, c.Layout)
				}
				if c.Layout == layout {
					if c.Mirror != "sandbox" {
						t.Errorf("%+v is nobody's", c)
					}
					continue
				}
				if c.Layout == cache.LayoutLegacy && reader == cache.Cosign {
					continue // both lie there
				}
				in := c.Inspect(d.set(t), time.Now())
				if c.Mirror == "sandbox" && c.Layout != cache.LayoutLegacy || in.State != cache.Foreign || !strings.Contains(in.Detail, string(c.Layout)) {
					t.Errorf("%s: %s of mirror %q, %q", name, in.State, c.Mirror, in.Detail)
				}
				if !strings.Contains(c.ReadBy(), "nothing") {
					t.Errorf("%s is read by %s", name, c.ReadBy())
				}
				if change, _ := c.Replace(d.set(t), later(), both); !change.Empty() {
					t.Errorf("%s: %+v", name, change)
				}
			}
			wantUntouched(t, base, before)
		})
	}
}

// Releases of @sigstore/tuf before 2.3 kept one cache directly in the base.
func TestFlatCacheOfAnOldJavaScriptClient(t *testing.T) {
	base := t.TempDir()
	mirrorDir(t, filepath.Dir(base), filepath.Base(base))
	must(t, os.Mkdir(filepath.Join(base, "targets"), 0o700))
	put(t, filepath.Join(base, "remote.json"), []byte(`{"mirror":"https://tuf.test"}`))
	mirrorDir(t, base, "tuf.test")
	found, errs := cache.Find([]cache.Place{{Base: base, Reader: cache.NPM}}, []cache.Mirror{{Name: "sandbox", URL: "https://tuf.test"}})
	if len(found) != 2 || len(errs) > 0 || found[0].Path != base || found[1].Mirror != "sandbox" {
		t.Fatalf("found %+v, %v", found, errs)
	}
	if in := found[0].Inspect(nil, time.Now()); in.State != cache.Foreign || !strings.Contains(in.Detail, "before 2.3") {
		t.Errorf("%s: %q", in.State, in.Detail)
	}
}

func TestEveryReaderIsKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range cache.Readers() {
		d := newDen(t, r)
		c := d.cache(t)
		in := d.inspect(t)
		if c.ReadBy() == "" || seen[c.ReadBy()] || in.Asks == "" {
			t.Errorf("%s: read by %q, asks %q", r, c.ReadBy(), in.Asks)
		}
		seen[c.ReadBy()] = true
	}
	legacy := cache.Cache{Layout: cache.LayoutLegacy, Base: t.TempDir(), Reader: cache.Cosign}
	if !strings.Contains(legacy.ReadBy(), "2.5.0") || legacy.Inspect(nil, time.Now()).Asks != cache.AsksLate || legacy.Layout.Kept() {
		t.Errorf("the legacy cache is read by %q", legacy.ReadBy())
	}
}

// gh alone does not ask for a day, and only where it could go on with what is there.
func TestNotBefore(t *testing.T) {
	now := time.Now()
	for _, reader := range cache.Readers() {
		d := newDen(t, reader)
		told := now.Add(-time.Hour).UTC().Truncate(time.Second)
		put(t, d.dir+".json", []byte(`{"lastTimestamp":"`+told.Format(time.RFC3339)+`"}`))
		in := d.cache(t).Inspect(d.set(t), now)
		if got := in.NotBefore; reader == cache.GH && !got.Equal(told.AddDate(0, 0, 1)) || reader != cache.GH && !got.IsZero() {
			t.Errorf("%s does not ask before %s", reader, got)
		}
		if reader != cache.GH {
			continue
		}
		must(t, d.BumpTimestamp())
		if in := d.cache(t).Inspect(d.set(t), now); in.State != cache.Behind || !strings.Contains(in.Consequence, told.AddDate(0, 0, 1).Format(time.RFC3339)) {
			t.Errorf("%s, %q", in.State, in.Consequence)
		}
		if in := d.cache(t).Inspect(d.set(t), now.AddDate(0, 0, 2)); !in.NotBefore.IsZero() {
			t.Errorf("two days later it does not ask before %s", in.NotBefore)
		}
		must(t, os.Remove(d.path("timestamp.json")))
		if in := d.cache(t).Inspect(d.set(t), now); !in.NotBefore.IsZero() {
			t.Errorf("with nothing to go on with it does not ask before %s", in.NotBefore)
		}
	}
}

// sigstore-java verifies nothing that it finds in its cache: what is older than the
// timestamp beside it stays, unless it is mended.
func TestJavaIsNotLeftWithWhatItBelieves(t *testing.T) {
	d := newDen(t, cache.SigstoreJava)
	old := d.Files()
	d.newer(t)
	d.fill(t)
	d.put(t, "targets.json", old.Targets)
	must(t, os.WriteFile(d.target(), old.Artifacts[target], 0o644))
	in := d.wantState(t, cache.Damaged)
	if in.Damage[0].File != "targets.json" || in.Damage[0].Heals || !strings.Contains(in.Consequence, "believes") {
		t.Errorf("%v, %q", in.Damage, in.Consequence)
	}
	d.replace(t, cache.WriteOptions{Mend: true})
	d.replace(t, both)
	d.wantState(t, cache.Fresh)
}

// Offline, sigstore-python and sigstore-ruby read target files without looking: they
// are judged whatever the metadata beside them is.
func TestTargetFilesThatAreBelievedAreJudged(t *testing.T) {
	for _, reader := range []cache.Reader{cache.SigstorePython, cache.SigstoreRuby} {
		for _, behind := range []bool{false, true} {
			d := newDen(t, reader)
			if behind {
				d.newer(t)
				if in := d.wantState(t, cache.Behind); len(in.Damage) > 0 {
					t.Fatalf("%s: what an older release listed is damage: %v", reader, in.Damage)
				}
			}
			put(t, d.target(), []byte("another trusted root\n"))
			in := d.wantState(t, cache.Damaged)
			if in.Damage[0].File != d.target() || in.Damage[0].Heals || !strings.Contains(in.Consequence, "offline") {
				t.Errorf("%s, behind %v: %v, %q", reader, behind, in.Damage, in.Consequence)
			}
			d.replace(t, cache.WriteOptions{Mend: true})
			if got, err := os.ReadFile(d.target()); err != nil || string(got) != string(d.Files().Artifacts[target]) {
				t.Errorf("%s, behind %v: not mended: %q, %v", reader, behind, got, err)
			}
		}
	}
}

// What clients leave that were killed is removed after an hour, and nothing else.
func TestLeftoversOfEveryLayout(t *testing.T) {
	today := later().Format("20060102")
	left := map[cache.Reader][]string{
		cache.Cosign:         {"tuf_tmp123"},
		cache.SigstorePython: {"tmpab_d1234", "root_history/tmpabcdefgh"},
		cache.SigstoreRuby:   {today + "-4711-a1b2c3"},
	}
	all := []string{"tuf_tmp123", "tmpab_d1234", today + "-4711-a1b2c3", "tmp", "notes"}
	theirs := map[string]string{ // of anybody else, by name, content or mode
		"tmpbackup_1": "precious", today + "-1-backup": "precious", "tmp20261122": "{ but for all to read",
		today + "-1-shared": "{ but for all to read", "20261322-1-a": "", "19991231-1-a": "", "20991231-1-a": "",
	}
	eachReader(t, func(t *testing.T, d *den) {
		old := later().Add(-2 * time.Hour)
		want := left[d.reader]
		if d.reader == cache.GH {
			want = left[cache.Cosign]
		}
		files := append(all, want...)
		for _, name := range files {
			must(t, os.WriteFile(d.path(name), []byte("{")[:len(name)%2], 0o600))
			must(t, os.Chtimes(d.path(name), old, old))
		}
		for name, content := range theirs {
			mode := fs.FileMode(0o600)
			if strings.HasPrefix(content, "{") {
				mode = 0o644
			}
			must(t, os.WriteFile(d.path(name), []byte(content), mode))
			must(t, os.Chtimes(d.path(name), old, old))
		}
		young := map[bool]string{true: "tuf_tmp9", false: "tmp00000000"}[d.layout == cache.LayoutSigstoreGo]
		put(t, d.path(young), nil)
		change := d.replace(t, both)
		if len(change.Removed) != len(want) {
			t.Errorf("removed %q, want %q", change.Removed, want)
		}
		for _, name := range want {
			if _, err := os.Lstat(d.path(name)); err == nil {
				t.Errorf("%s is still there", name)
			}
		}
		if _, err := os.Lstat(d.path(young)); err != nil {
			t.Errorf("what may be in use is gone: %v", err)
		}
		for name := range theirs {
			if _, err := os.Lstat(d.path(name)); err != nil {
				t.Errorf("somebody's file is gone: %v", err)
			}
		}
	})
}

// A client that writes in place is stopped by what it cannot write to.
func TestFilesThatAClientCannotWrite(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	stops := map[cache.Reader]string{ // mode 0, then mode 0444
		cache.Cosign: "target file", cache.GH: "target file", cache.SigstorePython: "target file",
		cache.SigstoreJS:   "root.json timestamp.json target file",
		cache.SigstoreRuby: "root.json timestamp.json target file",
		cache.SigstoreJava: "root.json timestamp.json target file",
	}
	eachReader(t, func(t *testing.T, d *den) {
		if d.reader == cache.NPM {
			return
		}
		for _, file := range []string{"root.json", "timestamp.json", "target file"} {
			d.fresh(t)
			must(t, os.Chmod(d.at(file), 0))
			in := d.inspect(t)
			custom := file == "root.json" && !d.embedded // what it starts from
			if want := custom || strings.Contains(stops[d.reader], file); want != (in.State == cache.Unusable) {
				t.Errorf("%s with mode 0: %s (%s), unusable should be %v", file, in.State, in.Detail, want)
			}
			d.replace(t, cache.WriteOptions{Mend: true})
			d.wantState(t, cache.Fresh)

			d.fresh(t)
			must(t, os.Chmod(d.at(file), 0o444))
			in = d.inspect(t)
			inPlace := d.layout == cache.LayoutSigstoreJS || d.layout == cache.LayoutSigstoreJava
			if want := inPlace && file != "target file"; want != (in.State == cache.Unusable) {
				t.Errorf("%s with mode 0444: %s (%s), unusable should be %v", file, in.State, in.Detail, want)
			}
			d.replace(t, cache.WriteOptions{Mend: true})
			d.wantState(t, cache.Fresh)
		}
	})
}

// Links in place of files: a client that renames gets over them, one that writes in
// place writes through them. None is followed.
func TestLinksInEveryLayout(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		victim := filepath.Join(t.TempDir(), "victim")
		put(t, victim, []byte("precious"))
		for _, file := range []string{"timestamp.json", "target file"} {
			d.fresh(t)
			must(t, os.Remove(d.at(file)))
			must(t, os.Symlink(victim, d.at(file)))
			in := d.inspect(t)
			if len(in.Damage) != 1 || !in.Damage[0].Object {
				t.Fatalf("%s: %s %v", file, in.State, in.Damage)
			}
			d.replace(t, cache.WriteOptions{Mend: true})
			d.wantState(t, cache.Fresh)
			d.wantModes(t)
			if got, err := os.ReadFile(victim); err != nil || string(got) != "precious" {
				t.Errorf("%s: written through the link: %q, %v", file, got, err)
			}
		}
	})
}

// sigstore-python that only ever ran offline has target files and no metadata.
func TestTargetFilesAlone(t *testing.T) {
	for _, reader := range []cache.Reader{cache.SigstorePython, cache.SigstoreRuby} {
		for _, gone := range []string{"directory", "base"} {
			d := newDen(t, reader)
			must(t, os.RemoveAll(map[string]string{"directory": d.dir, "base": d.place}[gone]))
			d.wantState(t, cache.Fresh)
			d.newer(t)
			d.wantState(t, cache.Behind)
			if change := d.replace(t, both); len(change.Written) != 1 || change.Written[0] != d.target() {
				t.Errorf("%s, no %s: change %+v", reader, gone, change)
			}
			d.wantState(t, cache.Fresh)
			if _, err := os.Lstat(d.dir); err == nil {
				t.Errorf("%s, no %s: metadata was made up", reader, gone)
			}
			must(t, os.Remove(d.target()))
			must(t, os.Mkdir(d.target(), 0o700))
			d.wantState(t, cache.Unusable)
			d.replace(t, cache.WriteOptions{Mend: true})
			d.wantState(t, cache.Fresh)
		}
	}
}
