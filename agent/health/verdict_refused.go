// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Unreadable returns the key for which this agent's own library refuses what the
// mirror offers now: it is empty where its kind is not known, and nil where the
// last good set is what the mirror offers. Clients are judged by that, too.
func (m MirrorFacts) Unreadable() *trust.KeyForm {
	if m.Kind != FailKeyType {
		return nil
	}
	key := m.Unread
	return &key
}

// refuses adds what is known of metadata that the mirror offers and that this
// agent cannot read itself. A kind of key that no known client reads is one that
// this one does not read either, unless its libraries are newer than all that are
// known; whatever else it may be, it is not known to be read.
func (j *Judgement) refuses(m *client.Model, c client.Client, key trust.KeyForm) {
	t := trial{m: m, c: c, can: m.Capabilities(c)}
	switch {
	case key.KeyType == "":
		t.unclear("key-type", "the mirror offers metadata with a key that this tufkeeper cannot read: whether this client can is not known")
	case knownKind(key):
		t.unclear("key-type", fmt.Sprintf("the mirror offers metadata with a key of type %q with scheme %q that this tufkeeper cannot read: whether this client can is not known", key.KeyType, key.Scheme))
	default:
		t.nobody(fmt.Sprintf("the mirror offers metadata with a key of type %q with scheme %q", key.KeyType, key.Scheme), "read")
	}
	j.Reasons = append(slices.DeleteFunc(slices.Clone(j.Reasons), func(r Reason) bool {
		return r.Rule == "key-type" || r.Rule == "unknown" && j.Start == noRoot
	}), t.reasons...)
	j.Verdict = verdictOf(j.Reasons)
}

// nobody records that no known client can do something with a kind of key: this one
// cannot, or is too new to tell.
func (t *trial) nobody(what, do string) {
	if t.can.Newer {
		t.unclear("key-type", what+", which no known client can "+do+", and this one is newer than those")
		return
	}
	t.fails("key-type", what+", which no known client can "+do)
}
