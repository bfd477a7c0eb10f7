// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
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
			if r.Version < 1 || r.SHA256 != hex.EncodeToString(sum[:]) || !r.Is(r.SHA256) {
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

// FuzzHeaders changes a real program in three places: its header, its table of
// sections, its symbols, its table of functions, its build information, or
// anywhere. Whatever that makes of it is read within bounds, without a panic.
func FuzzHeaders(f *testing.F) {
	out := smallProgram(f)
	data, err := os.ReadFile(out)
	if err != nil {
		f.Fatal(err)
	}
	file, err := elf.Open(out)
	if err != nil {
		f.Skip(err) // another format than Linux has
	}
	defer file.Close()
	sections := int64(binary.LittleEndian.Uint64(data[40:]))
	regions := [][2]int64{{0, 64}, {64, 1024}, {sections, int64(len(data)) - sections}, {0, int64(len(data))}}
	for _, name := range []string{".symtab", ".strtab", ".shstrtab", ".gopclntab", ".go.buildinfo", ".note.go.buildid"} {
		if s := file.Section(name); s != nil {
			regions = append(regions, [2]int64{int64(s.Offset), int64(s.FileSize)})
		}
	}
	w, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		f.Fatal(err)
	}
	defer w.Close()
	m := loadModel(f)
	for region := range uint8(len(regions)) {
		f.Add(region, uint32(40), uint64(1<<63), region, uint32(8), uint64(1), uint8(2), uint32(64*5+32), uint64(1<<40))
		f.Add(region, uint32(0), uint64(0xffffffffffffffff), uint8(2), uint32(64*20+24), uint64(0), uint8(2), uint32(64*7+8), uint64(1<<11))
	}
	f.Fuzz(func(t *testing.T, r1 uint8, at1 uint32, v1 uint64, r2 uint8, at2 uint32, v2 uint64, r3 uint8, at3 uint32, v3 uint64) {
		patch := func(r uint8, at uint32, v uint64, back bool) {
			region := regions[int(r)%len(regions)]
			from := min(region[0]+int64(at)%max(1, region[1]), int64(len(data))-8)
			with := binary.LittleEndian.AppendUint64(nil, v)
			if back {
				with = data[from : from+8]
			}
			if _, err := w.WriteAt(with, from); err != nil {
				t.Fatal(err)
			}
		}
		for _, back := range []bool{false, true} {
			patch(r1, at1, v1, back)
			patch(r2, at2, v2, back)
			patch(r3, at3, v3, back)
			c, err := client.Read(out, m, 0)
			switch {
			case err != nil && strings.Contains(err.Error(), "panicked"):
				t.Fatal(err)
			case back && (err != nil || c.Name != "gitsign" || c.Version != "v1.2.3"):
				t.Fatalf("the program itself is %s %q: %v", c.Name, c.Version, err)
			}
		}
	})
}
