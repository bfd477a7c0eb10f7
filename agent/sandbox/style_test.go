// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// published is how many public roots there are to compare with.
const published = 15

func publicRoot(t *testing.T, version int) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "health", "testdata", "roots", fmt.Sprintf("%d.root.json", version)))
	must(t, err)
	return data
}

// history is a repository that went through Sigstore's roots up to that one.
func history(t *testing.T, upTo int, o sandbox.Options) *sandbox.Repo {
	t.Helper()
	o.Style = *sandbox.LikeSigstore(1).Style
	repo := newRepo(t, o)
	for n := 2; n <= upTo; n++ {
		must(t, repo.RotateRoot(sandbox.LikeSigstore(n)))
	}
	return repo
}

// A look is how a root is written, beyond its form.
type look struct {
	ConsistentSnapshot         bool
	Keys                       map[string]int // how often a key of this look is there
	Roles                      map[string]string
	EmptySignatures            int
	Fraction, Offset, Misnamed bool
	XFields                    []string
}

func lookOf(t *testing.T, data []byte) look {
	t.Helper()
	var raw struct {
		Signatures []struct{ Sig string }
		Signed     map[string]json.RawMessage
	}
	must(t, json.Unmarshal(data, &raw))
	m, err := metadata.Root().FromBytes(data)
	must(t, err)
	l := look{ConsistentSnapshot: m.Signed.ConsistentSnapshot, Keys: map[string]int{}, Roles: map[string]string{}}
	for _, s := range raw.Signatures {
		if s.Sig == "" {
			l.EmptySignatures++
		}
	}
	for id, k := range m.Signed.Keys {
		extra := []string{}
		for name := range k.UnrecognizedFields {
			extra = append(extra, name)
		}
		slices.Sort(extra)
		encoding := "pem"
		if !strings.HasPrefix(k.Value.PublicKey, "-----BEGIN PUBLIC KEY-----\n") {
			encoding = fmt.Sprintf("%d digits", len(k.Value.PublicKey))
		}
		l.Keys[fmt.Sprint(k.Type, k.Scheme, encoding, extra)]++
		if hash, err := k.ID(); err != nil || hash != id {
			l.Misnamed = true
		}
	}
	for name, r := range m.Signed.Roles {
		l.Roles[name] = fmt.Sprintf("%d of %d, %d x- fields", r.Threshold, len(r.KeyIDs), len(r.UnrecognizedFields))
	}
	var expires string
	must(t, json.Unmarshal(raw.Signed["expires"], &expires))
	l.Fraction, l.Offset = strings.Contains(expires, "."), !strings.HasSuffix(expires, "Z")
	for name := range raw.Signed {
		if strings.HasPrefix(name, "x-") {
			l.XFields = append(l.XFields, name)
		}
	}
	slices.Sort(l.XFields)
	return l
}

