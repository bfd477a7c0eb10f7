// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/alert"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/store"
)

// host is a throw-away host: a home, a state directory, one mirror.
type host struct {
	t    *testing.T
	dir  string
	repo *sandbox.Repo
	cfg  config.Config
	told *recorder
}

func newHost(t *testing.T, o sandbox.Options) *host {
	t.Helper()
	repo, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: t.TempDir(), repo: repo, told: &recorder{}}
	root := filepath.Join(h.dir, "root.json")
	if err := os.WriteFile(root, repo.InitialRoot(), 0o600); err != nil {
		t.Fatal(err)
	}
	h.cfg = config.Default(config.Env{Home: h.dir, StateHome: h.dir, RuntimeDir: h.dir})
	m := &h.cfg.Mirrors[0]
	m.Name, m.InitialRoot, m.AllowHTTP, m.Attempts, m.Soak = "test", root, true, 1, 0
	m.URL = parse(t, repo.URL())
	h.cfg.Clients.SearchPath, h.cfg.Clients.Packages = false, nil
	h.cfg.Caches.Quiet = 0
	return h
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// start is a new agent of this host, as after a restart.
func (h *host) start() *agent.Agent {
	h.t.Helper()
	a, err := agent.New(h.options())
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *host) options() agent.Options {
	return agent.Options{
		Config: h.cfg, Env: config.Env{Home: h.dir}, Host: "testhost", MachineID: "1", Version: "test",
		Transport: h.repo.Transport(), Log: hclog.NewNullLogger(),
		Sinks: map[string]alert.Sink{"recorder": h.told},
	}
}

// cycle runs one cycle of a.
func (h *host) cycle(a *agent.Agent) status.Report {
	h.t.Helper()
	r, err := a.Once(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) close(a *agent.Agent) {
	h.t.Helper()
	if err := a.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// recorder is a sink that remembers.
type recorder struct {
	mu   sync.Mutex
	told []string
}

func (r *recorder) Send(_ context.Context, a alert.Alert) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, a.Kind+" "+a.Problem.Code)
	return nil
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.told, ", ")
}

func codes(r status.Report) string {
	var cs []string
	for _, p := range r.Problems {
		cs = append(cs, p.Code)
	}
	return strings.Join(cs, ", ")
}

func TestExpiryIsReportedAheadAndWhenItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{})
		a := h.start()
		defer h.close(a)
		if got := codes(h.cycle(a)); got != "" {
			t.Fatalf("problems of a fresh mirror: %s", got)
		}
		time.Sleep(6 * 24 * time.Hour) // nobody re-signed the timestamp, which lives 7 days
		h.cycle(a)
		time.Sleep(10 * time.Minute) // it must hold for a while: a refresh may end it
		if got := codes(h.cycle(a)); got != "metadata-expiring" {
			t.Errorf("a day before expiry: got problems %q, want metadata-expiring", got)
		}
		time.Sleep(2 * 24 * time.Hour)
		if got := codes(h.cycle(a)); !strings.Contains(got, "metadata-expired") {
			t.Errorf("a day after expiry: got problems %q, want metadata-expired", got)
		}
		if err := h.repo.BumpTimestamp(); err != nil {
			t.Fatal(err)
		}
		h.cycle(a)
		time.Sleep(time.Hour)
		if got := codes(h.cycle(a)); got != "" {
			t.Errorf("after a new timestamp: got problems %q, want none", got)
		}
		if got := h.told.String(); strings.Count(got, "raised metadata-expired") != 1 || strings.Count(got, "cleared metadata-expired") != 1 {
			t.Errorf("metadata-expired is to be raised once and cleared once, was told: %s", got)
		}
	})
}

func TestAnIdleCycleCostsTwoRequestsAndNoWriteInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{Sigstore: true, Delegation: true})
		a := h.start()
		defer h.close(a)
		h.cycle(a)
		store := filepath.Join(h.cfg.StateDir, "mirrors")
		before := listing(t, store)
		for range 3 {
			time.Sleep(time.Hour)
			h.repo.ResetRequests()
			h.cycle(a)
			if got := strings.Join(h.repo.Requests(), " "); got != "/2.root.json /timestamp.json" && got != "2.root.json timestamp.json" {
				t.Errorf("requests of an idle cycle: %s", got)
			}
		}
		if after := listing(t, store); after != before {
			t.Errorf("an idle cycle wrote:\nbefore %s\nafter  %s", before, after)
		}
	})
}

