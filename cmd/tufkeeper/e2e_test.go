// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

const (
	oldRelease = "v2.0.1" // go-tuf 0.5.2: cannot read the keytype "ecdsa"
	newRelease = "v3.1.3"

	// timestampLife is how long the old cosign does not ask its mirror.
	timestampLife = 25 * time.Second

	// incident is what the old cosign said in March 2024, and says here.
	incident = "getting ctlog public keys: updating local metadata and targets: error updating to TUF remote mirror: invalid key"
	// wedged is what the new cosign says of a truncated timestamp.json, for ever.
	wedged = "unexpected end of JSON input"
)

// e2e is the story and what its chapters share.
type e2e struct {
	world    *world
	host     *host
	old, new string // the real cosigns
	oldCache string // TUF_ROOT of each
	newCache string
	config   string
	agent    *agent
	until    time.Time // what tufkeeper said of the old cosign

	image   string
	key     string // the public key that signed the image
	blobKey string // the public key that signed the blob, and the bundle that says so
	bundle  string
}

// TestE2E replays the incident of March 2024 on a host with real cosigns, then
// damages a cache, then lets many cosigns run while their cache is written. Each
// chapter stands on those before it.
func TestE2E(t *testing.T) {
	e := &e2e{old: cosign(t, oldRelease), new: cosign(t, newRelease)}
	e.world = newWorld(t, sandbox.Options{
		KeyType: "ecdsa-sha2-nistp256", TimestampLife: timestampLife, Sigstore: true, SHA512: true,
	})
	e.host = newHost(t)
	e.oldCache, e.newCache = e.host.path("old-cosign"), e.host.path("new-cosign")
	e.world.keepTimestamping(t)
	defer func() {
		if e.agent != nil {
			e.agent.stop(t)
		}
	}()
	for _, chapter := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"two cosigns work", e.before},
		{"the old one is found before it fails", e.warned},
		{"it fails as in March 2024, the new one does not", e.incident},
		{"a wedged cache is mended", e.mended},
		{"parallel runs while the cache is written", e.parallel},
	} {
		if !t.Run(chapter.name, chapter.run) {
			return
		}
	}
}

// before: the mirror has root 1, both cosigns initialize and verify, and
// tufkeeper finds nothing wrong with either.
func (e *e2e) before(t *testing.T) {
	h := e.host
	e.image = e.world.pushImage(t)
	want(t, h.run(t, nil, e.old, "generate-key-pair"), 0, "")
	e.key = h.path("cosign.pub")
	want(t, h.run(t, nil, e.old, "sign", "--yes", "--key", h.path("cosign.key"), "--tlog-upload=false", e.image), 0, "")
	blob := []byte("what is verified\n")
	signed := e.world.logged(t, blob)
	h.write(t, "blob", blob)
	e.blobKey, e.bundle = h.write(t, "blob.pub", signed.public), h.write(t, "blob.bundle", signed.bundle)

	root := h.write(t, "root.json", e.world.repo.InitialRoot())
	want(t, h.run(t, []string{"TUF_ROOT=" + e.oldCache}, e.old, "initialize", "--mirror", e.world.mirrorURL, "--root", root), 0, "")
	want(t, h.run(t, []string{"TUF_ROOT=" + e.newCache}, e.new, "initialize", "--mirror", e.world.mirrorURL, "--root", root), 0, "")
	want(t, e.verifyOld(t), 0, "")
	want(t, e.verifyNew(t), 0, "")
	t.Logf("cosign %s and %s work on root 1", oldRelease, newRelease)

	e.config = h.write(t, "config.hcl", []byte(fmt.Sprintf(`
state_dir   = %q
status_file = %q

mirror "private" {
  url          = %q
  initial_root = %q
  soak         = "0s" # no CDN stands before this mirror
}

schedule {
  interval = "1s"
  jitter   = "0s"
  lead     = "0s" # the timestamps here live for seconds
}

caches {
  paths    = [%q, %q]
  debounce = "100ms"
  quiet    = "0s" # never leave a busy cache alone: the parallel runs are to meet every write
  scan     = "1m"
}

clients {
  search_path = false
  packages    = []
  globs       = [%q, %q]
}

log { format = "json" }
`, h.path("state"), h.path("status.json"), e.world.mirrorURL, root, e.newCache, e.oldCache, e.old, e.new)))
	e.agent = h.agent(t, e.config)
	e.agent.wait(t, "the first refresh", 0, 20*time.Second, named("refresh finished"))
	e.agent.wait(t, "the first status", 0, 20*time.Second, func(event) bool { return exists(h.path("status.json")) })
	for _, p := range e.status(t).Problems {
		if strings.HasSuffix(p.Code, "-outdated") {
			t.Errorf("before anything happened: %s: %s", p.Code, p.Summary)
		}
	}
}