// shape is a form without what differs between any two repositories.
func shape(f trust.RootForm) trust.RootForm {
	f.Expires, f.SHA256, f.SignedSHA256, f.OnlineKeys = time.Time{}, "", "", ""
	slices.SortFunc(f.Keys, func(a, b trust.KeyForm) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return f
}

func TestLikeSigstoreIsLikeSigstore(t *testing.T) {
	repo := history(t, published, sandbox.Options{Sigstore: true, Delegation: true})
	var before [2]string // who signs snapshot and timestamp: of the published, and of ours
	for n := 1; n <= published; n++ {
		theirs, err := trust.FormOf(publicRoot(t, n))
		must(t, err)
		ours, err := trust.FormOf(repo.RootJSON(int64(n)))
		must(t, err)
		if got, want := ours.OnlineKeys != before[1], theirs.OnlineKeys != before[0]; got != want {
			t.Errorf("root %d: the online keys changed: %t, want %t", n, got, want)
		}
		before = [2]string{theirs.OnlineKeys, ours.OnlineKeys}
		if got, want := shape(ours), shape(theirs); !reflect.DeepEqual(got, want) {
			t.Errorf("root %d: its form is\n%+v, want\n%+v", n, got, want)
		}
		if got, want := lookOf(t, repo.RootJSON(int64(n))), lookOf(t, publicRoot(t, n)); !reflect.DeepEqual(got, want) {
			t.Errorf("root %d: it looks\n%+v, want\n%+v", n, got, want)
		}
	}
}

// From root 5 on go-tuf v2 can start, and must then reach the end.
func TestSigstoresHistoryVerifies(t *testing.T) {
	for upTo := 5; upTo <= published; upTo++ {
		repo := history(t, upTo, sandbox.Options{Delegation: true})
		f := repo.Files()
		f.Initial, f.Roots = f.Roots[3], f.Roots[4:]
		verify(t, f)
		server := httptest.NewServer(repo.Handler())
		defer server.Close()
		if _, err := sandbox.Read(t.TempDir(), server.URL, repo.RootJSON(5), sandbox.DelegatedTarget); err != nil {
			t.Errorf("up to root %d: %v", upTo, err)
		}
	}
}

func TestTargetsAndMetaFollowTheStyle(t *testing.T) {
	for _, c := range []struct {
		upTo         int
		sha512, meta bool
	}{{9, true, true}, {10, true, false}, {11, false, false}} {
		f := history(t, c.upTo, sandbox.Options{}).Files()
		for path, file := range parse(t, f.Targets).Signed.Targets {
			if got := file.Hashes["sha512"] != ""; got != c.sha512 || file.Hashes["sha256"] == "" {
				t.Errorf("root %d: %s has hashes %v", c.upTo, path, file.Hashes)
			}
		}
		if got := strings.Contains(string(f.Timestamp), `"hashes"`); got != c.meta {
			t.Errorf("root %d: timestamp has hashes: %t, want %t", c.upTo, got, c.meta)
		}
	}
}

func TestStylesByThemselves(t *testing.T) {
	const old = "ecdsa-sha2-nistp256"
	for name, s := range map[string]sandbox.Style{
		"flat":                   {Flat: true},
		"flat and old":           {Flat: true, KeyType: old},
		"no online key":          {Online: sandbox.NoOnlineKey},
		"two online keys":        {Online: sandbox.TwoOnlineKeys},
		"an id that is no hash":  {StaleID: true},
		"P-384 online":           {OnlineKeyType: "ecdsa", OnlineScheme: "ecdsa-sha2-nistp384"},
		"RSA-PSS":                {KeyType: "rsa", Scheme: "rsassa-pss-sha256"},
		"empty slots":            {EmptySlots: 2},
		"fraction and offset":    {Expiry: sandbox.FractionOffset},
		"an Ed25519 delegate":    {DelegateKeyType: "ed25519"},
		"spec version":           {SpecVersion: "1.0.31"},
		"tuf-on-ci":              {TUFOnCI: true, HashAlgorithms: true, OneBare: true},
		"everything at one time": {TUFOnCI: true, StaleID: true, EmptySlots: 2, Online: sandbox.TwoOnlineKeys, SHA512: true, MetaHashes: true},
	} {
		t.Run(name, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{Style: s, Delegation: true})
			verify(t, repo.Files())
			must(t, repo.RotateRoot(sandbox.Rotation{Online: true, OneRootKey: true}))
			must(t, repo.BumpTimestamp())
			verify(t, repo.Files())
			server := httptest.NewServer(repo.Handler())
			defer server.Close()
			if _, err := sandbox.Read(t.TempDir(), server.URL, repo.InitialRoot(), sandbox.DelegatedTarget); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOneKeyHolderIsReplaced(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	must(t, repo.RotateRoot(sandbox.Rotation{OneRootKey: true}))
	one, two := parse(t, repo.RootJSON(1)).Signed.Roles["root"].KeyIDs, parse(t, repo.RootJSON(2)).Signed.Roles["root"].KeyIDs
	if !slices.Equal(one[:4], two[:4]) || one[4] == two[4] || len(two) != 5 {
		t.Errorf("root 1 has the keys %v, root 2 %v", one, two)
	}
}

func TestAnEd25519LogIsListed(t *testing.T) {
	for _, with := range []bool{false, true} {
		repo := newRepo(t, sandbox.Options{Sigstore: true, Ed25519Log: with})
		f, err := trust.TargetsFormOf(repo.Files().Targets, repo.Files().Artifacts["trusted_root.json"])
		must(t, err)
		if got := slices.Contains(f.LogKeyTypes, "PKIX_ED25519"); got != with {
			t.Errorf("with an Ed25519 log: %t, listed: %v", with, f.LogKeyTypes)
		}
	}
}
