// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// otherLanguage says whether a client is not written in Go. Such a client is
// judged by the versions of its packages, as far as it was measured or is written
// in their source; of all else its verdict is unknown.
func otherLanguage(c client.Client) bool { return c.Ecosystem != "" && c.Ecosystem != client.Go }

// readsOther holds the keys of one root against a client in another language. One
// that cannot use a key either refuses the root, or goes on without it where
// enough others sign (measured). Who signs is not known here, so that it is certain
// to fail only where a role has no key left.
func (t *trial) readsOther(root trust.RootForm, isStart bool) {
	usable := map[string]bool{} // roles
	var unusable []trust.KeyForm
	var why [][]Reason
	for _, k := range root.Keys {
		alone := trial{m: t.m, c: t.c, impl: t.impl, can: t.can}
		alone.otherKey(root.Version, k, isStart)
		if len(alone.reasons) > 0 {
			unusable, why = append(unusable, k), append(why, alone.reasons)
			continue
		}
		for _, role := range k.Roles {
			usable[role] = true
		}
	}
	skips := t.can.Can(t.impl, client.SkipsKeys)
	for i, k := range unusable {
		left := !slices.ContainsFunc(k.Roles, func(role string) bool { return !usable[role] })
		for _, reason := range why[i] {
			switch {
			case reason.open:
				t.unclear(reason.Rule, reason.Summary)
			case skips == client.No || !left:
				t.fails(reason.Rule, reason.Summary)
			default:
				t.unclear(reason.Rule, reason.Summary+"; whether it goes on without that key is not known")
			}
		}
	}
}

func (t *trial) otherKey(version int64, k trust.KeyForm, isStart bool) {
	which := fmt.Sprintf("root %d", version)
	if isStart {
		which += ", from which the client starts,"
	}
	name := t.otherLibrary()
	if t.impl == client.ImplPython && k.KeyType != "ed25519" && t.pythonCrypto() {
		return // Ed25519 alone it can without them (measured)
	}
	pem, hex := k.Encoding == "pem", k.Encoding == "hex"
	switch {
	case k.KeyType == "ed25519" && k.Scheme == "ed25519" && hex:
		t.need(client.Ed25519Keys, "key-type", fmt.Sprintf("%s has an Ed25519 key, which %s cannot read", which, name))
	case k.KeyType == "rsa" && k.Scheme == "rsassa-pss-sha256" && pem:
		t.need(client.RSAPSS, "R19", fmt.Sprintf("%s has an RSA-PSS key, which %s cannot read", which, name))
	case isECDSA(k) && (pem || hex):
		switch {
		case pem && t.need(client.PEMKeys, "R1", fmt.Sprintf("%s has its keys as PEM, which %s cannot read", which, name)):
			return
		case hex && t.need(client.HexKeys, "key-type", fmt.Sprintf("%s has its keys as hex, which %s cannot read", which, name)):
			return
		case k.Curve == "P-384" && k.Scheme != "ecdsa-sha2-nistp384":
			t.unclear("key-type", fmt.Sprintf("%s has a key on P-384 with scheme %q: whether %s can read that is not known", which, k.Scheme, name))
			return
		}
		t.ecdsa(which, name, k, isStart)
	case k.KeyType == "rsa", k.KeyType == "ed25519", strings.HasPrefix(k.KeyType, "ecdsa"):
		t.unclear("key-type", fmt.Sprintf("%s has a key of type %q with scheme %q: whether %s can read that is not known", which, k.KeyType, k.Scheme, name))
	default:
		t.nobody(fmt.Sprintf("%s has a key of type %q with scheme %q", which, k.KeyType, k.Scheme), "read")
	}
}

// otherLibrary names the TUF library of a client in another language, with its version.
func (t *trial) otherLibrary() string { return t.named(t.impl.TUFLibrary()) }

func (t *trial) named(library string) string {
	if version := t.c.Libraries[library]; version != "" {
		return library + " " + Plain(version)
	}
	return library
}

// parserOf is the library that reads trusted_root.json.
func (t *trial) parserOf() string {
	switch t.impl {
	case client.ImplPython:
		return t.named(client.SigstorePython)
	case client.ImplJavaScript:
		return t.named(client.SigstoreJS)
	}
	return t.otherLibrary()
}

// otherLogs holds the logs in trusted_root.json against a client in another language.
func (t *trial) otherLogs(kinds []string) {
	for _, kind := range kinds {
		switch {
		case kind == "PKIX_ECDSA_P256_SHA_256": // every release that reads trusted_root.json reads these
		case kind == "PKIX_ED25519":
			t.need(client.Ed25519Log, "R12", fmt.Sprintf("trusted_root.json lists a log with an Ed25519 key, which %s cannot read", t.parserOf()))
		case t.impl == client.ImplJavaScript && !slices.Contains(parsedLogKeys[:], kind):
			// It refuses the whole file for a word it does not know (measured).
			t.nobody(fmt.Sprintf("trusted_root.json lists a log with a key of type %q", kind), "parse")
		default:
			t.unclear("key-type", fmt.Sprintf("trusted_root.json lists a log with a key of type %q: whether %s does without it is not known", kind, t.parserOf()))
		}
	}
}

// pythonCrypto holds the libraries of Python against each other: with some
// versions together no signature is ever accepted.
func (t *trial) pythonCrypto() (lacks bool) {
	names := []string{t.otherLibrary()}
	for _, library := range []string{client.SecureSystemsLib, client.PyCryptography} {
		if t.c.Libraries[library] == "" {
			names = append(names, library+", which is not installed beside it,")
			continue
		}
		names = append(names, t.named(library))
	}
	all := strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	switch t.can.Can(t.impl, client.PythonCrypto) {
	case client.No:
		t.fails("python-crypto", all+" do not fit together: no signature is accepted")
	case client.Maybe:
		t.unclear("python-crypto", "whether "+all+" fit together is not known")
	default:
		return false
	}
	return true
}

// newerPackage is the remedy of a rule for a client in another language; "" leaves
// it to the rule.
func newerPackage(c client.Client, rule string) string {
	if !otherLanguage(c) {
		return ""
	}
	switch rule {
	case "R1", "R2", "R3", "R6", "R12", "R18", "R19":
		return "install the newest release of " + Plain(c.Name)
	}
	return ""
}
