// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

var roleFiles = []string{"timestamp.json", "snapshot.json", "targets.json"}

// stranger is another repository with as many roots.
func stranger(t *testing.T, roots int64) *sandbox.Repo {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{})
	must(t, err)
	for range roots - 1 {
		must(t, repo.RotateRoot(sandbox.Rotation{}))
	}
	return repo
}

// putRoot replaces root.json, which may be a link, by a file.
func (d *den) putRoot(t *testing.T, data []byte) {
	t.Helper()
	must(t, os.Remove(d.path("root.json")))
	d.put(t, "root.json", data)
}

// A root that the chain proves to be another's is foreign, whatever lies beside it; a
// client that brings its own root does not mind it.
func TestRootOfAnotherRepository(t *testing.T) {
	beside := map[string]func(*testing.T, *den, *sandbox.Repo){
		"our metadata": func(*testing.T, *den, *sandbox.Repo) {},
		"nothing": func(t *testing.T, d *den, _ *sandbox.Repo) {
			for _, f := range roleFiles {
				must(t, os.RemoveAll(d.path(f)))
			}
		},
		"its timestamp": func(t *testing.T, d *den, other *sandbox.Repo) {
			d.put(t, "timestamp.json", other.Files().Timestamp)
		},
		"garbage": func(t *testing.T, d *den, _ *sandbox.Repo) { put(t, d.path("timestamp.json"), []byte("?")) },
	}
	for name, prepare := range beside {
		t.Run(name, func(t *testing.T) {
			eachReader(t, func(t *testing.T, d *den) {
				must(t, d.RotateRoot(sandbox.Rotation{}))
				d.fill(t)
				other := stranger(t, 3)
				for version := int64(1); version <= 3; version++ { // ours are 1 and 2
					d.putRoot(t, other.RootJSON(version))
					prepare(t, d, other)
					if d.embedded {
						if in := d.inspect(t); in.State == cache.Foreign {
							t.Errorf("root %d: %s (%s)", version, in.State, in.Detail)
						}
						continue
					}
					wantForeign(t, d, "trusts another root")
				}
			})
		})
	}
}

// wantForeign checks that the cache is told to be foreign and left alone.
func wantForeign(t *testing.T, d *den, consequence string) {
	t.Helper()
	in := d.wantState(t, cache.Foreign)
	if !strings.Contains(in.Consequence, consequence) || in.Remedy == "" {
		t.Errorf("consequence %q, remedy %q", in.Consequence, in.Remedy)
	}
	before := picture(t, d.place)
	if _, err := d.cache(t).Replace(d.set(t), later(), both); !errors.Is(err, cache.ErrForeign) {
		t.Errorf("%v, want ErrForeign", err)
	}
	if _, err := d.cache(t).Replace(d.set(t), later(), cache.WriteOptions{Mend: true}); err != nil {
		t.Errorf("mending only: %v", err)
	}
	wantUntouched(t, d.place, before)
}

// What is so far behind the chain that nobody here can tell whose it is, is never fresh.
func TestRootThatCannotBeJudgedYet(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		d.putRoot(t, stranger(t, 4).RootJSON(4))
		in := d.wantState(t, cache.Ahead)
		if !strings.Contains(in.Detail, "not verified") {
			t.Errorf("detail %q", in.Detail)
		}
		before := picture(t, d.place)
		if _, err := d.cache(t).Replace(d.set(t), later(), both); !errors.Is(err, cache.ErrAhead) {
			t.Errorf("%v, want ErrAhead", err)
		}
		wantUntouched(t, d.place, before)
	})
}

// The root after the newest one that is known is ours where that one signed it.
func TestNextRootIsJudgedByTheOneBefore(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		known := d.set(t)
		must(t, d.RotateRoot(sandbox.Rotation{Online: true, AllRootKeys: true}))
		d.fill(t)
		d.known = known
		if in := d.wantState(t, cache.Ahead); strings.Contains(in.Detail, "not verified") || len(in.Damage) > 0 {
			t.Errorf("detail %q, damage %v", in.Detail, in.Damage)
		}
	})
}

// A root before the first one that is known may lead to it, and nobody here can tell.
func TestRootBeforeTheFirstKnownOne(t *testing.T) {
	d := newDen(t, cache.Cosign)
	must(t, d.RotateRoot(sandbox.Rotation{}))
	f := d.Files()
	f.Initial, f.Roots = f.Roots[0], nil
	set, err := trust.Verify(f, time.Now())
	must(t, err)
	d.known = set
	wantForeign(t, d, "works only if its root leads to")
}

// A number makes no file newer than its mirror's: who signed it does.
func TestUnsignedIsNotNewer(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		for _, f := range roleFiles {
			d.fill(t)
			data, err := os.ReadFile(d.path(f))
			must(t, err)
			d.put(t, f, raised(t, data))
			in := d.wantState(t, cache.Damaged)
			if len(in.Damage) != 1 || in.Damage[0].What != "bad signature" || in.Damage[0].Heals == (d.layout == cache.LayoutSigstoreJava) {
				t.Errorf("%s: damage %v", f, in.Damage)
			}
			_, err = d.cache(t).Replace(d.set(t), later(), both)
			must(t, err)
			d.wantState(t, cache.Fresh)
		}
	})
}

// raised is a document with the highest version there is.
func raised(t *testing.T, data []byte) []byte {
	t.Helper()
	var whole map[string]any
	must(t, json.Unmarshal(data, &whole))
	whole["signed"].(map[string]any)["version"] = trust.MaxVersion
	out, err := json.Marshal(whole)
	must(t, err)
	return out
}
