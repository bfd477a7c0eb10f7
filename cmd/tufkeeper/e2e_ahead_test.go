// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// TestE2EAhead gives clients metadata newer than what their mirror answers (facts on
// caches, 3.4): tufkeeper reports it and leaves it, since it is what protects them
// from a rollback. Consent takes it out only after it has lain there for a day: that is
// shown where the time can be set, in agent/cache and agent/publish.
func TestE2EAhead(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	clients := []reads{r.anchored(t, newRelease), r.embedded(t, w.public(t))}
	was, is := r.dir(t, "was"), r.dir(t, "is")
	for _, base := range []string{was, is} {
		for i, c := range clients {
			dir := filepath.Join(base, fmt.Sprint(i))
			if c.begin != nil {
				c.begin(t, dir)
			}
			ok(t, c.run(t, dir))
		}
		if base == was {
			must(t, w.repo.Publish("trusted_root.json", append(w.repo.Files().Artifacts["trusted_root.json"], '\n')))
		}
	}
	must(t, w.repo.Rollback(1))
	var table strings.Builder
	table.WriteString("| newer than the mirror | client alone | tufkeeper says | left alone, with drop_ahead too |\n|---|---|---|---|\n")
	for i, c := range clients {
		for j, newer := range []struct {
			files   []string
			lasting bool
		}{
			{[]string{"timestamp.json", "snapshot.json", "targets.json"}, true},
			{[]string{"snapshot.json"}, true},
			{[]string{"targets.json"}, false},
		} {
			name := c.name + ": " + strings.Join(newer.files, ", ")
			t.Run(name, func(t *testing.T) {
				alone, with := r.path(fmt.Sprintf("alone-%d-%d", i, j)), r.path(fmt.Sprintf("with-%d-%d", i, j))
				for _, base := range []string{alone, with} {
					copyTree(t, filepath.Join(was, fmt.Sprint(i)), base)
					for _, file := range newer.files {
						data, err := os.ReadFile(c.file(filepath.Join(is, fmt.Sprint(i)), file))
						must(t, err)
						must(t, os.WriteFile(c.file(base, file), data, 0o644))
					}
					r.own(t, base)
					aged(t, base, time.Minute)
				}
				config := r.config(t, filepath.Base(with)+"-config", c, []string{with}, "")
				// The mirror is older than the cache: the cache is not written by this.
				want(t, r.keeper(t, config, "refresh"), 0, "")
				_ = c.run(t, alone)
				second := c.run(t, alone)
				if got := second.code != 0; got != newer.lasting {
					t.Errorf("its client fails: %t, known is %t: %s", got, newer.lasting, second.said())
				}
				before := digestOf(t, with)
				found := r.one(t, config)
				want(t, r.keeper(t, config, "caches", "--mend"), 0, "")
				if found.State != "ahead" || newer.lasting && found.Consequence == "" {
					t.Errorf("it is %s: %s; the consequence is %q", found.State, found.Detail, found.Consequence)
				}
				if after := digestOf(t, with); after != before {
					t.Errorf("it was changed:\n%s\nis now\n%s", before, after)
				}
				// A copy that kept the times of what it holds is not as old as that here: how
				// long it has lain here, nobody can set back.
				aged(t, with, 48*time.Hour)
				before = digestOf(t, with)
				text, err := os.ReadFile(config)
				must(t, err)
				must(t, os.WriteFile(config, []byte(strings.Replace(string(text), "caches {", "caches {\n  drop_ahead = \"1d\"", 1)), 0o644))
				want(t, r.keeper(t, config, "caches", "--mend"), 0, "")
				if after := digestOf(t, with); after != before {
					t.Errorf("with drop_ahead it was changed at once:\n%s\nis now\n%s", before, after)
				}
				word := map[bool]string{true: "works", false: "fails"}
				fmt.Fprintf(&table, "| %s | %s | %s: %s | yes |\n", name, word[second.code == 0], found.State, found.Detail)
			})
		}
	}
	t.Logf("\n%s", strings.ReplaceAll(table.String(), r.home, "~"))
}
