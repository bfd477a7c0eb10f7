// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// published reads the day on which something was published: not after the day
// the table is known as of, and not before what was published before it.
func published(text, before string, asOf time.Time) (time.Time, error) {
	at, err := day(text)
	switch {
	case err != nil:
		return at, err
	case at.After(asOf):
		return at, fmt.Errorf("of %s, after the day the table is known as of", text)
	case before != "" && text < before: // days sort as text
		return at, fmt.Errorf("of %s, before the one before it (%s)", text, before)
	}
	return at, nil
}

// checkRootDates holds the days of a root against its own expiry and the root before it.
func (m *Model) checkRootDates(i int, asOf time.Time) error {
	r, before := m.Roots[i], ""
	if i > 0 {
		before = m.Roots[i-1].Published
		if r.Version != m.Roots[i-1].Version+1 {
			return fmt.Errorf("root %d follows root %d", r.Version, m.Roots[i-1].Version)
		}
	}
	at, err := published(r.Published, before, asOf)
	if err != nil {
		return fmt.Errorf("root %d: %w", r.Version, err)
	}
	if !r.Expires.After(at) {
		return fmt.Errorf("root %d: expired before it was published", r.Version)
	}
	if sum, err := hex.DecodeString(r.SignedSHA256); err != nil || len(sum) != 32 && r.SignedSHA256 != "" {
		return fmt.Errorf("root %d: signed_sha256 %q is not one", r.Version, r.SignedSHA256)
	}
	for _, o := range m.Roots[:i] {
		if strings.EqualFold(o.SHA256, r.SHA256) || r.SignedSHA256 != "" && strings.EqualFold(o.SignedSHA256, r.SignedSHA256) {
			return fmt.Errorf("roots %d and %d have one digest", o.Version, r.Version)
		}
	}
	if r.Encoding != "pem" && r.Encoding != "hex" {
		return fmt.Errorf("root %d: encoding %q is neither pem nor hex", r.Version, r.Encoding)
	}
	return nil
}

func (m *Model) checkTargets(asOf time.Time) error {
	for i, t := range m.Targets {
		before, newest := "", int64(0)
		if i > 0 {
			before, newest = m.Targets[i-1].Published, m.Targets[i-1].Root
			if t.Version <= m.Targets[i-1].Version {
				return fmt.Errorf("targets %d do not come after the ones before them", t.Version)
			}
		}
		if _, err := published(t.Published, before, asOf); err != nil {
			return fmt.Errorf("targets %d: %w", t.Version, err)
		}
		root, ok := m.publicRootVersion(t.Root)
		switch {
		case !ok:
			return fmt.Errorf("targets %d: root %d is not listed", t.Version, t.Root)
		case t.Root < newest:
			return fmt.Errorf("targets %d: published under root %d, older than that of the ones before them", t.Version, t.Root)
		case t.Published < root.Published:
			return fmt.Errorf("targets %d: of %s, before root %d (%s)", t.Version, t.Published, t.Root, root.Published)
		case len(t.Hashes) == 0:
			return fmt.Errorf("targets %d name no hash", t.Version)
		}
		if err := evidence(t.Evidence); err != nil {
			return fmt.Errorf("targets %d: %w", t.Version, err)
		}
	}
	return nil
}

// checkNewest refuses a range that begins after every version that was looked at.
func (m *Model) checkNewest(name string, r versionRange) error {
	if l, ok := m.library(name); ok && l.newest != nil && r.from != nil && l.newest.LessThan(r.from) {
		return fmt.Errorf("%s %s begins after %s, the newest that was looked at", name, r.text, l.Newest)
	}
	return nil
}

// checkReleaseOrder refuses releases of one client that are out of order, or of
// which a later one of the same minor version is of an earlier day.
func checkReleaseOrder(v *semver.Version, r Release, before *semver.Version, b Release) error {
	switch {
	case before == nil || b.Of != r.Of:
		return nil
	case v.Equal(before):
		return fmt.Errorf("release %q is listed twice", r.Version)
	case v.LessThan(before):
		return fmt.Errorf("release %q does not come after %q", r.Version, b.Version)
	case v.Major() == before.Major() && v.Minor() == before.Minor() && r.Date < b.Date:
		return fmt.Errorf("release %q of %s is older than %q of %s", r.Version, r.Date, b.Version, b.Date)
	}
	return nil
}

