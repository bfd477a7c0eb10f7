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
	given, err := Peek(Root, initial)
	if err != nil {
		return nil
	}
	var former [][]byte
	for v := int64(1); ; v++ {
		data, err := formerRoots.ReadFile(fmt.Sprintf("sigstore/%d.root.json", v))
		if err != nil { // the end of what is built in
			break
		}
		if v == given.Version && same(data, initial) {
			return former
		}
		former = append(former, data)
	}
	built, err := Initial(Sigstore)
	// A gap would look like a fault of the client.
	if err != nil || given.Version != int64(len(former))+1 || !same(built, initial) {
		return nil
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
