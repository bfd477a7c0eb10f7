// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestASetComesBackAsItWasVerified(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Sigstore: true, Delegation: true})
	must(t, repo.RotateRoot(sandbox.Rotation{}))
	must(t, repo.Publish("../odd/.name ?", []byte("x")))
	set := verify(t, repo.Files())
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Load(repo.InitialRoot()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first commit: got %v, want fs.ErrNotExist", err)
	}
	must(t, s.Commit(set))
	got, err := open(t, dir).Load(repo.InitialRoot())
	must(t, err)
	if got.ID() != set.ID() || !got.VerifiedAt().Equal(set.VerifiedAt()) {
		t.Errorf("got set %s of %s, want %s of %s", got.ID(), got.VerifiedAt(), set.ID(), set.VerifiedAt())
	}
	if !bytes.Equal(got.Files().Artifacts["../odd/.name ?"], []byte("x")) {
		t.Error("a target file with an odd name did not come back")
	}
	beside, err := store.LoadSet(dir, repo.InitialRoot())
	must(t, err)
	if beside.ID() != set.ID() {
		t.Error("LoadSet found another set")
	}
}

func TestLoadSetChangesNothing(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	dir := t.TempDir()
	if _, err := store.LoadSet(filepath.Join(dir, "none"), repo.InitialRoot()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a store: got %v, want fs.ErrNotExist", err)
	}
	s := open(t, dir)
	must(t, s.Commit(verify(t, repo.Files())))
	before := stamps(t, dir)
	_, err := store.LoadSet(dir, repo.InitialRoot())
	must(t, err)
	compare(t, before, stamps(t, dir))
}

// A set that expired long ago is still known for what it is.
func TestLoadingJudgesExpiryAtTheTimeOfVerification(t *testing.T) {
	past := time.Now().Add(-30 * 24 * time.Hour)
	repo := newRepo(t, sandbox.Options{Now: func() time.Time { return past }})
	set, err := trust.Verify(repo.Files(), past)
	must(t, err)
	dir := t.TempDir()
	must(t, open(t, dir).Commit(set))
	s := open(t, dir)
	got, err := s.Load(repo.InitialRoot())
	must(t, err)
	if len(got.Expired(time.Now())) == 0 {
		t.Error("nothing in it has expired: the test shows nothing")
	}
	if !s.HighestTime().Equal(got.VerifiedAt()) {
		t.Errorf("the highest time is %s, want that of the set", s.HighestTime())
	}
}

func TestThePreviousSetIsKeptAndOlderOnesGo(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	dir := t.TempDir()
	s := open(t, dir)
	var ids []string
	for range 4 {
		set := verify(t, repo.Files())
		must(t, s.Commit(set))
		ids = append(ids, set.ID())
		must(t, repo.BumpTimestamp())
	}
	var names []string
	entries, err := os.ReadDir(filepath.Join(dir, "sets"))
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) != 2 || !strings.Contains(strings.Join(names, " "), ids[2]) || !strings.Contains(strings.Join(names, " "), ids[3]) {
		t.Errorf("got %q, want the last two of %q", names, ids)
	}
	// The same content once more, as after damage, does not touch what is there.
	set, err := s.Load(repo.InitialRoot())
	must(t, err)
	must(t, s.Commit(set))
	got, err := open(t, dir).Load(repo.InitialRoot())
	must(t, err)
	if got.ID() != ids[3] {
		t.Errorf("got %s, want %s", got.ID(), ids[3])
	}
}

