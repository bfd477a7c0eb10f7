// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

func TestPackagedIn(t *testing.T) {
	m, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, id, like, release, client string
		want                            string // the version, or "none" for a package that is known not to be there
	}{
		{"a point release", "alpine", "", "3.18.12", "cosign", "2.0.1-r6"},
		{"the release itself", "alpine", "", "3.23", "cosign", "2.6.3-r1"},
		{"a release that begins alike", "alpine", "", "3.2", "cosign", ""},
		{"Alpine's edge", "alpine", "", "3.24_alpha20260127", "cosign", "2.4.3-r10"},
		{"a release that is not known", "alpine", "", "3.99.0", "cosign", ""},
		{"known to have none", "debian", "", "12", "cosign", "none"},
		{"Debian stable", "debian", "", "13", "cosign", "2.5.0-2+b4"},
		{"a Debian whose number begins alike", "debian", "", "130", "cosign", ""},
		{"Debian testing", "debian", "", "", "cosign", "3.1.1-2"},
		{"a Debian that is not known", "debian", "", "11", "cosign", ""},
		{"another client", "debian", "", "13", "gh", "2.46.0-3"},
		{"a client that nobody listed", "debian", "", "13", "witness", ""},
		{"made from Debian, with a number of its own that Debian has too", "other", "debian", "13", "cosign", ""},
		{"made from Ubuntu", "pop", "ubuntu debian", "22.04", "cosign", ""},
		{"a constant for a release", "wolfi", "", "20230201", "cosign", "3.0.3-r0"},
		{"made from a rolling one", "endeavouros", "arch", "", "cosign", "3.0.4-1"},
		{"Tumbleweed", "opensuse-tumbleweed", "opensuse suse", "20261120", "cosign", "2.5.3"},
		{"no os-release", "", "", "", "cosign", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := m.PackagedIn(tt.id, strings.Fields(tt.like), tt.release, tt.client)
			got := d.Version
			if ok && got == "" {
				got = "none"
			}
			if got != tt.want {
				t.Errorf("got %+v, %v, want %q", d, ok, tt.want)
			}
		})
	}
}

func TestDistributionsThatContradictThemselvesAreRefused(t *testing.T) {
	text, err := os.ReadFile("compat.json")
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"id": "x", "release": "1", "client": "cosign", "package": "cosign", "version": "1.0-1", "known_as_of": "2026-01-01", "evidence": "documented"}`
	replaced := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good) }
	tests := []struct{ name, entries, want string }{
		{"as it should be", good, ""},
		{"twice", good + "," + good, "listed twice"},
		{"without an id", replaced(`"x"`, `""`), "incomplete"},
		{"without a package", replaced(`"package": "cosign"`, `"package": ""`), "incomplete"},
		{"a version that is none", replaced("1.0-1", "newest"), "not a version"},
		{"a client that is not known", replaced(`"client": "cosign"`, `"client": "other"`), "not a known client"},
		{"from the future", replaced("2026-01-01", "2999-01-01"), "known as of"},
		{"no day", replaced("2026-01-01", "yesterday"), "known_as_of"},
		{"no evidence", replaced("documented", "heard"), "evidence"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var table map[string]json.RawMessage
			if err := json.Unmarshal(text, &table); err != nil {
				t.Fatal(err)
			}
			table["distributions"] = json.RawMessage("[" + tt.entries + "]")
			changed, err := json.Marshal(table)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.ParseModel(changed)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(fmt.Sprint(err), tt.want)) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
