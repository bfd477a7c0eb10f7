// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

// Names of the initial roots that are built in.
const (
	Sigstore = "sigstore" // the public instance
	Sigstage = "sigstage" // its staging
)

// Initial returns the built-in initial root called name, the newest that
// sigstore-go carries. It may have expired: that is judged of the last root only.
func Initial(name string) ([]byte, error) {
	switch name {
	case Sigstore:
		return tuf.DefaultRoot(), nil
	case Sigstage:
		return tuf.StagingRoot(), nil
	}
	return nil, fmt.Errorf("no initial root called %s is built in: there are %q and %q", quote(name), Sigstore, Sigstage)
}