// Whatever happens to the current set, the one before it is loaded, the damage is
// reported, and the next commit repairs it.
func TestADamagedSetIsReportedAndTheOneBeforeItIsLoaded(t *testing.T) {
	damage := map[string]func(t *testing.T, dir, current string){
		"timestamp cut off": func(t *testing.T, _, current string) {
			must(t, os.Truncate(filepath.Join(current, "timestamp.json"), 20))
		},
		"one byte of a target file": func(t *testing.T, _, current string) {
			must(t, os.WriteFile(filepath.Join(current, "files", "hello.txt"), []byte("hellO\n"), 0o600))
		},
		"verified_at in words": func(t *testing.T, _, current string) { write(t, filepath.Join(current, "verified_at"), "today") },
		"verified_at long ago": func(t *testing.T, _, current string) {
			write(t, filepath.Join(current, "verified_at"), "2400-01-01T00:00:00Z")
		},
		"a missing role":         func(t *testing.T, _, current string) { must(t, os.Remove(filepath.Join(current, "snapshot.json"))) },
		"a missing directory":    func(t *testing.T, _, current string) { must(t, os.RemoveAll(filepath.Join(current, "files"))) },
		"a file too many":        func(t *testing.T, _, current string) { write(t, filepath.Join(current, "files", "evil"), "x") },
		"the link names nothing": func(t *testing.T, dir, current string) { must(t, os.RemoveAll(current)) },
		"the link leads outside": func(t *testing.T, dir, _ string) {
			must(t, os.Remove(filepath.Join(dir, "current")))
			must(t, os.Symlink("/etc", filepath.Join(dir, "current")))
			// Only the older set is left to be found.
			entries, err := filepath.Glob(filepath.Join(dir, "sets", "*"))
			must(t, err)
			for _, e := range entries {
				if _, err := os.Stat(filepath.Join(e, "newer")); err == nil {
					must(t, os.RemoveAll(e))
				}
			}
		},
	}
	for what, spoil := range damage {
		t.Run(what, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{})
			dir := t.TempDir()
			s := open(t, dir)
			before := verify(t, repo.Files())
			must(t, s.Commit(before))
			must(t, repo.Publish("more", []byte("x")))
			after := verify(t, repo.Files())
			must(t, s.Commit(after))
			current, err := filepath.EvalSymlinks(filepath.Join(dir, "current"))
			must(t, err)
			if what == "the link leads outside" {
				write(t, filepath.Join(current, "newer"), "")
			}
			spoil(t, dir, current)

			s = open(t, dir)
			got, err := s.Load(repo.InitialRoot())
			must(t, err)
			if got.ID() != before.ID() {
				t.Fatalf("got set %s, want the one before, %s", got.ID(), before.ID())
			}
			if len(s.Damaged()) == 0 {
				t.Error("the damage is not reported")
			}
			must(t, s.Commit(after))
			if got := s.Damaged(); len(got) != 0 {
				t.Errorf("still reported after the repair: %q", got)
			}
			s = open(t, dir)
			if got, err = s.Load(repo.InitialRoot()); err != nil || got.ID() != after.ID() {
				t.Errorf("after the repair: got %v, %v", got, err)
			}
			names, err := os.ReadDir(filepath.Join(dir, "sets"))
			must(t, err)
			if len(names) != 2 {
				t.Errorf("%d sets are kept, want the new one and the one before", len(names))
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// The set on disk was written from root 3 on; the binary may now start elsewhere.
func TestASetIsVerifiedFromTheInitialRootThatIsGiven(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	for range 3 {
		must(t, repo.RotateRoot(sandbox.Rotation{}))
	}
	f := repo.Files()
	from3 := f
	from3.Initial, from3.Roots = f.Roots[1], f.Roots[2:]
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Commit(verify(t, from3)))

	for v := int64(2); v <= 4; v++ {
		set, err := s.Load(repo.RootJSON(v))
		if err != nil {
			t.Errorf("from root %d: %v", v, err)
		} else if r, _ := set.Role(trust.Root); r.Version != 4 {
			t.Errorf("from root %d: ends at root %d, want 4", v, r.Version)
		}
	}
	if _, err := s.Load(repo.InitialRoot()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from root 1, with root 2 unknown: got %v, want fs.ErrNotExist", err)
	}
	must(t, s.WriteRoot(2, repo.RootJSON(2)))
	if _, err := s.Load(repo.InitialRoot()); err != nil {
		t.Errorf("from root 1, with root 2 in the history: %v", err)
	}
	other := newRepo(t, sandbox.Options{})
	if _, err := s.Load(other.InitialRoot()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from another repository's root: got %v, want fs.ErrNotExist", err)
	}
	if len(s.Damaged()) == 0 {
		t.Error("a set that does not follow from the initial root is not reported")
	}
}
