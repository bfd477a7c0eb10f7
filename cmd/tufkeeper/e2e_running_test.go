// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// TestE2ERunning damages caches beside the running agent, which mends them before
// their clients come back.
func TestE2ERunning(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	clients := []reads{r.anchored(t, newRelease), r.embedded(t, w.public(t)), r.node(t, "sigstore-js", nil)}
	names := []string{"cosign", "cosign", "sigstore-js"}
	var places strings.Builder
	bases := make([]string, len(clients))
	for i, c := range clients {
		bases[i] = r.dir(t, fmt.Sprintf("running-%d", i))
		if c.begin != nil {
			c.begin(t, bases[i])
		}
		ok(t, c.run(t, bases[i]))
		fmt.Fprintf(&places, "  place %q { client = %q }\n", bases[i], names[i])
	}
	all := reads{mirror: clients[0].mirror + clients[1].mirror, places: func([]string) string { return places.String() }}
	a := r.agent(t, r.config(t, "running", all, nil, "  debounce = \"100ms\"\n  quiet = \"0s\"\n"))
	defer a.stop(t)
	a.waitN(t, "both refreshes", 0, 2, 20*time.Second, named("refresh finished"))
	var table strings.Builder
	// What @sigstore/tuf writes in place may be half done for five seconds.
	table.WriteString("| client | damage | mended after |\n|---|---|---|\n")
	for _, row := range []struct {
		client     int
		file, blow string
	}{
		{0, "root.json", "zero bytes"}, {0, "targets.json", "directory"}, {0, target, "mode 000"}, {0, "targets", "file in its place"},
		{1, "timestamp.json", "truncated"}, {1, "snapshot.json", "null"}, {1, ".", "file in its place"},
		{2, "root.json", "truncated"}, {2, "timestamp.json", "mode 000"},
	} {
		c, base := clients[row.client], bases[row.client]
		t.Run(c.name+" "+row.file+" "+row.blow, func(t *testing.T) {
			i := slices.IndexFunc(blows(), func(b blow) bool { return b.name == row.blow })
			mark, begun := a.mark(), time.Now()
			blows()[i].hit(t, c.file(base, row.file), "")
			r.own(t, base)
			mended := a.wait(t, "mending", mark, 20*time.Second, func(e event) bool {
				return e.name == "cache mended" && e.str("path") == filepath.Join(base, c.dir) && e.str("file") == c.called(row.file)
			})
			ok(t, c.run(t, base))
			fmt.Fprintf(&table, "| %s | %s: %s | %s |\n", c.name, row.file, row.blow, mended.at.Sub(begun).Round(time.Millisecond))
		})
	}
	t.Logf("\n%s", table.String())
}
