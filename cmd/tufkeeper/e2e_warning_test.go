// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A warned is what run --once and status say of a host with one cosign.
type warned struct {
	problems []problem
	clients  []client
}

func (w warned) problem(code string) (problem, bool) {
	i := slices.IndexFunc(w.problems, func(p problem) bool { return p.Code == code })
	if i < 0 {
		return problem{}, false
	}
	return w.problems[i], true
}

// warns runs tufkeeper once with a mirror that is in force and a preview.
func warns(t *testing.T, file string, inForce, preview *world) warned {
	t.Helper()
	h := newHost(t)
	config := h.write(t, "config.hcl", fmt.Appendf(nil, `
state_dir   = %q
status_file = %q
mirror "production" {
  url          = %q
  initial_root = %q
}
mirror "staging" {
  url          = %q
  initial_root = %q
  preview      = true
}
caches { paths = [] }
clients {
  search_path = false
  packages    = []
  globs       = [%q]
}
`, h.path("state"), h.path("status.json"), inForce.mirrorURL, h.write(t, "root.json", inForce.repo.InitialRoot()),
		preview.mirrorURL, h.write(t, "preview.json", preview.repo.InitialRoot()), file))
	h.run(t, nil, tufkeeper(t), "run", "--once", "--config", config) // how it ends is told below
	var all warned
	r := h.run(t, nil, tufkeeper(t), "status", "--config", config, "--json")
	want(t, r, 0, "")
	var status struct{ Problems []problem }
	decode(t, r.out, &status)
	r = h.run(t, nil, tufkeeper(t), "clients", "--config", config, "--json", file)
	want(t, r, 0, "")
	var clients struct{ Clients []client }
	decode(t, r.out, &clients)
	all.problems, all.clients = status.Problems, clients.Clients
	return all
}

// TestE2EPreview: what a preview shows endangers a real client before it comes.
func TestE2EPreview(t *testing.T) {
	now := sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true, Sigstore: true}
	inForce := newWorld(t, now)
	t.Run("another key type", func(t *testing.T) {
		coming := newWorld(t, now)
		if err := coming.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
			t.Fatal(err)
		}
		for version, verdict := range map[string]string{oldRelease: "endangered", newRelease: "ok"} {
			file := cosign(t, version)
			all := warns(t, file, inForce, coming)
			p, raised := all.problem("client-endangered")
			if raised != (verdict == "endangered") {
				t.Errorf("cosign %s: client-endangered is raised: %t; problems: %+v", version, raised, all.problems)
			}
			if raised && (!strings.Contains(p.Summary, "will break when production adopts this") || !strings.Contains(p.Subject.ID, file)) {
				t.Errorf("cosign %s: client-endangered says %+v", version, p)
			}
			if _, outdated := all.problem("cosign-outdated"); outdated {
				t.Errorf("cosign %s: a preview made it outdated: %+v", version, all.problems)
			}
			if len(all.clients) != 1 || verdict == "endangered" && all.clients[0].Verdict != verdict {
				t.Errorf("cosign %s: want the verdict %q: %+v", version, verdict, all.clients)
			}
			t.Logf("cosign %s: %s", version, p.Summary)
		}
	})
	t.Run("a key that nobody knows", func(t *testing.T) {
		coming := newWorld(t, now)
		if err := coming.repo.RotateRoot(sandbox.Rotation{ExtraKeyType: "ml-dsa-65"}); err != nil {
			t.Fatal(err)
		}
		all := warns(t, cosign(t, newRelease), inForce, coming)
		p, raised := all.problem("key-type-unknown")
		if !raised || !strings.Contains(p.Summary, "ml-dsa-65") {
			t.Errorf("key-type-unknown is not raised for it: %+v", all.problems)
		}
		if _, endangered := all.problem("client-endangered"); !endangered || len(all.clients) != 1 || all.clients[0].Verdict != "endangered" {
			t.Errorf("a client that cannot read what is coming is not told of: %+v, %+v", all.clients, all.problems)
		}
		t.Log(p.Summary)
	})
}

// TestE2EAssumeContent plans with what a repository holds: a log with an Ed25519
// key, with and without consistent snapshots.
func TestE2EAssumeContent(t *testing.T) {
	for _, flat := range []bool{false, true} {
		repo, err := sandbox.New(sandbox.Options{Sigstore: true, Ed25519Log: true, Style: sandbox.Style{Flat: flat}})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := repo.WriteTo(dir); err != nil {
			t.Fatal(err)
		}
		assumes(t, dir, map[string]string{"sigstore-go=v0.5.1,go-tuf/v2=v2.0.0": "R12", "sigstore-go=v0.6.1,go-tuf/v2=v2.0.1": ""})
	}
}

// TestE2EAssume plans with the public root chain, without a binary at hand.
func TestE2EAssume(t *testing.T) {
	roots, err := filepath.Abs(filepath.Join("..", "..", "agent", "health", "testdata", "roots"))
	if err != nil {
		t.Fatal(err)
	}
	assumes(t, roots, map[string]string{
		"cosign@v2.0.1": "R2", "cosign@2.0.1-r6": "R2", "cosign@1.13.2": "R2", "cosign@1.13.6": "", "cosign@v2.2.0": "", "cosign@v3.1.3": "",
		"go-tuf=v0.5.2,sigstore=v1.6.1": "R2",
	})
}

// assumes holds the verdict on releases that are not here against the rule that
// each must fail, or "".
func assumes(t *testing.T, against string, releases map[string]string) {
	t.Helper()
	for release, rule := range releases {
		h := newHost(t)
		r := h.run(t, nil, tufkeeper(t), "clients", "--json", "--assume", release, "--against", against,
			"--config", h.write(t, "config.hcl", fmt.Appendf(nil, "state_dir = %q\nstatus_file = %q\n", h.path("state"), h.path("status.json"))))
		want(t, r, 0, "")
		var report struct{ Clients []client }
		decode(t, r.out, &report)
		if len(report.Clients) != 1 || report.Clients[0].Path != "" {
			t.Fatalf("%s: %s", release, r.out)
		}
		c := report.Clients[0]
		if (rule != "") != (c.Verdict == "outdated") || rule != "" && !c.fails(rule) || c.Verdict == "unknown" {
			t.Errorf("%s against what is there is %q by %+v, want %q", release, c.Verdict, c.Judgements, rule)
		}
	}
}
