// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// FuzzRead reads hostile files. Whatever they hold: no panic gets out, an error
// means no client, what is found is bounded, and a root is what stands in the file.
func FuzzRead(f *testing.F) {
	f.Add(program(cosign201("v2.0.1"), fnLegacy, fnSigstore, rootDocument(2, "")))
	f.Add(program(cosign201("(devel)"), fnLegacy, `{"signed":{"_type":"root"`, "8faaee4d2b5f65678eb0831a8a3d5990a0271d3a"))
	f.Add(program(modinfo("path\tx"), fnV2))
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("MZ" + fnLegacy))
	f.Add([]byte("\xcf\xfa\xed\xfe" + fnLegacy))
	m := loadModel(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := client.Read(path, m, 0)
		if err != nil {
			if c.Path != "" || c.Libraries != nil || strings.Contains(err.Error(), "panicked") {
				t.Fatalf("an error and a client, or a panic: %v", err)
			}
			return
		}
		if !c.Linked.Any() {
			t.Fatal("a client without a TUF client")
		}
		if len(c.EmbeddedRoots) > 16 {
			t.Fatalf("%d roots", len(c.EmbeddedRoots))
		}
		for _, r := range c.EmbeddedRoots {
			sum := sha256.Sum256(r.Raw)
			if r.Version < 1 || r.SHA256 != hex.EncodeToString(sum[:]) || !r.Is(r.SHA256, "") || r.SignedSHA256 != "" && !r.Is("", r.SignedSHA256) {
				t.Fatalf("root %+v", r)
			}
		}
		m.Capabilities(c)
		m.AdvisoriesOf(c)
	})
}

// FuzzRoots looks for root documents in hostile text, behind a real beginning.
func FuzzRoots(f *testing.F) {
	f.Add([]byte(rootDocument(12, "")))
	f.Add([]byte(`{"signed":{"_type":"root","version":1e99,"expires":"2025-08-19T14:33:09Z","keys":{"a":1},"roles":{"a":1}},"signatures":[]}`))
	f.Add([]byte(`{"signatures":[],"signed":{"_type" : "root"}}{"signed":`))
	f.Add([]byte(`{"signed":{"signed":{"_type":"root"`))
	m := loadModel(f)
	head := program(cosign201("v2.0.1"), fnLegacy, "")
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(path, append(head[:len(head):len(head)], data...), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := client.Read(path, m, 0)
		if err != nil {
			return // the text may be taken for build information that is none
		}
		for _, r := range c.EmbeddedRoots {
			if r.Version < 1 || r.Version > 1<<31-1 || r.Expires.IsZero() || len(r.Raw) > 512_000 {
				t.Fatalf("root %+v", r)
			}
		}
	})
}
