// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// required returns what the client must be replaced by to read the repository:
// the oldest known release of cosign from which on every known one can, or the
// libraries that other clients must be built with. It is "" when nothing helps
// that could be installed.
func required(m *client.Model, c client.Client, r Repository, j Judgement) string {
	if !slices.ContainsFunc(j.Reasons, ofClient) {
		return ""
	}
	if r.Refused != nil || slices.ContainsFunc(j.Reasons, func(reason Reason) bool { return reason.Rule == RuleProbe }) {
		return "" // no release is known to do better
	}
	if c.Name == cosignName {
		return oldestOf(m, c, r.releases.remembering(reading, func(candidate client.Client) bool {
			return !slices.ContainsFunc(judgeFit(m, candidate, r).Reasons, ofClient)
		}))
	}
	first := map[string]string{} // library -> version
	for _, reason := range j.Reasons {
		if !ofClient(reason) {
			continue
		}
		rule, _ := m.Rule(reason.Rule)
		impl := client.Legacy
		if uses := m.Uses(c); len(uses) > 0 && !slices.Contains(uses, client.Legacy) {
			impl = uses[0]
		}
		library, version := m.Since(impl, rule.Capability)
		if library == "" {
			return ""
		}
		if have, ok := first[library]; !ok || client.Older(have, version) {
			first[library] = version
		}
	}
	return join(first)
}

// oldestOf returns the oldest known release of cosign after this one from which on
// all known ones are good.
func oldestOf(m *client.Model, c client.Client, good func(m *client.Model, version string) bool) string {
	best := ""
	newer := m.Newer(c.Version)
	for i := len(newer) - 1; i >= 0; i-- {
		if !good(m, newer[i].Version) {
			break
		}
		best = cosignName + " " + strings.TrimPrefix(newer[i].Version, "v")
	}
	return best
}

// releases remembers which releases of cosign are good, by what they are good for.
type releases struct{ good map[question]bool }

type question struct{ of, version string }

// What a release is asked to be.
const (
	reading  = "reads the repository"
	unharmed = "has no advisory"
)

// remembering asks for each release once.
func (r *releases) remembering(of string, good func(client.Client) bool) func(*client.Model, string) bool {
	return func(m *client.Model, version string) bool {
		q := question{of, version}
		if r != nil {
			if known, ok := r.good[q]; ok {
				return known
			}
		}
		candidate, err := m.Assume(cosignName + "@" + version)
		is := err == nil && good(candidate)
		if r != nil {
			if r.good == nil {
				r.good = map[question]bool{}
			}
			r.good[q] = is
		}
		return is
	}
}

// want says what is to be installed so that a client has what is required.
func want(c client.Client, required string) string {
	own, libraries := "", []string{}
	for part := range strings.SplitSeq(required, " and ") {
		if name, _, _ := strings.Cut(part, " "); name == c.Name {
			own = part
		} else {
			libraries = append(libraries, part)
		}
	}
	with := strings.Join(libraries, " and ")
	switch {
	case with == "":
		return "install " + own + " or newer"
	case own == "":
		return fmt.Sprintf("install a release of %s that is built with %s or newer", Plain(c.Name), with)
	}
	return fmt.Sprintf("install %s or newer that is built with %s or newer", own, with)
}

// noneKnown says that no known release of a client other than cosign meets what is
// required; "" where one does, or where none is known at all.
func noneKnown(m *client.Model, c client.Client, required string) string {
	newest := ""
	for _, r := range m.OtherReleases {
		if r.Of != c.Name {
			continue
		}
		newest = r.Version
		meets := true
		for part := range strings.SplitSeq(required, " and ") {
			name, version, _ := strings.Cut(part, " ")
			have := r.Libraries[name] // what it does not have cannot be too old
			if name == c.Name {
				have = r.Version
			}
			meets = meets && (have == "" || !client.Older(have, version))
		}
		if meets {
			return ""
		}
	}
	if newest == "" {
		return ""
	}
	return fmt.Sprintf("no release of %s up to %s, the newest known as of %s, is", Plain(c.Name), Plain(newest), m.KnownAsOf)
}

// join writes "go-tuf 0.6.0 and sigstore 1.7.2".
func join(versions map[string]string) string {
	var parts []string
	for name, version := range versions {
		parts = append(parts, name+" "+version)
	}
	slices.Sort(parts)
	return strings.Join(parts, " and ")
}

// ofClient says whether another release of the client may help against a reason:
// an old or broken mirror fails every release.
func ofClient(reason Reason) bool {
	switch reason.Rule {
	case "R7", "R8", "R9", "R10":
		return false
	}
	return true
}

// replaceable says whether a newer client is the answer to a reason.
func replaceable(reason Reason) bool {
	switch reason.Rule {
	case "R4", "R5", "R7", "R8", "R9", "R10", "key-type", "unknown", RuleProbe:
		return false
	}
	return true
}

// remedy says what to do about one reason.
func remedy(c client.Client, reason Reason, required string) string {
	switch {
	case !replaceable(reason), required == "":
	case c.Name == cosignName, strings.HasPrefix(required, c.Name+" ") && !strings.Contains(required, " and "), strings.HasPrefix(reason.Rule, "R"):
		return want(c, required)
	}
	return reason.Remedy
}

// freeOfAdvisories returns what must be installed so that no known advisory is
// about the client: the oldest known release of cosign from which on none is, or
// the fixed versions of another client and of the libraries in it.
func freeOfAdvisories(m *client.Model, c client.Client, r Repository) string {
	if c.Name == cosignName {
		return oldestOf(m, c, r.releases.remembering(unharmed, func(candidate client.Client) bool { return len(m.AdvisoriesOf(candidate)) == 0 }))
	}
	fixed := map[string]string{}
	for _, a := range m.AdvisoriesOf(c) {
		if len(a.Fixed) == 0 {
			return ""
		}
		version := strings.TrimPrefix(a.Fixed[len(a.Fixed)-1], "v")
		if have, ok := fixed[a.Of]; !ok || client.Older(have, version) {
			fixed[a.Of] = version
		}
	}
	return join(fixed)
}

// advisories returns the known advisories about the client as reasons.
func advisories(m *client.Model, c client.Client) []Reason {
	var out []Reason
	for _, a := range m.AdvisoriesOf(c) {
		version, verb := c.Version, "install "
		if a.Of != c.Name {
			version, verb = c.Libraries[a.Of], "install a release of "+Plain(c.Name)+" that is built with "
		}
		id := a.ID
		if a.CVE != "" {
			id += " (" + a.CVE + ")"
		}
		fixed, severity := a.FixedFor(version), ""
		remedy := verb + fixed
		if len(a.Fixed) == 0 {
			remedy = fixed
		}
		if a.Severity != "" && a.Severity != "unknown" {
			severity = ", severity " + Plain(a.Severity)
		}
		out = append(out, Reason{
			Rule: a.ID,
			Summary: fmt.Sprintf("%s%s: %s %s: %s; fixed: %s; known as of %s",
				id, severity, a.Of, Plain(version), a.Summary, fixed, cmp.Or(a.KnownAsOf, m.KnownAsOf)),
			Remedy: remedy, advisory: true,
		})
	}
	return out
}
