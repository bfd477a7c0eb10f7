// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// specVersion is what Sigstore writes.
const specVersion = "1.0"

var delegatedData = []byte("{\"keys\":[]}\n")

// A Rotation says what a new root changes. Its zero value changes nothing but
// version and expiry.
type Rotation struct {
	// KeyType and Scheme write every key in another form: the same key where it can
	// be (as Sigstore's root 9 did), else a new one.
	KeyType, Scheme string
	// ExtraKeyType lists one more key of this type in the root role, of a made-up
	// value, which signs nothing; the threshold stays. It is in this root only.
	ExtraKeyType string
	// Online makes a new key for timestamp and snapshot.
	Online bool
	// AllRootKeys makes new keys for root and targets.
	AllRootKeys bool
	// Expires is the new root's lifetime; RootLife by default. Negative is a root
	// that is expired already.
	Expires time.Duration
}

// RotateRoot signs a new root with the keys of its predecessor and its own (spec
// 5.3.4), and signs anew the roles whose keys changed.
func (r *Repo) RotateRoot(o Rotation) error {
	return r.change(func(s *state) error {
		offline, online := r.offline, r.online
		if err := r.rotateKeys(o); err != nil {
			return err
		}
		life := o.Expires
		if life == 0 {
			life = r.opts.RootLife
		}
		var more []*key
		if o.ExtraKeyType != "" {
			stranger, err := strangerKey(o.ExtraKeyType)
			if err != nil {
				return err
			}
			more = append(more, stranger)
		}
		if err := r.signRoot(s, offline, more, life); err != nil {
			return err
		}
		switch {
		case offline[0].id != r.offline[0].id:
			return r.signTargets(s)
		case online.id != r.online.id:
			return r.signSnapshot(s)
		}
		return nil
	})
}

func (r *Repo) rotateKeys(o Rotation) error {
	keyType, scheme := r.online.tuf.Type, r.online.tuf.Scheme
	if o.KeyType != "" {
		scheme = o.Scheme
	} else if o.Scheme != "" {
		o.KeyType, scheme = keyType, o.Scheme
	}
	if o.KeyType != "" {
		fresh := material(keyType, r.online.tuf.Scheme) != material(o.KeyType, scheme)
		keyType = o.KeyType
		if fresh {
			return r.newKeys(keyType, scheme)
		}
		var offline []*key
		for _, k := range r.offline {
			k, err := k.as(keyType, scheme)
			if err != nil {
				return err
			}
			offline = append(offline, k)
		}
		r.offline = offline
		var err error
		if r.online, err = r.online.as(keyType, scheme); err != nil {
			return err
		}
		if r.delegate, err = r.delegate.as(keyType, scheme); err != nil {
			return err
		}
	}
	if o.AllRootKeys {
		if err := r.newOffline(keyType, scheme); err != nil {
			return err
		}
	}
	if o.Online {
		var err error
		r.online, err = newKey(keyType, scheme)
		return err
	}
	return nil
}

func (r *Repo) after(life time.Duration) time.Time {
	return r.opts.Now().UTC().Add(life).Truncate(time.Second)
}

// signRoot signs the next root with the keys of the previous one and its own.
// The keys in more are listed beside them, and sign nothing.
func (r *Repo) signRoot(s *state, previous, more []*key, life time.Duration) error {
	r.root++
	m := metadata.Root(r.after(life))
	m.Signed.SpecVersion = specVersion
	m.Signed.Version = r.root
	give := func(role string, threshold int, keys ...*key) {
		m.Signed.Roles[role].Threshold = threshold
		for _, k := range keys {
			m.Signed.Keys[k.id] = k.tuf
			m.Signed.Roles[role].KeyIDs = append(m.Signed.Roles[role].KeyIDs, k.id)
		}
	}
	give(trust.Root, threshold, r.offline...)
	give(trust.Root, threshold, more...)
	give(trust.Targets, threshold, r.offline...)
	give(trust.Snapshot, 1, r.online)
	give(trust.Timestamp, 1, r.online)
	if err := sign(m, slices.Concat(previous, r.offline)...); err != nil {
		return err
	}
	return put(s, rootName(r.root), trust.Root, r.root, m)
}

