// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"
)

// The capabilities and rules that judgements are made by: a table without them is refused.
var (
	neededCapabilities = [...]string{
		PEMKeys, HexKeys, KeyTypeECDSA, KeyTypeECDSAP256, Ed25519Keys, P384, RSAPSS,
		SHA256Only, Ed25519Log, TrustedRootDefault, KeyExtraFields,
		SkipsKeys, PythonCrypto,
	}
	neededRules = [...]string{"R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R12", "R17", "R18", "R19", "R20", "key-type", "python-crypto", "unknown"}
)

// check holds the table against itself and fills its indexes.
func (m *Model) check() error {
	asOf, err := day(m.KnownAsOf)
	if err != nil {
		return fmt.Errorf("known_as_of: %w", err)
	}
	m.asOf = asOf
	for _, step := range []func(time.Time) error{
		m.checkLibraries, m.checkCapabilities, m.checkRules, m.checkClients, m.checkRoots, m.checkTargets, m.checkEmbedded, m.checkReleases, m.checkOthers, m.checkAdvisories, m.checkDistributions,
	} {
		if err := step(asOf); err != nil {
			return err
		}
	}
	return nil
}

func day(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("reading day %q: %w", text, err)
	}
	return t, nil
}

func evidence(text string) error {
	if text != "measured" && text != "documented" {
		return fmt.Errorf("evidence %q is neither measured nor documented", text)
	}
	return nil
}

func (m *Model) checkLibraries(time.Time) error {
	for _, name := range []string{
		GoTUF, GoTUFv2, Sigstore, SigstoreGo,
		SigstorePython, PythonTUF, SecureSystemsLib, PyCryptography, SigstoreJS, TUFJS, SigstoreRuby, SigstoreJava,
	} {
		if _, ok := m.library(name); !ok {
			return fmt.Errorf("library %q is missing", name)
		}
	}
	seen := map[string]bool{}
	for i := range m.Libraries {
		l := &m.Libraries[i]
		if l.Module == "" || seen[l.Name] || seen[l.Module] {
			return fmt.Errorf("library %q is listed twice or has no module", l.Name)
		}
		seen[l.Name], seen[l.Module] = true, true
		v, err := semver.NewVersion(l.Newest)
		if err != nil {
			return fmt.Errorf("library %q: newest version %q: %w", l.Name, l.Newest, err)
		}
		l.newest = v
	}
	if len(m.HexVerifier.Versions) == 0 {
		return errors.New("hex_verifier names no version")
	}
	return m.checkRanges("hex_verifier", m.HexVerifier.Versions)
}

