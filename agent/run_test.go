// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// running is an agent that runs on real sockets and a real disk.
type running struct {
	h       *host
	url     string
	wake    chan struct{}
	reloads chan struct{}
	said    *words
}

// words are what the agent said to its log and its service manager.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// run starts the agent of h after change has had the config, and stops it with the test.
func run(t *testing.T, h *host, reload func() (config.Config, error), change func(*config.Config)) *running {
	t.Helper()
	server := httptest.NewServer(h.repo.Handler())
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	h.cfg.Mirrors[0].URL = parse(t, server.URL)
	h.cfg.Caches.Debounce = 100 * time.Millisecond
	if change != nil {
		change(&h.cfg)
	}
	r := &running{h: h, url: server.URL, wake: make(chan struct{}, 1), reloads: make(chan struct{}, 1), said: &words{}}
	o := h.options()
	o.Transport, o.Wake, o.Reloads, o.Reload = nil, r.wake, r.reloads, reload
	o.Log = hclog.New(&hclog.LoggerOptions{Output: r.said, Level: hclog.Debug})
	o.Notify = func(s string) { _, _ = r.said.Write([]byte("notify: " + s + "\n")) }
	a, err := agent.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- errors.Join(a.Run(ctx), a.Close()) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("stopping the agent: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the agent did not stop within 10 s")
		}
		if t.Failed() {
			t.Logf("the agent said:\n%s", r.said)
		}
	})
	return r
}

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !so() {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

func (r *running) report() status.Report {
	s, err := status.Read(r.h.cfg.StatusFile)
	if err != nil {
		return status.Report{}
	}
	return s
}

func TestDamageIsMendedAsSoonAsItIsNoticed(t *testing.T) {
	h := newHost(t, sandbox.Options{Sigstore: true})
	base := h.cfg.Caches.Paths[0]
	r := run(t, h, nil, nil)
	read := func() error {
		_, err := sandbox.Read(base, r.url, h.repo.InitialRoot(), "trusted_root.json")
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	until(t, "the first refresh", func() bool { return strings.Contains(r.said.String(), "refresh finished") })
	file := filepath.Join(base, cache.DirName(r.url), "timestamp.json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		until(t, "the watch to be armed", func() bool { return !strings.Contains(r.said.String(), "watch degraded") })
		time.Sleep(300 * time.Millisecond) // let our own last look settle
		if err := os.Truncate(file, 10); err != nil {
			t.Fatal(err)
		}
		// The next look by the clock is minutes away: only the watch can tell.
		took := until(t, "mending", func() bool { data, err := os.ReadFile(file); return err == nil && len(data) == len(whole) })
		t.Logf("mended %s after the damage", took)
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMirrorThatHangsHoldsUpNoOther(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	hanging, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hanging.SetFault("*", sandbox.Fault{Stall: time.Hour})
	server := httptest.NewServer(hanging.Handler())
	defer func() { server.CloseClientConnections(); server.Close() }()
	root := filepath.Join(h.dir, "hanging.json")
	if err := os.WriteFile(root, hanging.InitialRoot(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, h, nil, func(c *config.Config) {
		second := c.Mirrors[0]
		second.Name, second.URL, second.InitialRoot = "hanging", parse(t, server.URL), root
		second.FileTimeout, second.RefreshTimeout = time.Minute, time.Minute
		c.Mirrors = append([]config.Mirror{second}, c.Mirrors...)
	})
	for v := int64(1); v < 4; v++ {
		until(t, "a refresh of the mirror that answers", func() bool {
			s := r.report()
			return len(s.Mirrors) == 2 && s.Mirrors[1].Roles["timestamp"].Version == v
		})
		if err := h.repo.BumpTimestamp(); err != nil {
			t.Fatal(err)
		}
		r.wake <- struct{}{}
	}
}

func TestAReloadIsTakenOrRefusedAsAWhole(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	var mu sync.Mutex
	next, bad := h.cfg, error(nil)
	r := run(t, h, func() (config.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		return next, bad
	}, nil)
	until(t, "the first refresh", func() bool { return len(r.report().Mirrors) == 1 && r.report().Mirrors[0].Roles["root"].Version == 1 })

	mu.Lock()
	bad = errors.New("reading config x.hcl: line 1: unknown argument")
	mu.Unlock()
	r.reloads <- struct{}{}
	until(t, "config-invalid", func() bool { return strings.Contains(codes(r.report()), "config-invalid") })
	if err := h.repo.BumpTimestamp(); err != nil {
		t.Fatal(err)
	}
	r.wake <- struct{}{}
	until(t, "a refresh with the old config", func() bool { return r.report().Mirrors[0].Roles["timestamp"].Version == 2 })

	// One that is right, but whose store cannot be opened: the old one is put back.
	blocked := filepath.Join(h.cfg.StateDir, "mirrors", "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	next, bad = h.cfg, nil
	next.Mirrors = append([]config.Mirror(nil), h.cfg.Mirrors...)
	next.Mirrors[0].Name = "blocked"
	mu.Unlock()
	r.reloads <- struct{}{}
	until(t, "the refusal", func() bool { return strings.Contains(r.said.String(), "blocked") })
	if err := h.repo.BumpTimestamp(); err != nil {
		t.Fatal(err)
	}
	r.wake <- struct{}{}
	until(t, "a refresh with the config that was put back", func() bool { return r.report().Mirrors[0].Roles["timestamp"].Version == 3 })

	mu.Lock()
	next, bad = h.cfg, nil
	next.Mirrors = append([]config.Mirror(nil), h.cfg.Mirrors...)
	next.Mirrors[0].Name = "renamed"
	mu.Unlock()
	r.reloads <- struct{}{}
	until(t, "the new mirror's first refresh", func() bool {
		s := r.report()
		return len(s.Mirrors) == 1 && s.Mirrors[0].Name == "renamed" && s.Mirrors[0].Roles["timestamp"].Version == 3
	})
	if got := codes(r.report()); strings.Contains(got, "config-invalid") {
		t.Errorf("problems after a good reload: %s", got)
	}
	for _, state := range []string{"READY=1", "RELOADING=1", "STATUS="} {
		if !strings.Contains(r.said.String(), "notify: "+state) {
			t.Errorf("the service manager was not told %s", state)
		}
	}
}

// The test binary is a Go program that links a Sigstore TUF client: a real one.
func TestAClientThatHasComeIsSeenByTheNextRefresh(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	bin := filepath.Join(h.dir, "bin")
	r := run(t, h, nil, func(c *config.Config) {
		c.Clients.Globs, c.Clients.Scan = []config.Glob{config.Glob(bin)}, time.Hour
	})
	until(t, "the first refresh", func() bool { return len(r.report().Mirrors) == 1 && r.report().Mirrors[0].LastSuccess != nil })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "client"), program, 0o700); err != nil {
		t.Fatal(err)
	}
	r.wake <- struct{}{}
	until(t, "the client", func() bool { return len(r.report().Clients) == 1 })
}

// What the clients command says of a client is what the report says of it.
func TestClientsAndStatusAgreeOnAClient(t *testing.T) {
	h := newHost(t, sandbox.Options{Sigstore: true})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(h.dir, "client")
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, program, 0o700); err != nil {
		t.Fatal(err)
	}
	r := run(t, h, nil, func(c *config.Config) { c.Clients.Globs = []config.Glob{config.Glob(copied)} })
	if _, err := sandbox.Read(h.cfg.Caches.Paths[0], r.url, h.repo.InitialRoot(), "trusted_root.json"); err != nil {
		t.Fatal(err)
	}
	until(t, "the client, judged with its cache", func() bool {
		s := r.report()
		return len(s.Caches) == 1 && len(s.Clients) == 1 && len(s.Clients[0].Judgements) == 1
	})
	told := r.report().Clients[0].Judgements[0]
	asked, err := agent.Clients(t.Context(), h.cfg, config.Env{Home: h.dir}, agent.ClientsOptions{Files: []string{copied}})
	if err != nil {
		t.Fatal(err)
	}
	if got := asked.Clients[0].Judgements[0]; got.Start != told.Start || got.Verdict != told.Verdict {
		t.Errorf("clients says %s from %q, the report %s from %q", got.Verdict, got.Start, told.Verdict, told.Start)
	}
	if !strings.HasPrefix(told.Start, "cached root 1") {
		t.Errorf("starts from %q, want the cached root", told.Start)
	}
}
