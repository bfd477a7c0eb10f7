// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A rig is a repository, a client's cache of it, and a publisher.
type rig struct {
	*sandbox.Repo
	url, base string
	policy    config.Policy
	log       bytes.Buffer
	publisher *publish.Publisher
}

func newRig(t *testing.T) *rig {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{})
	must(t, err)
	server := httptest.NewServer(repo.Handler())
	t.Cleanup(server.Close)
	r := &rig{Repo: repo, url: server.URL, base: t.TempDir(), policy: config.PolicyMend}
	r.publisher = r.newPublisher(0)
	r.mustRead(t)
	return r
}

func (r *rig) newPublisher(quiet time.Duration) *publish.Publisher {
	return publish.New(publish.Options{
		Policy: func(cache.Cache) (config.Policy, string) { return r.policy, "the test says so" },
		Quiet:  quiet,
		Log:    hclog.New(&hclog.LoggerOptions{Output: &r.log, Level: hclog.Debug}),
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) mustRead(t *testing.T) {
	t.Helper()
	_, err := sandbox.Read(r.base, r.url, r.RootJSON(r.Versions()[trust.Root]), "hello.txt")
	must(t, err)
}

func (r *rig) caches(t *testing.T) []cache.Cache {
	t.Helper()
	found, errs := cache.Find(cosignPlaces(r.base), []cache.Mirror{{Name: "sandbox", URL: r.url, Default: true}})
	if len(found) != 1 || len(errs) > 0 {
		t.Fatalf("found %+v, %v", found, errs)
	}
	return found
}

func (r *rig) set(t *testing.T) *trust.Set {
	t.Helper()
	set, err := trust.Verify(r.Files(), time.Now())
	must(t, err)
	return set
}

// publish publishes one source and returns the one outcome, with the log it left.
func (r *rig) publish(t *testing.T, s publish.Source, now time.Time) (publish.Outcome, string) {
	t.Helper()
	r.log.Reset()
	outs := r.publisher.Publish(t.Context(), r.caches(t), map[string]publish.Source{"sandbox": s}, now)
	if len(outs) != 1 {
		t.Fatalf("outcomes %+v, want one", outs)
	}
	return outs[0], r.log.String()
}

func (r *rig) timestamp(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile(r.file("timestamp.json"))
	must(t, err)
	peek, err := trust.Peek(trust.Timestamp, data)
	must(t, err)
	return peek.Version
}

func (r *rig) file(name string) string { return filepath.Join(r.base, cache.DirName(r.url), name) }

func TestSetIsPublishedOnceItHasSoaked(t *testing.T) {
	r := newRig(t)
	must(t, r.BumpTimestamp())
	now := time.Now()
	s := publish.Source{Set: r.set(t), FirstSeen: now, Checked: now, Soak: 10 * time.Minute}

	out, log := r.publish(t, s, now.Add(4*time.Minute))
	if out.RetryAfter != 6*time.Minute || out.Skipped == "" || out.Err != nil || !out.Change.Empty() {
		t.Errorf("while it soaks: %+v, want to come back in 6 minutes", out)
	}
	if strings.Contains(log, "[INFO]") || r.timestamp(t) != 1 {
		t.Errorf("while it soaks: timestamp %d, log %q", r.timestamp(t), log)
	}

	out, log = r.publish(t, s, now.Add(10*time.Minute))
	if out.Err != nil || len(out.Change.Updates) != 1 || r.timestamp(t) != 2 {
		t.Errorf("after the soak: %+v, timestamp %d; want it published", out, r.timestamp(t))
	}
	for _, want := range []string{"[INFO]  cache published: layout=sigstore-go mirror=sandbox path=" + filepath.Dir(r.file("x")), "role=timestamp version=2 previous=1"} {
		if !strings.Contains(log, want) {
			t.Errorf("log %q lacks %q", log, want)
		}
	}
	r.mustRead(t)

	out, log = r.publish(t, s, now.Add(20*time.Minute))
	if !out.Change.Empty() || out.Err != nil || out.RetryAfter != 0 || log != "" {
		t.Errorf("an idle run: %+v, log %q; want nothing", out, log)
	}
}

func TestDamageIsMendedWithoutWaiting(t *testing.T) {
	soaking := func(r *rig, now time.Time) publish.Source {
		return publish.Source{Set: r.set(t), FirstSeen: now, Soak: 10 * time.Minute}
	}
	t.Run("with the set that soaked before", func(t *testing.T) {
		r := newRig(t)
		now := time.Now()
		r.publish(t, publish.Source{Set: r.set(t)}, now) // remembered
		must(t, r.BumpTimestamp())
		s := soaking(r, now)
		must(t, r.Rollback(1)) // an edge of the mirror that still answers with the old one
		must(t, os.WriteFile(r.file("timestamp.json"), nil, 0o644))
		out, log := r.publish(t, s, now)
		if r.timestamp(t) != 1 || len(out.Change.Mended) != 1 {
			t.Errorf("timestamp %d, %+v; want 1, mended", r.timestamp(t), out)
		}
		if strings.Contains(log, "previous=0") {
			t.Errorf("one thing is told twice:\n%s", log)
		}
		if !strings.Contains(log, "[INFO]  cache mended: layout=sigstore-go mirror=sandbox path=") || !strings.Contains(log, "file=timestamp.json what=empty took=") {
			t.Errorf("log %q", log)
		}
		r.mustRead(t)
	})
	t.Run("by removing it, where none has soaked", func(t *testing.T) {
		r := newRig(t)
		must(t, r.BumpTimestamp())
		s := soaking(r, time.Now())
		must(t, r.Rollback(1))
		must(t, os.WriteFile(r.file("timestamp.json"), nil, 0o644))
		out, _ := r.publish(t, s, time.Now())
		if len(out.Change.Removed) != 1 || len(out.Change.Written) != 0 {
			t.Errorf("%+v, want one removed", out.Change)
		}
		if out.RetryAfter <= 0 {
			t.Error("not come back to when the set has soaked")
		}
		r.mustRead(t)
	})
	t.Run("without a source", func(t *testing.T) {
		r := newRig(t)
		must(t, os.WriteFile(r.file("timestamp.json"), nil, 0o644))
		outs := r.publisher.Publish(t.Context(), r.caches(t), nil, time.Now())
		if len(outs) != 1 || len(outs[0].Change.Removed) != 1 {
			t.Errorf("%+v, want one removed", outs)
		}
		r.mustRead(t)
	})
}

func TestPolicies(t *testing.T) {
	for policy, want := range map[config.Policy]struct{ published, mended bool }{
		config.PolicyMend: {true, true}, config.PolicyPublish: {true, false}, config.PolicyReport: {}, config.PolicyIgnore: {}, "": {},
	} {
		t.Run(string(policy), func(t *testing.T) {
			r := newRig(t)
			r.policy = policy
			must(t, r.BumpTimestamp())
			must(t, os.WriteFile(r.file("snapshot.json"), nil, 0o644))
			out, _ := r.publish(t, publish.Source{Set: r.set(t)}, time.Now())
			if got := r.timestamp(t) == 2; got != want.published {
				t.Errorf("published: %v, want %v", got, want.published)
			}
			if got := len(out.Change.Mended) > 0; got != want.mended {
				t.Errorf("mended: %v, want %v", got, want.mended)
			}
		})
	}
}

func TestBusyCacheIsComeBackTo(t *testing.T) {
	r := newRig(t)
	r.publisher = r.newPublisher(time.Hour)
	must(t, r.BumpTimestamp())
	s := publish.Source{Set: r.set(t)}
	out, log := r.publish(t, s, time.Now())
	if out.RetryAfter <= 0 || out.RetryAfter > time.Hour || out.Err != nil || out.Skipped == "" {
		t.Errorf("%+v, want to come back within the hour", out)
	}
	if !strings.Contains(log, "[DEBUG] cache skipped:") {
		t.Errorf("log %q", log)
	}
	if out, _ := r.publish(t, s, time.Now().Add(out.RetryAfter)); len(out.Change.Updates) != 1 {
		t.Errorf("later: %+v, want it published", out)
	}
}

func TestErrorIsToldOnce(t *testing.T) {
	r := newRig(t)
	must(t, os.Chmod(filepath.Dir(r.file("x")), 0o777))
	s := publish.Source{Set: r.set(t)}
	for i, level := range []string{"[WARN]  cache skipped", "[DEBUG] cache skipped"} {
		out, log := r.publish(t, s, time.Now())
		if out.Err == nil || !strings.Contains(log, level) {
			t.Errorf("run %d: %v, log %q; want %q", i, out.Err, log, level)
		}
	}
	must(t, os.Chmod(filepath.Dir(r.file("x")), 0o700))
	r.publish(t, s, time.Now())
	must(t, os.Chmod(filepath.Dir(r.file("x")), 0o777))
	if _, log := r.publish(t, s, time.Now()); !strings.Contains(log, "[WARN]") {
		t.Errorf("after a good run: log %q, want a warning again", log)
	}
}

func TestWhatIsLeftAlone(t *testing.T) {
	r := newRig(t)
	old := r.set(t)
	must(t, r.BumpTimestamp())
	r.mustRead(t) // the client is ahead of the old set
	out, _ := r.publish(t, publish.Source{Set: old}, time.Now())
	if out.Err != nil || out.Skipped != cache.ErrAhead.Error() || r.timestamp(t) != 2 {
		t.Errorf("%+v, timestamp %d; want it left alone without an error", out, r.timestamp(t))
	}
	must(t, r.BumpTimestamp())
	out, _ = r.publish(t, publish.Source{Set: r.set(t)}, time.Now().Add(30*24*time.Hour))
	if out.Err != nil || out.Skipped != cache.ErrExpired.Error() || r.timestamp(t) != 2 {
		t.Errorf("%+v, timestamp %d; want nothing from an expired set", out, r.timestamp(t))
	}
}

func TestHostileNamesAreQuotedInTheLog(t *testing.T) {
	r := newRig(t)
	r.base = filepath.Join(r.base, "home\nCRITICAL \x1b[31m")
	r.mustRead(t)
	must(t, os.WriteFile(r.file("timestamp.json"), nil, 0o600))
	_, log := r.publish(t, publish.Source{Set: r.set(t)}, time.Now())
	if !strings.Contains(log, "CRITICAL") || strings.Contains(log, "\nCRITICAL") || strings.Contains(log, "\x1b") {
		t.Errorf("log %q", log)
	}
}

func TestStopsBetweenCaches(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if outs := r.publisher.Publish(ctx, r.caches(t), nil, time.Now()); len(outs) != 0 {
		t.Errorf("%+v after the end", outs)
	}
}

// cosignPlaces are places of cosign's caches.
func cosignPlaces(bases ...string) []cache.Place {
	var places []cache.Place
	for _, b := range bases {
		places = append(places, cache.Place{Base: b, Reader: cache.Cosign})
	}
	return places
}

// What is newer than its mirror's goes only with consent, and only when the mirror
// answered without it for as long as the consent says.
func TestWhatIsAheadIsDroppedWithConsent(t *testing.T) {
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		consent, written, checked time.Duration // ago
		dropped                   bool
	}{
		"without consent":                            {0, 2 * day, 0, false},
		"long enough":                                {day, 2 * day, 0, true},
		"not long enough":                            {14 * day, 2 * day, 0, false},
		"the mirror was asked too soon after":        {day, 2 * day, day + 12*time.Hour, false},
		"the mirror was asked before it was written": {day, 2 * day, 3 * day, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.publisher = publish.New(publish.Options{
				Policy:    func(cache.Cache) (config.Policy, string) { return config.PolicyMend, "" },
				DropAhead: tc.consent, Log: hclog.NewNullLogger(),
			})
			old := r.set(t)
			must(t, r.BumpTimestamp())
			r.mustRead(t)
			now := time.Now().Add(tc.written) // the time of a change cannot be set
			out, _ := r.publish(t, publish.Source{Set: old, Checked: now.Add(-tc.checked)}, now)
			_, err := os.Stat(r.file("timestamp.json"))
			if dropped := os.IsNotExist(err); dropped != tc.dropped || out.Err != nil {
				t.Errorf("dropped: %v, want %v (%+v)", dropped, tc.dropped, out)
			}
		})
	}
	t.Run("never asked", func(t *testing.T) {
		r := newRig(t)
		r.publisher = publish.New(publish.Options{Policy: func(cache.Cache) (config.Policy, string) { return config.PolicyMend, "" }, DropAhead: day})
		old := r.set(t)
		must(t, r.BumpTimestamp())
		r.mustRead(t)
		must(t, os.Chtimes(r.file("timestamp.json"), time.Now().Add(-10*day), time.Now().Add(-10*day)))
		if _, _ = r.publish(t, publish.Source{Set: old}, time.Now()); r.timestamp(t) != 2 {
			t.Error("dropped, though it is not known what the mirror has")
		}
	})
}

