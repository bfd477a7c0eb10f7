// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// cosignName is the client whose releases are known one by one.
const cosignName = "cosign"

// trial is one TUF client of a binary, started from one root.
type trial struct {
	m     *client.Model
	c     client.Client
	r     Repository
	impl  client.Implementation
	can   client.Capabilities
	start start

	failed, open bool // some rule is not met; of some it is not known
	gotOn        bool // it can read the root it starts from
	reasons      []Reason
}

// fails records a rule that is not met. The summary "" is the rule's own.
func (t *trial) fails(rule, summary string) { t.failed = true; t.add(rule, summary, false) }

// unclear records a rule of which it is not known whether it is met.
func (t *trial) unclear(rule, summary string) { t.open = true; t.add(rule, summary, true) }

func (t *trial) add(id, summary string, open bool) {
	i := slices.IndexFunc(t.reasons, func(r Reason) bool { return r.Rule == id })
	if i >= 0 && (open || !t.reasons[i].open) {
		return // the first root that shows it is enough
	}
	rule, _ := t.m.Rule(id) // the table is refused without the rules named here
	if summary == "" {
		summary = rule.Summary
	}
	reason := Reason{Rule: id, Summary: summary, Remedy: cmp.Or(newerPackage(t.c, id), rule.Remedy), open: open}
	if i >= 0 {
		t.reasons[i] = reason // what fails outweighs what is not known
		return
	}
	t.reasons = append(t.reasons, reason)
}

// into returns the judgement with the outcome of the trial.
func (t *trial) into(j Judgement) Judgement {
	j.Start, j.Verdict, j.Reasons = t.start.words, OK, t.reasons
	if j.Reasons == nil {
		j.Reasons = []Reason{}
	}
	j.Verdict = verdictOf(j.Reasons)
	return j
}

// verdictOf is the verdict that reasons of reading amount to.
func verdictOf(reasons []Reason) Verdict {
	verdict := OK
	for _, r := range reasons {
		if !r.open {
			return Outdated
		}
		verdict = Unknown
	}
	return verdict
}

// run goes through the rules in the order in which a client meets them.
func (t *trial) run() {
	roots := t.r.Requirements.Roots
	if t.start.alone {
		t.gotOn = true
		newest := roots[len(roots)-1]
		t.reads(newest, false)
		if !t.r.Preview && !t.r.At.IsZero() && t.r.At.After(newest.Expires) {
			t.fails("R8", fmt.Sprintf("root %d expired at %s", newest.Version, Instant(newest.Expires)))
		}
	} else {
		if len(roots) == 0 && t.start.form == nil {
			t.unclear("unknown", "no root of this repository is known")
			return
		}
		if t.start.form != nil {
			t.reads(*t.start.form, true)
		}
		t.gotOn = !t.failed
		t.walk(roots)
	}
	if t.r.Forbidden && !t.start.alone {
		t.need(client.Forbidden, "R10", "the mirror answers 403 instead of 404 for a root that it does not have, which "+t.library(client.GoTUF, client.GoTUFv2)+" takes for an error")
	}
	t.targets()
}

// walk reads every root after the start, to the newest that can be reached.
func (t *trial) walk(roots []trust.RootForm) {
	last := t.start.form
	gap := false
	for i := range roots {
		root := &roots[i]
		if i > 0 && root.Version > roots[i-1].Version+1 && root.Version > t.start.version+1 && !gap {
			gap = true
			t.fails("R8", fmt.Sprintf("the mirror has no root %d, so its root chain ends at root %d", roots[i-1].Version+1, roots[i-1].Version))
		}
		if root.Version > t.start.version {
			t.reads(*root, false)
			if !gap {
				last = root
			}
		}
	}
	if len(roots) == 0 || last == nil {
		return
	}
	newest := roots[len(roots)-1]
	if newest.Version < t.start.version && !t.sameOnlineKeys(newest) {
		t.fails("R7", fmt.Sprintf("the mirror stands at root %d, and root %d, from which the client starts, names other timestamp and snapshot keys",
			newest.Version, t.start.version))
	}
	if t.r.At.IsZero() {
		return
	}
	if t.r.At.After(last.Expires) {
		t.fails("R8", fmt.Sprintf("root %d, the last one the client gets, expired at %s", last.Version, Instant(last.Expires)))
	}
	if at := t.r.Requirements.TimestampExpires; !at.IsZero() && t.r.At.After(at) {
		t.fails("R9", "the timestamp of the mirror expired at "+Instant(at))
	}
}

