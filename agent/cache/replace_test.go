// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// picture is every name below dir with its inode, size, mode and time of change.
func picture(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String() + info.ModTime().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] += string(data)
		}
		return nil
	}))
	return all
}

func wantUntouched(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	after := picture(t, dir)
	for path, was := range before {
		if after[path] != was {
			t.Errorf("%s was touched", path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		}
	}
}

func TestBringsForwardInTheOrderOfTheProtocol(t *testing.T) {
	r := filled(t, sandbox.Options{Delegation: true})
	_, err := sandbox.Read(r.base, r.url, r.InitialRoot(), sandbox.DelegatedTarget)
	must(t, err)
	must(t, r.Publish(target, []byte("hello again\n")))
	found := r.wantState(t, cache.Behind)
	if len(found.Damage) > 0 {
		t.Errorf("damage %v, want none", found.Damage)
	}
	checked := time.Now().Add(time.Minute)
	var order []string
	o := cache.WithStep(cache.WriteOptions{Publish: true, Checked: checked}, func(done string) { order = append(order, done) })
	change, err := r.cache(t).Replace(r.set(t), checked, o)
	must(t, err)
	want := []string{"staged", "timestamp.json", "snapshot.json", "targets.json",
		sandbox.DelegatedRole + ".json", "targets/hello.txt", "../" + cache.DirName(r.url) + ".json"}
	if !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	wantUpdates := []cache.Update{
		{Role: "timestamp", File: "timestamp.json", Previous: 1, Version: 2},
		{Role: "snapshot", File: "snapshot.json", Previous: 1, Version: 2},
		{Role: "targets", File: "targets.json", Previous: 1, Version: 2},
		{Role: sandbox.DelegatedRole, File: sandbox.DelegatedRole + ".json", Previous: 1, Version: 2},
	}
	if !slices.Equal(change.Updates, wantUpdates) {
		t.Errorf("updates %+v, want %+v", change.Updates, wantUpdates)
	}
	for file, mode := range map[string]fs.FileMode{"timestamp.json": 0o644, "targets/hello.txt": 0o644, "../" + cache.DirName(r.url) + ".json": 0o600} {
		if info, err := os.Stat(r.path(file)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v (%v), want %v", file, info.Mode(), err, mode)
		}
	}
	var told struct{ LastTimestamp time.Time }
	data, err := os.ReadFile(r.path() + ".json")
	must(t, err)
	must(t, json.Unmarshal(data, &told))
	if !told.LastTimestamp.Equal(checked) {
		t.Errorf("told the last check as %s, want %s", told.LastTimestamp, checked)
	}
	r.ResetRequests()
	r.mustRead(t)
	if got := r.Requests(); len(got) != 2 { // the next root, the timestamp
		t.Errorf("the client asked for %q: not all was brought forward", got)
	}
}

func TestDelegatedRoleIsBroughtForward(t *testing.T) {
	r := filled(t, sandbox.Options{Delegation: true})
	_, err := sandbox.Read(r.base, r.url, r.InitialRoot(), sandbox.DelegatedTarget)
	must(t, err)
	file := r.path(sandbox.DelegatedRole + ".json")
	put(t, file, []byte("{"))
	r.wantState(t, cache.Damaged)
	r.replace(t, cache.WriteOptions{Mend: true})
	_, err = sandbox.Read(r.base, r.url, r.InitialRoot(), sandbox.DelegatedTarget)
	must(t, err)

	must(t, os.Remove(file))
	if change := r.replace(t, both); !change.Empty() {
		t.Errorf("change %+v: a role its client never asked for was added", change)
	}
}

func TestIdleRunWritesNothing(t *testing.T) {
	r := filled(t, sandbox.Options{Delegation: true})
	r.wantState(t, cache.Fresh)
	before := picture(t, r.base)
	if change := r.replace(t, cache.WriteOptions{Mend: true, Publish: true, Checked: time.Now()}); !change.Empty() {
		t.Errorf("change %+v, want none", change)
	}
	wantUntouched(t, r.base, before)
}

func TestMissingFilesAreTheClientsToFetch(t *testing.T) {
	r := filled(t, sandbox.Options{})
	for _, f := range []string{"timestamp.json", "snapshot.json", "targets.json", "targets"} {
		must(t, os.RemoveAll(r.path(f)))
	}
	r.wantState(t, cache.Fresh)
	if change := r.replace(t, both); !change.Empty() {
		t.Errorf("change %+v in a cache that only holds root.json", change)
	}
	r.mustRead(t)

	must(t, os.Remove(r.path("snapshot.json")))
	if found := r.wantState(t, cache.Behind); len(found.Damage) > 0 {
		t.Errorf("damage %v: a missing file is none", found.Damage)
	}
	r.replace(t, both)
	r.wantState(t, cache.Fresh)
}

func TestEmptyDirectoryOfTheDefaultMirrorIsFilled(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	must(t, os.Mkdir(r.path(), 0o700))
	r.replace(t, both)
	r.wantState(t, cache.Fresh)
	if got := r.version(t, "root"); got != 1 {
		t.Errorf("root %d, want 1", got)
	}
	r.mustRead(t)
}

func TestRootOfTheDefaultMirrorIsNeverWritten(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.RotateRoot(sandbox.Rotation{Online: true, AllRootKeys: true}))
	found := r.wantState(t, cache.Behind) // signed before the keys changed: no damage
	if len(found.Damage) > 0 {
		t.Errorf("damage %v, want none", found.Damage)
	}
	before, err := os.ReadFile(r.path("root.json"))
	must(t, err)
	r.replace(t, both)
	if after, err := os.ReadFile(r.path("root.json")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("root.json was written (%v)", err)
	}
	r.wantState(t, cache.Fresh)
	r.mustRead(t)

	put(t, r.path("root.json"), []byte("garbage"))
	if change := r.replace(t, both); !change.Empty() {
		t.Errorf("change %+v: its client writes that file itself", change)
	}
}

