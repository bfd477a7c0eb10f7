// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

func modelFile(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("compat.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestModelRefusesWhatContradictsItself(t *testing.T) {
	if _, err := client.ParseModel(modelFile(t)); err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	at := func(o object, list string, i int) object { return o[list].([]any)[i].(object) }
	for _, tt := range []struct {
		name, want string
		edit       func(o object)
	}{
		{"another schema", "schema 2", func(o object) { o["schema"] = 2 }},
		{"a setting that nobody reads", "unknown field", func(o object) { o["typo"] = 1 }},
		{"no day", "known_as_of", func(o object) { o["known_as_of"] = "lately" }},
		{"a release after the day it is known of", "known as of", func(o object) { o["known_as_of"] = "2024-01-01" }},
		{"a library gone", `library "go-tuf/v2" is missing`, func(o object) { at(o, "libraries", 1)["name"] = "other" }},
		{"a library whose newest version is none", "newest version", func(o object) { at(o, "libraries", 0)["newest"] = "latest" }},
		{"a capability gone", `capability "pem_keys" is missing`, func(o object) { at(o, "capabilities", 0)["id"] = "other" }},
		{"a capability twice", "listed twice", func(o object) { at(o, "capabilities", 1)["id"] = "pem_keys" }},
		{"a library that has it and never has it", "both has it and never has it", func(o object) { at(o, "capabilities", 0)["never"] = []any{"go-tuf"} }},
		{"a range that holds nothing", "holds nothing", func(o object) {
			at(at(o, "capabilities", 0), "have", 0)["versions"] = object{"go-tuf": ">=v0.7.0 <v0.5.0"}
		}},
		{"a bound nobody understands", "neither >= nor <", func(o object) {
			at(at(o, "capabilities", 0), "have", 0)["versions"] = object{"go-tuf": "<=v0.5.0"}
		}},
		{"conditions that overlap", "overlap", func(o object) {
			at(at(o, "capabilities", 1), "have", 2)["versions"] = object{"go-tuf": ">=v0.5.2"}
		}},
		{"a condition on an unknown library", "not a known library", func(o object) {
			at(at(o, "capabilities", 0), "have", 0)["versions"] = object{"gotuf": "*"}
		}},
		{"a condition on an unknown function", "not something that can be linked", func(o object) {
			at(at(o, "capabilities", 0), "have", 0)["linked"] = []any{"magic"}
		}},
		{"a rumour for evidence", "neither measured nor documented", func(o object) { at(o, "capabilities", 0)["evidence"] = "heard" }},
		{"a rule gone", `rule "R2" is missing`, func(o object) { at(o, "rules", 1)["id"] = "R99" }},
		{"a rule about nothing", "is not listed", func(o object) { at(o, "rules", 0)["capability"] = "flying" }},
		{"a root out of order", "does not come after", func(o object) { at(o, "roots", 3)["version"] = 2 }},
		{"a root without its digest", "sha256", func(o object) { at(o, "roots", 3)["sha256"] = "00" }},
		{"online keys from the future", "online keys", func(o object) { at(o, "roots", 3)["online_keys_since"] = 9 }},
		{"a library with two roots", "carries both", func(o object) { at(o, "embedded_roots", 1)["versions"] = ">=v1.7.0 <v1.8.3" }},
		{"a release that embeds another root than its library", "carries root 2", func(o object) {
			at(o, "releases", releaseIndex(o, "v2.0.1"))["embedded_roots"] = object{"legacy": 7}
		}},
		{"a release that embeds no root there is", "is not listed", func(o object) {
			at(o, "releases", releaseIndex(o, "v2.0.1"))["embedded_roots"] = object{"legacy": 99}
		}},
		{"releases out of order", "does not come after", func(o object) { at(o, "releases", 5)["version"] = "v9.0.0" }},
		{"two releases of one commit", "have one commit", func(o object) { at(o, "releases", 5)["commit"] = at(o, "releases", 4)["commit"] }},
		{"a release with a library newer than the newest", "newer than the newest", func(o object) {
			at(o, "releases", releaseIndex(o, "v2.0.1"))["libraries"] = object{"go-tuf": "v0.9.0", "sigstore": "v1.6.1"}
		}},
		{"a release that uses a library it lacks", "but has no", func(o object) {
			at(o, "releases", releaseIndex(o, "v2.0.1"))["libraries"] = object{"go-tuf": "v0.5.2"}
		}},
		{"an advisory fixed in a version it affects", "is fixed and affected", func(o object) { at(o, "advisories", 0)["fixed"] = []any{"v1.5.1"} }},
		{"an advisory about nobody", "neither a library nor a client", func(o object) { at(o, "advisories", 0)["of"] = "nobody" }},
		{"a release listed twice", `release "v1.2.0" is listed twice`, func(o object) { at(o, "releases", 4)["version"] = "v1.2.0" }},
		{"a release of an earlier day than the one before it", `is older than`, func(o object) {
			at(o, "releases", releaseIndex(o, "v2.6.3"))["date"] = "2025-01-01"
		}},
		{"a release of cosign that nothing is known of", "not one of cosign", func(o object) { at(o, "releases", 9)["client"] = "unknown" }},
		{"a release without evidence", "neither measured nor documented", func(o object) { at(o, "releases", 9)["evidence"] = "" }},
		{"a release of another client listed twice", "listed twice", func(o object) {
			at(o, "other_releases", 1)["version"] = at(o, "other_releases", 0)["version"]
		}},
		{"releases of another client in two places", "in two places", func(o object) {
			l := o["other_releases"].([]any)
			o["other_releases"] = append(l, l[0])
		}},
		{"a release of cosign among the others", "listed by themselves", func(o object) { at(o, "other_releases", 0)["of"] = "cosign" }},
		{"a release of another client's module", "is not that of", func(o object) { at(o, "other_releases", 0)["main_module"] = "example.com/x" }},
		{"a library that never has it, while one built on it does", "both has it and never has it", func(o object) {
			at(o, "capabilities", capabilityIndex(o, "sha256_only"))["never"] = []any{"go-tuf"}
			at(o, "capabilities", capabilityIndex(o, "sha256_only"))["have"] = []any{object{"versions": object{"sigstore": ">=v1.7.2"}}}
		}},
		{"a capability since a version that nobody has seen", "begins after", func(o object) {
			at(at(o, "capabilities", 0), "have", 0)["versions"] = object{"go-tuf": ">=v0.8.0"}
		}},
		{"a root embedded since a version that nobody has seen", "begins after", func(o object) { at(o, "embedded_roots", 8)["versions"] = ">=v9.0.0" }},
		{"a root that expired before it was published", "expired before", func(o object) { at(o, "roots", 3)["expires"] = "2022-07-01T00:00:00Z" }},
		{"roots whose days go backwards", "before the one before it", func(o object) { at(o, "roots", 3)["published"] = "2022-01-01" }},
		{"a root of tomorrow", "after the day the table is known as of", func(o object) { at(o, "roots", 14)["published"] = "2030-01-01" }},
		{"a root left out", "root 5 follows root 3", func(o object) {
			l := o["roots"].([]any)
			o["roots"] = append(append([]any{}, l[:3]...), l[4:]...)
		}},
		{"two roots of the same bytes", "have one digest", func(o object) { at(o, "roots", 3)["sha256"] = at(o, "roots", 2)["sha256"] }},
		{"two roots that say the same", "have one digest", func(o object) { at(o, "roots", 3)["signed_sha256"] = at(o, "roots", 2)["signed_sha256"] }},
		{"a malformed digest of what is signed", "signed_sha256", func(o object) { at(o, "roots", 3)["signed_sha256"] = "00" }},
		{"targets under a root that is not listed", "root 99 is not listed", func(o object) { at(o, "targets", 13)["root"] = 99 }},
		{"targets listed twice", "do not come after", func(o object) { at(o, "targets", 3)["version"] = 3 }},
		{"targets published before their root", "before root 15", func(o object) { at(o, "targets", 13)["published"] = "2026-05-01" }},
		{"targets of no hash", "name no hash", func(o object) { at(o, "targets", 3)["hashes"] = []any{} }},
		{"an advisory twice", "listed twice", func(o object) { at(o, "advisories", 1)["id"] = at(o, "advisories", 0)["id"] }},
		{"one CVE for two advisories", "listed twice", func(o object) { at(o, "advisories", 1)["cve"] = at(o, "advisories", 0)["cve"] }},
		{"an advisory fixed in another version than the one up to which it affects", "nothing is fixed in v1.5.2", func(o object) { at(o, "advisories", 0)["fixed"] = []any{"v1.5.3"} }},
		{"an advisory that affects a version twice", "affected twice", func(o object) {
			at(o, "advisories", 0)["affected"] = []any{"<v1.5.2", ">=v1.0.0 <v1.5.2"}
		}},
		{"a severity nobody knows", `severity "bad"`, func(o object) { at(o, "advisories", 0)["severity"] = "bad" }},
		{"an advisory known of tomorrow", "known_as_of", func(o object) { at(o, "advisories", 0)["known_as_of"] = "2030-01-01" }},
		{"a client twice", "listed twice", func(o object) { at(o, "clients", 1)["module"] = at(o, "clients", 0)["module"] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o object
			if err := json.Unmarshal(modelFile(t), &o); err != nil {
				t.Fatal(err)
			}
			tt.edit(o)
			data, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			m, err := client.ParseModel(data)
			if m != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
	for name, data := range map[string][]byte{
		"nothing":             nil,
		"no JSON":             []byte("<html>"),
		"half of it":          modelFile(t)[:1000],
		"something after it":  append(modelFile(t), '{', '}'),
		"another after it":    append(modelFile(t), modelFile(t)...),
		"more than is read":   append(modelFile(t), bytes.Repeat([]byte(" "), 5<<20)...),
		"a list":              []byte("[]"),
		"a null":              []byte("null"),
		"an empty one":        []byte("{}"),
		"nothing but schema":  []byte(`{"schema":1}`),
		"a schema like words": []byte(`{"schema":"1"}`),
		"a member said twice": bytes.Replace(modelFile(t), []byte(`"severity": "high"`), []byte(`"severity": "low", "severity": "high"`), 1),
		"said twice, shouted": bytes.Replace(modelFile(t), []byte(`"severity": "high"`), []byte(`"SEVERITY": "low", "severity": "high"`), 1),
		"nested without end":  append([]byte(`{"schema":1,"about":`), bytes.Repeat([]byte("["), 1000)...),
	} {
		if m, err := client.ParseModel(data); m != nil || err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func capabilityIndex(o map[string]any, id string) int { return index(o, "capabilities", "id", id) }

func releaseIndex(o map[string]any, version string) int {
	return index(o, "releases", "version", version)
}

func index(o map[string]any, list, key, want string) int {
	for i, r := range o[list].([]any) {
		if r.(map[string]any)[key] == want {
			return i
		}
	}
	return -1
}

// FuzzParseModel: never panics, and what is accepted can be asked anything.
func FuzzParseModel(f *testing.F) {
	f.Add(modelFile(f))
	f.Add([]byte(`{"schema":1,"libraries":[{"name":"go-tuf"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := client.ParseModel(data)
		if (m == nil) == (err == nil) {
			t.Fatal("a model and an error, or neither")
		}
		if err != nil {
			return
		}
		for _, spec := range []string{"cosign@v2.0.1", "cosign@99.0.0", "go-tuf=v0.5.2"} {
			if c, err := m.Assume(spec); err == nil {
				m.Capabilities(c)
				m.Uses(c)
				m.AdvisoriesOf(c)
			}
		}
	})
}

func TestAssume(t *testing.T) {
	m := loadModel(t)
	for _, tt := range []struct {
		spec      string
		libraries string
		roots     string
		uses      string
		note      string
	}{
		{"cosign@v2.0.1", "go-tuf=v0.5.2 sigstore=v1.6.1", "2", "legacy", ""},
		{"cosign@1:2.0.1-1.fc39", "go-tuf=v0.5.2 sigstore=v1.6.1", "2", "legacy", "its file decides"},
		{"cosign@v1.7.0", "go-tuf=v0.0.0-20220211205608-f0c3294f63b9 sigstore=v1.2.1-0.20220401110139-0e610e39782f", "2", "legacy", ""},
		{"cosign@v2.4.3", "go-tuf=v0.7.0 go-tuf/v2=v2.0.2 sigstore=v1.8.15 sigstore-go=v0.7.0", "9 10", "legacy", ""},
		{"cosign@2.5.0", "go-tuf=v0.7.0 go-tuf/v2=v2.0.2 sigstore=v1.9.1 sigstore-go=v0.7.1", "12", "legacy", ""},
		{"cosign@2.5.1-r0", "go-tuf=v0.7.0 go-tuf/v2=v2.1.1 sigstore=v1.9.4 sigstore-go=v1.0.0", "12", "v2", "its file decides"},
		{"cosign@v3.1.3", "go-tuf=v0.7.0 go-tuf/v2=v2.4.2 sigstore=v1.10.8 sigstore-go=v1.2.2", "12 14", "v2", ""},
		{"cosign@v1.0.0", "go-tuf=v0.0.0-20210630170422-22a94818d17b sigstore=v0.0.0-20210722023421-fd3b69438dba", "", "", "no TUF client"},
		{"cosign@v2.0.9", "go-tuf=v0.5.2 sigstore=v1.6.3", "2", "legacy", "like v2.0.2"},
		{"cosign@v3.9.9", "go-tuf=v0.7.0 go-tuf/v2=v2.4.2 sigstore=v1.11.1 sigstore-go=v1.3.0", "12 14", "v2", "like v3.1.4"},
		{"cosign@v2.6.5", "go-tuf=v0.7.0 go-tuf/v2=v2.3.0 sigstore=v1.10.3 sigstore-go=v1.1.4", "12 13", "v2", ""},
		{"ko@0.19.1", "go-tuf=v0.7.0 go-tuf/v2=v2.4.2 sigstore=v1.10.8 sigstore-go=v1.2.0", "12 14", "legacy v2", "which of them are linked"},
		{"ko@0.15.0-r3", "go-tuf=v0.5.2 sigstore=v1.7.1", "2", "legacy", "which of them are linked"},
		{"buildx@v0.36.1", "go-tuf/v2=v2.4.2 sigstore=v1.10.8 sigstore-go=v1.2.2", "14", "v2", ""},
		{"kyverno@1.19.9", "go-tuf=v0.7.0 go-tuf/v2=v2.4.2 sigstore=v1.10.9 sigstore-go=v1.3.0", "12 14", "legacy v2", "like v1.19.1"},
		{"ko@1.0.0", "", "", "", "not known"},
		{"rekor-cli@v1.5.5", "go-tuf=v0.7.0 sigstore=v1.11.1", "", "", "no TUF client"},
		{"cosign@v4.0.0", "", "", "", "major version 4"},
		{"gitsign@v0.13.0", "", "", "", "not known"},
		{"witness@v0.10.0", "", "", "", "--assume go-tuf/v2=VERSION,sigstore-go=VERSION"},
		{"ko@v1.0.0", "", "", "", "--assume go-tuf=VERSION,go-tuf/v2=VERSION,sigstore=VERSION,sigstore-go=VERSION"},
		{"flux@v1.10.1", "go-tuf=v0.7.0 go-tuf/v2=v2.4.2 sigstore=v1.11.1 sigstore-go=v1.3.0", "12 14", "legacy v2", "source-controller"},
		{"docker-buildx@v0.36.1", "go-tuf/v2=v2.4.2 sigstore=v1.10.8 sigstore-go=v1.2.2", "14", "v2", "buildx"},
		{"tuf-client@v0.5.2", "go-tuf=v0.5.2", "", "legacy", ""},
		{"tuf-client@v2.4.2", "go-tuf/v2=v2.4.2", "", "v2", ""},
		{"sigstore-go@v1.2.2", "sigstore-go=v1.2.2", "14", "v2", ""},
		{"sigstore-python@4.5.0", "", "", "python", "beside it"},
		{"sigstore-js@4.0.2", "", "", "javascript", "tuf-js"},
		{"npm@11.0.0", "", "", "javascript", "sigstore-js"},
		{"sigstore-ruby@0.2.3", "", "", "ruby", ""},
		{"sigstore-java@2.2.0", "", "", "java", ""},
		{"go-tuf=v0.5.2,sigstore=v1.6.1", "go-tuf=v0.5.2 sigstore=v1.6.1", "2", "legacy", ""},
		{"go-tuf=0.5.2", "go-tuf=v0.5.2", "", "legacy", ""},
		{"go-tuf/v2=v2.4.2, sigstore-go=v1.2.1", "go-tuf/v2=v2.4.2 sigstore-go=v1.2.1", "14", "v2", ""},
	} {
		c, err := m.Assume(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		var libraries, roots, uses []string
		for _, name := range []string{client.GoTUF, client.GoTUFv2, client.Sigstore, client.SigstoreGo} {
			if v, ok := c.Libraries[name]; ok {
				libraries = append(libraries, name+"="+v)
			}
		}
		for _, r := range c.EmbeddedRoots {
			known, _ := m.PublicRoot(r.SHA256, "")
			roots = append(roots, strconv.FormatInt(known.Version, 10))
		}
		for _, i := range m.Uses(c) {
			uses = append(uses, string(i))
		}
		if got := strings.Join(libraries, " "); got != tt.libraries {
			t.Errorf("%s: libraries %s, want %s", tt.spec, got, tt.libraries)
		}
		if got := strings.Join(roots, " "); got != tt.roots {
			t.Errorf("%s: roots %s, want %s", tt.spec, got, tt.roots)
		}
		if got := strings.Join(uses, " "); got != tt.uses {
			t.Errorf("%s: uses %s, want %s", tt.spec, got, tt.uses)
		}
		if notes := strings.Join(c.Notes, "; "); (notes == "") != (tt.note == "") || !strings.Contains(notes, tt.note) {
			t.Errorf("%s: notes %q, want %q", tt.spec, notes, tt.note)
		}
		if c.Path != "" {
			t.Errorf("%s: has a path", tt.spec)
		}
	}
	for _, spec := range []string{"", "cosign", "cosign@", "cosign@latest", "nobody@v1.0.0", "@v1.0.0", "go-tuf=", "go-tuf=x", "COSIGN@v1.0.0", "cosign@banana", "tuf=v1.0.0", "sigstore=v1.6.1", "go-tuf=v0.5.2,go-tuf=v0.6.0", "go-tuf=v0.5.2,", "go-tuf=v0.5.2,tuf-js=v1.0.0"} {
		c, err := m.Assume(spec)
		wrong := (*client.AssumeError)(nil)
		if !errors.As(err, &wrong) || wrong.Hint() == "" || strings.Contains(err.Error()+wrong.Hint(), "\n") {
			t.Errorf("%q: assumed %+v, %v", spec, c, err)
		}
	}
}

func TestCapabilitiesOfWhatIsNotKnown(t *testing.T) {
	m := loadModel(t)
	v2 := func(version string) client.Client {
		return client.Client{Libraries: map[string]string{client.GoTUFv2: version}, Linked: client.Linked{TUFv2: true}}
	}
	legacy := func(version string) client.Client {
		return client.Client{Libraries: map[string]string{client.GoTUF: version}, Linked: client.Linked{LegacyTUF: true}}
	}
	for _, tt := range []struct {
		name       string
		c          client.Client
		impl       client.Implementation
		capability string
		want       client.Answer
		note       string
	}{
		{"a known version", v2("v2.4.2"), client.V2, client.RSAPSS, client.Yes, ""},
		{"before it was added", v2("v2.0.2"), client.V2, client.RSAPSS, client.No, ""},
		{"a pseudo-version before the release that added it", v2("v2.1.0-0.20250101000000-abcdefabcdef"), client.V2, client.RSAPSS, client.No, ""},
		{"newer than known", v2("v2.9.0"), client.V2, client.RSAPSS, client.Yes, "newer than the newest known v2.4.2"},
		{"newer than known, of what was lost", v2("v2.9.0"), client.V2, "http403_ends_root_chain", client.No, "newer"},
		{"another major version", v2("v3.0.0"), client.V2, client.RSAPSS, client.Maybe, "major version"},
		{"a version nobody can read", v2("(devel)"), client.V2, client.RSAPSS, client.Maybe, "no readable version"},
		{"never, whatever the version", legacy("(devel)"), client.Legacy, client.P384, client.No, "no readable version"},
		{"no version at all", client.Client{Linked: client.Linked{LegacyTUF: true}}, client.Legacy, client.KeyTypeECDSA, client.Maybe, ""},
		{"a client it does not hold", legacy("v0.7.0"), client.V2, client.PEMKeys, client.No, ""},
		{"a capability nobody lists", v2("v2.4.2"), client.V2, "flying", client.Maybe, ""},
		{"hex keys with the function that reads them", func() client.Client { c := legacy("v0.6.1"); c.Linked.HexVerifier = true; return c }(), client.Legacy, client.HexKeys, client.Yes, ""},
		{"hex keys without it", legacy("v0.6.1"), client.Legacy, client.HexKeys, client.No, ""},
		{"hex keys in the release where it broke", func() client.Client { c := legacy("v0.6.0"); c.Linked.HexVerifier = true; return c }(), client.Legacy, client.HexKeys, client.No, ""},
		{"sha256 only, with sigstore's client of unknown version", func() client.Client { c := legacy("v0.7.0"); c.Linked.SigstoreTUF = true; return c }(), client.Legacy, client.SHA256Only, client.Maybe, ""},
		{"sha256 only, with go-tuf's own client", legacy("v0.5.2"), client.Legacy, client.SHA256Only, client.Yes, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := m.Capabilities(tt.c)
			if a := got.Can(tt.impl, tt.capability); a != tt.want {
				t.Errorf("got %v, want %v", a, tt.want)
			}
			if notes := strings.Join(got.Notes, "; "); (notes == "") != (tt.note == "") || !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
}

func TestAdvisories(t *testing.T) {
	m := loadModel(t)
	for spec, want := range map[string]string{
		"cosign@v3.1.3":    "",
		"cosign@v3.0.6":    "GHSA-9vcr-p3rj-q5q6 GHSA-wqqc-jjcq-vfxm",
		"cosign@2.6.4":     "GHSA-wfqv-66vq-46rm GHSA-846p-jg2w-w324 GHSA-fphv-w9fq-2525 GHSA-jqc5-w2xx-5vq4 GHSA-fcv2-xgw5-pqxf GHSA-9vcr-p3rj-q5q6 GHSA-wqqc-jjcq-vfxm",
		"cosign@1.13.2-r1": "GHSA-88jx-383q-w4qc GHSA-95pr-fxf5-86gv GHSA-whqx-f9j3-ch6m GHSA-wfqv-66vq-46rm GHSA-w6c6-c85g-mmv6 GHSA-fcv2-xgw5-pqxf",
		"gitsign@v0.15.0":  "GHSA-9vcr-p3rj-q5q6 GHSA-wqqc-jjcq-vfxm GHSA-7rmh-48mx-2vwc",
		"gitsign@v0.16.0":  "GHSA-9vcr-p3rj-q5q6 GHSA-wqqc-jjcq-vfxm",
		"go-tuf=v0.5.2":    "",
	} {
		c, err := m.Assume(spec)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range m.AdvisoriesOf(c) {
			got = append(got, a.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", spec, got, want)
		}
	}
	a := m.AdvisoriesOf(client.Client{Name: "cosign", Version: "v2.6.1"})[0]
	if got := a.FixedFor("v2.6.1"); got != "cosign 2.6.2 or newer" {
		t.Error(got)
	}
	if got := a.FixedFor("1.13.6"); got != "cosign 3.0.4 or newer (cosign 1 has no fixed release)" {
		t.Error(got)
	}
}