// listing is every file below dir with what changes when it is written.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		b.WriteString("\n" + path + " " + info.ModTime().String() + " " + ctime(info))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhateverAMirrorDoesHasANameAndCostsNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*sandbox.Repo) error
		want  string // a condition, once it has held long enough
	}{
		{"it is gone", func(r *sandbox.Repo) error { r.Down(true); return nil }, "mirror-unreachable"},
		{"it says nothing", fault("*", sandbox.Fault{Stall: 365 * 24 * time.Hour}), "mirror-unreachable"},
		{"it is overloaded", fault("*", sandbox.Fault{Status: 503}), "mirror-unreachable"},
		{"it limits", fault("*", sandbox.Fault{Status: 429}), "mirror-unreachable"},
		{"it forbids", fault("*", sandbox.Fault{Status: 403}), "mirror-misconfigured"},
		{"it sends a page", fault("*", sandbox.Fault{Body: []byte("<html><title>Log in</title></html>")}), "mirror-misconfigured"},
		{"it never ends", fault("timestamp.json", sandbox.Fault{Endless: true}), "mirror-misconfigured"},
		{"it hangs up in mid file", fault("timestamp.json", sandbox.Fault{Truncate: 40}), "mirror-unreachable"},
		{"its timestamp is no JSON", func(r *sandbox.Repo) error {
			r.Edit("timestamp.json", func(data []byte) []byte { return data[:len(data)/2] })
			return nil
		}, "mirror-misconfigured"},
		{"it went back", func(r *sandbox.Repo) error { return r.Rollback(1) }, "rollback-refused"},
		{"it points elsewhere", fault("*", sandbox.Fault{Redirect: "http://elsewhere.invalid/"}), "mirror-misconfigured"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, sandbox.Options{})
				if err := h.repo.BumpTimestamp(); err != nil {
					t.Fatal(err)
				}
				a := h.start()
				defer h.close(a)
				good := h.cycle(a).Mirrors[0]
				if err := tt.spoil(h.repo); err != nil {
					t.Fatal(err)
				}
				var r status.Report
				for range 6 { // conditions that flap are held for a while
					time.Sleep(20 * time.Minute)
					r = h.cycle(a)
				}
				m := r.Mirrors[0]
				if !strings.Contains(codes(r), tt.want) {
					t.Errorf("problems %q, want %s; the error was %s", codes(r), tt.want, text(m.LastError))
				}
				if m.LastError == nil || m.NextAttempt == nil || !m.NextAttempt.After(r.Generated) {
					t.Errorf("error %s, next attempt %v: want an error, and an attempt planned", text(m.LastError), m.NextAttempt)
				}
				for role, was := range good.Roles {
					if m.Roles[role].Version != was.Version {
						t.Errorf("%s was at %d, is at %d", role, was.Version, m.Roles[role].Version)
					}
				}
				if _, err := store.LoadSet(filepath.Join(h.cfg.StateDir, "mirrors", "test"), h.repo.InitialRoot()); err != nil {
					t.Errorf("the last good set: %v", err)
				}
			})
		})
	}
}

func fault(path string, f sandbox.Fault) func(*sandbox.Repo) error {
	return func(r *sandbox.Repo) error { r.SetFault(path, f); return nil }
}

func text(s *string) string {
	if s == nil {
		return "(none)"
	}
	return *s
}

func TestASecondAgentOnTheSameStateIsRefusedByName(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	a := h.start()
	_, err := agent.New(h.options())
	var locked *store.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("a second agent: got %v, want a LockedError with pid %d", err, os.Getpid())
	}
	h.close(a)
	h.close(h.start()) // the first one gone, it may start
}

func TestAProblemIsToldOnceAcrossRestartsAndThenReminded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{})
		h.cfg.Alerts.Reminder = 24 * time.Hour
		a := h.start()
		h.cycle(a)
		time.Sleep(9 * 24 * time.Hour)
		h.cycle(a)
		h.close(a)
		if got := h.told.String(); got != "raised metadata-expired" {
			t.Fatalf("told %q, want metadata-expired raised", got)
		}
		a = h.start()
		defer h.close(a)
		time.Sleep(time.Hour)
		h.cycle(a)
		if got := h.told.String(); strings.Count(got, "metadata-expired") != 1 {
			t.Errorf("after a restart: told %q, want metadata-expired once", got)
		}
		time.Sleep(24 * time.Hour)
		h.cycle(a)
		if got := h.told.String(); !strings.Contains(got, "reminded metadata-expired") {
			t.Errorf("a day later: told %q, want a reminder", got)
		}
	})
}

