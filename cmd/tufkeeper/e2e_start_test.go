// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestFullStarts holds what is found in real releases against what the table
// says of them: where they start on the public chain, and what comes of it. Some
// embed a published root in other bytes than the published ones.
func TestFullStarts(t *testing.T) {
	for _, last := range []int{5, 8, 9, 12, 15} {
		h := newHost(t)
		for v := 1; v <= last; v++ {
			name := fmt.Sprintf("%d.root.json", v)
			data, err := os.ReadFile(filepath.Join("..", "..", "agent", "health", "testdata", "roots", name))
			if err != nil {
				t.Fatal(err)
			}
			h.write(t, filepath.Join("chain", name), data)
		}
		config := h.write(t, "config.hcl", fmt.Appendf(nil, "state_dir = %q\nstatus_file = %q\nclients {\nsearch_path = false\npackages = []\n}\n",
			h.path("state"), h.path("status.json")))
		args := []string{"clients", "--config", config, "--json", "--against", h.path("chain")}
		real, assumed := args, args
		for _, r := range releases {
			real = append(real[:len(real):len(real)], cosign(t, r.version))
			assumed = append(assumed[:len(assumed):len(assumed)], "--assume", "cosign@"+r.version)
		}
		found, table := h.clients(t, real), h.clients(t, assumed)
		if len(found) != len(releases) || len(table) != len(releases) {
			t.Fatalf("root %d: %d found and %d assumed, want %d", last, len(found), len(table), len(releases))
		}
		for _, r := range releases {
			got, want := found[r.version], table[r.version]
			if got == "" || got != want {
				t.Errorf("roots 1 to %d, cosign %s: found %q, by the table %q", last, r.version, got, want)
			}
		}
	}
}

// clients is what tufkeeper says of clients, by version: the verdict, where each
// starts, and which rules it does not meet.
func (h *host) clients(t *testing.T, args []string) map[string]string {
	t.Helper()
	r := h.run(t, nil, tufkeeper(t), args...)
	want(t, r, 0, "")
	var report struct {
		Clients []struct {
			Version    string
			Judgements []struct {
				Verdict, Start string
				Reasons        []struct{ Rule string }
			}
		}
	}
	decode(t, r.out, &report)
	said := map[string]string{}
	for _, c := range report.Clients {
		for _, j := range c.Judgements {
			said[c.Version] += fmt.Sprintf("%s from %s %v", j.Verdict, j.Start, j.Reasons)
		}
	}
	return said
}
