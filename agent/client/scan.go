// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"errors"
	"io"
)

// chunkSize is how much of a file is in memory at a time while it is scanned.
const chunkSize = 1 << 20

// The names of functions that prove client code, as they stand in the function
// table, which Go keeps in stripped binaries too. A name ends there with NUL, and
// begins after one, so that a text that merely mentions it does not count.

const (
	fnLegacyTUF   = "github.com/theupdateframework/go-tuf/client.(*Client).Update"
	fnTUFv2       = "github.com/theupdateframework/go-tuf/v2/metadata/updater.(*Updater).Refresh"
	fnSigstoreTUF = "github.com/sigstore/sigstore/pkg/tuf.initializeTUF"
	fnSigstoreGo  = "github.com/sigstore/sigstore-go/pkg/tuf.New"
	fnCosignTUF   = "github.com/sigstore/cosign/pkg/cosign/tuf."
	fnHexVerifier = "github.com/theupdateframework/go-tuf/pkg/keys.NewDeprecatedEcdsaVerifier"
)

// findings is what one pass over a file finds.
type findings struct {
	linked    Linked
	roots     []EmbeddedRoot
	rootsLeft bool
}

// overlap is how much of a chunk is looked at again with the next one, so that
// nothing is missed on the border: longer than any pattern.
const overlap = 256

// scan looks through a file once, a chunk at a time.
func scan(f io.ReaderAt, size int64) (findings, error) {
	var out findings
	roots := rootFinder{f: f, size: size, seen: map[string]bool{}}
	err := chunks(f, size, func(chunk []byte, at int64) {
		scanFunctions(chunk, &out.linked)
		roots.scan(chunk, at)
	})
	out.roots, out.rootsLeft = roots.found, roots.left
	sortRoots(out.roots)
	return out, err
}

// chunks calls see with every part of a file; consecutive ones overlap.
func chunks(f io.ReaderAt, size int64, see func(chunk []byte, at int64)) error {
	buf := make([]byte, min(size, chunkSize+overlap))
	for at := int64(0); at < size; at += chunkSize {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if n > 0 {
			see(buf[:n], at)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return nil
		}
	}
	return nil
}

// functionPrefix begins every name that is looked for.
var functionPrefix = []byte("github.com/")

func scanFunctions(chunk []byte, l *Linked) {
	for at := 1; at < len(chunk); {
		// Not with the NUL before it: in a run of zeros that would be slow.
		i := bytes.Index(chunk[at:], functionPrefix)
		if i < 0 {
			return
		}
		from := at + i
		at = from + len(functionPrefix)
		end := bytes.IndexByte(chunk[from:min(len(chunk), from+overlap)], 0)
		if chunk[from-1] != 0 || end < 0 {
			continue
		}
		switch name := chunk[from : from+end]; {
		case is(name, fnLegacyTUF):
			l.LegacyTUF = true
		case is(name, fnTUFv2):
			l.TUFv2 = true
		case is(name, fnSigstoreTUF):
			l.SigstoreTUF = true
		case is(name, fnSigstoreGo):
			l.SigstoreGo = true
		case is(name, fnHexVerifier):
			l.HexVerifier = true
		case bytes.HasPrefix(name, []byte(fnCosignTUF)):
			l.CosignTUF = true
		}
	}
}

// is says whether a function is the named one, or a closure inside it.
func is(name []byte, want string) bool {
	rest, ok := bytes.CutPrefix(name, []byte(want))
	return ok && (len(rest) == 0 || rest[0] == '.')
}