// checkOthers holds the releases of other clients against the table.
func (m *Model) checkOthers(asOf time.Time) error {
	m.otherOrder = make([]*semver.Version, len(m.OtherReleases))
	ended := map[string]bool{}
	for i, r := range m.OtherReleases {
		v, err := Upstream(r.Version)
		if err != nil {
			return fmt.Errorf("release %q of %q: %w", r.Version, r.Of, err)
		}
		if r.Of == "" || r.Of == cosign {
			return fmt.Errorf("release %q of %q: those of cosign are listed by themselves", r.Version, r.Of)
		}
		if i > 0 {
			b := m.OtherReleases[i-1]
			if b.Of != r.Of {
				ended[b.Of] = true
			}
			if ended[r.Of] {
				return fmt.Errorf("releases of %q are listed in two places", r.Of)
			}
			if err := checkReleaseOrder(v, r, m.otherOrder[i-1], b); err != nil {
				return fmt.Errorf("%s: %w", r.Of, err)
			}
		}
		m.otherOrder[i] = v
		if err := m.checkRelease(r, asOf); err != nil {
			return fmt.Errorf("release %q of %q: %w", r.Version, r.Of, err)
		}
	}
	return nil
}

func (m *Model) checkAdvisories(asOf time.Time) error {
	seen := map[string]bool{}
	for _, a := range m.Advisories {
		if a.ID == "" || seen[a.ID] {
			return fmt.Errorf("advisory %q has no id or is listed twice", a.ID)
		}
		seen[a.ID] = true
		if err := evidence(a.Evidence); err != nil {
			return fmt.Errorf("advisory %s: %w", a.ID, err)
		}
		_, lib := m.library(a.Of)
		if !lib && !slices.ContainsFunc(m.Clients, func(c KnownClient) bool { return c.Name == a.Of }) {
			return fmt.Errorf("advisory %s: %q is neither a library nor a client", a.ID, a.Of)
		}
		if a.CVE != "" && seen[a.CVE] {
			return fmt.Errorf("advisory %s: %s is listed twice", a.ID, a.CVE)
		}
		seen[a.CVE] = true
		if err := m.checkAdvisory(a, asOf); err != nil {
			return fmt.Errorf("advisory %s: %w", a.ID, err)
		}
	}
	return nil
}

// checkAdvisory holds the versions that an advisory affects against those that fix it.
func (m *Model) checkAdvisory(a Advisory, asOf time.Time) error {
	if !slices.Contains([]string{"low", "moderate", "high", "critical", "unknown"}, a.Severity) {
		return fmt.Errorf("severity %q is not one", a.Severity)
	}
	if _, err := published(a.KnownAsOf, "", asOf); err != nil {
		return fmt.Errorf("known_as_of: %w", err)
	}
	if len(a.Affected) == 0 {
		return errors.New("affects nothing")
	}
	for _, f := range a.Fixed {
		if v, err := semver.NewVersion(f); err == nil && a.Affects(v) {
			return fmt.Errorf("%s is fixed and affected", f)
		}
	}
	for i, r := range a.Affected {
		if slices.ContainsFunc(a.Affected[:i], r.overlaps) {
			return fmt.Errorf("%s is affected twice", r.text)
		}
		if r.to == nil {
			continue // not fixed
		}
		if !slices.ContainsFunc(a.Fixed, func(f string) bool { v, err := semver.NewVersion(f); return err == nil && v.Equal(r.to) }) {
			return fmt.Errorf("%s is affected, but nothing is fixed in %s", r.text, r.to.Original())
		}
	}
	var last *semver.Version
	for _, f := range a.Fixed {
		v, err := semver.NewVersion(f)
		switch {
		case err != nil:
			return fmt.Errorf("fixed version %q: %w", f, err)
		case last != nil && !last.LessThan(v):
			return fmt.Errorf("fixed version %s does not come after the one before it", f)
		case !slices.ContainsFunc(a.Affected, func(r versionRange) bool { return r.to != nil && r.to.Equal(v) }):
			return fmt.Errorf("%s is fixed, but nothing up to it is affected", f)
		}
		last = v
	}
	return nil
}
