// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// FuzzCache builds a cache out of what the bytes say, two for each thing: where, and
// what. Looking at it changes nothing; mending it writes nothing outside, lowers no
// version, ends in no worse a state, and is done the second time.
func FuzzCache(f *testing.F) {
	f.Add(uint8(0), []byte("\x00\x00\x11\x11\x22\x22\x33\x33"))
	f.Add(uint8(4), []byte("\x01\x05\x02\x06\x03\x07\x04\x08\x05\x09"))
	f.Add(uint8(6), []byte("\x07\x01\x08\x02\x09\x03\x0a\x04"))
	for kind := range uint8(len(kinds)) {
		for what := range byte(16) {
			f.Add(kind, []byte{0, what, 1, what, 5, what})
		}
	}
	set, before := twoStates(f)
	f.Fuzz(func(t *testing.T, kind uint8, things []byte) {
		if len(things) > 40 {
			return
		}
		k := kinds[int(kind)%len(kinds)]
		home := t.TempDir()
		d := &den{reader: k.reader, layout: k.layout, url: denURL, embedded: k.reader == cache.GH,
			place: filepath.Join(home, "h", k.place), dir: filepath.Join(home, "h", k.dir), files: filepath.Join(home, "h", k.files)}
		canary := filepath.Join(home, "canary")
		must(t, os.MkdirAll(canary, 0o700))
		must(t, os.WriteFile(filepath.Join(canary, "precious"), []byte("precious"), 0o600))
		must(t, os.MkdirAll(d.dir, 0o700))
		must(t, os.MkdirAll(d.files, 0o700))
		for i := 0; i+1 < len(things); i += 2 {
			d.place1(t, things[i], things[i+1], canary, set.Files(), before)
		}
		outside := picture(t, canary)
		untouched := anatomy(t, home)
		found, _ := cache.Find([]cache.Place{d.cachePlace()}, []cache.Mirror{d.mirror()})
		for _, c := range found {
			first := c.Inspect(set, later())
			c.Inspect(nil, later())
			if after := anatomy(t, home); after != untouched {
				t.Fatalf("looking at it changed it:\n%s\nwas\n%s", after, untouched)
			}
			versions := d.versions()
			change, err := c.Replace(set, later(), cache.WriteOptions{Mend: true, Publish: true, Checked: later()})
			for role, was := range versions {
				if now := d.versions()[role]; now < was {
					t.Errorf("%s went from %d to %d by %+v", role, was, now, change)
				}
			}
			second, err2 := c.Replace(set, later(), both)
			if k.layout == cache.LayoutSigstorePython && !second.Empty() {
				// A history that was mended tells the next run what root.json was.
				second, err2 = c.Replace(set, later(), both)
			}
			if !second.Empty() {
				t.Errorf("a second run did %+v (%v), the first %+v (%v)", second, err2, change, err)
			}
			last := c.Inspect(set, later())
			if badness[last.State] > badness[first.State] {
				t.Errorf("was %s (%s), is %s (%s) by %+v (%v)", first.State, first.Detail, last.State, last.Detail, change, err)
			}
			untouched = anatomy(t, home)
		}
		wantUntouched(t, canary, outside)
	})
}

// badness orders the states by what a client meets.
var badness = map[cache.State]int{cache.Fresh: 0, cache.Behind: 1, cache.Expired: 1, cache.Ahead: 1, cache.Foreign: 1, cache.Damaged: 2, cache.Unusable: 3}

// twoStates are a set, and what its mirror had before.
func twoStates(tb testing.TB) (*trust.Set, trust.Files) {
	tb.Helper()
	repo, err := sandbox.New(sandbox.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	before := repo.Files()
	for _, change := range []func() error{
		func() error { return repo.RotateRoot(sandbox.Rotation{Online: true}) },
		func() error { return repo.Publish(target, []byte("hello again\n")) },
		repo.BumpTimestamp,
	} {
		if err := change(); err != nil {
			tb.Fatal(err)
		}
	}
	set, err := trust.Verify(repo.Files(), later())
	if err != nil {
		tb.Fatal(err)
	}
	return set, before
}

// place1 puts one thing into the den: where says at which name, what says which.
func (d *den) place1(t *testing.T, where, what byte, canary string, now, before trust.Files) {
	t.Helper()
	names := []string{"timestamp.json", "snapshot.json", "targets.json", "root.json", "root_history/1.root.json", "target file",
		"root_history", "../remote.json", "../" + filepath.Base(d.dir) + ".json", ".tufkeeper-" + "AAAAAAAAAAAAAAAAAAAAAAAAAX", "tuf_tmp1", "unknown", "targets", "root_history/2.root.json"}
	name := names[int(where)%len(names)]
	if d.dir == d.place && len(name) > 2 && name[:2] == ".." {
		return
	}
	path := d.at(name)
	newest := func(f trust.Files) []byte {
		if len(f.Roots) > 0 {
			return f.Roots[len(f.Roots)-1]
		}
		return f.Initial
	}
	of := func(f trust.Files) []byte {
		return map[string][]byte{"timestamp.json": f.Timestamp, "snapshot.json": f.Snapshot, "targets.json": f.Targets, "root.json": newest(f),
			"target file": f.Artifacts[target], "root_history/1.root.json": f.Initial, "root_history/2.root.json": newest(f)}[name]
	}
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = os.RemoveAll(path)
	var err error
	switch data := of(now); what % 16 {
	case 0, 1, 2:
		err = os.WriteFile(path, data, 0o644)
	case 3, 4:
		err = os.WriteFile(path, of(before), 0o644)
	case 5:
		err = os.WriteFile(path, data[:len(data)/2], 0o644)
	case 6:
		err = os.WriteFile(path, nil, 0o644)
	case 7:
		err = os.WriteFile(path, []byte("null"), 0o644)
	case 8:
		err = os.Mkdir(path, 0o700)
	case 9:
		err = syscall.Mkfifo(path, 0o600)
	case 10:
		err = os.Symlink(filepath.Join(canary, "precious"), path)
	case 11:
		err = os.Symlink(canary, path)
	case 12:
		err = os.Symlink("root_history/1.root.json", path)
	case 13:
		err = os.WriteFile(path, fmt.Appendf(nil, `{"mirror":"https://x","lastTimestamp":"2999-01-01T00:00:00Z","signed":{"version":%d}}`, what), 0o644)
	case 14:
		err = os.Link(filepath.Join(canary, "precious"), path)
	case 15:
		err = os.WriteFile(path, newest(before), 0o600) // another role's
	}
	if err != nil {
		t.Logf("%s: %v", name, err) // a directory in its way is a link by now
	}
}

// versions are those of the roles that lie in the den and say one.
func (d *den) versions() map[string]int64 {
	all := map[string]int64{}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		if info, err := os.Stat(d.path(role + ".json")); err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(d.path(role + ".json"))
		if err != nil {
			continue
		}
		if peek, err := trust.Peek(role, data); err == nil {
			all[role] = peek.Version
		}
	}
	return all
}

// anatomy is everything about a tree but what its files hold and when they were read.
func anatomy(t *testing.T, dir string) (all string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		all += fmt.Sprintln(path, st.Ino, st.Mode, st.Nlink, st.Size, st.Mtim, st.Ctim)
		return nil
	}))
	return all
}
