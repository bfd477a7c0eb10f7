// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// FormerOf are the versions of formerOf.
func FormerOf(t *testing.T, initial []byte) []int64 {
	t.Helper()
	first, err := metadata.Root().FromBytes(initial)
	if err != nil {
		t.Fatal(err)
	}
	var versions []int64
	for _, r := range formerOf(initial, first) {
		versions = append(versions, r.doc.Signed.Version)
	}
	return versions
}
