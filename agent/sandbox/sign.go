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

var delegatedData = []byte("{\"keys\":[]}\n")

// A Rotation says what a new root changes. Its zero value changes nothing but
// version and expiry.
type Rotation struct {
	// Style is how this root and what follows it are written, all of it; nil is as
	// before. LikeSigstore has those of Sigstore's own history.
	Style *Style
	// KeyType and Scheme write every key in another form: the same key where it can
	// be (as Sigstore's root 9 did), else a new one.
	KeyType, Scheme string
	// ExtraKeyType lists one more key of this type in the root role, of a made-up
	// value, which signs nothing; the threshold stays. It is in this root only.
	ExtraKeyType string
	// Online makes new keys for timestamp and snapshot.
	Online bool
	// OneRootKey makes a new key for the last key holder.
	OneRootKey bool
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
		before, style := r.keys, r.style
		if err := r.rotate(o); err != nil {
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
		if err := r.signRoot(s, before.offline, more, life); err != nil {
			return err
		}
		switch {
		case !sameIDs(before.offline, r.keys.offline), style.SHA512 != r.style.SHA512, style.Flat != r.style.Flat:
			return r.signTargets(s)
		case !sameIDs(before.snapshot, r.keys.snapshot), !sameIDs(before.timestamp, r.keys.timestamp), style.MetaHashes != r.style.MetaHashes:
			return r.signSnapshot(s)
		}
		return nil
	})
}

func sameIDs(a, b []*key) bool {
	return slices.EqualFunc(a, b, func(a, b *key) bool { return a.id == b.id })
}

// rotate changes style and keys.
func (r *Repo) rotate(o Rotation) error {
	style := r.style
	if o.Style != nil {
		style = o.Style.withDefaults()
	}
	if o.KeyType != "" {
		style.KeyType, style.Scheme = o.KeyType, ""
	}
	if o.Scheme != "" {
		style.Scheme = o.Scheme
	}
	keys, err := r.keys.as(r.style, style)
	if err != nil {
		return err
	}
	fresh := keys
	if o.AllRootKeys || o.OneRootKey || o.Online {
		if fresh, err = newKeys(style); err != nil {
			return err
		}
	}
	switch {
	case o.AllRootKeys:
		keys.offline = fresh.offline
	case o.OneRootKey:
		keys.offline = append(slices.Clone(keys.offline[:holders-1]), fresh.offline[holders-1])
	}
	if o.Online {
		keys.snapshot, keys.timestamp = fresh.snapshot, fresh.timestamp
	}
	if style.Online == NoOnlineKey {
		keys.snapshot, keys.timestamp = keys.offline, keys.offline
	}
	r.keys, r.style = keys, style
	return nil
}

func (r *Repo) after(life time.Duration) time.Time {
	return r.opts.Now().UTC().Add(life).Truncate(time.Second)
}

// signRoot signs the next root with the keys of the previous one and its own.
// The keys in more are listed beside them, and sign nothing.
func (r *Repo) signRoot(s *state, previous, more []*key, life time.Duration) error {
	r.root++
	m := metadata.Root(r.style.Expiry.of(r.after(life)))
	m.Signed.SpecVersion = r.style.SpecVersion
	m.Signed.Version = r.root
	m.Signed.ConsistentSnapshot = !r.style.Flat
	give := func(role string, keys ...*key) {
		m.Signed.Roles[role].Threshold = thresholdOf(keys)
		for _, k := range keys {
			m.Signed.Keys[k.id] = k.tuf
			m.Signed.Roles[role].KeyIDs = append(m.Signed.Roles[role].KeyIDs, k.id)
		}
	}
	give(trust.Targets, r.keys.offline...)
	give(trust.Snapshot, r.keys.snapshot...)
	give(trust.Timestamp, r.keys.timestamp...)
	give(trust.Root, r.keys.offline...)
	for _, k := range more {
		m.Signed.Keys[k.id] = k.tuf
		m.Signed.Roles[trust.Root].KeyIDs = append(m.Signed.Roles[trust.Root].KeyIDs, k.id)
	}
	if r.style.TUFOnCI {
		period := func(expiry, signing int) map[string]any {
			return map[string]any{"x-tuf-on-ci-expiry-period": expiry, "x-tuf-on-ci-signing-period": signing}
		}
		m.Signed.UnrecognizedFields = period(197, 46)
		m.Signed.Roles[trust.Snapshot].UnrecognizedFields = period(3650, 365)
		m.Signed.Roles[trust.Timestamp].UnrecognizedFields = period(7, 6)
	}
	slots, signers := r.keys.offline[:r.style.EmptySlots], r.keys.offline[r.style.EmptySlots:]
	for _, k := range slots {
		m.Signatures = append(m.Signatures, metadata.Signature{KeyID: k.id})
	}
	previous = slices.DeleteFunc(slices.Clone(previous), func(k *key) bool {
		return slices.ContainsFunc(slots, func(slot *key) bool { return slot.id == k.id })
	})
	if err := sign(m, slices.Concat(previous, signers)...); err != nil {
		return err
	}
	return r.put(s, trust.Root, r.root, m)
}

