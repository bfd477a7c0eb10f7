// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// now is when the tests verify; the forge signs for a year from here.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type doc = map[string]any

// key is a signing key that lives as long as a test.
type key struct {
	id   string
	priv ed25519.PrivateKey
}

func newKey(name string) key {
	seed := sha256.Sum256([]byte("key " + name))
	priv := ed25519.NewKeyFromSeed(seed[:])
	return key{id: name + "-key", priv: priv}
}

func (k key) doc() doc {
	return doc{
		"keytype": "ed25519", "scheme": "ed25519",
		"keyval": doc{"public": hex.EncodeToString(k.priv.Public().(ed25519.PublicKey))},
	}
}

// forge makes a repository from plain documents, so that a test can sign what no
// proper tool would. Change the documents, then call files.
type forge struct {
	rootKey, onlineKey, delegateKey key

	root, nextRoot               doc // nextRoot is nil: a chain of one
	timestamp, snapshot, targets doc
	delegated                    map[string]doc
	delegatedKeys                map[string]key // delegateKey unless set
	artifacts                    map[string][]byte
}

func newForge() *forge {
	f := &forge{rootKey: newKey("root"), onlineKey: newKey("online"), delegateKey: newKey("delegate")}
	expires := now.AddDate(1, 0, 0).Format(time.RFC3339)
	head := func(kind string, more doc) doc {
		d := doc{"_type": kind, "spec_version": "1.0.31", "version": 1, "expires": expires}
		maps.Copy(d, more)
		return d
	}
	quorum := func(k key) doc { return doc{"keyids": []any{k.id}, "threshold": 1} }
	f.root = head("root", doc{
		"consistent_snapshot": true,
		"keys":                doc{f.rootKey.id: f.rootKey.doc(), f.onlineKey.id: f.onlineKey.doc()},
		"roles": doc{
			"root": quorum(f.rootKey), "targets": quorum(f.rootKey),
			"snapshot": quorum(f.onlineKey), "timestamp": quorum(f.onlineKey),
		},
		"x-note": doc{"a": 1},
	})
	f.artifacts = map[string][]byte{"a.txt": []byte("a\n"), "dir/b.txt": []byte("b\n")}
	f.timestamp = head("timestamp", doc{"meta": doc{"snapshot.json": doc{"version": 1}}})
	f.snapshot = head("snapshot", doc{"meta": doc{"targets.json": doc{"version": 1}, "team.json": doc{"version": 1}}})
	f.targets = head("targets", doc{
		"targets": doc{"a.txt": targetFile(f.artifacts["a.txt"])},
		"delegations": doc{
			"keys":  doc{f.delegateKey.id: f.delegateKey.doc()},
			"roles": []any{f.delegation("team", f.delegateKey, "dir/*")},
		},
	})
	f.delegated = map[string]doc{"team": head("targets", doc{
		"targets": doc{"dir/b.txt": targetFile(f.artifacts["dir/b.txt"])},
	})}
	f.delegatedKeys = map[string]key{}
	return f
}

func (f *forge) delegation(role string, k key, paths ...any) doc {
	return doc{"name": role, "keyids": []any{k.id}, "threshold": 1, "terminating": false, "paths": paths}
}

// delegate makes a role that lists one file, and has by delegate paths to it.
func (f *forge) delegate(by doc, role string, k key, path string, content []byte, paths ...any) doc {
	if by["delegations"] == nil {
		by["delegations"] = doc{"keys": doc{}, "roles": []any{}}
	}
	d := by["delegations"].(doc)
	d["keys"].(doc)[k.id] = k.doc()
	d["roles"] = append(d["roles"].([]any), f.delegation(role, k, paths...))
	f.snapshot["meta"].(doc)[role+".json"] = doc{"version": 1}
	made := doc{
		"_type": "targets", "spec_version": "1.0.31", "version": 1,
		"expires": now.AddDate(1, 0, 0).Format(time.RFC3339), "targets": doc{},
	}
	if content != nil {
		made["targets"].(doc)[path] = targetFile(content)
		f.artifacts[path] = content
	}
	f.delegated[role] = made
	f.delegatedKeys[role] = k
	return made
}

func targetFile(content []byte) doc {
	sum := sha256.Sum256(content)
	return doc{"length": len(content), "hashes": doc{"sha256": hex.EncodeToString(sum[:])}}
}

func (f *forge) files(t testing.TB) trust.Files {
	t.Helper()
	files := trust.Files{
		Initial:   sign(t, f.root, f.rootKey),
		Timestamp: sign(t, f.timestamp, f.onlineKey),
		Snapshot:  sign(t, f.snapshot, f.onlineKey),
		Targets:   sign(t, f.targets, f.rootKey),
		Delegated: map[string][]byte{},
		Artifacts: maps.Clone(f.artifacts),
	}
	if f.nextRoot != nil {
		files.Roots = [][]byte{sign(t, f.nextRoot, f.rootKey)}
	}
	for role, d := range f.delegated {
		k, ok := f.delegatedKeys[role]
		if !ok {
			k = f.delegateKey
		}
		files.Delegated[role] = sign(t, d, k)
	}
	return files
}

// sign wraps a document with signatures over its canonical form.
func sign(t testing.TB, signed any, keys ...key) []byte {
	t.Helper()
	return envelope(t, signed, canonicalOf(t, signed), keys...)
}

func envelope(t testing.TB, signed any, payload []byte, keys ...key) []byte {
	t.Helper()
	signatures := []any{}
	for _, k := range keys {
		signatures = append(signatures, doc{"keyid": k.id, "sig": hex.EncodeToString(ed25519.Sign(k.priv, payload))})
	}
	data, err := json.Marshal(doc{"signatures": signatures, "signed": signed})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// clone copies a document deeply.
func clone(t testing.TB, d doc) doc {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var c doc
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func at(d doc, path ...string) doc {
	for _, name := range path {
		d = d[name].(doc)
	}
	return d
}

func verified(t testing.TB, f trust.Files) *trust.Set {
	t.Helper()
	s, err := trust.Verify(f, now)
	if err != nil {
		t.Fatalf("verifying the forge's files: %v", err)
	}
	return s
}

func canonicalOf(t testing.TB, signed any) []byte {
	t.Helper()
	canonical, err := cjson.EncodeCanonical(signed)
	if err != nil {
		t.Fatal(err)
	}
	return canonical
}
