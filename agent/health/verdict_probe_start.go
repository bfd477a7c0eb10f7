// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// EmbeddedStart returns the root that a client starts from against r in a home
// without a cache, where that is one of its own: its bytes, and what to call it.
// Otherwise ok is false, and it starts from the root it is given.
func EmbeddedStart(m *client.Model, c client.Client, r Repository) (words string, root client.EmbeddedRoot, ok bool) {
	if r.Preview {
		return "", root, false // nobody starts there by itself
	}
	for _, impl := range m.Uses(c) {
		s, found := embeddedStart(m, c, impl, r)
		if !found {
			continue
		}
		for _, e := range c.EmbeddedRoots {
			if e.Version == s.version && len(e.Raw) > 0 && ofRepository(m, e, r) {
				return fmt.Sprintf("embedded root %d", e.Version), e, true
			}
		}
	}
	return "", root, false
}
