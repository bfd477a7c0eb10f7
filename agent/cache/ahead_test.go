// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// ahead is a cache with more than its mirror has now: it was published, cached, and
// taken back.
func ahead(t *testing.T, reader cache.Reader) *den {
	t.Helper()
	d := newDen(t, reader)
	known := d.set(t)
	must(t, d.Publish(target, []byte("hello again\n")))
	d.fill(t)
	d.known = known
	return d
}

func TestAheadIsReportedAndLeft(t *testing.T) {
	for _, reader := range cache.Readers() {
		t.Run(string(reader), func(t *testing.T) {
			d := ahead(t, reader)
			in := d.wantState(t, cache.Ahead)
			if !strings.Contains(in.Consequence, "fails while its mirror answers with less") || in.Remedy != "" {
				t.Errorf("consequence %q, remedy %q", in.Consequence, in.Remedy)
			}
			before := picture(t, d.place)
			_, err := d.cache(t).Replace(d.set(t), later(), cache.WriteOptions{Mend: true, Publish: true, Checked: later()})
			if !errors.Is(err, cache.ErrAhead) {
				t.Errorf("%v, want ErrAhead", err)
			}
			wantUntouched(t, d.place, before)
		})
	}
}

// A root that its mirror took back, under the same keys, keeps no client from going on.
func TestANewerRootAloneIsLeftAndDoesNoHarm(t *testing.T) {
	d := newDen(t, cache.SigstoreRuby)
	known := d.set(t)
	must(t, d.RotateRoot(sandbox.Rotation{}))
	put(t, d.path("root.json"), d.Files().Roots[len(d.Files().Roots)-1])
	d.known = known
	in := d.wantState(t, cache.Ahead)
	if in.Consequence != "" || in.Remedy != "" {
		t.Errorf("consequence %q, remedy %q", in.Consequence, in.Remedy)
	}
	before := picture(t, d.place)
	if _, err := d.cache(t).Replace(d.set(t), later(), both); !errors.Is(err, cache.ErrAhead) {
		t.Errorf("%v, want ErrAhead", err)
	}
	wantUntouched(t, d.place, before)
}

func TestAheadIsDroppedWithConsentOnly(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now().Add(2 * day)
	for name, c := range map[string]struct {
		o       cache.WriteOptions
		dropped bool
	}{
		"after that long":            {cache.WriteOptions{Mend: true, Publish: true, DropAhead: day, Checked: now}, true},
		"not yet":                    {cache.WriteOptions{Mend: true, Publish: true, DropAhead: 3 * day, Checked: now}, false},
		"without consent":            {cache.WriteOptions{Mend: true, Publish: true, Checked: now}, false},
		"where nothing is mended":    {cache.WriteOptions{Publish: true, DropAhead: day, Checked: now}, false},
		"its mirror was not asked":   {cache.WriteOptions{Mend: true, Publish: true, DropAhead: day}, false},
		"its mirror answered before": {cache.WriteOptions{Mend: true, Publish: true, DropAhead: day, Checked: now.Add(-3 * day)}, false},
		"its mirror is not settled":  {cache.WriteOptions{Mend: true, Publish: true, DropAhead: day, Checked: now, Unsettled: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := ahead(t, cache.SigstoreRuby)
			before := picture(t, d.place)
			change, err := d.cache(t).Replace(d.set(t), now, c.o)
			if !c.dropped {
				if !errors.Is(err, cache.ErrAhead) && c.o.Publish {
					t.Errorf("%v, want ErrAhead", err)
				}
				wantUntouched(t, d.place, before)
				return
			}
			if err != nil || len(change.Removed) != 3 || len(change.Mended) != 3 {
				t.Fatalf("change %+v, %v; want three files removed", change, err)
			}
			if _, err := d.cache(t).Replace(d.set(t), now, both); err != nil {
				t.Error(err)
			}
			if in := d.inspect(t); in.State == cache.Ahead || in.Versions[trust.Timestamp] > 1 {
				t.Errorf("still %s (%s)", in.State, in.Detail)
			}
		})
	}
}

// What is signed by keys of a root that we have not seen is not ours to drop.
func TestAheadByARootIsNeverDropped(t *testing.T) {
	d := newDen(t, cache.SigstoreJS)
	set := d.set(t)
	must(t, d.RotateRoot(sandbox.Rotation{Online: true, AllRootKeys: true}))
	must(t, d.BumpTimestamp())
	d.fill(t)
	now := time.Now().Add(48 * time.Hour)
	before := picture(t, d.place)
	if _, err := d.cache(t).Replace(set, now, cache.WriteOptions{Mend: true, Publish: true, DropAhead: time.Hour, Checked: now}); !errors.Is(err, cache.ErrAhead) {
		t.Errorf("%v, want ErrAhead", err)
	}
	wantUntouched(t, d.place, before)
}

// Half a file of a client that writes in place may be one that it is writing.
func TestYoungDamageOfAClientThatWritesInPlaceIsBusy(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		inPlace := d.layout == cache.LayoutSigstoreJS || d.layout == cache.LayoutSigstoreJava
		put(t, d.path("timestamp.json"), []byte(`{"signed": {`))
		_, err := d.cache(t).Replace(d.set(t), time.Now(), cache.WriteOptions{Mend: true})
		var busy *cache.BusyError
		if errors.As(err, &busy) != inPlace {
			t.Fatalf("%v, busy should be %v", err, inPlace)
		}
		if inPlace && (busy.RetryAfter <= 0 || busy.RetryAfter > 5*time.Second) {
			t.Errorf("come back after %s", busy.RetryAfter)
		}
		if inPlace {
			must(t, os.Chtimes(d.path("timestamp.json"), time.Time{}, time.Now().Add(-6*time.Second)))
			_, err := d.cache(t).Replace(d.set(t), time.Now(), cache.WriteOptions{Mend: true})
			must(t, err)
		}
		d.wantState(t, cache.Fresh)
	})
}
