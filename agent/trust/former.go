// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"embed"
	"fmt"
)

// formerRoots are the public roots before the initial one that is built in, as
// they were published: sigstore/N.root.json, without a gap from 1.
//
//go:embed sigstore/*.root.json
var formerRoots embed.FS

// Former returns the roots of Sigstore's public instance before the initial root,
// ascending from version 1, when initial is the one that is built in or one of
// them; otherwise none. They are not verified and trusted for nothing: a client
// that embeds an old root walks through them.
func Former(initial []byte) [][]byte {
	var former [][]byte
	for v := 1; ; v++ {
		data, err := formerRoots.ReadFile(fmt.Sprintf("sigstore/%d.root.json", v))
		if err != nil { // the end of what is built in
			break
		}
		if same(data, initial) {
			return former
		}
		former = append(former, data)
	}
	built, err := Initial(Sigstore)
	if err != nil || !same(built, initial) {
		return nil
	}
	if r, err := Peek(Root, built); err != nil || r.Version != int64(len(former))+1 {
		return nil // a gap would look like a fault of the client
	}
	return former
}

// same compares what documents say, however they are written.
func same(a, b []byte) bool {
	if bytes.Equal(bytes.TrimSpace(a), bytes.TrimSpace(b)) {
		return true
	}
	says := SignedDigest(a)
	return says != "" && says == SignedDigest(b)
}