// checkRanges refuses ranges of something that is neither a library nor cosign.
func (m *Model) checkRanges(where string, ranges map[string]versionRange) error {
	for name, r := range ranges {
		if r.text == "" {
			return fmt.Errorf("%s: no version range for %q", where, name)
		}
		if _, ok := m.library(name); !ok && name != cosign {
			return fmt.Errorf("%s: %q is not a known library", where, name)
		}
		if err := m.checkNewest(name, r); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

func (m *Model) checkCapabilities(time.Time) error {
	seen := map[string]bool{}
	for _, c := range m.Capability {
		if c.ID == "" || seen[c.ID] {
			return fmt.Errorf("capability %q has no id or is listed twice", c.ID)
		}
		seen[c.ID] = true
		if err := evidence(c.Evidence); err != nil {
			return fmt.Errorf("capability %q: %w", c.ID, err)
		}
		if err := m.checkConditions(c); err != nil {
			return fmt.Errorf("capability %q: %w", c.ID, err)
		}
	}
	for _, id := range neededCapabilities {
		if !seen[id] {
			return fmt.Errorf("capability %q is missing", id)
		}
	}
	return nil
}

func (m *Model) checkConditions(c Capability) error {
	below := map[string]string{Sigstore: GoTUF, SigstoreGo: GoTUFv2}
	if err := m.checkUnknown(c); err != nil {
		return err
	}
	for i, h := range c.Have {
		if h.Evidence != "" {
			if err := evidence(h.Evidence); err != nil {
				return err
			}
		}
		if len(h.Versions) == 0 {
			return errors.New("a condition names no version")
		}
		if err := m.checkRanges("a condition", h.Versions); err != nil {
			return err
		}
		for _, l := range slices.Concat(h.Linked, h.NotLinked) {
			if _, ok := (Linked{}).by(l); !ok {
				return fmt.Errorf("%q is not something that can be linked", l)
			}
		}
		for _, l := range h.Linked {
			if slices.Contains(h.NotLinked, l) {
				return fmt.Errorf("%q must be linked and not linked", l)
			}
		}
		for name := range h.Versions {
			// What is built on a library has what it has: never is said of the lowest one.
			if slices.Contains(c.Never, name) || below[name] != "" && slices.Contains(c.Never, below[name]) {
				return fmt.Errorf("%q both has it and never has it", name)
			}
		}
		// Two conditions on the same versions of one library, differing in
		// nothing else, are an editing mistake whichever was meant.
		for _, o := range c.Have[:i] {
			if sameDomain(h, o) {
				return errors.New("two conditions overlap")
			}
		}
	}
	for _, name := range c.Never {
		if _, ok := m.library(name); !ok {
			return fmt.Errorf("never: %q is not a known library", name)
		}
	}
	return nil
}

// checkUnknown refuses versions that are both known and not known to have it.
func (m *Model) checkUnknown(c Capability) error {
	for _, u := range c.Unknown {
		if len(u.Versions) == 0 || len(u.Linked)+len(u.NotLinked) > 0 {
			return errors.New("what is unknown is told by versions alone")
		}
		if err := m.checkRanges("unknown", u.Versions); err != nil {
			return err
		}
		for name := range u.Versions {
			if slices.Contains(c.Never, name) {
				return fmt.Errorf("%q is not known to have it and never has it", name)
			}
		}
		if slices.ContainsFunc(c.Have, func(h Condition) bool { return sameDomain(u, h) }) {
			return errors.New("the same versions have it and are not known to")
		}
	}
	return nil
}

func sameDomain(a, b Condition) bool {
	if len(a.Versions) != len(b.Versions) || !slices.Equal(a.Linked, b.Linked) || !slices.Equal(a.NotLinked, b.NotLinked) {
		return false
	}
	for name, r := range a.Versions {
		o, ok := b.Versions[name]
		if !ok || !r.overlaps(o) {
			return false
		}
	}
	return true
}

func (m *Model) checkRules(time.Time) error {
	seen := map[string]bool{}
	for _, r := range m.Rules {
		if r.ID == "" || seen[r.ID] {
			return fmt.Errorf("rule %q has no id or is listed twice", r.ID)
		}
		seen[r.ID] = true
		if r.Summary == "" || r.Remedy == "" {
			return fmt.Errorf("rule %q lacks a summary or a remedy", r.ID)
		}
		if err := evidence(r.Status); err != nil {
			return fmt.Errorf("rule %q: %w", r.ID, err)
		}
		if r.Capability != "" && !slices.ContainsFunc(m.Capability, func(c Capability) bool { return c.ID == r.Capability }) {
			return fmt.Errorf("rule %q: capability %q is not listed", r.ID, r.Capability)
		}
	}
	for _, id := range neededRules {
		if !seen[id] {
			return fmt.Errorf("rule %q is missing", id)
		}
	}
	return nil
}

func (m *Model) checkClients(time.Time) error {
	seen := map[KnownClient]bool{}
	for _, c := range m.Clients {
		key := KnownClient{Module: c.Module, Command: c.Command}
		if c.Name == "" || c.Module == "" || seen[key] {
			return fmt.Errorf("client %q of %q is incomplete or listed twice", c.Name, c.Module)
		}
		seen[key] = true
	}
	return nil
}

func (m *Model) checkRoots(asOf time.Time) error {
	for i, r := range m.Roots {
		if sum, err := hex.DecodeString(r.SHA256); err != nil || len(sum) != 32 {
			return fmt.Errorf("root %d: sha256 %q is not one", r.Version, r.SHA256)
		}
		if r.Version < 1 || i > 0 && r.Version <= m.Roots[i-1].Version {
			return fmt.Errorf("root %d does not come after the one before it", r.Version)
		}
		if r.OnlineKeysSince < 1 || r.OnlineKeysSince > r.Version || i > 0 && r.OnlineKeysSince < m.Roots[i-1].OnlineKeysSince {
			return fmt.Errorf("root %d has online keys since root %d", r.Version, r.OnlineKeysSince)
		}
		if r.KeyType == "" || r.Encoding == "" || r.Expires.IsZero() {
			return fmt.Errorf("root %d is incomplete", r.Version)
		}
		if err := m.checkRootDates(i, asOf); err != nil {
			return err
		}
		if err := evidence(r.Evidence); err != nil {
			return fmt.Errorf("root %d: %w", r.Version, err)
		}
	}
	return nil
}

// checkEmbedded refuses a version of a library that carries two roots.
func (m *Model) checkEmbedded(time.Time) error {
	for i, e := range m.EmbeddedRoots {
		if _, ok := m.library(e.Library); !ok || e.Versions.text == "" {
			return fmt.Errorf("embedded root of %q: not a known library, or no versions", e.Library)
		}
		if _, ok := m.publicRootVersion(e.Root); !ok {
			return fmt.Errorf("embedded root %d of %s is not listed", e.Root, e.Library)
		}
		if err := evidence(e.Evidence); err != nil {
			return fmt.Errorf("embedded root %d of %s: %w", e.Root, e.Library, err)
		}
		if err := m.checkNewest(e.Library, e.Versions); err != nil {
			return fmt.Errorf("embedded root %d: %w", e.Root, err)
		}
		for _, o := range m.EmbeddedRoots[:i] {
			if o.Library == e.Library && o.Versions.overlaps(e.Versions) {
				return fmt.Errorf("%s %s carries both root %d and root %d", e.Library, e.Versions.text, o.Root, e.Root)
			}
		}
	}
	return nil
}

func (m *Model) checkReleases(asOf time.Time) error {
	m.byCommit, m.byVersion = map[string]int{}, map[string]int{}
	m.releaseOrder = make([]*semver.Version, len(m.Releases))
	for i, r := range m.Releases {
		v, err := Upstream(r.Version)
		if err != nil {
			return fmt.Errorf("release %q: %w", r.Version, err)
		}
		if i > 0 {
			if err := checkReleaseOrder(v, r, m.releaseOrder[i-1], m.Releases[i-1]); err != nil {
				return err
			}
		}
		if r.Of != "" || r.Client == "unknown" {
			return fmt.Errorf("release %q: not one of cosign", r.Version)
		}
		m.releaseOrder[i], m.byVersion[v.String()] = v, i
		if err := m.checkRelease(r, asOf); err != nil {
			return fmt.Errorf("release %q: %w", r.Version, err)
		}
		if r.Commit == "" {
			continue
		}
		if sum, err := hex.DecodeString(r.Commit); err != nil || len(sum) != 20 {
			return fmt.Errorf("release %q: commit %q is not one", r.Version, r.Commit)
		}
		if j, taken := m.byCommit[r.Commit]; taken {
			return fmt.Errorf("releases %q and %q have one commit", m.Releases[j].Version, r.Version)
		}
		m.byCommit[r.Commit] = i
	}
	return nil
}

func (m *Model) checkRelease(r Release, asOf time.Time) error {
	date, err := day(r.Date)
	if err != nil {
		return err
	}
	if date.After(asOf) {
		return fmt.Errorf("of %s, but known as of %s", r.Date, m.KnownAsOf)
	}
	if err := evidence(r.Evidence); err != nil {
		return err
	}
	of := r.Of
	if of == "" {
		of = cosign
	}
	if !slices.ContainsFunc(m.Clients, func(c KnownClient) bool { return c.Name == of && c.Module == r.MainModule }) {
		return fmt.Errorf("main module %q is not that of %s", r.MainModule, of)
	}
	for name, version := range r.Libraries {
		l, ok := m.library(name)
		if !ok {
			return fmt.Errorf("%q is not a known library", name)
		}
		v, err := semver.NewVersion(version)
		if err != nil {
			return fmt.Errorf("version %q of %s: %w", version, name, err)
		}
		if l.newest.LessThan(v) {
			return fmt.Errorf("has %s %s, newer than the newest %s", name, version, l.Newest)
		}
	}
	for impl, version := range r.EmbeddedRoots {
		if impl != Legacy && impl != V2 {
			return fmt.Errorf("embedded root of %q: no such implementation", impl)
		}
		if _, ok := m.publicRootVersion(version); !ok {
			return fmt.Errorf("embedded root %d is not listed", version)
		}
		library := map[Implementation]string{Legacy: Sigstore, V2: SigstoreGo}[impl]
		if known, ok := m.libraryRoot(library, r.Libraries[library]); ok && r.Client != "cosign" && known.Version != version {
			return fmt.Errorf("embedded root %d, but its %s carries root %d", version, library, known.Version)
		}
	}
	var needs string
	switch r.Client {
	case "none", "unknown":
		return nil
	case "cosign":
		needs = GoTUF
	case "sigstore", "sigstore-go":
		needs = r.Client
	default:
		return fmt.Errorf("client %q is not known", r.Client)
	}
	if r.Libraries[needs] == "" {
		return fmt.Errorf("uses the client of %s but has no %s", r.Client, needs)
	}
	return nil
}