func TestAnchorOfACustomMirror(t *testing.T) {
	custom := func(t *testing.T) *rig {
		r := filled(t, sandbox.Options{})
		r.anchored = true
		return r
	}
	t.Run("is brought forward first", func(t *testing.T) {
		r := custom(t)
		must(t, r.RotateRoot(sandbox.Rotation{Online: true}))
		must(t, r.RotateRoot(sandbox.Rotation{}))
		r.wantState(t, cache.Behind)
		var order []string
		_, err := r.cache(t).Replace(r.set(t), time.Now(), cache.WithStep(both, func(done string) { order = append(order, done) }))
		must(t, err)
		if len(order) < 3 || order[1] != "root.json" || order[2] != "timestamp.json" {
			t.Errorf("order %q, want the anchor before the timestamp", order)
		}
		if got := r.version(t, "root"); got != 3 {
			t.Errorf("root %d, want 3", got)
		}
		r.mustRead(t)
		if found := r.wantState(t, cache.Fresh); found.RootVersion != 3 || found.RootSHA256 == "" {
			t.Errorf("told root %d %q", found.RootVersion, found.RootSHA256)
		}
	})
	t.Run("that is damaged is repaired", func(t *testing.T) {
		r := custom(t)
		put(t, r.path("root.json"), []byte("garbage"))
		if err := r.read(); err == nil {
			t.Fatal("its client does not mind")
		}
		r.wantState(t, cache.Damaged)
		r.replace(t, cache.WriteOptions{Mend: true})
		r.mustRead(t)
		r.wantState(t, cache.Fresh)
	})
	t.Run("that is missing is never made", func(t *testing.T) {
		r := custom(t)
		must(t, os.Remove(r.path("root.json")))
		if found := r.wantState(t, cache.Damaged); found.Remedy == "" {
			t.Error("nothing to type is told")
		}
		r.replace(t, both)
		if _, err := os.Lstat(r.path("root.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("root.json is there (%v)", err)
		}
	})
	t.Run("of another repository is left alone with all it signs", func(t *testing.T) {
		r := custom(t)
		other := custom(t)
		must(t, os.RemoveAll(r.path()))
		must(t, os.CopyFS(r.path(), os.DirFS(other.path())))
		found := r.wantState(t, cache.Foreign)
		if found.Remedy == "" {
			t.Error("nothing to type is told")
		}
		before := picture(t, r.base)
		if _, err := r.cache(t).Replace(r.set(t), time.Now(), both); !errors.Is(err, cache.ErrForeign) {
			t.Errorf("error %v, want ErrForeign", err)
		}
		wantUntouched(t, r.base, before)
	})
}

func TestNothingNewerIsWrittenOver(t *testing.T) {
	for name, change := range map[string]func(*rig) error{
		"a newer timestamp":       func(r *rig) error { return r.BumpTimestamp() },
		"newer target files":      func(r *rig) error { return r.Publish(target, []byte("new\n")) },
		"a root we have not seen": func(r *rig) error { return r.RotateRoot(sandbox.Rotation{Online: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			set := r.set(t)
			must(t, change(r))
			r.mustRead(t)
			before := picture(t, r.base)
			c := r.cache(t)
			if found := c.Inspect(set, time.Now()); found.State != cache.Ahead {
				t.Errorf("state %s (%s), want ahead", found.State, found.Detail)
			}
			if _, err := c.Replace(set, time.Now(), both); !errors.Is(err, cache.ErrAhead) {
				t.Errorf("error %v, want ErrAhead", err)
			}
			wantUntouched(t, r.base, before)
		})
	}
}

// A root that we have not seen may have other keys for the same version: a signature
// we cannot verify is then no damage, and nothing is written over it.
func TestSignaturesUnderARootWeHaveNotSeenAreNotJudged(t *testing.T) {
	r := filled(t, sandbox.Options{})
	set := r.set(t)
	must(t, r.RotateRoot(sandbox.Rotation{}))
	r.mustRead(t)
	data, err := os.ReadFile(r.path("timestamp.json"))
	must(t, err)
	put(t, r.path("timestamp.json"), bytes.Replace(data, []byte(`"expires": "20`), []byte(`"expires": "21`), 1))
	before := picture(t, r.base)
	c := r.cache(t)
	if found := c.Inspect(set, time.Now()); found.State != cache.Ahead || len(found.Damage) > 0 {
		t.Errorf("state %s, damage %v; want ahead", found.State, found.Damage)
	}
	if _, err := c.Replace(set, time.Now(), both); !errors.Is(err, cache.ErrAhead) {
		t.Errorf("error %v, want ErrAhead", err)
	}
	wantUntouched(t, r.base, before)
}

// Metadata newer than its mirror's answer is fatal for a client.
func TestUnsettledSetIsNotCopied(t *testing.T) {
	lagging := func(t *testing.T) (*rig, *trust.Set) {
		r := filled(t, sandbox.Options{})
		must(t, r.BumpTimestamp())
		set := r.set(t)
		must(t, r.Rollback(1)) // an edge of the mirror that still answers with the old one
		put(t, r.path("timestamp.json"), nil)
		return r, set
	}
	r, set := lagging(t)
	if _, err := r.cache(t).Replace(set, time.Now(), both); err != nil {
		t.Fatal(err)
	}
	if err := r.read(); err == nil {
		t.Fatal("the client does not mind newer metadata: this test shows nothing")
	}

	r, set = lagging(t)
	change, err := r.cache(t).Replace(set, time.Now(), cache.WriteOptions{Mend: true, Publish: true, Unsettled: true})
	must(t, err)
	if !slices.Equal(change.Removed, []string{"timestamp.json"}) || len(change.Written) > 0 {
		t.Errorf("change %+v, want the damaged file removed", change)
	}
	r.mustRead(t)
}

func TestUnsettledSetThatTheClientAlreadyHasIsCopied(t *testing.T) {
	r := filled(t, sandbox.Options{})
	put(t, r.path("snapshot.json"), nil)
	change := r.replace(t, cache.WriteOptions{Mend: true, Unsettled: true})
	if !slices.Equal(change.Written, []string{"snapshot.json"}) {
		t.Errorf("change %+v, want snapshot.json written", change)
	}
}

func TestNothingIsWrittenFromAnExpiredSet(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	c, set := r.cache(t), r.set(t)
	before := picture(t, r.base)
	later := time.Now().Add(8 * 24 * time.Hour)
	if _, err := c.Replace(set, later, both); !errors.Is(err, cache.ErrExpired) {
		t.Errorf("error %v, want ErrExpired", err)
	}
	wantUntouched(t, r.base, before)
	r.mustRead(t)
	if found := c.Inspect(set, later); found.State != cache.Expired {
		t.Errorf("state %s, want expired", found.State)
	}
}

func TestTimeInTheFuture(t *testing.T) {
	r := filled(t, sandbox.Options{})
	future := []byte(`{"lastTimestamp":"2999-01-01T00:00:00Z"}`)
	put(t, r.path()+".json", future)
	found := r.wantState(t, cache.Damaged)
	if found.Damage[0].What != "a time in the future" {
		t.Errorf("damage %v", found.Damage)
	}
	now := time.Now()
	if _, err := r.cache(t).Replace(r.set(t), now, cache.WriteOptions{Mend: true, Checked: now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(r.path() + ".json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left %s, a time in the future (%v)", data, err)
	}
	put(t, r.path()+".json", future)
	if _, err := r.cache(t).Replace(r.set(t), now, cache.WriteOptions{Mend: true, Checked: now}); err != nil {
		t.Fatal(err)
	}
	r.wantState(t, cache.Fresh)
}

func TestLeftoversAreSwept(t *testing.T) {
	r := filled(t, sandbox.Options{})
	old := time.Now().Add(-2 * time.Hour)
	temp := durable.TempPrefix + strings.Repeat("A", 25)
	theirs := []string{"notes", "tuf_tmp_my_notes.tar.gz", "tuf_tmp.backup", ".tufkeeper-notes", "targets/.tufkeeper-B", "../.tufkeeper-config.hcl"}
	for _, name := range append([]string{"tuf_tmp1", temp + "A", "targets/" + temp + "B", "../" + temp + "C"}, theirs...) {
		put(t, r.path(name), nil)
		must(t, os.Chtimes(r.path(name), old, old))
	}
	put(t, r.path("tuf_tmp2"), nil)
	must(t, os.Mkdir(r.path("tuf_tmp3"), 0o700))
	must(t, os.Chtimes(r.path("tuf_tmp3"), old, old))
	ours := []string{"../" + temp + "C", temp + "A", "targets/" + temp + "B"}
	change := r.replace(t, cache.WriteOptions{Publish: true})
	if slices.Sort(change.Removed); !slices.Equal(change.Removed, ours) {
		t.Errorf("removed %q, want %q: a client's are not ours to take where nothing is mended", change.Removed, ours)
	}
	change = r.replace(t, cache.WriteOptions{Mend: true})
	if !slices.Equal(change.Removed, []string{"tuf_tmp1"}) {
		t.Errorf("removed %q, want tuf_tmp1", change.Removed)
	}
	var left []string
	for path := range picture(t, r.base) {
		left = append(left, filepath.Base(path))
	}
	for _, name := range append([]string{"tuf_tmp2", "tuf_tmp3"}, theirs...) {
		if !slices.Contains(left, filepath.Base(name)) {
			t.Errorf("%s is gone", name)
		}
	}
	for _, name := range []string{"tuf_tmp1", temp + "A", temp + "B", temp + "C"} {
		if slices.Contains(left, name) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestWritesOnlyWhatIsAllowed(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	put(t, r.path("snapshot.json"), nil)
	before := picture(t, r.base)
	if change := r.replace(t, cache.WriteOptions{}); !change.Empty() {
		t.Errorf("change %+v, want none", change)
	}
	wantUntouched(t, r.base, before)
	if change := r.replace(t, cache.WriteOptions{Mend: true}); !slices.Equal(change.Written, []string{"snapshot.json"}) {
		t.Errorf("mending wrote %+v, want snapshot.json", change)
	}
	put(t, r.path("snapshot.json"), nil)
	if change := r.replace(t, cache.WriteOptions{Publish: true}); !slices.Equal(change.Written, []string{"timestamp.json"}) {
		t.Errorf("publishing wrote %+v, want timestamp.json", change)
	}
}