func (r *Repo) signTargets(s *state) error {
	r.targets++
	m := metadata.Targets(r.after(r.opts.TargetsLife))
	m.Signed.SpecVersion = specVersion
	m.Signed.Version = r.targets
	for name, a := range r.artifacts {
		m.Signed.Targets[name] = r.list(s, name, a)
	}
	if r.opts.Delegation {
		m.Signed.Delegations = &metadata.Delegations{
			Keys: map[string]*metadata.Key{r.delegate.id: r.delegate.tuf},
			Roles: []metadata.DelegatedRole{{
				Name: DelegatedRole, KeyIDs: []string{r.delegate.id}, Threshold: 1,
				Terminating: true, Paths: []string{"extra/*"},
			}},
		}
		if err := r.signDelegated(s); err != nil {
			return err
		}
	}
	if err := sign(m, r.offline...); err != nil {
		return err
	}
	if err := put(s, roleName(r.targets, trust.Targets), trust.Targets, r.targets, m); err != nil {
		return err
	}
	return r.signSnapshot(s)
}

func (r *Repo) signDelegated(s *state) error {
	r.delegated++
	m := metadata.Targets(r.after(r.opts.TargetsLife))
	m.Signed.SpecVersion = specVersion
	m.Signed.Version = r.delegated
	m.Signed.Targets[DelegatedTarget] = r.list(s, DelegatedTarget, artifact{data: delegatedData})
	if err := sign(m, r.delegate); err != nil {
		return err
	}
	return put(s, roleName(r.delegated, DelegatedRole), DelegatedRole, r.delegated, m)
}

// list describes a target file, and puts it where consistent snapshots look for
// it: under every hash it is listed with.
func (r *Repo) list(s *state, name string, a artifact) *metadata.TargetFiles {
	t := metadata.TargetFile()
	t.Length = int64(len(a.data))
	sum := sha256.Sum256(a.data)
	t.Hashes["sha256"] = sum[:]
	if r.opts.SHA512 {
		sum := sha512.Sum512(a.data)
		t.Hashes["sha512"] = sum[:]
	}
	if a.custom != nil {
		custom := a.custom
		t.Custom = &custom
	}
	for _, digest := range t.Hashes {
		dir, base := path.Split(name)
		s.files["targets/"+dir+hex.EncodeToString(digest)+"."+base] = a.data
	}
	return t
}

func (r *Repo) signSnapshot(s *state) error {
	r.snapshot++
	m := metadata.Snapshot(r.after(r.opts.SnapshotLife))
	m.Signed.SpecVersion = specVersion
	m.Signed.Version = r.snapshot
	m.Signed.Meta["targets.json"] = r.describe(s, trust.Targets, r.targets)
	if r.opts.Delegation {
		m.Signed.Meta[DelegatedRole+".json"] = r.describe(s, DelegatedRole, r.delegated)
	}
	if err := sign(m, r.online); err != nil {
		return err
	}
	if err := put(s, roleName(r.snapshot, trust.Snapshot), trust.Snapshot, r.snapshot, m); err != nil {
		return err
	}
	return r.signTimestamp(s)
}

func (r *Repo) signTimestamp(s *state) error {
	r.timestamp++
	m := metadata.Timestamp(r.after(r.opts.TimestampLife))
	m.Signed.SpecVersion = specVersion
	m.Signed.Version = r.timestamp
	m.Signed.Meta["snapshot.json"] = r.describe(s, trust.Snapshot, r.snapshot)
	if err := sign(m, r.online); err != nil {
		return err
	}
	return put(s, "timestamp.json", trust.Timestamp, r.timestamp, m)
}

// describe is what one role says of another's file.
func (r *Repo) describe(s *state, role string, version int64) *metadata.MetaFiles {
	f := metadata.MetaFile(version)
	if r.opts.MetaHashes {
		data := s.files[roleName(version, role)]
		f.Length = int64(len(data))
		sum256, sum512 := sha256.Sum256(data), sha512.Sum512(data)
		f.Hashes["sha256"], f.Hashes["sha512"] = sum256[:], sum512[:]
	}
	return f
}

func put[T metadata.Roles](s *state, name, role string, version int64, m *metadata.Metadata[T]) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	s.files[name] = append(data, '\n')
	s.versions[role] = version
	return nil
}
