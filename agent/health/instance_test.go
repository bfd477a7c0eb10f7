// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestEmbeddedRootsAreOfAnInstance(t *testing.T) {
	m := loadModel(t)
	staging, err := trust.Initial(trust.Sigstage)
	if err != nil {
		t.Fatal(err)
	}
	of := func(raw []byte) client.EmbeddedRoot {
		form, err := trust.FormOf(raw)
		if err != nil {
			t.Fatal(err)
		}
		return client.EmbeddedRoot{Version: form.Version, SHA256: form.SHA256, SignedSHA256: form.SignedSHA256, Raw: raw}
	}
	c := assume(t, "cosign@v2.4.3")
	c.EmbeddedRoots = append(c.EmbeddedRoots, of(publicRoot(t, 15)), of(staging), client.EmbeddedRoot{Version: 2, SHA256: "private"}, client.EmbeddedRoot{Version: 7, SHA256: "other"})
	want := []string{"public", "public", "public", "staging", "configured", ""}
	judged := health.Measure{Model: m}.Clients([]health.ClientFacts{{Client: c}}, []health.Repository{{Mirror: "corp", Requirements: trust.Requirements{Roots: private(old, old)}}}, instant(t, "2026-11-22T12:00:00Z"))
	for i, root := range judged[0].Client.EmbeddedRoots {
		if root.Instance != want[i] {
			t.Errorf("root %d is of %q, want %q", root.Version, root.Instance, want[i])
		}
	}
	if c.EmbeddedRoots[0].Instance != "" {
		t.Error("the facts were changed")
	}
	// A public root that a table does not have yet is known by the keys of its timestamp.
	older := *m
	older.Roots = m.Roots[:14]
	judged = health.Measure{Model: &older}.Clients([]health.ClientFacts{{Client: c}}, nil, instant(t, "2026-11-22T12:00:00Z"))
	if got := judged[0].Client.EmbeddedRoots[2].Instance; got != "public" {
		t.Errorf("root 15 is of %q", got)
	}
}
