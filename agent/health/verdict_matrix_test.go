// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func loadModel(t testing.TB) *client.Model {
	t.Helper()
	m, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// publicRoots returns the forms of Sigstore's public roots 1 to n, as published.
func publicRoots(t testing.TB, n int) []trust.RootForm {
	t.Helper()
	var forms []trust.RootForm
	for v := 1; v <= n; v++ {
		form, err := trust.FormOf(publicRoot(t, v))
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, form)
	}
	return forms
}

func publicRoot(t testing.TB, v int) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "roots", fmt.Sprintf("%d.root.json", v)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// publicTargets returns what that version of Sigstore's public targets demands.
func publicTargets(version int64) *trust.TargetsForm {
	f := trust.TargetsForm{Version: version, Paths: []string{"rekor.pub"}}
	if version >= 6 {
		f.Paths = append(f.Paths, trust.TrustedRoot)
		f.LogKeyTypes = []string{"PKIX_ECDSA_P256_SHA_256"}
	}
	if version >= 11 {
		f.SHA256Only = f.Paths
	}
	if version >= 13 {
		f.LogKeyTypes = append(f.LogKeyTypes, "PKIX_ED25519")
	}
	return &f
}

func lines(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 0 && words[0] != "#" {
			all = append(all, words)
		}
	}
	return all
}

// TestMatrix holds the model against every measured outcome: 28 client builds, 30
// published states, three starting roots. Outcome and class must agree in all.
func TestMatrix(t *testing.T) {
	if race {
		t.Skip("run without the race detector")
	}
	m := loadModel(t)
	roots := publicRoots(t, 15)
	classes := map[string][]string{
		"key": {"R1", "R2", "R3"}, "hex": {"R4", "R5"}, "older": {"R7"}, "hash": {"R6"},
		"threshold": {"R20"}, // go-tuf before 0.3.1 drops keys with fields that it does not know
	}
	type state struct{ root, targets int64 }
	var states []state
	rows := 0
	for _, line := range lines(t, "matrix.txt") {
		if line[0] == "state" {
			root, err1 := strconv.ParseInt(line[1], 10, 64)
			targets, err2 := strconv.ParseInt(line[4], 10, 64)
			if err1 != nil || err2 != nil {
				t.Fatal(line)
			}
			states = append(states, state{root, targets})
			continue
		}
		c, err := m.Assume(line[1])
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range line[3:] {
			rows++
			s := states[i]
			r := health.Repository{Mirror: "m", Requirements: trust.Requirements{Roots: roots[:s.root], Targets: publicTargets(s.targets)}}
			switch line[2] {
			case "embedded":
				r.Start = "embedded"
			case "first":
				r.StartRoot = &roots[0]
			case "newest":
				r.Start = "newest"
			}
			j := health.JudgeClient(m, c, r)
			got := "ok"
			if j.Verdict == health.Outdated {
				got = j.Reasons[0].Rule
			} else if j.Verdict != health.OK && j.Verdict != health.Vulnerable {
				got = string(j.Verdict)
			}
			if want == "ok" && got != "ok" || want != "ok" && !slices.Contains(classes[want], got) {
				t.Errorf("%s, start %s, root %d, targets %d: measured %s, judged %s (%s, %v)",
					line[1], line[2], s.root, s.targets, want, got, j.Start, j.Reasons)
			}
		}
	}
	if rows != 2520 {
		t.Errorf("held against %d measured outcomes, want 2520", rows)
	}
}

