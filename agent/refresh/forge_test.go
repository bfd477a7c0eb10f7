// SPDX-License-Identifier: Apache-2.0

package refresh_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A forge signs whatever it is told to, and serves it: for repositories that no
// honest tool would make. Documents are JSON values, keys are Ed25519, and a key's
// id is its name.
type forge struct {
	t     *testing.T
	keys  map[string]ed25519.PrivateKey
	now   time.Time
	mu    sync.Mutex
	files map[string][]byte
	asked []string
}

type doc = map[string]any

func newForge(t *testing.T) *forge {
	return &forge{t: t, keys: map[string]ed25519.PrivateKey{}, now: time.Now(), files: map[string][]byte{}}
}

// key returns the key called name as metadata writes it.
func (f *forge) key(name string) doc {
	if f.keys[name] == nil {
		seed := sha256.Sum256([]byte(name))
		f.keys[name] = ed25519.NewKeyFromSeed(seed[:])
	}
	public := f.keys[name].Public().(ed25519.PublicKey)
	return doc{"keytype": "ed25519", "scheme": "ed25519", "keyval": doc{"public": hex.EncodeToString(public)}}
}

func (f *forge) keysOf(names ...string) doc {
	keys := doc{}
	for _, name := range names {
		keys[name] = f.key(name)
	}
	return keys
}

// base returns the signed part that all roles share.
func (f *forge) base(kind string, version int64) doc {
	return doc{
		"_type": kind, "spec_version": "1.0.31", "version": version,
		"expires": f.now.UTC().Add(24 * time.Hour).Format(time.RFC3339),
	}
}

func with(d doc, more doc) doc {
	d = maps.Clone(d)
	maps.Copy(d, more)
	return d
}

func quorum(keys ...string) doc { return doc{"keyids": keys, "threshold": 1} }

// root returns a root whose timestamp and snapshot are signed by the key "online",
// unless more says otherwise.
func (f *forge) root(version int64, more doc) doc {
	return with(with(f.base("root", version), doc{
		"consistent_snapshot": true,
		"keys":                f.keysOf("root", "online", "targets"),
		"roles": doc{
			"root": quorum("root"), "timestamp": quorum("online"), "snapshot": quorum("online"), "targets": quorum("targets"),
		},
	}), more)
}

func (f *forge) timestamp(version, snapshot int64) doc {
	return with(f.base("timestamp", version), doc{"meta": doc{"snapshot.json": doc{"version": snapshot}}})
}

func (f *forge) snapshot(version int64, roles map[string]int64) doc {
	meta := doc{}
	for role, v := range roles {
		meta[role+".json"] = doc{"version": v}
	}
	return with(f.base("snapshot", version), doc{"meta": meta})
}

// targets returns a targets role that lists files, and delegates.
func (f *forge) targets(version int64, files map[string]string, delegations ...doc) doc {
	listed := doc{}
	for path, data := range files {
		sum := sha256.Sum256([]byte(data))
		listed[path] = doc{"length": len(data), "hashes": doc{"sha256": hex.EncodeToString(sum[:])}}
		dir, base := "", path
		if i := strings.LastIndex(path, "/"); i >= 0 {
			dir, base = path[:i+1], path[i+1:]
		}
		f.put("targets/"+dir+hex.EncodeToString(sum[:])+"."+base, []byte(data))
		f.put("targets/"+path, []byte(data))
	}
	d := with(f.base("targets", version), doc{"targets": listed})
	if len(delegations) > 0 {
		keys, roles := doc{}, []doc{}
		for _, r := range delegations {
			maps.Copy(keys, f.keysOf(r["keyids"].([]string)...))
			roles = append(roles, r)
		}
		d["delegations"] = doc{"keys": keys, "roles": roles}
	}
	return d
}

func delegate(role, key string, paths ...string) doc {
	return doc{"name": role, "keyids": []string{key}, "threshold": 1, "terminating": false, "paths": paths}
}

// sign returns the metadata signed by the named keys. encoding/json writes these
// documents in canonical form: members sorted, no spaces, no escapes.
func (f *forge) sign(signed doc, keys ...string) []byte {
	f.t.Helper()
	payload := marshal(f.t, signed)
	sigs := []doc{}
	for _, name := range keys {
		f.key(name)
		sigs = append(sigs, doc{"keyid": name, "sig": hex.EncodeToString(ed25519.Sign(f.keys[name], payload))})
	}
	return marshal(f.t, doc{"signed": signed, "signatures": sigs})
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (f *forge) put(path string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[path] = data
}

func (f *forge) remove(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, path)
}

// publish puts one consistent state at the given versions: root 1, and targets that
// list files and delegate.
func (f *forge) publish(timestamp, snapshot, targets int64, files map[string]string, delegations ...doc) {
	f.t.Helper()
	f.put("1.root.json", f.sign(f.root(1, nil), "root"))
	f.put(fmt.Sprintf("%d.targets.json", targets), f.sign(f.targets(targets, files, delegations...), "targets"))
	f.putSnapshot(snapshot, map[string]int64{"targets": targets})
	f.put("timestamp.json", f.sign(f.timestamp(timestamp, snapshot), "online"))
}

func (f *forge) putSnapshot(version int64, roles map[string]int64) {
	f.put(fmt.Sprintf("%d.snapshot.json", version), f.sign(f.snapshot(version, roles), "online"))
}

func (f *forge) initial() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files["1.root.json"]
}

// requests returns what was asked for since the last call, as it was written.
func (f *forge) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// RoundTrip serves the files without a socket.
func (f *forge) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.TrimPrefix(req.URL.EscapedPath(), "/"))
	w := httptest.NewRecorder()
	if data, ok := f.files[strings.TrimPrefix(req.URL.Path, "/")]; ok {
		w.Header().Set("Content-Type", "application/json")
		w.Write(data) //nolint:errcheck // a recorder takes everything
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = req
	return res, nil
}
