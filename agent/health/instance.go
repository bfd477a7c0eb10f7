// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// The instances that embedded roots are known to be of.
const (
	InstancePublic     = "public"
	InstanceStaging    = "staging"
	InstanceConfigured = "configured" // of a mirror that is neither
)

// instances are the embedded roots of a client with the instance that each is of.
func instances(m *client.Model, c client.Client, repos []Repository) []client.EmbeddedRoot {
	roots := slices.Clone(c.EmbeddedRoots)
	for i, e := range roots {
		roots[i].Instance = instance(m, e, repos)
	}
	return roots
}

// instance knows the public roots by what they say. A root that the table does not
// have is known by the keys of timestamp and snapshot: those who sign roots may be the
// same for two instances, but a service's own keys are not.
func instance(m *client.Model, e client.EmbeddedRoot, repos []Repository) string {
	if _, ok := publicRoot(m, e); ok {
		return InstancePublic
	}
	form, err := trust.FormOf(e.Raw)
	if err == nil {
		for _, built := range []struct{ initial, instance string }{{trust.Sigstore, InstancePublic}, {trust.Sigstage, InstanceStaging}} {
			data, err := trust.Initial(built.initial)
			if err != nil {
				continue
			}
			if its, err := trust.FormOf(data); err == nil && its.OnlineKeys == form.OnlineKeys {
				return built.instance
			}
		}
	}
	for _, r := range repos {
		if slices.ContainsFunc(r.Requirements.Roots, func(root trust.RootForm) bool {
			return root.Version == e.Version && e.Is(root.SHA256, root.SignedSHA256)
		}) {
			return InstanceConfigured
		}
	}
	return ""
}