// sameOnlineKeys says whether a timestamp signed for that older root is signed
// for the starting root too: by the same keys under the same ids (measured).
func (t *trial) sameOnlineKeys(older trust.RootForm) bool {
	if known, ok := t.m.PublicRoot(older.SHA256, older.SignedSHA256); ok && t.start.public.Version != 0 {
		return known.OnlineKeysSince == t.start.public.OnlineKeysSince
	}
	return t.start.form != nil && t.start.form.OnlineKeys == older.OnlineKeys
}

// reads holds every key of one root against the client: one that it cannot read
// makes it refuse the whole root (measured).
func (t *trial) reads(root trust.RootForm, isStart bool) {
	if otherLanguage(t.c) {
		t.readsOther(root, isStart)
		return
	}
	for _, k := range root.Keys {
		t.key(root.Version, k, isStart)
	}
}

func (t *trial) key(version int64, k trust.KeyForm, isStart bool) {
	which := fmt.Sprintf("root %d", version)
	if isStart {
		which += ", from which the client starts,"
	}
	gotuf := t.library(client.GoTUF, client.GoTUFv2)
	pem, hex := k.Encoding == "pem", k.Encoding == "hex"
	if isStart && len(k.Extra) > 0 { // the first that it stumbles over, and not the last
		t.need(client.KeyExtraFields, "R20", fmt.Sprintf("%s has keys with the field %.40q, which %s does not know, and drops them", which, k.Extra[0], gotuf))
	}
	switch {
	case k.KeyType == "ed25519" && k.Scheme == "ed25519" && hex:
		t.need(client.Ed25519Keys, "key-type", fmt.Sprintf("%s has an Ed25519 key, which %s is not known to read", which, gotuf))
	case k.KeyType == "rsa" && k.Scheme == "rsassa-pss-sha256" && pem:
		t.need(client.RSAPSS, "R19", fmt.Sprintf("%s has an RSA-PSS key, which %s cannot verify", which, gotuf))
	case isECDSA(k) && (pem || hex):
		if pem && t.need(client.PEMKeys, "R1", fmt.Sprintf("%s has its keys as PEM, which %s cannot read", which, gotuf)) {
			if k.KeyType != "ecdsa" || !isStart {
				return // the client stops there: R2 would only say it again
			}
		}
		if hex {
			rule := "R4"
			if t.impl == client.V2 {
				rule = "R5"
			}
			if t.need(client.HexKeys, rule, fmt.Sprintf("%s has its keys as hex, which %s cannot read", which, t.library(client.Sigstore, client.GoTUFv2))) {
				return
			}
		}
		t.ecdsa(which, gotuf, k, isStart)
	default:
		t.nobody(fmt.Sprintf("%s has a key of type %q with scheme %q", which, k.KeyType, k.Scheme), "read")
	}
}

// isECDSA says whether a key is of a kind that some client is known to verify.
func isECDSA(k trust.KeyForm) bool {
	switch k.KeyType {
	case "ecdsa":
		return k.Curve == "P-256" && k.Scheme == "ecdsa-sha2-nistp256" ||
			k.Curve == "P-384" && (k.Scheme == "ecdsa-sha2-nistp384" || k.Scheme == "ecdsa-sha2-nistp256")
	case "ecdsa-sha2-nistp256":
		return k.Curve == "P-256" && k.Scheme == "ecdsa-sha2-nistp256"
	}
	return false
}

func (t *trial) ecdsa(which, gotuf string, k trust.KeyForm, isStart bool) {
	if k.KeyType == "ecdsa" {
		rule := "R2"
		if isStart {
			rule = "R3"
		}
		if t.need(client.KeyTypeECDSA, rule, fmt.Sprintf("%s uses the key type %q, which %s does not know", which, k.KeyType, gotuf)) {
			return
		}
	} else {
		t.need(client.KeyTypeECDSAP256, "key-type", fmt.Sprintf("%s uses the key type %q, which %s is not known to read", which, k.KeyType, gotuf))
	}
	if k.Curve == "P-384" {
		t.need(client.P384, "R18", fmt.Sprintf("%s has an ECDSA key on P-384, which %s cannot verify", which, gotuf))
	}
}

