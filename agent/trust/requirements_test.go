// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// publicRoot is a root of Sigstore's public instance, as it was published.
func publicRoot(t testing.TB, version int) []byte {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("testdata/sigstore/%d.root.json", version))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFormsOfThePublicRoots(t *testing.T) {
	// Measured with old clients: a mirror frozen before one of these is refused by a
	// client that starts at it, since timestamp and snapshot are signed otherwise.
	otherOnlineKeys := []int{2, 5, 9, 10, 12}
	previous := ""
	for v := 1; v <= 15; v++ {
		data := publicRoot(t, v)
		form, err := trust.FormOf(data)
		if err != nil {
			t.Errorf("root %d: %v", v, err)
			continue
		}
		keytype, encoding := "ecdsa-sha2-nistp256", "pem"
		if v >= 9 {
			keytype = "ecdsa"
		}
		if v <= 4 {
			encoding = "hex"
		}
		for _, k := range form.Keys {
			if k.KeyType != keytype || k.Encoding != encoding || k.Curve != "P-256" || k.Scheme != "ecdsa-sha2-nistp256" || len(k.Roles) == 0 {
				t.Errorf("root %d has a key %+v, want keytype %s as %s", v, k, keytype, encoding)
			}
		}
		wantKeys := 7 // five holders, timestamp, snapshot
		if v == 1 {
			wantKeys = 5
		}
		if v >= 10 {
			wantKeys = 6
		}
		if form.Version != int64(v) || len(form.Keys) != wantKeys || form.ConsistentSnapshot != (v >= 5) {
			t.Errorf("root %d: version %d, %d keys, consistent snapshots %v", v, form.Version, len(form.Keys), form.ConsistentSnapshot)
		}
		changed := form.OnlineKeys != previous
		if want := v == 1 || slices.Contains(otherOnlineKeys, v); changed != want {
			t.Errorf("root %d: online keys changed %v, want %v", v, changed, want)
		}
		previous = form.OnlineKeys
	}
}

// reversed writes a JSON value with its members in the opposite order, and wide.
func reversed(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var members []string
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(v))) {
			members = append(members, fmt.Sprintf("%q\t:\n%s", name, reversed(v[name])))
		}
		return "{\n" + strings.Join(members, " ,\t") + " }"
	case []any:
		var values []string
		for _, value := range v {
			values = append(values, reversed(value))
		}
		return "[ " + strings.Join(values, ",\n") + "]"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestSignedDigestIsOfWhatARootSays(t *testing.T) {
	seen := map[string]int{}
	for v := 1; v <= 15; v++ {
		published := publicRoot(t, v)
		want := trust.SignedDigest(published)
		if other := seen[want]; want == "" || other != 0 {
			t.Fatalf("root %d has digest %q, as root %d", v, want, other)
		}
		seen[want] = v
		d := json.NewDecoder(bytes.NewReader(published))
		d.UseNumber()
		var doc any
		if err := d.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		rewritten := []byte(reversed(doc))
		before, err := trust.FormOf(published)
		if err != nil {
			t.Fatal(err)
		}
		after, err := trust.FormOf(rewritten)
		if err != nil || after.SHA256 == before.SHA256 || after.SignedSHA256 != want || before.SignedSHA256 != want {
			t.Errorf("root %d: %s, rewritten %s, want %s, %v", v, before.SignedSHA256, after.SignedSHA256, want, err)
		}
		changed := bytes.Replace(published, []byte(`"threshold": 3`), []byte(`"threshold": 1`), 1)
		changed = bytes.Replace(changed, []byte(`"threshold":3`), []byte(`"threshold":1`), 1)
		if got := trust.SignedDigest(changed); bytes.Equal(changed, published) || got == want || got == "" {
			t.Errorf("root %d with another threshold has digest %s", v, got)
		}
	}
	for _, text := range []string{"", "{", "7", "{}", `{"signed":7}`, `{"signed":{},"signed":{"a":1}}`, `{"signed":{"a":1,"a":2}}`, `{"signed":{"a":1.5}}`, `{"signed":{}} {}`} {
		if got := trust.SignedDigest([]byte(text)); got != "" {
			t.Errorf("%s has digest %s", text, got)
		}
	}
}

