// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// truth is what was measured of library builds, as the tests of agent/health hold
// it: outcome by client and column.
type truth struct {
	features map[string]map[string]string // client, feature
	matrix   map[string]map[string]string // "client start", root of the state: of its last state
}

func readTruth(t *testing.T) truth {
	t.Helper()
	tr := truth{features: map[string]map[string]string{}, matrix: map[string]map[string]string{}}
	var columns []string
	for _, words := range truthLines(t, "features.txt") {
		switch words[0] {
		case "features":
			columns = words[1:]
		case "client":
			tr.features[words[1]] = row(t, columns, words[2:])
		}
	}
	columns = nil
	for _, words := range truthLines(t, "matrix.txt") {
		switch words[0] {
		case "state":
			columns = append(columns, words[1])
		case "client":
			tr.matrix[words[1]+" "+words[2]] = row(t, columns, words[3:])
		}
	}
	return tr
}

func truthLines(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "agent", "health", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if words := strings.Fields(s.Text()); len(words) > 0 && words[0] != "#" {
			lines = append(lines, words)
		}
	}
	if s.Err() != nil || len(lines) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(lines), s.Err())
	}
	return lines
}

func row(t *testing.T, columns, values []string) map[string]string {
	t.Helper()
	if len(columns) != len(values) {
		t.Fatalf("%d values for %d columns", len(values), len(columns))
	}
	m := map[string]string{}
	for i, column := range columns {
		m[column] = values[i] // of two states of one root, the last
	}
	return m
}

// of is what was measured for that kind and that class of client: "ok", how it
// failed, or "" where nothing was.
func (tr truth) of(t *testing.T, k kind, r release) string {
	t.Helper()
	if k.feature != "" {
		m, ok := tr.features[r.features]
		if !ok || m[k.feature] == "" {
			t.Fatalf("nothing was measured of %q for %q", k.feature, r.features)
		}
		return m[k.feature]
	}
	if k.root == 0 {
		return ""
	}
	start := "newest"
	if k.first {
		start = "first"
	}
	m, ok := tr.matrix[r.matrix+" "+start]
	if !ok {
		t.Fatalf("nothing was measured of %q", r.matrix)
	}
	return m[strconv.Itoa(k.root)]
}

// A release is a real client, and the library builds whose measurements are those
// of its class.
type release struct {
	version          string
	features, matrix string   // a client line of each
	bundle           []string // the flags that make verify-blob read a bundle it knows; nil where it needs no log
}

var (
	legacyBundle = []string{"--bundle", "blob.legacy"}
	newBundle    = []string{"--new-bundle-format", "--bundle", "blob.bundle"}
)

var releases = []release{
	{"v1.9.0", "cosign@v1.9.0", "cosign@v1.8.0", legacyBundle},
	{"v1.11.1", "go-tuf=v0.3.1,sigstore=v1.4.0", "go-tuf=v0.3.0,sigstore=v1.2.1-0.20220614141825-9c0e2e247545", legacyBundle},
	{"v1.13.1", "go-tuf=v0.5.2,sigstore=v1.6.1", "go-tuf=v0.5.1-0.20220920170306-f237d7ca5b42,sigstore=v1.4.2", nil},
	{"v1.13.6", "go-tuf=v0.7.0,sigstore=v1.8.0", "go-tuf=v0.7.0,sigstore=v1.8.1", nil},
	{"v2.0.1", "go-tuf=v0.5.2,sigstore=v1.6.1", "go-tuf=v0.5.2,sigstore=v1.5.1", legacyBundle},
	{"v2.2.4", "go-tuf=v0.7.0,sigstore=v1.8.0", "go-tuf=v0.7.0,sigstore=v1.8.7", legacyBundle},
	{"v2.4.0", "go-tuf=v0.7.0,sigstore=v1.8.0", "go-tuf=v0.7.0,sigstore=v1.8.8", legacyBundle},
	{"v2.4.3", "go-tuf=v0.7.0,sigstore=v1.8.0", "go-tuf=v0.7.0,sigstore=v1.8.15", legacyBundle},
	{"v2.6.4", "go-tuf/v2=v2.4.1,sigstore-go=v1.1.4", "go-tuf/v2=v2.3.0,sigstore-go=v1.1.4-0.20251201121426-2cdedea80894", newBundle},
	{"v3.1.3", "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1", "go-tuf/v2=v2.4.2,sigstore-go=v1.2.1", []string{"--bundle", "blob.bundle"}},
}

func releasesOf(versions ...string) []release {
	return slices.DeleteFunc(slices.Clone(releases), func(r release) bool { return !slices.Contains(versions, r.version) })
}
