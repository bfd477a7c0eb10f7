// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

// Read reads a target file as a Sigstore client does: with sigstore-go's own TUF
// client, its default options, this initial root, and its cache below cacheBase,
// which it fills or uses. It reaches the mirror over the network, so mirrorURL
// must be that of a listener.
func Read(cacheBase, mirrorURL string, initialRoot []byte, target string) ([]byte, error) {
	o := tuf.DefaultOptions().WithRoot(initialRoot).WithRepositoryBaseURL(mirrorURL).WithCachePath(cacheBase)
	c, err := tuf.New(o)
	if err != nil {
		return nil, fmt.Errorf("reading %s as sigstore-go does: %w", mirrorURL, err)
	}
	data, err := c.GetTarget(target)
	if err != nil {
		return nil, fmt.Errorf("reading %s from %s as sigstore-go does: %w", target, mirrorURL, err)
	}
	return data, nil
}
