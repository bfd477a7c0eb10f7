// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A current is a client in a cache that tufkeeper brought forward.
type current struct {
	reads
	place string // the client's name in a place
	// offline says that it reads the cache without its mirror, once it is as it should be.
	offline bool
}

// TestE2ECurrent has the running agent bring caches forward, over a new root, and
// reads each with its client: what was written is not asked for again, and whoever
// can do without its mirror does.
func TestE2ECurrent(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	p := w.public(t)
	// A program meets the newest root when it is built later: here after the rotation.
	force := r.node(t, "npm", map[string]any{"forceCache": true})
	force.name = "@sigstore/tuf, forceCache as npm"
	daily := r.embedded(t, p, "-days", "1")
	daily.name = "program on sigstore-go, CacheValidity 1 as gh"
	forced := r.embedded(t, p, "-force")
	forced.name = "program on sigstore-go, ForceCache"
	clients := []current{
		{r.anchored(t, newRelease), "cosign", false},
		{r.embedded(t, p), "cosign", false},
		{daily, "gh", true},
		{forced, "cosign", true},
		{r.node(t, "sigstore-js", nil), "sigstore-js", false},
		{force, "npm", true},
	}
	var places strings.Builder
	bases := make([]string, len(clients))
	for i, c := range clients {
		bases[i] = r.dir(t, fmt.Sprintf("current-%d", i))
		if c.begin != nil {
			c.begin(t, bases[i])
		}
		ok(t, c.run(t, bases[i]))
		fmt.Fprintf(&places, "  place %q { client = %q }\n", bases[i], c.place)
	}
	both := reads{mirror: clients[0].mirror + clients[1].mirror, places: func([]string) string { return places.String() }}
	config := r.config(t, "current", both, nil, "  quiet = \"0s\"\n  debounce = \"50ms\"\n")
	// gh's last look was three days ago.
	checked := filepath.Join(bases[2], clients[2].dir+".json")
	must(t, os.WriteFile(checked, fmt.Appendf(nil, `{"lastTimestamp":%q}`, time.Now().Add(-72*time.Hour).Format(time.RFC3339)), 0o600))
	w.repo.Down(true)
	if stale := clients[2].run(t, bases[2]); stale.code == 0 {
		t.Error("three days after its last look a program like gh works without its mirror: this proves nothing")
	}
	w.repo.Down(false)

	a := r.agent(t, config)
	defer a.stop(t)
	a.waitN(t, "both refreshes", 0, 2, 20*time.Second, named("refresh finished"))
	mark := a.mark()
	must(t, w.repo.RotateRoot(sandbox.Rotation{Online: true}))
	must(t, w.repo.Publish("trusted_root.json", append(w.repo.Files().Artifacts["trusted_root.json"], '\n')))
	r.rooted(t)
	a.wake(t)
	for i, c := range clients {
		published := func(e event) bool {
			return e.name == "cache published" && e.str("path") == filepath.Join(bases[i], c.dir) && e.str("role") == "timestamp"
		}
		a.wait(t, c.name+"'s cache", mark, 20*time.Second, published)
	}
	a.stop(t)
	newest := w.repo.Files()
	unneeded := func(name string) bool { return !strings.HasSuffix(name, ".root.json") && name != "timestamp.json" }
	var table strings.Builder
	table.WriteString("| client | asked its mirror for | without its mirror |\n|---|---|---|\n")
	for i, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			target, err := os.ReadFile(c.file(bases[i], target))
			must(t, err)
			if !bytes.Equal(target, newest.Artifacts["trusted_root.json"]) {
				t.Error("the target file is not the newest")
			}
			w.repo.Down(true)
			without := c.run(t, bases[i])
			w.repo.Down(false)
			if c.offline != (without.code == 0) {
				t.Errorf("without its mirror it ends with %d: %s", without.code, without.said())
			}
			w.repo.ResetRequests()
			ok(t, c.run(t, bases[i]))
			asked := w.repo.Requests()
			if slices.ContainsFunc(asked, unneeded) || c.offline && len(asked) > 0 {
				t.Errorf("it asked for %q", asked)
			}
			word := map[bool]string{true: "works", false: "fails: it always asks"}[without.code == 0]
			fmt.Fprintf(&table, "| %s | %s | %s |\n", c.name, strings.Join(asked, ", "), word)
		})
	}
	t.Logf("\n%s", table.String())
}