func TestAClockBeforeTheNewestTimeSeenIsSaidAndExpiryIsNotJudged(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	a := h.start()
	h.cycle(a) // today, by the real clock
	h.close(a)
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		then := *h
		then.t = t
		a := then.start()
		defer then.close(a)
		then.cycle(a)
		time.Sleep(15 * time.Minute)
		got := codes(then.cycle(a))
		if !strings.Contains(got, "clock-skewed") || strings.Contains(got, "metadata-exp") {
			t.Errorf("problems %q, want clock-skewed, and no verdict on expiry", got)
		}
		if err := os.Remove(h.cfg.StatusFile); err != nil { // what the agent told before would say it, too
			t.Fatal(err)
		}
		r, err := agent.Look(t.Context(), h.cfg, config.Env{Home: h.dir}, status.About{})
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(r); !strings.Contains(got, "clock-skewed") || strings.Contains(got, "metadata-exp") {
			t.Errorf("a look without the agent: problems %q, want clock-skewed, and no verdict on expiry", got)
		}
	})
}

func TestAnExpiredSetIsStillKnownAfterARestartOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{})
		a := h.start()
		h.cycle(a)
		h.close(a)
		h.repo.Down(true)
		time.Sleep(30 * 24 * time.Hour)
		a = h.start()
		defer h.close(a)
		r := h.cycle(a)
		if v := r.Mirrors[0].Roles["timestamp"].Version; v != 1 {
			t.Errorf("timestamp is at %d, want 1", v)
		}
		if got := codes(r); !strings.Contains(got, "metadata-expired") {
			t.Errorf("problems %q, want metadata-expired", got)
		}
	})
}

// The verdict must come with the root, not with the expiry that makes it bite.
func TestAnOldClientIsNamedInTheCycleThatTrustsTheNewRoot(t *testing.T) {
	h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256"})
	a := h.start()
	h.cycle(a)
	if err := h.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
		t.Fatal(err)
	}
	h.cycle(a)
	h.close(a)
	for spec, want := range map[string]health.Verdict{"go-tuf=v0.5.2": health.Outdated, "go-tuf=v0.6.1": health.OK} {
		r, err := agent.Clients(t.Context(), h.cfg, config.Env{Home: h.dir}, agent.ClientsOptions{Assume: []string{spec}})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Clients[0].Verdict; string(got) != string(want) {
			t.Errorf("%s: verdict %s, want %s (%+v)", spec, got, want, r.Clients[0].Judgements)
		}
	}
}

func TestARestartMakesNoMirrorWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{})
		a := h.start()
		h.cycle(a)
		h.repo.Down(true)
		for range 4 {
			time.Sleep(20 * time.Minute)
			h.cycle(a)
		}
		h.close(a)
		a = h.start()
		defer h.close(a)
		time.Sleep(time.Minute)
		if r := h.cycle(a); !strings.Contains(codes(r), "mirror-unreachable") || r.Mirrors[0].Failures != 5 {
			t.Errorf("after a restart: problems %q, %d failures, want mirror-unreachable and 5", codes(r), r.Mirrors[0].Failures)
		}
		h.repo.Down(false)
		time.Sleep(time.Minute)
		if r := h.cycle(a); codes(r) != "" {
			t.Errorf("after a success: problems %q, want none at once", codes(r))
		}
		if got := h.told.String(); got != "raised mirror-unreachable, cleared mirror-unreachable" {
			t.Errorf("told %q, want it raised once and cleared once", got)
		}
	})
}

func TestAStoreThatCannotBeOpenedIsItsMirrorsTroubleAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, sandbox.Options{})
		second := h.cfg.Mirrors[0]
		second.Name = "broken"
		h.cfg.Mirrors = append(h.cfg.Mirrors, second)
		blocked := filepath.Join(h.cfg.StateDir, "mirrors", "broken")
		if err := os.MkdirAll(filepath.Dir(blocked), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		a := h.start()
		defer h.close(a)
		for range 4 {
			h.cycle(a)
			time.Sleep(20 * time.Minute)
		}
		r := h.cycle(a)
		if r.Mirrors[0].LastError != nil || r.Mirrors[0].Roles["root"].Version != 1 {
			t.Errorf("the mirror whose store is whole: error %s, roles %v", text(r.Mirrors[0].LastError), r.Mirrors[0].Roles)
		}
		if r.Mirrors[1].LastError == nil || len(r.Problems) == 0 {
			t.Errorf("the mirror whose store is a file: error %s, problems %q", text(r.Mirrors[1].LastError), codes(r))
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		if r := h.cycle(a); r.Mirrors[1].LastError != nil || codes(r) != "" {
			t.Errorf("when the file is gone: error %s, problems %q", text(r.Mirrors[1].LastError), codes(r))
		}
	})
}