// need records a rule unless the client has the capability; lacks says that it has not.
func (t *trial) need(capability, rule, summary string) (lacks bool) {
	switch t.can.Can(t.impl, capability) {
	case client.Yes:
		return false
	case client.No:
		t.fails(rule, summary)
	default:
		t.unclear(rule, doubt(summary))
	}
	return true
}

// doubt turns what a client lacks into a question: "root 9 has its keys as hex,
// which go-tuf cannot read" into "root 9 has its keys as hex: whether go-tuf can
// read that is not known".
func doubt(summary string) string {
	i := strings.LastIndex(summary, ", which ")
	if i < 0 {
		return summary + ": whether that is so is not known"
	}
	what, who := summary[:i], strings.TrimPrefix(summary[i:], ", which ")
	for _, lack := range []struct{ says, asks string }{
		{" is not known to read", " can read that"}, {" cannot read", " can read that"}, {" cannot verify", " can verify that"},
		{" cannot parse", " can parse that"}, {" does not know", " knows that"}, {" rejects", " accepts that"},
		{" does not know, and drops them", " keeps that"}, {" takes for an error", " takes that for the end of the chain"},
	} {
		if subject, ok := strings.CutSuffix(who, lack.says); ok {
			return what + ": whether " + subject + lack.asks + " is not known"
		}
	}
	return summary + ": whether that is so is not known"
}

// parsedLogKeys are the key types of logs that sigstore-go has parsed in every
// release, and Ed25519 since 0.6.1 (its source, and measured).
var parsedLogKeys = [...]string{
	"PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P384_SHA_384", "PKIX_ECDSA_P521_SHA_512",
	"PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PKCS1V15_3072_SHA256", "PKIX_RSA_PKCS1V15_4096_SHA256", "PKCS1_RSA_PKCS1V5",
}

// targets holds the target files against the client.
func (t *trial) targets() {
	targets := t.r.Requirements.Targets
	if targets == nil {
		return
	}
	if len(targets.SHA256Only) > 0 {
		t.need(client.SHA256Only, "R6", fmt.Sprintf("target files (%s) carry a sha256 hash only, which %s rejects",
			some(targets.SHA256Only), t.library(client.Sigstore, client.SigstoreGo)))
	}
	if otherLanguage(t.c) {
		t.otherLogs(targets.LogKeyTypes)
		return
	}
	if t.impl != client.V2 {
		return // the legacy client reads single key files, not trusted_root.json
	}
	for _, kind := range targets.LogKeyTypes {
		switch {
		case kind == "PKIX_ED25519":
			t.need(client.Ed25519Log, "R12", fmt.Sprintf("trusted_root.json lists a log with an Ed25519 key, which %s cannot parse", t.library("", client.SigstoreGo)))
		case !slices.Contains(parsedLogKeys[:], kind):
			t.nobody(fmt.Sprintf("trusted_root.json lists a log with a key of type %q", kind), "parse")
		}
	}
}

// some names the first of a list, and counts the others.
func some(paths []string) string {
	if len(paths) == 1 {
		return fmt.Sprintf("%.60q", paths[0])
	}
	return fmt.Sprintf("%.60q and %d more", paths[0], len(paths)-1)
}

// library names the client's library with its version: the first name for the
// legacy client, the second for the v2 one.
func (t *trial) library(legacy, v2 string) string {
	if otherLanguage(t.c) {
		return t.otherLibrary()
	}
	name := legacy
	if t.impl == client.V2 {
		name = v2
	}
	version, ok := t.c.Libraries[name]
	if !ok {
		if t.impl == client.Legacy && t.c.Linked.CosignTUF && name == client.Sigstore {
			return "its TUF client"
		}
		if name == client.Sigstore {
			name = client.GoTUF
		}
		version = t.c.Libraries[name]
	}
	if version == "" {
		return name
	}
	return name + " " + Plain(version)
}