func TestThePublicChainVerifies(t *testing.T) {
	w, err := trust.Begin(publicRoot(t, 5), now)
	if err != nil {
		t.Fatal(err)
	}
	for v := 6; v <= 15; v++ {
		if err := w.UpdateRoot(publicRoot(t, v)); err != nil {
			t.Fatalf("root %d: %v", v, err)
		}
	}
	if got := w.Trusted().Root.Signed.Version; got != 15 {
		t.Errorf("at root %d", got)
	}
	for v := 1; v <= 4; v++ {
		_, err := trust.Begin(publicRoot(t, v), now)
		var unknown *trust.UnknownKeyError
		if !errors.As(err, &unknown) {
			t.Errorf("starting at root %d: got %v, want its old keys named", v, err)
		}
	}
}

func TestInitialRootsAreUsable(t *testing.T) {
	for _, name := range []string{trust.Sigstore, trust.Sigstage} {
		data, err := trust.Initial(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Begin(data, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		form, err := trust.FormOf(data)
		if err != nil || form.Version < 5 {
			t.Errorf("%s: form %+v, %v", name, form, err)
		}
	}
	// The built-in copy ends with a newline that the published one lacks. It must be
	// known for the same root all the same.
	data, _ := trust.Initial(trust.Sigstore)
	form, _ := trust.FormOf(data)
	published, err := trust.FormOf(publicRoot(t, int(form.Version)))
	if err != nil || published.SHA256 != form.SHA256 {
		t.Errorf("the built-in root %d has digest %s, the published one %s, %v", form.Version, form.SHA256, published.SHA256, err)
	}
	if data, err := trust.Initial("elsewhere"); err == nil || data != nil {
		t.Errorf("an unknown name gives %d bytes, %v", len(data), err)
	}
}

func TestFormNamesKindsOfKeys(t *testing.T) {
	pemOf := func(curve elliptic.Curve) string {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	tests := []struct {
		name, public, encoding, curve string
	}{
		{"P-384 as PEM", pemOf(elliptic.P384()), "pem", "P-384"},
		{"PEM of something else", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "pem", ""},
		{"an Ed25519 key as hex", strings.Repeat("ab", 32), "hex", ""},
		{"a point off the curve", "04" + strings.Repeat("ab", 64), "hex", ""},
		{"neither", "?", "other", ""},
		{"nothing", "", "other", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newForge()
			at(f.root, "keys")["k"] = doc{"keytype": "x", "scheme": "y", "keyval": doc{"public": tt.public}}
			at(f.root, "roles", "targets")["keyids"] = []any{"k", "k", "not given"}
			form, err := trust.FormOf(sign(t, f.root, f.rootKey))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(form.Keys, func(k trust.KeyForm) bool { return k.KeyType == "x" })
			if i < 0 {
				t.Fatalf("the key is missing: %+v", form.Keys)
			}
			got := form.Keys[i]
			if got.Encoding != tt.encoding || got.Curve != tt.curve || got.Scheme != "y" || !slices.Equal(got.Roles, []string{"targets"}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOnlineKeysTellOneQuorumFromAnother(t *testing.T) {
	of := func(edit func(root doc)) string {
		f := newForge()
		edit(f.root)
		form, err := trust.FormOf(sign(t, f.root, f.rootKey))
		if err != nil {
			t.Fatal(err)
		}
		return form.OnlineKeys
	}
	same := of(func(doc) {})
	for what, edit := range map[string]func(root doc){
		"another threshold": func(r doc) { at(r, "roles", "timestamp")["threshold"] = 2 },
		"another key under the same id": func(r doc) {
			at(r, "keys", "online-key", "keyval")["public"] = strings.Repeat("ab", 32)
		},
		"the same key under another id": func(r doc) {
			at(r, "keys")["other"] = at(r, "keys")["online-key"]
			at(r, "roles", "snapshot")["keyids"] = []any{"other"}
		},
	} {
		if of(edit) == same {
			t.Errorf("%s goes unseen", what)
		}
	}
	for what, edit := range map[string]func(root doc){
		"a root key": func(r doc) { at(r, "roles", "targets")["threshold"] = 2 },
		"a key id named twice": func(r doc) {
			at(r, "roles", "timestamp")["keyids"] = []any{"online-key", "online-key"}
		},
	} {
		if of(edit) != same {
			t.Errorf("%s counts as another online key", what)
		}
	}
}

func TestRequirementsOfASet(t *testing.T) {
	f := newForge()
	trusted := []byte(`{"tlogs":[{"publicKey":{"keyDetails":"PKIX_ED25519"}},{"publicKey":{"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}],
		"ctlogs":[{"publicKey":{"keyDetails":"PKIX_ECDSA_P256_SHA_256"}},{"publicKey":{}}]}`)
	f.artifacts[trust.TrustedRoot] = trusted
	files := at(f.targets, "targets")
	files[trust.TrustedRoot] = targetFile(trusted)
	files["a.txt"].(doc)["hashes"].(doc)["sha512"] = "00"
	delete(f.artifacts, "a.txt")
	f.nextRoot = clone(t, f.root)
	f.nextRoot["version"] = 2
	r := verified(t, f.files(t)).Requirements()

	if len(r.Roots) != 2 || r.Roots[0].Version != 1 || r.Roots[1].Version != 2 {
		t.Errorf("roots are %+v, want the whole chain", r.Roots)
	}
	if !r.TimestampExpires.Equal(now.AddDate(1, 0, 0)) {
		t.Errorf("the timestamp expires at %s", r.TimestampExpires)
	}
	want := trust.TargetsForm{
		Version:        1,
		SHA256Only:     []string{trust.TrustedRoot},
		Paths:          []string{"a.txt", trust.TrustedRoot},
		DelegationKeys: []trust.KeyForm{{Roles: []string{"team"}, KeyType: "ed25519", Scheme: "ed25519", Encoding: "hex"}},
		LogKeyTypes:    []string{"PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519", "PUBLIC_KEY_DETAILS_UNSPECIFIED"},
	}
	if r.Targets == nil || fmt.Sprintf("%+v", *r.Targets) != fmt.Sprintf("%+v", want) {
		t.Errorf("targets demand %+v, want %+v", r.Targets, want)
	}
}

func TestLogKeyTypesAreUnknownWithoutAReadableTrustedRoot(t *testing.T) {
	f := newForge()
	targets := sign(t, f.targets, f.rootKey)
	if form, err := trust.TargetsFormOf(targets, nil); err != nil || form.LogKeyTypes != nil {
		t.Errorf("without one: %+v, %v", form, err)
	}
	if form, err := trust.TargetsFormOf(targets, []byte("<html>")); err == nil || form.Paths != nil {
		t.Errorf("with a web page: %+v, %v: want an error and no value", form, err)
	}
	f.artifacts[trust.TrustedRoot] = []byte("<html>")
	at(f.targets, "targets")[trust.TrustedRoot] = targetFile([]byte("<html>"))
	if r := verified(t, f.files(t)).Requirements(); r.Targets == nil || r.Targets.LogKeyTypes != nil {
		t.Errorf("a set with a web page: %+v", r.Targets)
	}
}

func TestEscapedNamesStayInTheirDirectory(t *testing.T) {
	for name, want := range map[string]string{
		"targets": "targets", "": "%", ".": "%2E", "..": "%2E.", ".git": "%2Egit", "?": "%3F", "#": "%23",
		"/delegatedrole": "%2Fdelegatedrole", "../delegatedrole": "%2E.%2Fdelegatedrole", "%2E": "%252E",
		"a\x00b": "a%00b", "a\nb": "a%0Ab", `a\b`: "a%5Cb", "trusted_root.json/": "trusted_root.json%2F",
	} {
		if got := trust.Escape(name); got != want {
			t.Errorf("Escape(%q) is %q, want %q", name, got, want)
		}
	}
}