// thresholdOf is three of five, or the one.
func thresholdOf(keys []*key) int { return min(len(keys), threshold) }

func (r *Repo) signTargets(s *state) error {
	r.targets++
	m := metadata.Targets(r.after(r.opts.TargetsLife))
	m.Signed.SpecVersion = r.style.SpecVersion
	m.Signed.Version = r.targets
	for name, a := range r.artifacts {
		m.Signed.Targets[name] = r.list(s, name, a)
	}
	if r.opts.Delegation {
		m.Signed.Delegations = &metadata.Delegations{
			Keys: map[string]*metadata.Key{r.keys.delegate.id: r.keys.delegate.tuf},
			Roles: []metadata.DelegatedRole{{
				Name: DelegatedRole, KeyIDs: []string{r.keys.delegate.id}, Threshold: 1,
				Terminating: true, Paths: []string{"extra/*"},
			}},
		}
		if err := r.signDelegated(s); err != nil {
			return err
		}
	}
	if err := sign(m, r.keys.offline...); err != nil {
		return err
	}
	if err := r.put(s, trust.Targets, r.targets, m); err != nil {
		return err
	}
	return r.signSnapshot(s)
}

func (r *Repo) signDelegated(s *state) error {
	r.delegated++
	m := metadata.Targets(r.after(r.opts.TargetsLife))
	m.Signed.SpecVersion = r.style.SpecVersion
	m.Signed.Version = r.delegated
	m.Signed.Targets[DelegatedTarget] = r.list(s, DelegatedTarget, artifact{data: delegatedData})
	if err := sign(m, r.keys.delegate); err != nil {
		return err
	}
	return r.put(s, DelegatedRole, r.delegated, m)
}

// list describes a target file, and puts it where clients look for it: with
// consistent snapshots under every hash it is listed with.
func (r *Repo) list(s *state, name string, a artifact) *metadata.TargetFiles {
	t := metadata.TargetFile()
	t.Length = int64(len(a.data))
	sum := sha256.Sum256(a.data)
	t.Hashes["sha256"] = sum[:]
	if r.style.SHA512 {
		sum := sha512.Sum512(a.data)
		t.Hashes["sha512"] = sum[:]
	}
	if a.custom != nil {
		custom := a.custom
		t.Custom = &custom
	}
	if r.style.Flat {
		s.files["targets/"+name] = a.data
		return t
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
	m.Signed.SpecVersion = r.style.SpecVersion
	m.Signed.Version = r.snapshot
	m.Signed.Meta["targets.json"] = r.describe(s, trust.Targets, r.targets)
	if r.opts.Delegation {
		m.Signed.Meta[DelegatedRole+".json"] = r.describe(s, DelegatedRole, r.delegated)
	}
	if err := sign(m, r.keys.snapshot...); err != nil {
		return err
	}
	if err := r.put(s, trust.Snapshot, r.snapshot, m); err != nil {
		return err
	}
	return r.signTimestamp(s)
}

func (r *Repo) signTimestamp(s *state) error {
	r.timestamp++
	m := metadata.Timestamp(r.after(r.opts.TimestampLife))
	m.Signed.SpecVersion = r.style.SpecVersion
	m.Signed.Version = r.timestamp
	m.Signed.Meta["snapshot.json"] = r.describe(s, trust.Snapshot, r.snapshot)
	if err := sign(m, r.keys.timestamp...); err != nil {
		return err
	}
	return r.put(s, trust.Timestamp, r.timestamp, m)
}

// describe is what one role says of another's file.
func (r *Repo) describe(s *state, role string, version int64) *metadata.MetaFiles {
	f := metadata.MetaFile(version)
	if r.style.MetaHashes {
		data := s.roles[role]
		f.Length = int64(len(data))
		sum256, sum512 := sha256.Sum256(data), sha512.Sum512(data)
		f.Hashes["sha256"], f.Hashes["sha512"] = sum256[:], sum512[:]
	}
	return f
}

// put adds a role's file under the names that clients ask for.
func (r *Repo) put(s *state, role string, version int64, m any) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", role, err)
	}
	data = append(data, '\n')
	s.roles[role], s.versions[role] = data, version
	if role == trust.Timestamp || r.style.Flat {
		s.files[role+".json"] = data
	}
	if role == trust.Root || role != trust.Timestamp && !r.style.Flat {
		s.files[roleName(version, role)] = data
	}
	return nil
}
