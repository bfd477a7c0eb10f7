// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/executable"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const (
	// maxRoot bounds one root document, as TUF clients do.
	maxRoot = 512_000
	// maxRoots bounds the root documents kept of one binary; those known hold up to five.
	maxRoots = 16
	// maxRootBytes bounds what is kept of one binary's roots in all; real ones have a tenth of it.
	maxRootBytes = 512_000
	// maxRootTries bounds the places that are tried for one, so that a file made
	// of beginnings of roots costs no more than a few megabytes of parsing.
	maxRootTries = 48
	// maxRootStarts bounds the beginnings tried for one place.
	maxRootStarts = 4
)

// Is says whether the embedded root is the one with these digests, of its document
// and of what is signed in it: what it says decides, however it is written. Where
// that is not known it is its bytes, with or without a newline at their end.
func (r EmbeddedRoot) Is(sum, signed string) bool {
	if signed != "" && strings.EqualFold(signed, r.SignedSHA256) {
		return true
	}
	if sum == "" {
		return false
	}
	return strings.EqualFold(sum, r.SHA256) || len(r.Raw) > 0 && strings.EqualFold(sum, hexSum(append(slices.Clip(r.Raw), '\n')))
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// rootFinder finds root documents in the clear text of a file.
type rootFinder struct {
	f     *executable.File
	done  int64 // documents before this offset are known already
	tries int
	bytes int // of the documents found
	seen  map[string]bool
	found []EmbeddedRoot
	left  bool // there were more places than are tried, or more roots than are kept
}

var (
	typeKey   = []byte(`"_type"`)
	rootKey   = []byte(`"sign`)
	rootStart = regexp.MustCompile(`^\{[ \t\r\n]{0,64}"(?:signed|signatures)"[ \t\r\n]{0,32}:`)
)

func (r *rootFinder) scan(chunk []byte, at int64) {
	for i := 0; ; i++ {
		j := bytes.Index(chunk[i:], typeKey)
		if j < 0 {
			return
		}
		i += j
		if at+int64(i) < r.done || !isRootType(chunk[i+len(typeKey):]) {
			continue
		}
		if r.tries++; r.tries > maxRootTries || len(r.found) == maxRoots {
			r.left = true
			return
		}
		r.try(at + int64(i))
	}
}

// isRootType says whether the value of a key is "root".
func isRootType(text []byte) bool {
	text, ok := bytes.CutPrefix(jsonSpace(text), []byte(":"))
	return ok && bytes.HasPrefix(jsonSpace(text), []byte(`"root"`))
}

// jsonSpace skips a little of white space.
func jsonSpace(text []byte) []byte {
	for n := 0; n < 32 && len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r'); n++ {
		text = text[1:]
	}
	return text
}

// try looks for the document around an offset: the nearest beginning before it
// from which a whole root document reads that reaches beyond it.
func (r *rootFinder) try(at int64) {
	from := max(0, at-maxRoot)
	window := make([]byte, min(r.f.Size(), at+maxRoot)-from)
	n, _ := r.f.ReadAt(window, from) // what cannot be read cannot be a root
	window = window[:n]
	end := int(min(int64(n), at-from))
	for range maxRootStarts {
		begin := lastStart(window[:end])
		if begin < 0 {
			return
		}
		end = begin
		d := json.NewDecoder(bytes.NewReader(window[begin:]))
		var raw json.RawMessage
		if d.Decode(&raw) != nil || from+int64(begin)+int64(len(raw)) <= at || len(raw) > maxRoot {
			continue
		}
		root, ok := decodeRoot(raw)
		if !ok {
			continue
		}
		r.done = from + int64(begin) + int64(len(raw))
		if says := cmp.Or(root.SignedSHA256, root.SHA256); !r.seen[says] {
			r.seen[says] = true
			if r.bytes += len(raw); r.bytes > maxRootBytes {
				r.left = true
				return
			}
			r.found = append(r.found, root)
		}
		return
	}
}

// lastStart is where the last beginning of a root document is, or -1.
func lastStart(text []byte) int {
	for end := len(text); ; {
		key := bytes.LastIndex(text[:end], rootKey)
		if key < 0 {
			return -1
		}
		if brace := bytes.LastIndexByte(text[max(0, key-65):key], '{'); brace >= 0 {
			if begin := max(0, key-65) + brace; rootStart.Match(text[begin:]) {
				return begin
			}
		}
		end = key
	}
}

// decodeRoot reads the little that is needed of a root document. It trusts
// nothing: a document says what a client would start from, not what is true.
func decodeRoot(raw []byte) (EmbeddedRoot, bool) {
	var doc struct {
		Signed struct {
			Type    string                     `json:"_type"`
			Version json.Number                `json:"version"`
			Expires string                     `json:"expires"`
			Keys    map[string]json.RawMessage `json:"keys"`
			Roles   map[string]json.RawMessage `json:"roles"`
		} `json:"signed"`
		Signatures []json.RawMessage `json:"signatures"`
	}
	if json.Unmarshal(raw, &doc) != nil || doc.Signed.Type != "root" ||
		len(doc.Signed.Keys) == 0 || len(doc.Signed.Roles) == 0 || doc.Signatures == nil {
		return EmbeddedRoot{}, false
	}
	version, err := doc.Signed.Version.Int64()
	if err != nil || version < 1 || version > 1<<31-1 {
		return EmbeddedRoot{}, false
	}
	expires, err := time.Parse(time.RFC3339, doc.Signed.Expires)
	if err != nil {
		return EmbeddedRoot{}, false
	}
	raw = bytes.Clone(raw)
	return EmbeddedRoot{Version: version, Expires: expires.UTC(), SHA256: hexSum(raw), SignedSHA256: trust.SignedDigest(raw), Raw: raw}, true
}

// sortRoots puts the oldest first.
func sortRoots(roots []EmbeddedRoot) {
	slices.SortStableFunc(roots, func(a, b EmbeddedRoot) int {
		if a.Version != b.Version {
			return int(a.Version - b.Version)
		}
		return strings.Compare(a.SHA256, b.SHA256)
	})
}
