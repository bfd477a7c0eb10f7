// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

// Functions that prove client code, as they stand in the function table, which Go
// keeps in stripped binaries too. A name ends there with NUL, and begins after
// one, so that a text that merely mentions it does not count. Debian builds with
// import paths of its own: there go-tuf is go-tuf/v0, and go-tuf/v2 was go-tuf for
// a time (measured on its cosign 2.5.0 and 3.1.1).
var (
	fnLegacyTUF = []string{
		"github.com/theupdateframework/go-tuf/client.(*Client).Update",
		"github.com/theupdateframework/go-tuf/v0/client.(*Client).Update",
	}
	fnTUFv2 = []string{
		"github.com/theupdateframework/go-tuf/v2/metadata/updater.(*Updater).Refresh",
		"github.com/theupdateframework/go-tuf/metadata/updater.(*Updater).Refresh",
	}
	fnSigstoreTUF = []string{"github.com/sigstore/sigstore/pkg/tuf.initializeTUF"}
	fnSigstoreGo  = []string{"github.com/sigstore/sigstore-go/pkg/tuf.New"}
	fnHexVerifier = []string{
		"github.com/theupdateframework/go-tuf/pkg/keys.NewDeprecatedEcdsaVerifier",
		"github.com/theupdateframework/go-tuf/v0/pkg/keys.NewDeprecatedEcdsaVerifier",
	}
)

const fnCosignTUF = "github.com/sigstore/cosign/pkg/cosign/tuf."

// findings is what one pass over a file finds.
type findings struct {
	linked    Linked
	roots     []EmbeddedRoot
	rootsLeft bool
	commits   map[int]bool // releases whose commit stands in the file, as indices
}

// scan looks through a file once: the function table for functions, everything
// else but machine code for root documents and commits of releases. Where the
// table has no section of its own, everything is looked through for everything.
func scan(f *executable.File, m *Model) (findings, error) {
	out := findings{commits: map[int]bool{}}
	roots := rootFinder{f: f, seen: map[string]bool{}}
	table := f.Functions()
	ownTable := !table.Empty()
	if ownTable {
		err := f.Chunks(table, func(chunk []byte, _ int64) bool {
			scanFunctions(chunk, &out.linked)
			return true
		})
		if err != nil || !out.linked.Any() {
			return out, err
		}
	}
	for _, s := range f.Text() {
		err := f.Chunks(s, func(chunk []byte, at int64) bool {
			if !ownTable {
				scanFunctions(chunk, &out.linked)
			}
			roots.scan(chunk, at)
			m.scanCommits(chunk, out.commits)
			return true
		})
		if err != nil {
			return out, err
		}
	}
	out.roots, out.rootsLeft = roots.found, roots.left
	sortRoots(out.roots)
	return out, nil
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
		if at == len(chunk) {
			return // the next chunk begins before it
		}
		if chunk[from-1] != 0 || chunk[at] != 's' && chunk[at] != 't' {
			continue
		}
		end := bytes.IndexByte(chunk[from:min(len(chunk), from+executable.Overlap)], 0)
		if end < 0 {
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

// is says whether a function is one of those named, or a closure inside it.
func is(name []byte, wanted []string) bool {
	for _, want := range wanted {
		if len(name) >= len(want) && string(name[:len(want)]) == want && (len(name) == len(want) || name[len(want)] == '.') {
			return true
		}
	}
	return false
}

// scanCommits looks for commits of known releases in the text of a file: the
// official builds carry theirs even when stripped (measured).
func (m *Model) scanCommits(chunk []byte, found map[int]bool) {
	const length = 40
	// A commit of 40 digits covers one of every 40 places.
	for i := length - 1; i < len(chunk); i += length {
		if !hexDigit(chunk[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && i-from < length-1 && hexDigit(chunk[from-1]) {
			from--
		}
		for to < len(chunk) && to-i < length && hexDigit(chunk[to]) {
			to++
		}
		for ; from+length <= to; from++ {
			if r, ok := m.byCommit[string(chunk[from:from+length])]; ok {
				found[r] = true
			}
		}
	}
}

func hexDigit(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' }
