// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// releases are the cosigns that are judged and run. The 1.x line is left out:
// `go install` does not get it.
var releases = []struct {
	version string
	bundle  []string // the flags that make verify-blob read a bundle it knows
}{
	{"v2.0.1", []string{"--bundle", "blob.legacy"}},
	{"v2.2.4", []string{"--bundle", "blob.legacy"}},
	{"v2.4.3", []string{"--bundle", "blob.legacy"}},
	{"v2.6.4", []string{"--new-bundle-format", "--bundle", "blob.bundle"}},
	{"v3.1.3", []string{"--bundle", "blob.bundle"}},
}

// TestFull holds tufkeeper's verdict on each release against what that release
// does, for repositories of several forms.
func TestFull(t *testing.T) {
	for _, repository := range []struct {
		name    string
		options sandbox.Options
		rotate  *sandbox.Rotation
	}{
		{"as Sigstore was in 2022", sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true}, nil},
		{"a change of the key type, as in March 2024", sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true}, &sandbox.Rotation{KeyType: "ecdsa"}},
		{"as Sigstore is now, without sha512", sandbox.Options{KeyType: "ecdsa"}, nil},
		{"sha256 only, with keys that all can read", sandbox.Options{KeyType: "ecdsa-sha2-nistp256"}, nil},
		{"Ed25519 keys", sandbox.Options{KeyType: "ed25519", SHA512: true}, nil},
		{"another key for timestamp and snapshot", sandbox.Options{KeyType: "ecdsa", SHA512: true}, &sandbox.Rotation{Online: true}},
	} {
		t.Run(repository.name, func(t *testing.T) {
			repository.options.Sigstore = true
			w := newWorld(t, repository.options)
			if repository.rotate != nil {
				if err := w.repo.RotateRoot(*repository.rotate); err != nil {
					t.Fatal(err)
				}
			}
			for _, release := range releases {
				t.Run(release.version, func(t *testing.T) {
					file := cosign(t, release.version)
					works, why := w.tried(t, file, release.bundle)
					verdict, rules := w.judged(t, file)
					t.Logf("works: %t, verdict: %s %s%s", works, verdict, rules, why)
					if works == (verdict == "outdated") || verdict == "unknown" {
						t.Errorf("it works: %t; its verdict is %q", works, verdict)
					}
				})
			}
		})
	}
}

// tried says whether that cosign initializes and verifies in a new home, and why not.
func (w *world) tried(t *testing.T, file string, bundle []string) (works bool, why string) {
	t.Helper()
	h := newHost(t)
	root := h.write(t, "root.json", w.repo.InitialRoot())
	blob := []byte("what is verified\n")
	signed := w.logged(t, blob)
	h.write(t, "blob", blob)
	h.write(t, "blob.pub", signed.public)
	h.write(t, "blob.bundle", signed.bundle)
	h.write(t, "blob.legacy", signed.legacy)
	env := []string{"TUF_ROOT=" + h.path("cache")}
	for _, args := range [][]string{
		{"initialize", "--mirror", w.mirrorURL, "--root", root},
		append([]string{"verify-blob", "--key", "blob.pub", "blob"}, bundle...),
	} {
		if r := h.run(t, env, file, args...); r.code != 0 {
			return false, fmt.Sprintf("\n%s: %s", args[0], cmp.Or(lineWith(r.errors, "Error:"), strings.TrimSpace(r.errors)))
		}
	}
	return true, ""
}

// judged is tufkeeper's verdict on that cosign, and the rules it fails.
func (w *world) judged(t *testing.T, file string) (verdict string, rules []string) {
	t.Helper()
	h := newHost(t)
	config := h.write(t, "config.hcl", fmt.Appendf(nil, `
state_dir   = %q
status_file = %q
mirror "private" {
  url          = %q
  initial_root = %q
}
caches { paths = [] }
clients { search_path = false }
`, h.path("state"), h.path("status.json"), w.mirrorURL, h.write(t, "root.json", w.repo.InitialRoot())))
	want(t, h.run(t, nil, tufkeeper(t), "run", "--once", "--config", config), 0, "")
	r := h.run(t, nil, tufkeeper(t), "clients", "--config", config, "--json", file)
	want(t, r, 0, "")
	var report struct{ Clients []client }
	decode(t, r.out, &report)
	if len(report.Clients) != 1 {
		t.Fatalf("clients lists %d clients, want 1:\n%s", len(report.Clients), r.out)
	}
	for _, j := range report.Clients[0].Judgements {
		for _, reason := range j.Reasons {
			rules = append(rules, reason.Rule)
		}
	}
	return report.Clients[0].Verdict, rules
}
