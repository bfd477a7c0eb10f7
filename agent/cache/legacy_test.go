// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// legacy is a base with a database as a legacy client makes it, still open and so
// locked when held is set.
func legacy(t *testing.T, f trust.Files) (c cache.Cache, held *leveldb.DB) {
	t.Helper()
	base := t.TempDir()
	db, err := leveldb.OpenFile(filepath.Join(base, "tuf.db"), nil)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	root := f.Initial
	if len(f.Roots) > 0 {
		root = f.Roots[len(f.Roots)-1]
	}
	for role, data := range map[string][]byte{"root": root, "timestamp": f.Timestamp, "snapshot": f.Snapshot, "targets": f.Targets} {
		must(t, db.Put([]byte(role+".json"), data, nil))
	}
	must(t, os.Mkdir(filepath.Join(base, "targets"), 0o700))
	for path, data := range f.Artifacts {
		must(t, os.WriteFile(filepath.Join(base, "targets", path), data, 0o600))
	}
	found, errs := cache.Find(cosignPlaces(base), []cache.Mirror{{Name: "sigstore", URL: public, Default: true}})
	if len(found) != 1 || len(errs) > 0 || found[0].Layout != cache.LayoutLegacy || found[0].Mirror != "sigstore" {
		t.Fatalf("found %+v, %v; want one legacy cache", found, errs)
	}
	return found[0], db
}

func repository(t *testing.T) *rig {
	t.Helper()
	return newRig(t, sandbox.Options{})
}

func wantLegacy(t *testing.T, in cache.Inspection, state cache.State, detail string) {
	t.Helper()
	if in.State != state || !strings.Contains(in.Detail, detail) {
		t.Errorf("found %s, %q; want %s, %q", in.State, in.Detail, state, detail)
	}
}

// Its client opens the database for writing: it ends where it cannot.
func TestLegacyDatabaseThatCannotBeWritten(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	r := repository(t)
	c, _ := legacy(t, r.Files())
	db := filepath.Join(c.Base, "tuf.db")
	must(t, os.Chmod(db, 0o500))
	in := c.Inspect(r.set(t), time.Now())
	must(t, os.Chmod(db, 0o700))
	wantLegacy(t, in, cache.Unusable, "mode 0500")
	if in.Remedy != "chmod u+rwx "+db {
		t.Errorf("to type: %q", in.Remedy)
	}
}

func TestLegacyCacheIsReadBesideItsClient(t *testing.T) {
	r := repository(t)
	c, _ := legacy(t, r.Files()) // its client has it open: the lock is taken
	before := picture(t, c.Base)
	in := c.Inspect(r.set(t), time.Now())
	wantLegacy(t, in, cache.Fresh, "root 1, timestamp 1")
	if in.RootVersion != 1 || in.RootSHA256 == "" || in.Root == nil || in.TimestampExpires.IsZero() || in.Versions["targets"] != 1 {
		t.Errorf("told root %d %q, %v, %s", in.RootVersion, in.RootSHA256, in.Versions, in.TimestampExpires)
	}
	wantUntouched(t, c.Base, before)

	must(t, r.BumpTimestamp())
	in = c.Inspect(r.set(t), time.Now())
	wantLegacy(t, in, cache.Behind, "older")
	if in.Consequence == "" {
		t.Error("no consequence told: this client waits for the expiry")
	}
	wantLegacy(t, c.Inspect(nil, time.Now()), cache.Foreign, "not compared")
	wantLegacy(t, c.Inspect(repository(t).set(t), time.Now()), cache.Foreign, "not signed by this mirror")
	wantLegacy(t, c.Inspect(r.set(t), time.Now().Add(8*24*time.Hour)), cache.Expired, "expired")
	if _, err := c.Replace(r.set(t), time.Now(), both); !errors.Is(err, cache.ErrLegacy) {
		t.Errorf("error %v, want ErrLegacy", err)
	}
	wantUntouched(t, c.Base, before)
}

func TestLegacyCacheAfterItsClientEnded(t *testing.T) {
	r := repository(t)
	c, db := legacy(t, r.Files())
	for range 3 { // tables instead of a journal
		must(t, db.CompactRange(util.Range{}))
		must(t, db.Put([]byte("timestamp.json"), r.Files().Timestamp, nil))
	}
	must(t, db.Close())
	wantLegacy(t, c.Inspect(r.set(t), time.Now()), cache.Fresh, "timestamp 1")
}