// warned: root 2 changes the keytype. tufkeeper names the old cosign, the cause
// and the release needed, while the old cosign still works.
func (e *e2e) warned(t *testing.T) {
	h := e.host
	// A fresh cache: its timestamp has its whole life before it.
	begun := time.Now()
	want(t, h.run(t, []string{"TUF_ROOT=" + e.oldCache}, e.old, "initialize", "--mirror", e.world.mirrorURL), 0, "")
	expires := begun.Add(timestampLife - 3*time.Second) // at the earliest: it was re-signed at most so long ago
	mark := e.agent.mark()
	published := time.Now()
	if err := e.world.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
		t.Fatal(err)
	}
	raised := e.agent.wait(t, "the alert", mark, expires.Sub(published), named("problem raised", "code", "cosign-outdated"))
	t.Logf("tufkeeper, %s after root 2: %s", raised.at.Sub(published).Round(time.Millisecond), raised.str("summary"))
	for key, parts := range map[string][]string{"path": {e.old}, "summary": {"R2", "it seems to work until"}, "required": {"2.2.0"}} {
		for _, part := range parts {
			if !strings.Contains(raised.str(key), part) {
				t.Errorf("the alert's %s is %q, want it to name %q", key, raised.str(key), part)
			}
		}
	}

	still := e.verifyOld(t)
	want(t, still, 0, "")
	if now := time.Now(); now.After(expires) {
		t.Errorf("verified at %s, which is not before %s: this proves nothing", now, expires)
	}
	t.Logf("cosign %s verify, %s after the alert: exit %d", oldRelease, time.Since(raised.at).Round(time.Millisecond), still.code)
	want(t, e.verifyNew(t), 0, "")

	e.wantJudged(t)
}

// wantJudged: status and clients say the same of both binaries.
func (e *e2e) wantJudged(t *testing.T) {
	t.Helper()
	var outdated []string
	for _, p := range e.status(t).Problems {
		if strings.HasSuffix(p.Code, "-outdated") {
			outdated = append(outdated, p.Code+" "+p.Subject.ID)
		}
	}
	if want := []string{"cosign-outdated " + e.old}; !slices.Equal(outdated, want) {
		t.Errorf("status has the problems %q, want %q", outdated, want)
	}
	var report struct{ Clients []client }
	r := e.host.run(t, nil, tufkeeper(t), "clients", "--config", e.config, "--json", e.old, e.new)
	want(t, r, 0, "")
	decode(t, r.out, &report)
	if len(report.Clients) != 2 {
		t.Fatalf("clients lists %d clients, want 2:\n%s", len(report.Clients), r.out)
	}
	for _, c := range report.Clients {
		switch c.Path {
		case e.old:
			if c.Verdict != "outdated" || c.Version != oldRelease || !c.fails("R2") {
				t.Errorf("clients on the old cosign: %+v", c)
			}
			e.until = c.Judgements[0].Until
		case e.new:
			if c.Verdict == "outdated" || c.Verdict == "unknown" || c.Version != newRelease {
				t.Errorf("clients on the new cosign: %+v", c)
			}
		default:
			t.Errorf("clients lists %q", c.Path)
		}
	}
}

