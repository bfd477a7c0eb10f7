// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A blow is one way to hurt a file of a cache.
type blow struct {
	name string
	// hit hurts the file; old is the same file as it was before the mirror's last change.
	hit func(t *testing.T, file, old string)
	// files are what it is tried on; nil for every one.
	files []string
}

var metadata = []string{"root.json", "timestamp.json", "snapshot.json", "targets.json"}

// blows are the rows of the damage matrix.
func blows() []blow {
	edit := func(f func([]byte) []byte) func(*testing.T, string, string) {
		return func(t *testing.T, file, _ string) {
			data, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, f(data), 0o644))
		}
	}
	leftover := func(age time.Duration) func(*testing.T, string, string) {
		return func(t *testing.T, dir, _ string) {
			file := filepath.Join(dir, "tuf_tmp1234567")
			must(t, os.WriteFile(file, []byte("{"), 0o600))
			must(t, os.Chtimes(file, time.Now(), time.Now().Add(-age)))
		}
	}
	return []blow{
		{"zero bytes", edit(func([]byte) []byte { return nil }), nil},
		{"truncated", edit(func(b []byte) []byte { return b[:len(b)/2] }), nil},
		{"random bytes", edit(func(b []byte) []byte {
			rand.Read(b)
			return b
		}), nil},
		{"null", edit(func([]byte) []byte { return []byte("null") }), nil},
		{"wrong shape", edit(func([]byte) []byte { return []byte(`{"a": [1]}`) }), nil},
		{"directory", func(t *testing.T, file, _ string) {
			must(t, os.Remove(file))
			must(t, os.Mkdir(file, 0o700))
			must(t, os.WriteFile(filepath.Join(file, "inside"), []byte("kept\n"), 0o600))
		}, nil},
		{"mode 000", func(t *testing.T, file, _ string) { must(t, os.Chmod(file, 0)) }, nil},
		{"dangling link", func(t *testing.T, file, _ string) {
			must(t, os.Remove(file))
			must(t, os.Symlink("nowhere", file))
		}, nil},
		{"older version", func(t *testing.T, file, old string) {
			data, err := os.ReadFile(old)
			must(t, err)
			must(t, os.WriteFile(file, data, 0o644))
		}, append(slices.Clone(metadata), target)},
		{"file in its place", func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(dir))
			must(t, os.WriteFile(dir, []byte("?"), 0o644))
		}, []string{".", "targets"}},
		{"leftover, two hours", leftover(2 * time.Hour), []string{"."}},
		{"leftover, a minute", leftover(time.Minute), []string{"."}},
	}
}

// on are the files that a blow is tried on in that client's caches.
func (b blow) on(c reads) []string {
	if b.files != nil {
		return b.files
	}
	return slices.Concat(metadata, []string{target}, c.beside)
}

// lasting is what does not heal by itself, by client and blow: the files. The first
// two are what is known of sigstore-go with a root of the program's own (facts on
// caches, 3.6) and with the cached one (3.9). Of sigstore-js it was known that a broken
// root.json is permanent and that all else heals. Seen here is more: it writes in place,
// so that what it cannot open stays, whatever the file is.
var lasting = map[string]map[string]string{
	"own root": {
		"zero bytes": threeRoles, "truncated": threeRoles, "random bytes": threeRoles, "null": threeRoles, "wrong shape": threeRoles,
		"directory": "root.json " + threeRoles + " target", "mode 000": "target", "file in its place": ". targets",
	},
	"cached root": {
		"zero bytes": anchors + threeRoles, "truncated": anchors + threeRoles, "random bytes": anchors + threeRoles,
		"null": anchors + threeRoles, "wrong shape": anchors + threeRoles,
		"directory": anchors + threeRoles + " target", "mode 000": anchors + "target", "dangling link": anchors,
		"file in its place": ". targets",
	},
	"sigstore-js": {
		"zero bytes": "root.json", "truncated": "root.json", "random bytes": "root.json", "null": "root.json", "wrong shape": "root.json",
		"directory": "root.json " + threeRoles + " target", "mode 000": "root.json " + threeRoles + " target",
		"file in its place": ". targets",
	},
}

const (
	threeRoles = "timestamp.json snapshot.json targets.json"
	anchors    = "root.json remote.json "
)

func isLasting(table map[string]string, b, file string) bool {
	word, _, _ := strings.Cut(file, " ") // "target file"
	return slices.Contains(strings.Fields(table[b]), word)
}
