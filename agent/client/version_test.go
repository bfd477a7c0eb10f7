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
		"v2.0.0-rc1-12-gabc1234":                     "2.0.0-rc.1", "2.0.0_rc1-r0": "2.0.0-rc.1", "2.0.0RC2": "2.0.0-rc.2", "2.2.1-SNAPSHOT-546f1c5": "2.2.1-snapshot", "2.2.0-dev": "2.2.0-dev",
		"2.2.0~git20230801.546f1c5-1": "2.2.0-git.20230801", "3.0.0-beta.2+meta": "3.0.0-beta.2", "2.7.0-next": "2.7.0-next", "1:2.0.0~rc1-2": "2.0.0-rc.1",
		// Each source of facts/clients.md, section 5, and what its parsers must take.
		"2.2.1-r3": "2.2.1", "3.0.6-r1": "3.0.6", "2.6.3-r0": "2.6.3", "2.2.3-r1": "2.2.3", "3.0.3-r0": "3.0.3", "2.5.0-2ubuntu0.1": "2.5.0", "2.5.0-2build1": "2.5.0",
		"1:3.0.4-1": "3.0.4", "3.0.4-1": "3.0.4", "2:3.0.4-1.1": "3.0.4", "2.5.3": "2.5.3", "2.2.2+carbide.2": "2.2.2", "2.2.3+carbide.2-150600.1.2": "2.2.3",
		"2.4.1-lp155.2.1": "2.4.1", "2.4.1-1.lp156.1": "2.4.1", "2.2.3-1.el9_4": "2.2.3", "2.2.3-1.amzn2023": "2.2.3", "2.2.0-1.x86_64": "2.2.0", "2.2.0_2": "2.2.0",
		"2.5.0-2~bpo13+1": "2.5.0", "2.5.0-2+deb13u1+b1": "2.5.0", "2.5.0+ds1-2": "2.5.0", "2.5.0+dfsg-1": "2.5.0", "v2.2.0-12-gabc1234-dirty": "2.2.0", "v2.6.4+dirty": "2.6.4",
		"2.2.0_git20230801-r0": "2.2.0", "2.2.0_p1-r0": "2.2.0", "2.0.2+0.7.0-1": "2.0.2",
		// Names in front.
		"/nix/store/0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-cosign-2.5.3": "2.5.3", "/nix/store/0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-cosign-2.5.3/bin/cosign": "2.5.3",
		"0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-slsa-verifier-2.7.1": "2.7.1", "/nix/store/0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-cosign-3.0.0-rc.1": "3.0.0-rc.1",
		"cosign-2.2.0-1.x86_64.rpm": "2.2.0", "cosign_2.5.0-2+b4_amd64.deb": "2.5.0", "policy-controller-0.13.1-r2.apk": "0.13.1", "cosign-1:3.0.4-1-x86_64.pkg.tar.zst": "3.0.4",
	} {
		v, err := client.Upstream(text)
		if err != nil || v.String() != want {
			t.Errorf("Upstream(%q) = %v, %v, want %s", text, v, err, want)
		}
	}
	for _, text := range []string{"", "devel", "(devel)", "unknown", "v", "2", "x2.0.1", "2.0.1\x1b[31m", "2.0.1 ; rm", "2.0.1-ü", "99999999999.0.0", strings.Repeat("1", 200), "2.0.1\n-r6", "cosign-2.0.1", "python3.11", "2.0.1-prebuilt", "/nix/store/short-cosign-2.5.3", "/nix/store/0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-cosign", "1:", "1:v", "v.1.2", "2..1", "-2.0.1", "2.0.1r6", "١.٢.٣"} {
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

// TestOlderIsAnOrder holds the comparison to the laws of one, for every pair and
// triple of a set in which every form of a version stands.
func TestOlderIsAnOrder(t *testing.T) {
	// Those of one line are the same version to us; each line comes before the next.
	order := [][]string{
		{"v0.0.0-20210722233521-90e262754396"},
		{"1.13.6", "v1.13.6", "1:1.13.6-1", "1.13.6-r2"},
		{"v2.0.0-alpha"},
		{"v2.0.0-rc.1", "2.0.0~rc1-2", "2.0.0_rc1-r0", "2.0.0-rc1"},
		{"v2.0.0-rc.2", "2.0.0RC2"},
		{"v2.0.0-rc.10"},
		{"2.0.0", "2.0.0-1", "2.0"},
		{"v2.0.1-0.20230406000000-8faaee4d2b5f", "v2.0.1-0.20230406000000-8faaee4d2b5f+dirty"},
		{"v2.0.1-0.20230407000000-8faaee4d2b5f"},
		{"2.0.1-r6", "2.0.1-r12", "v2.0.1+dirty", "/nix/store/0c1jhgvzrgwknz7ma65fgyzp0h7kp2xa-cosign-2.0.1"},
		{"v2.2.0", "v2.2.0-12-gabc1234", "2.2.0_1", "2.2.0-1.x86_64"},
		{"2.2.3+carbide.2", "2.2.3", "1:2.2.3-1.fc39", "2.2.3-1.el9"},
		{"2.5.0-2", "2.5.0-2+b4", "2.5.0-2ubuntu0.1", "2.5.0-2~bpo12+1", "2.5.0-2+deb12u1"},
		{"2.10.0", "2.10.0-1.lp155"},
	}
	for i, as := range order {
		for k, bs := range order {
			for _, a := range as {
				for _, b := range bs {
					if got := client.Older(a, b); got != (i < k) {
						t.Errorf("Older(%q, %q) = %v", a, b, got)
					}
				}
			}
		}
	}
}

// FuzzOlder: whatever two versions say, at most one is older, and a third that is
// the same as one of them stands to the other as that one does.
func FuzzOlder(f *testing.F) {
	f.Add("v2.0.1", "2.0.1-r6", "2.0.1-rc.1")
	f.Add("1:2.2.3-1.fc39", "2.2.3+carbide.2", "v2.2.0-12-gabc1234")
	f.Add("2.0.0~rc1", "v2.0.1-0.20230406000000-8faaee4d2b5f", "devel")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, s := range []string{a, b, c} {
			if _, err := client.Upstream(s); err != nil {
				for _, o := range []string{a, b, c} {
					if client.Older(s, o) || client.Older(o, s) {
						t.Fatalf("%q cannot be read, and is older or newer than %q", s, o)
					}
				}
				return
			}
		}
		ab, ba, bc, cb, ac, ca := client.Older(a, b), client.Older(b, a), client.Older(b, c), client.Older(c, b), client.Older(a, c), client.Older(c, a)
		if ab && ba || bc && cb || ac && ca || client.Older(a, a) {
			t.Fatalf("%q, %q, %q: each older than the other", a, b, c)
		}
		if ab && bc && !ac || cb && ba && !ca {
			t.Fatalf("%q, %q, %q: not transitive", a, b, c)
		}
		if !ab && !ba && !bc && !cb && (ac || ca) {
			t.Fatalf("%q, %q, %q: being the same is not transitive", a, b, c)
		}
	})
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