// incident: the old cosign's cached timestamp expires.
func (e *e2e) incident(t *testing.T) {
	deadline := time.Now().Add(timestampLife + 5*time.Second)
	worked := time.Now() // it did in the last chapter
	r := e.verifyOld(t)
	for ; r.code == 0 && time.Now().Before(deadline); r = e.verifyOld(t) {
		worked = time.Now().Add(-r.took)
		time.Sleep(time.Second) // the old cosign asks nothing and says nothing: there is no event to wait for
	}
	want(t, r, 1, incident)
	failed := time.Now()
	if e.until.Before(worked) || e.until.After(failed) {
		t.Errorf("it last worked at %s and failed at %s: tufkeeper had said that it seems to work until %s", worked, failed, e.until)
	}
	t.Logf("tufkeeper had said until %s: it last worked %s before, and failed %s after", e.until.Format(time.TimeOnly),
		e.until.Sub(worked).Round(time.Millisecond), failed.Sub(e.until).Round(time.Millisecond))
	t.Logf("cosign %s verify: exit %d: %s", oldRelease, r.code, lineWith(r.errors, incident))
	r = e.verifyNew(t)
	want(t, r, 0, "")
	t.Logf("cosign %s verify-blob: exit %d: %s", newRelease, r.code, strings.TrimSpace(r.errors))
}

// mended: a truncated timestamp.json wedges the new cosign; tufkeeper mends it,
// on its start and while it runs.
func (e *e2e) mended(t *testing.T) {
	e.agent.stop(t) // so that it can be seen what cosign does by itself
	timestamp := filepath.Join(e.newCache, mirrorDir(e.world.mirrorURL), "timestamp.json")
	truncate(t, timestamp)
	for range 2 {
		r := e.verifyNew(t)
		want(t, r, 1, wedged)
		t.Logf("cosign %s verify-blob: exit %d: %s", newRelease, r.code, lineWith(r.errors, wedged))
	}
	begun := time.Now()
	e.agent = e.host.agent(t, e.config)
	mended := e.agent.wait(t, "mending on start", 0, 20*time.Second, named("cache mended", "file", "timestamp.json"))
	want(t, e.verifyNew(t), 0, "")
	t.Logf("mended %s after tufkeeper's start; cosign %s works", mended.at.Sub(begun).Round(time.Millisecond), newRelease)

	mark := e.agent.mark()
	begun = time.Now()
	truncate(t, timestamp)
	mended = e.agent.wait(t, "mending", mark, 20*time.Second, named("cache mended", "file", "timestamp.json"))
	want(t, e.verifyNew(t), 0, "")
	t.Logf("truncated again: mended after %s; cosign %s works", mended.at.Sub(begun).Round(time.Millisecond), newRelease)
}

// The parallel runs.
const (
	rounds    = 20 // at least
	processes = 16
	publishes = 50 // at least
	patience  = 5 * time.Minute
)

// parallel: many cosigns with a current anchor share a cache, with tufkeeper
// publishing into it every second, and without.
func (e *e2e) parallel(t *testing.T) {
	root := e.host.write(t, "root2.json", e.world.repo.RootJSON(2))
	anchor := []string{"TUF_ROOT=" + e.newCache, "TUF_MIRROR=" + e.world.mirrorURL, "TUF_ROOT_JSON=" + root}
	want(t, e.host.run(t, anchor, e.new, e.verifyBlob()...), 0, "")

	// A new timestamp every second, of which tufkeeper hears at once, while the
	// cosigns are far from the mirror: else they bring their cache forward
	// themselves, and there is nothing to publish.
	e.world.distance.Store(int64(200 * time.Millisecond))
	e.world.onTimestamp(func() { e.agent.wake(t) })
	published := named("cache published", "role", "timestamp")
	mark := e.agent.mark()
	seen := func() []event { return e.agent.since(mark, published) }
	with := e.rounds(t, anchor, func(y tally) bool { return len(y.spans) < rounds || y.overlap(seen()) < publishes })
	e.world.onTimestamp(nil)
	met := with.overlap(seen())
	t.Logf("with tufkeeper:   %s; %d times \"cache published\" while cosigns ran", with, met)
	if met < publishes {
		t.Errorf("published %d times while cosigns ran, want %d: this proves too little", met, publishes)
	}

	e.agent.stop(t)
	without := e.rounds(t, anchor, func(y tally) bool { return len(y.spans) < len(with.spans) })
	t.Logf("without a writer: %s", without)
	if with.failed > 0 || without.failed > 0 {
		t.Error("want no failure")
	}
}