// TestFeatures holds the model against clients meeting one feature at a time.
func TestFeatures(t *testing.T) {
	m := loadModel(t)
	key := func(kind, scheme, encoding, curve string) trust.KeyForm {
		return trust.KeyForm{Roles: []string{"root", "snapshot", "targets", "timestamp"}, KeyType: kind, Scheme: scheme, Encoding: encoding, Curve: curve}
	}
	ecdsa := key("ecdsa", "ecdsa-sha2-nistp256", "pem", "P-256")
	old := key("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "pem", "P-256")
	hex := key("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "hex", "P-256")
	p384 := key("ecdsa", "ecdsa-sha2-nistp384", "pem", "P-384")
	online384 := p384
	online384.Roles = []string{"snapshot", "timestamp"}
	one := func(keys ...trust.KeyForm) [][]trust.KeyForm { return [][]trust.KeyForm{keys} }
	features := map[string]struct {
		roots  [][]trust.KeyForm
		sha256 bool
	}{
		"badkeyid": {roots: one(old)}, "badkeyid-ecdsa": {roots: one(ecdsa)},
		"bare-meta": {roots: one(old)}, "bare-meta-ecdsa": {roots: one(ecdsa)},
		"deleg-ecdsa": {roots: one(old)}, "deleg-ecdsa-under-ecdsa": {roots: one(ecdsa)},
		"deleg-ed25519": {roots: one(old)}, "deleg-oldtype": {roots: one(old)}, "deleg-unknown": {roots: one(ecdsa)},
		"ed25519-hex": {roots: one(key("ed25519", "ed25519", "hex", ""))},
		"ed25519-pem": {roots: one(key("ed25519", "ed25519", "pem", ""))},
		"emptysig":    {roots: one(old)}, "emptysig-ecdsa": {roots: one(ecdsa)},
		"frac-expires": {roots: one(ecdsa)}, "hex-oldtype": {roots: one(hex)}, "no-consistent-snapshot": {roots: one(ecdsa)},
		"online-p384": {roots: one(ecdsa, online384)}, "p384-ecdsa": {roots: one(p384)},
		"p384-oldtype": {roots: one(key("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "pem", "P-384"))},
		"pem-ecdsa":    {roots: one(ecdsa)}, "pem-ecdsa-nokha": {roots: one(ecdsa)}, "pem-oldtype": {roots: one(old)},
		"rotate-hex-to-pemold":   {roots: [][]trust.KeyForm{{hex}, {old}}},
		"rotate-pemold-to-ecdsa": {roots: [][]trust.KeyForm{{old}, {ecdsa}}},
		"rsa-pss":                {roots: one(key("rsa", "rsassa-pss-sha256", "pem", ""))},
		"sha256-only":            {roots: one(old), sha256: true}, "sha256-only-ecdsa": {roots: one(ecdsa), sha256: true},
		"spec-1.0.31": {roots: one(old)}, "spec-1.0.31-ecdsa": {roots: one(ecdsa)},
		"tufonci-style": {roots: one(ecdsa), sha256: true},
	}
	classes := map[string][]string{
		"start": {"R1", "R3", "key-type"}, "walk": {"R1", "R2"}, "hex": {"R4", "R5"}, "encoding": {"key-type"}, "type": {"key-type"},
		"threshold": {"R1", "R3", "R18", "R19"}, "online": {"R18"}, "hash": {"R6"},
	}
	// What no root shows from outside cannot be judged: go-tuf 0.5.0 alone refuses
	// an empty signature, and no release that could reach such a root carries it.
	unseen := map[string]bool{"go-tuf=v0.5.0,sigstore=v1.4.1 emptysig": true}
	all := lines(t, "features.txt")
	rows := 0
	for _, line := range all[1:] {
		c, err := m.Assume(line[1])
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range line[2:] {
			rows++
			name := all[0][1+i]
			f, ok := features[name]
			if !ok {
				t.Fatalf("feature %q is not described", name)
			}
			var req trust.Requirements
			for v, keys := range f.roots {
				req.Roots = append(req.Roots, trust.RootForm{Version: int64(v + 1), SHA256: fmt.Sprint("feature", v), Keys: keys, OnlineKeys: "same"})
			}
			req.Targets = &trust.TargetsForm{Version: 1, Paths: []string{"rekor.pub"}}
			if f.sha256 {
				req.Targets.SHA256Only = req.Targets.Paths
			}
			j := health.JudgeClient(m, c, health.Repository{Mirror: "m", Requirements: req, StartRoot: &req.Roots[0]})
			got := "ok"
			if j.Verdict == health.Outdated {
				got = j.Reasons[0].Rule
			} else if j.Verdict != health.OK && j.Verdict != health.Vulnerable {
				got = string(j.Verdict)
			}
			agree := want == "ok" && got == "ok" || want != "ok" && slices.Contains(classes[want], got)
			if agree == unseen[line[1]+" "+name] {
				t.Errorf("%s, %s: measured %s, judged %s (%v)", line[1], name, want, got, j.Reasons)
			}
		}
	}
	if rows != 450 {
		t.Errorf("held against %d measured outcomes, want 450", rows)
	}
}

// TestReleaseAgainstEveryRoot is the incident: cosign 2.0.1 reads Sigstore's roots
// up to 8, and none from 9 on, be the root given alone or at the end of its chain.
func TestReleaseAgainstEveryRoot(t *testing.T) {
	m := loadModel(t)
	roots := publicRoots(t, 15)
	for _, spec := range []string{"cosign@v2.0.1", "cosign@2.0.1-r6", "go-tuf=v0.5.2,sigstore=v1.6.1"} {
		c, err := m.Assume(spec)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 15; n++ {
			for _, alone := range []bool{true, false} {
				if !alone && n == 1 {
					continue // a mirror that never had root 2 is older than the client
				}
				r := health.Repository{Requirements: trust.Requirements{Roots: roots[:n]}, Alone: alone}
				if alone {
					r.Requirements.Roots = roots[n-1 : n]
				}
				j := health.JudgeClient(m, c, r)
				if outdated := j.Verdict == health.Outdated; outdated != (n >= 9) {
					t.Errorf("%s, root %d, alone %v: %s %v", spec, n, alone, j.Verdict, j.Reasons)
				}
				if n >= 9 && (j.Reasons[0].Rule != "R2" || strings.HasPrefix(spec, "cosign") && j.Required != "cosign 2.2.0") {
					t.Errorf("%s, root %d, alone %v: %v, required %q", spec, n, alone, j.Reasons, j.Required)
				}
			}
		}
	}
}
