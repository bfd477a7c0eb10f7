// SPDX-License-Identifier: Apache-2.0

package health

import (
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
	if c.Name == cosignName {
		return requiredRelease(m, c, r)
	}
	first := map[string]string{} // library -> version
	for _, reason := range j.Reasons {
		if !ofClient(reason) {
			continue
		}
		rule, _ := m.Rule(reason.Rule)
		impl := client.Legacy
		if !slices.Contains(m.Uses(c), client.Legacy) {
			impl = client.V2
		}
		library, version := m.Since(impl, rule.Capability)
		if library == "" {
			return ""
		}
		if have, ok := first[library]; !ok || client.Older(have, version) {
			first[library] = version
		}
	}
	var parts []string
	for library, version := range first {
		parts = append(parts, library+" "+version)
	}
	slices.Sort(parts)
	return strings.Join(parts, " and ")
}

func requiredRelease(m *client.Model, c client.Client, r Repository) string {
	best := ""
	newer := m.Newer(c.Version)
	for i := len(newer) - 1; i >= 0; i-- {
		candidate, err := m.Assume(cosignName + "@" + newer[i].Version)
		if err != nil || slices.ContainsFunc(judgeFit(m, candidate, r).Reasons, ofClient) {
			break
		}
		best = newer[i].Version
	}
	if best == "" {
		return ""
	}
	return cosignName + " " + strings.TrimPrefix(best, "v")
}

// ofClient says whether another release of the client may help against a reason:
// an old or broken mirror fails every release.
func ofClient(reason Reason) bool {
	switch reason.Rule {
	case "R7", "R8", "R9":
		return false
	}
	return true
}

// remedy says what to do about one reason.
func remedy(c client.Client, reason Reason, required string) string {
	switch reason.Rule {
	case "R1", "R2", "R3", "R6", "R12", "R17", "R18", "R19":
		if required == "" {
			break
		}
		if c.Name == cosignName {
			return "install " + required + " or newer"
		}
		return fmt.Sprintf("install a release of %s that is built with %s or newer", Plain(c.Name), required)
	}
	return reason.Remedy
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
		out = append(out, Reason{
			Rule:    a.ID,
			Summary: fmt.Sprintf("%s: %s %s: %s", id, a.Of, Plain(version), a.Summary),
			Remedy:  verb + a.FixedFor(version),
		})
	}
	return out
}