func TestLegacyDamage(t *testing.T) {
	file := func(t *testing.T, c cache.Cache, pattern string) string {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(c.Base, "tuf.db", pattern))
		if err != nil || len(all) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		return all[0]
	}
	for name, row := range map[string]struct {
		hit    func(t *testing.T, c cache.Cache)
		state  cache.State
		detail string
	}{
		"an empty CURRENT is recovered by its client": {func(t *testing.T, c cache.Cache) {
			put(t, file(t, c, "CURRENT"), nil)
		}, cache.Fresh, "timestamp 1"},
		"a missing MANIFEST is recovered by its client": {func(t *testing.T, c cache.Cache) {
			must(t, os.Remove(file(t, c, "MANIFEST-*")))
		}, cache.Fresh, "timestamp 1"},
		"a truncated table": {func(t *testing.T, c cache.Cache) {
			file(t, c, "*.ldb")
			all, _ := filepath.Glob(filepath.Join(c.Base, "tuf.db", "*.ldb"))
			for _, table := range all { // a compacted one may still lie there
				must(t, os.Truncate(table, 100))
			}
		}, cache.Damaged, "tuf.db: "},
		"a file in place of the database": {func(t *testing.T, c cache.Cache) {
			must(t, os.RemoveAll(filepath.Join(c.Base, "tuf.db")))
			put(t, filepath.Join(c.Base, "tuf.db"), nil)
		}, cache.Unusable, "not a directory"},
		"a target file that is not what is listed": {func(t *testing.T, c cache.Cache) {
			put(t, filepath.Join(c.Base, "targets", target), []byte("x"))
		}, cache.Damaged, "targets/hello.txt"},
		"a target file that is missing": {func(t *testing.T, c cache.Cache) {
			must(t, os.Remove(filepath.Join(c.Base, "targets", target)))
		}, cache.Damaged, "targets/hello.txt: missing"},
		"a target file that is a directory": {func(t *testing.T, c cache.Cache) {
			must(t, os.Remove(filepath.Join(c.Base, "targets", target)))
			must(t, os.Mkdir(filepath.Join(c.Base, "targets", target), 0o700))
		}, cache.Unusable, "targets/hello.txt: directory"},
		"a database too big to be one": {func(t *testing.T, c cache.Cache) {
			must(t, os.Truncate(file(t, c, "*.ldb"), 1<<40))
		}, cache.Damaged, "more data"},
		"an empty database": {func(t *testing.T, c cache.Cache) {
			must(t, os.RemoveAll(filepath.Join(c.Base, "tuf.db")))
			db, err := leveldb.OpenFile(filepath.Join(c.Base, "tuf.db"), nil)
			must(t, err)
			must(t, db.Close())
		}, cache.Foreign, "holds nothing"},
		"an empty directory": {func(t *testing.T, c cache.Cache) {
			must(t, os.RemoveAll(filepath.Join(c.Base, "tuf.db")))
			must(t, os.Mkdir(filepath.Join(c.Base, "tuf.db"), 0o755))
		}, cache.Foreign, "holds nothing"},
		"a document that is no metadata": {func(t *testing.T, c cache.Cache) {
			db, err := leveldb.OpenFile(filepath.Join(c.Base, "tuf.db"), nil)
			must(t, err)
			must(t, db.Put([]byte("root.json"), []byte("{"), nil))
			must(t, db.Close())
		}, cache.Damaged, "root: truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			r := repository(t)
			c, db := legacy(t, r.Files())
			must(t, db.CompactRange(util.Range{}))
			must(t, db.Close())
			row.hit(t, c)
			in := c.Inspect(r.set(t), time.Now())
			wantLegacy(t, in, row.state, row.detail)
			if in.State == cache.Damaged && (in.Remedy == "" || in.Consequence == "" || len(in.Damage) == 0) {
				t.Errorf("told remedy %q, consequence %q, damage %v", in.Remedy, in.Consequence, in.Damage)
			}
		})
	}
}

// What is told to be typed puts the damage away and asks the cache's own mirror.
func TestLegacyRemedies(t *testing.T) {
	for url, initialize := range map[string]string{"": "cosign initialize",
		"https://tuf.corp": "cosign initialize --mirror https://tuf.corp --root FILE"} {
		r := repository(t)
		c, _ := legacy(t, r.Files())
		c.URL = url
		file := filepath.Join(c.Base, "targets", target)
		put(t, file, []byte("x"))
		if in := c.Inspect(r.set(t), time.Now()); in.Remedy != initialize {
			t.Errorf("remedy %q, want %q", in.Remedy, initialize)
		}
		must(t, os.Remove(file))
		must(t, os.Mkdir(file, 0o700))
		want := "mv " + file + " " + file + ".broken && " + initialize
		if in := c.Inspect(r.set(t), time.Now()); in.Remedy != want {
			t.Errorf("remedy %q, want %q", in.Remedy, want)
		}
	}
}

func FuzzLegacy(f *testing.F) {
	f.Add([]byte("MANIFEST-000000\n"), []byte{}, []byte{})
	f.Add([]byte("x"), []byte("\x00\x01\x02"), []byte("\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, current, manifest, journal []byte) {
		base := t.TempDir()
		must(t, os.Mkdir(filepath.Join(base, "tuf.db"), 0o700))
		put(t, filepath.Join(base, "tuf.db", "CURRENT"), current)
		put(t, filepath.Join(base, "tuf.db", "MANIFEST-000000"), manifest)
		put(t, filepath.Join(base, "tuf.db", "000001.log"), journal)
		put(t, filepath.Join(base, "tuf.db", "000002.ldb"), journal)
		c := cache.Cache{Base: base, Path: base, Layout: cache.LayoutLegacy}
		if in := c.Inspect(nil, time.Now()); in.State == "" || strings.Contains(in.Detail, "\n") {
			t.Errorf("found %q, %q", in.State, in.Detail)
		}
	})
}

// The newest value counts, in whichever table or journal it is.
func TestLegacyNewestValueCounts(t *testing.T) {
	r := repository(t)
	c, db := legacy(t, r.Files())
	for n := range 8 {
		must(t, r.BumpTimestamp())
		f := r.Files()
		must(t, db.Put([]byte("timestamp.json"), f.Timestamp, nil))
		must(t, db.Put([]byte("unrelated"), bytes.Repeat([]byte{byte(n)}, 5000), nil))
		if n%3 == 1 {
			must(t, db.CompactRange(util.Range{}))
		}
		if in := c.Inspect(r.set(t), time.Now()); in.State != cache.Fresh || in.Versions["timestamp"] != int64(n+2) {
			t.Fatalf("after %d writes found %s, %v, %q", n, in.State, in.Versions, in.Detail)
		}
	}
	must(t, db.Delete([]byte("snapshot.json"), nil))
	must(t, db.CompactRange(util.Range{}))
	if in := c.Inspect(r.set(t), time.Now()); in.Versions["snapshot"] != 0 || in.Versions["timestamp"] != 9 {
		t.Errorf("found %v, %q after a delete", in.Versions, in.Detail)
	}
}
