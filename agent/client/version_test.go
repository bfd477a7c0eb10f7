// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

func TestUpstream(t *testing.T) {
	for text, want := range map[string]string{
		"v2.0.1": "2.0.1", "2.0.1": "2.0.1", " v3.0.4 ": "3.0.4", "2.2": "2.2.0", "v2.6": "2.6.0",
		// Distributions.
		"2.0.1-r6": "2.0.1", "2.4.3-r10": "2.4.3", "2.5.0-2": "2.5.0", "2.5.0-2+b4": "2.5.0", "1:2.2.3-1.fc39": "2.2.3",
		"2.5.0-2ubuntu1.1": "2.5.0", "2.5.0-2~bpo12+1": "2.5.0", "2.5.0-2+deb12u1": "2.5.0", "2.2.0_1": "2.2.0", "3.0.4-1.x86_64": "3.0.4",
		"2.2.3+carbide.2": "2.2.3", "2.2.3+carbide.2-1.lp155": "2.2.3", "2.2.3-1.el9": "2.2.3",
		// Builds.
		"v2.2.0-12-gabc1234": "2.2.0", "v2.0.1+dirty": "2.0.1", "v0.7.0+incompatible": "0.7.0",
		// What comes before a release.
		"v2.0.0-rc.1": "2.0.0-rc.1", "2.0.0-rc1": "2.0.0-rc.1", "2.0.0~rc1-2": "2.0.0-rc.1", "v1.10.0-rc.01": "1.10.0-rc.1", "v1.0.0-alpha": "1.0.0-alpha",
		"v0.5.2-0.20220930112810-3890c1e7ace4": "0.5.2-0.20220930112810-3890c1e7ace4", "v0.0.0-20210722233521-90e262754396": "0.0.0-20210722233521-90e262754396",
		"v2.0.1-0.20230406000000-8faaee4d2b5f+dirty": "2.0.1-0.20230406000000-8faaee4d2b5f",
		"v2.0.1-rc.1.0.20230406000000-8faaee4d2b5f":  "2.0.1-rc.1.0.20230406000000-8faaee4d2b5f",
	} {
		v, err := client.Upstream(text)
		if err != nil || v.String() != want {
			t.Errorf("Upstream(%q) = %v, %v, want %s", text, v, err, want)
		}
	}
	for _, text := range []string{"", "devel", "(devel)", "unknown", "v", "2", "x2.0.1", "2.0.1\x1b[31m", "2.0.1 ; rm", "2.0.1-ü", "99999999999.0.0", strings.Repeat("1", 200), "2.0.1\n-r6"} {
		if v, err := client.Upstream(text); err == nil {
			t.Errorf("Upstream(%q) = %v, want an error", text, v)
		} else if strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("Upstream(%q): the error is not quoted: %v", text, err)
		}
	}
}

func TestOlder(t *testing.T) {
	order := []string{"1:1.13.6-1", "v2.0.0-rc.1", "2.0.0-r1", "v2.0.1-0.20230406000000-8faaee4d2b5f", "2.0.1-r6", "v2.2.0", "2.10.0"}
	for i := range order {
		for k := range order {
			if got := client.Older(order[i], order[k]); got != (i < k) {
				t.Errorf("Older(%q, %q) = %v", order[i], order[k], got)
			}
		}
	}
	if client.Older("devel", "2.0.0") || client.Older("2.0.0", "devel") {
		t.Error("an unreadable version is neither older nor newer")
	}
}

// FuzzUpstream: never panics; a version that reads prints one that reads the same.
func FuzzUpstream(f *testing.F) {
	for _, s := range []string{"v2.0.1", "1:2.2.3-1.fc39", "2.5.0-2+b4", "v0.5.2-0.20220930112810-3890c1e7ace4", "2.0.0~rc1", "2.2.3+carbide.2", "v2.2.0-12-gabc1234"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := client.Upstream(text)
		if (err == nil) != (v != nil) {
			t.Fatal("a version and an error, or neither")
		}
		if err != nil {
			return
		}
		again, err := client.Upstream(v.String())
		if err != nil || !again.Equal(v) {
			t.Fatalf("%q reads as %s, which reads as %v, %v", text, v, again, err)
		}
		if client.Older(text, v.String()) || client.Older(v.String(), text) {
			t.Fatalf("%q is not %s", text, v)
		}
	})
}
