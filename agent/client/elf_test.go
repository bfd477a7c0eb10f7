// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// Functions that prove a TUF client, as they stand in a function table.
const (
	fnLegacy     = "\x00github.com/theupdateframework/go-tuf/client.(*Client).Update\x00"
	fnV2         = "\x00github.com/theupdateframework/go-tuf/v2/metadata/updater.(*Updater).Refresh\x00"
	fnSigstore   = "\x00github.com/sigstore/sigstore/pkg/tuf.initializeTUF\x00"
	fnSigstoreGo = "\x00github.com/sigstore/sigstore-go/pkg/tuf.New\x00"
	fnHex        = "\x00github.com/theupdateframework/go-tuf/pkg/keys.NewDeprecatedEcdsaVerifier\x00"
)

// modinfo writes module information as the linker does.
func modinfo(lines ...string) string {
	return strings.Join(lines, "\n") + "\n"
}

// program returns the smallest ELF file that holds build information, followed by
// anything: a Go program as far as a reader can tell without executing it.
func program(info string, payload ...string) []byte {
	const at, vaddr = 128, 0x400000
	varint := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	blob := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	blob = append(blob, varint("go1.26")...)
	blob = append(blob, varint("0123456789abcdef"+info+"0123456789abcdef")...)
	data := append(blob, strings.Join(payload, "\x00")...)

	var b bytes.Buffer
	le := binary.LittleEndian
	head := make([]byte, at)
	copy(head, "\x7fELF\x02\x01\x01")
	le.PutUint16(head[16:], 2)  // executable
	le.PutUint16(head[18:], 62) // x86-64
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], 64) // program headers
	le.PutUint16(head[52:], 64)
	le.PutUint16(head[54:], 56)
	le.PutUint16(head[56:], 1)
	le.PutUint16(head[58:], 64)
	p := head[64:]
	le.PutUint32(p[0:], 1) // load
	le.PutUint32(p[4:], 6) // read and write
	le.PutUint64(p[8:], at)
	le.PutUint64(p[16:], vaddr)
	le.PutUint64(p[24:], vaddr)
	le.PutUint64(p[32:], uint64(len(data)))
	le.PutUint64(p[40:], uint64(len(data)))
	b.Write(head)
	b.Write(data)
	return b.Bytes()
}

func loadModel(t testing.TB) *client.Model {
	t.Helper()
	m, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return name
}

// read writes a program and reads it.
func read(t testing.TB, data []byte) (client.Client, error) {
	t.Helper()
	return client.Read(write(t, filepath.Join(t.TempDir(), "program"), data), loadModel(t), 0)
}

// cosign201 is the build information of cosign 2.0.1, as far as it matters.
func cosign201(version string) string {
	return modinfo("path\tgithub.com/sigstore/cosign/v2/cmd/cosign", "mod\tgithub.com/sigstore/cosign/v2\t"+version+"\t",
		"dep\tgithub.com/sigstore/sigstore\tv1.6.1\th1:x", "dep\tgithub.com/theupdateframework/go-tuf\tv0.5.2\th1:x")
}

// A chunk may end anywhere in a name: what it cuts off is in the next one.
func TestANameIsCutAnywhere(t *testing.T) {
	name := "\x00github.com/theupdateframework/go-tuf/v2/metadata/updater.(*Updater).Refresh\x00"
	for end := range len(name) {
		if l := client.ScanFunctions([]byte(name[:end])); l.Any() {
			t.Errorf("%q was taken for the whole name", name[:end])
		}
	}
	if l := client.ScanFunctions([]byte(name)); !l.TUFv2 {
		t.Error("the whole name was not found")
	}
}
