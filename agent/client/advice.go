// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Newer returns the known releases of cosign that are newer than version, oldest
// first and without release candidates. A version that cannot be read is older
// than all of them.
func (m *Model) Newer(version string) []Release {
	than, err := Upstream(version)
	var out []Release
	for i, v := range m.releaseOrder {
		if v.Prerelease() == "" && (err != nil || than.LessThan(v)) {
			out = append(out, m.Releases[i])
		}
	}
	return out
}

// Since returns the library that gives an implementation a capability, and the
// first version that does: ("go-tuf", "0.6.0"). Where no version of the legacy
// client's does, it is the one of the v2 client's. Both are "" where none is known.
func (m *Model) Since(i Implementation, id string) (library, version string) {
	capability, ok := m.capability(id)
	if !ok {
		return "", ""
	}
	var first *semver.Version
	impls := []Implementation{i, V2}
	if len(i.libraries()) > 0 {
		impls = impls[:1]
	}
	for _, impl := range impls {
		for _, h := range capability.Have {
			for name, r := range h.Versions {
				if name != cosign && of(name) == impl && r.from != nil && len(h.Linked) == 0 && (first == nil || r.from.LessThan(first)) {
					library, first = name, r.from
				}
			}
		}
		if first != nil {
			return library, first.String()
		}
	}
	return "", ""
}

// AdvisoriesOf returns the known advisories about a client or a library in it.
func (m *Model) AdvisoriesOf(c Client) []Advisory {
	var out []Advisory
	for _, a := range m.Advisories {
		version := c.Version
		if _, lib := m.library(a.Of); lib {
			version = c.Libraries[a.Of]
			if a.Of == GoTUF && !c.Linked.LegacyTUF {
				continue // compiled in for its key files only
			}
		} else if a.Of != c.Name {
			continue
		}
		if v, err := Upstream(version); err == nil && a.Affects(v) {
			out = append(out, a)
		}
	}
	return out
}

// Affects says whether the advisory is about that version.
func (a Advisory) Affects(v *semver.Version) bool {
	return slices.ContainsFunc(a.Affected, func(r versionRange) bool { return r.holds(v) })
}

// FixedFor says which release to install against an advisory, for a client that
// has version: one of the same major version if there is one.
func (a Advisory) FixedFor(version string) string {
	if len(a.Fixed) == 0 {
		return "no release is known to fix it"
	}
	last := strings.TrimPrefix(a.Fixed[len(a.Fixed)-1], "v")
	v, err := Upstream(version)
	if err != nil {
		return fmt.Sprintf("%s %s or newer", a.Of, last)
	}
	for _, f := range a.Fixed {
		fixed, err := semver.NewVersion(f)
		if err == nil && fixed.Major() == v.Major() && v.LessThan(fixed) {
			return fmt.Sprintf("%s %s or newer", a.Of, strings.TrimPrefix(f, "v"))
		}
	}
	return fmt.Sprintf("%s %s or newer (%s %d has no fixed release)", a.Of, last, a.Of, v.Major())
}
