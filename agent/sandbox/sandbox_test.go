// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func newRepo(t *testing.T, o sandbox.Options) *sandbox.Repo {
	t.Helper()
	repo, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verify walks a whole set with go-tuf's own state machine, and each target file.
func verify(t *testing.T, f trust.Files) *trustedmetadata.TrustedMetadata {
	t.Helper()
	tm, err := trustedmetadata.New(f.Initial)
	must(t, err)
	for _, data := range f.Roots {
		_, err := tm.UpdateRoot(data)
		must(t, err)
	}
	_, err = tm.UpdateTimestamp(f.Timestamp)
	must(t, err)
	_, err = tm.UpdateSnapshot(f.Snapshot, false)
	must(t, err)
	targets, err := tm.UpdateTargets(f.Targets)
	must(t, err)
	listed := targets.Signed.Targets
	for role, data := range f.Delegated {
		d, err := tm.UpdateDelegatedTargets(data, role, metadata.TARGETS)
		must(t, err)
		for path, file := range d.Signed.Targets {
			listed[path] = file
		}
	}
	if len(listed) != len(f.Artifacts) {
		t.Errorf("%d target files are listed, %d are there", len(listed), len(f.Artifacts))
	}
	for path, file := range listed {
		if err := file.VerifyLengthHashes(f.Artifacts[path]); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	return tm
}

func TestEveryShapeVerifies(t *testing.T) {
	for name, o := range map[string]sandbox.Options{
		"plain":                       {},
		"as Sigstore is now":          {Sigstore: true, Delegation: true},
		"as Sigstore was":             {Sigstore: true, KeyType: "ecdsa-sha2-nistp256", SHA512: true, MetaHashes: true},
		"ed25519":                     {KeyType: "ed25519"},
		"P-384":                       {KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384"},
		"with short lives":            {TimestampLife: time.Hour, SnapshotLife: time.Hour, TargetsLife: time.Hour, RootLife: time.Hour},
		"with a clock of its own":     {Now: func() time.Time { return time.Now().Add(24 * time.Hour) }},
		"delegation with meta hashes": {Delegation: true, MetaHashes: true},
	} {
		t.Run(name, func(t *testing.T) {
			repo := newRepo(t, o)
			verify(t, repo.Files())
			must(t, repo.Publish("a/b.txt", []byte("new")))
			must(t, repo.RotateRoot(sandbox.Rotation{Online: true, AllRootKeys: true}))
			must(t, repo.BumpSnapshot())
			must(t, repo.BumpTimestamp())
			must(t, repo.Remove("hello.txt"))
			verify(t, repo.Files())
		})
	}
}

func TestLifetimesAreSigstores(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	repo := newRepo(t, sandbox.Options{Now: func() time.Time { return now }})
	f := repo.Files()
	for role, data := range map[string][]byte{"root": f.Initial, "timestamp": f.Timestamp, "snapshot": f.Snapshot, "targets": f.Targets} {
		want := now.AddDate(0, 0, map[string]int{"root": 197, "timestamp": 7, "snapshot": 3650, "targets": 3650}[role])
		if got := parse(t, data).Signed.Expires; !got.Equal(want) {
			t.Errorf("%s expires %s, want %s", role, got, want)
		}
	}
}

// document is what the tests look at in metadata.
type document struct {
	Signatures []struct{ KeyID, Sig string }
	Signed     struct {
		Version int64
		Expires time.Time
		Keys    map[string]struct{ KeyType, Scheme string }
		Roles   map[string]struct {
			KeyIDs    []string
			Threshold int
		}
		Targets map[string]struct {
			Hashes map[string]string
			Custom *struct {
				Sigstore struct{ Status, Usage, URI string }
			}
		}
	}
}

func parse(t *testing.T, data []byte) document {
	t.Helper()
	var d document
	must(t, json.Unmarshal(data, &d))
	return d
}

func TestRotations(t *testing.T) {
	for _, c := range []struct {
		name            string
		o               sandbox.Rotation
		rootKeys        bool // other keys for root and targets
		online          bool // other key for timestamp and snapshot
		keyType, scheme string
		signed          map[string]int64 // versions after it
	}{
		{name: "nothing but version and expiry", keyType: "ecdsa", scheme: "ecdsa-sha2-nistp256",
			signed: map[string]int64{"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}},
		{name: "a new online key", o: sandbox.Rotation{Online: true}, online: true, keyType: "ecdsa", scheme: "ecdsa-sha2-nistp256",
			signed: map[string]int64{"root": 2, "targets": 1, "snapshot": 2, "timestamp": 2}},
		{name: "new root keys", o: sandbox.Rotation{AllRootKeys: true}, rootKeys: true, keyType: "ecdsa", scheme: "ecdsa-sha2-nistp256",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "another keytype for the same keys", o: sandbox.Rotation{KeyType: "ecdsa-sha2-nistp256"}, rootKeys: true, online: true,
			keyType: "ecdsa-sha2-nistp256", scheme: "ecdsa-sha2-nistp256",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "another kind of key", o: sandbox.Rotation{KeyType: "ed25519"}, rootKeys: true, online: true, keyType: "ed25519", scheme: "ed25519",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "another curve", o: sandbox.Rotation{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384"}, rootKeys: true, online: true,
			keyType: "ecdsa", scheme: "ecdsa-sha2-nistp384",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "another curve for the scheme alone", o: sandbox.Rotation{Scheme: "ecdsa-sha2-nistp384"}, rootKeys: true, online: true,
			keyType: "ecdsa", scheme: "ecdsa-sha2-nistp384",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "a keytype that nobody knows", o: sandbox.Rotation{KeyType: "ml-dsa-65"}, rootKeys: true, online: true, keyType: "ml-dsa-65", scheme: "ml-dsa-65",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
		{name: "a scheme that nobody knows", o: sandbox.Rotation{Scheme: "x"}, rootKeys: true, online: true, keyType: "ecdsa", scheme: "x",
			signed: map[string]int64{"root": 2, "targets": 2, "snapshot": 2, "timestamp": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := newRepo(t, sandbox.Options{})
			must(t, repo.RotateRoot(c.o))
			one, two := parse(t, repo.RootJSON(1)), parse(t, repo.RootJSON(2))
			for role, changed := range map[string]bool{"root": c.rootKeys, "targets": c.rootKeys, "snapshot": c.online, "timestamp": c.online} {
				if got := !slices.Equal(one.Signed.Roles[role].KeyIDs, two.Signed.Roles[role].KeyIDs); got != changed {
					t.Errorf("%s: keys changed is %v, want %v", role, got, changed)
				}
			}
			for id, k := range two.Signed.Keys {
				if k.KeyType != c.keyType || k.Scheme != c.scheme {
					t.Errorf("key %s is %s/%s, want %s/%s", id, k.KeyType, k.Scheme, c.keyType, c.scheme)
				}
			}
			// Spec 5.3.4: signed by a threshold of the old keys, and by its own.
			for _, r := range []document{one, two} {
				n := 0
				for _, s := range two.Signatures {
					if slices.Contains(r.Signed.Roles["root"].KeyIDs, s.KeyID) {
						n++
					}
				}
				if n < r.Signed.Roles["root"].Threshold {
					t.Errorf("root 2 has %d signatures of the keys of root %d", n, r.Signed.Version)
				}
			}
			got := repo.Versions()
			for role, want := range c.signed {
				if got[role] != want {
					t.Errorf("%s is version %d, want %d", role, got[role], want)
				}
			}
			if c.keyType != "ml-dsa-65" && c.scheme != "x" {
				verify(t, repo.Files())
			}
		})
	}
}

func TestARotationCanBeExpiredAlready(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	must(t, repo.RotateRoot(sandbox.Rotation{Expires: -time.Hour}))
	if at := parse(t, repo.RootJSON(2)).Signed.Expires; !at.Before(time.Now()) {
		t.Errorf("root 2 expires %s", at)
	}
	must(t, repo.RotateRoot(sandbox.Rotation{}))
	verify(t, repo.Files()) // only the last root must not have expired
}

func TestAnExtraKeySignsNothingAndLeavesTheThreshold(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	must(t, repo.RotateRoot(sandbox.Rotation{ExtraKeyType: "ml-dsa-65"}))
	d := parse(t, repo.RootJSON(2))
	id := ""
	for i, k := range d.Signed.Keys {
		if k.KeyType == "ml-dsa-65" {
			id = i
		}
	}
	role := d.Signed.Roles["root"]
	if !slices.Contains(role.KeyIDs, id) || len(role.KeyIDs) != 6 || role.Threshold != 3 || len(d.Signatures) != 5 {
		t.Errorf("got key %q in role %+v, %d signatures", id, role, len(d.Signatures))
	}
	must(t, repo.RotateRoot(sandbox.Rotation{}))
	if n := len(parse(t, repo.RootJSON(3)).Signed.Roles["root"].KeyIDs); n != 5 {
		t.Errorf("the next root has %d keys", n)
	}
}

func TestSigstoresTargetFiles(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Sigstore: true, SHA512: true})
	f := repo.Files()
	tr, err := root.NewTrustedRootFromJSON(f.Artifacts["trusted_root.json"])
	must(t, err)
	if len(tr.RekorLogs()) != 1 || len(tr.CTLogs()) != 1 || len(tr.FulcioCertificateAuthorities()) != 1 || len(tr.TimestampingAuthorities()) != 1 {
		t.Error("trusted_root.json lacks a log or an authority")
	}
	sc, err := root.NewSigningConfigFromJSON(f.Artifacts["signing_config.v0.2.json"])
	must(t, err)
	if _, err := root.SelectService(sc.RekorLogURLs(), []uint32{1}, time.Now()); err != nil {
		t.Error(err)
	}
	listed := parse(t, f.Targets).Signed.Targets
	for file, usage := range map[string]string{"rekor.pub": "Rekor", "ctfe.pub": "CTFE", "fulcio_v1.crt.pem": "Fulcio", "fulcio_intermediate_v1.crt.pem": "Fulcio"} {
		if c := listed[file].Custom; c == nil || c.Sigstore.Usage != usage || c.Sigstore.Status != "Active" || c.Sigstore.URI == "" {
			t.Errorf("%s: custom metadata %+v, want usage %s", file, c, usage)
		}
		if h := listed[file].Hashes; len(h["sha256"]) != 64 || len(h["sha512"]) != 128 {
			t.Errorf("%s: hashes %v", file, h)
		}
	}
}

func TestSigstoreGoReadsIt(t *testing.T) {
	repo := newRepo(t, sandbox.Options{Sigstore: true, Delegation: true})
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	cache := t.TempDir()
	read := func(target string) []byte {
		t.Helper()
		data, err := sandbox.Read(cache, server.URL, repo.InitialRoot(), target)
		must(t, err)
		return data
	}
	if _, err := root.NewTrustedRootFromJSON(read("trusted_root.json")); err != nil {
		t.Errorf("trusted_root.json: %v", err)
	}
	must(t, repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa-sha2-nistp256", Online: true, AllRootKeys: true}))
	must(t, repo.Publish("hello.txt", []byte("again\n")))
	if got := read("hello.txt"); string(got) != "again\n" {
		t.Errorf("after a rotation: got %q", got)
	}
	read(sandbox.DelegatedTarget)
	must(t, repo.RotateRoot(sandbox.Rotation{KeyType: "ml-dsa-65"}))
	if _, err := sandbox.Read(cache, server.URL, repo.InitialRoot(), "hello.txt"); err == nil || !strings.Contains(err.Error(), "unsupported public key type") {
		t.Errorf("a keytype that nobody knows: got %v", err)
	}
}

func TestWhatIsHandedOutIsACopy(t *testing.T) {
	repo := newRepo(t, sandbox.Options{})
	repo.InitialRoot()[0] = 'x'
	f := repo.Files()
	f.Timestamp[0], f.Artifacts["hello.txt"][0] = 'x', 'x'
	data := []byte("new")
	must(t, repo.Publish("new.txt", data))
	data[0] = 'x'
	verify(t, repo.Files())
	if !bytes.Equal(repo.Files().Artifacts["new.txt"], []byte("new")) {
		t.Error("a published file changed with its caller's bytes")
	}
	if repo.RootJSON(9) != nil {
		t.Error("a root that was never signed")
	}
}