// A tally is what became of some rounds.
type tally struct {
	runs, failed int
	spans        [][2]time.Time // from each round's start to its end
}

func (y tally) String() string {
	return fmt.Sprintf("%d rounds of %d cosign %s: %d of %d failed", len(y.spans), processes, newRelease, y.failed, y.runs)
}

// overlap counts the events within a round.
func (y tally) overlap(events []event) (n int) {
	for _, e := range events {
		if slices.ContainsFunc(y.spans, func(s [2]time.Time) bool { return e.at.After(s[0]) && e.at.Before(s[1]) }) {
			n++
		}
	}
	return n
}

// rounds starts the processes of each round together, round after round, while
// more are wanted.
func (e *e2e) rounds(t *testing.T, env []string, more func(tally) bool) (y tally) {
	t.Helper()
	for start := time.Now(); more(y) && time.Since(start) < patience; {
		begun := time.Now()
		var wg sync.WaitGroup
		results := make([]result, processes)
		for i := range results {
			wg.Go(func() {
				r, err := e.host.start(t.Context(), env, e.new, e.verifyBlob()...)
				if err != nil {
					r = result{code: -1, errors: err.Error()}
				}
				results[i] = r
			})
		}
		wg.Wait()
		y.spans = append(y.spans, [2]time.Time{begun, time.Now()})
		for _, r := range results {
			y.runs++
			if r.code != 0 {
				y.failed++
				t.Logf("round %d: exit %d: %s", len(y.spans), r.code, strings.TrimSpace(r.errors))
			}
		}
	}
	return y
}

// verifyOld verifies the image with the old cosign. The image has no entry in a
// public log, so its check is switched off, in this test only: even then this
// cosign must read the CT log's keys from TUF, and that is what fails.
func (e *e2e) verifyOld(t *testing.T) result {
	return e.host.run(t, []string{"TUF_ROOT=" + e.oldCache}, e.old, "verify", "--key", e.key, "--insecure-ignore-tlog", e.image)
}

// verifyNew verifies the blob with the new cosign, log entry and all: it needs
// the log's key, and has it from the trusted root, by TUF.
func (e *e2e) verifyNew(t *testing.T) result {
	return e.host.run(t, []string{"TUF_ROOT=" + e.newCache}, e.new, e.verifyBlob()...)
}

func (e *e2e) verifyBlob() []string {
	return []string{"verify-blob", "--key", e.blobKey, "--bundle", e.bundle, e.host.path("blob")}
}

// What the JSON of status and clients holds, as far as this test reads it.
type (
	problem struct {
		Code, Summary string
		Subject       struct{ Kind, ID string }
	}
	client struct {
		Path, Version, Verdict string
		Judgements             []struct {
			Mirror, Verdict string
			Until           time.Time
			Reasons         []struct{ Rule string }
		}
	}
)

// fails says whether a rule is among the reasons.
func (c client) fails(rule string) bool {
	for _, j := range c.Judgements {
		for _, r := range j.Reasons {
			if r.Rule == rule {
				return true
			}
		}
	}
	return false
}

func (e *e2e) status(t *testing.T) (report struct{ Problems []problem }) {
	t.Helper()
	r := e.host.run(t, nil, tufkeeper(t), "status", "--config", e.config, "--json")
	want(t, r, 0, "")
	decode(t, r.out, &report)
	return report
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

// want checks how a program ended, and that its standard error has a text.
func want(t *testing.T, r result, code int, text string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.errors, text) {
		t.Fatalf("exit %d, want %d, and %q on standard error; output:\n%s%s", r.code, code, text, r.out, r.errors)
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// mirrorDir is the name that sigstore-go gives the cache of this loopback mirror.
func mirrorDir(url string) string {
	return strings.NewReplacer("/", "-", ":", "-").Replace(strings.TrimPrefix(url, "http://"))
}

func truncate(t *testing.T, file string) {
	t.Helper()
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