// What the mirror itself brought is not taken back while it soaks, and neither is what
// came by a copy that kept the time of its content.
func TestWhatIsNewIsNotDropped(t *testing.T) {
	const day = 24 * time.Hour
	r := newRig(t)
	r.publisher = publish.New(publish.Options{
		Policy: func(cache.Cache) (config.Policy, string) { return config.PolicyMend, "" }, DropAhead: day,
	})
	old, now := r.set(t), time.Now()
	r.publish(t, publish.Source{Set: old, FirstSeen: now.Add(-time.Hour), Checked: now, Soak: time.Minute}, now)
	must(t, r.BumpTimestamp())
	r.mustRead(t)
	long := time.Unix(1, 0)
	must(t, os.Chtimes(r.file("timestamp.json"), long, long))
	soaking := publish.Source{Set: r.set(t), FirstSeen: now, Checked: now, Soak: 10 * day}
	for _, at := range []time.Time{now.Add(time.Second), now.Add(2 * day)} {
		if at.After(now.Add(day)) { // the last that was heard of the old one
			before := at.Add(-time.Hour)
			r.publisher.Publish(t.Context(), nil, map[string]publish.Source{"sandbox": {Set: old, Checked: before}}, before)
		}
		soaking.Checked = at
		if out, _ := r.publish(t, soaking, at); !out.Change.Empty() || r.timestamp(t) != 2 {
			t.Errorf("%s later: %+v, want what soaks left in the cache", at.Sub(now), out)
		}
	}
	other := publish.New(publish.Options{
		Policy: func(cache.Cache) (config.Policy, string) { return config.PolicyMend, "" }, DropAhead: day,
	})
	out := other.Publish(t.Context(), r.caches(t), map[string]publish.Source{"sandbox": {Set: old, Checked: now.Add(time.Second)}}, now.Add(time.Second))
	if !out[0].Change.Empty() || r.timestamp(t) != 2 {
		t.Errorf("%+v, want a file that was just put there left", out[0])
	}
}
