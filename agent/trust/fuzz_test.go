// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// roleOf picks a role for the fuzzer.
func roleOf(n uint8) string {
	return []string{"root", "timestamp", "snapshot", "targets", "team"}[n%5]
}

func seeds(f *testing.F) {
	good := newForge().files(f)
	for i, data := range [][]byte{good.Initial, good.Timestamp, good.Snapshot, good.Targets, good.Delegated["team"]} {
		f.Add(uint8(i), data)
	}
	for _, v := range []int{1, 10, 12, 15} {
		f.Add(uint8(0), publicRoot(f, v))
	}
	f.Add(uint8(3), []byte(`{"signed":{"_type":"targets","targets":{"x":null}},"signatures":[]}`))
}

// What passes the pre-check is JSON with bounded numbers, and nothing that is read
// from it without verification can panic.
func FuzzPrecheck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		role := roleOf(n)
		err := trust.Precheck(role, data)
		peeked, peekErr := trust.Peek(role, data)
		if (err == nil) != (peekErr == nil) {
			t.Fatalf("Precheck says %v, Peek %v", err, peekErr)
		}
		if err != nil {
			var malformed *trust.MalformedError
			if !errors.As(err, &malformed) || peeked != (trust.Role{}) {
				t.Fatalf("got %v and %+v", err, peeked)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("unquoted text in %q", err)
			}
			return
		}
		if !json.Valid(data) || int64(len(data)) > trust.MaxSize(role) || peeked.Version < 1 || peeked.Version > trust.MaxVersion {
			t.Fatalf("passed: %+v", peeked)
		}
		var panicked *trust.PanicError
		if _, err := trust.FormOf(data); errors.As(err, &panicked) {
			t.Fatalf("%v\n%s", err, panicked.Stack)
		}
		if _, err := trust.TargetsFormOf(data, data); errors.As(err, &panicked) {
			t.Fatalf("%v\n%s", err, panicked.Stack)
		}
	})
}

// One file of a good set is replaced: by data as it is, or by data under a good
// signature. Verify never panics, an error means no set, and it accepts nothing that
// go-tuf's own client refuses.
func FuzzVerify(f *testing.F) {
	good := newForge().files(f)
	seeds(f)
	keys := newForge()
	signers := map[string]key{
		"root": keys.rootKey, "timestamp": keys.onlineKey, "snapshot": keys.onlineKey,
		"targets": keys.rootKey, "team": keys.delegateKey,
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		role := roleOf(n)
		var d struct {
			Signed map[string]any `json:"signed"`
		}
		if n >= 128 && json.Unmarshal(data, &d) == nil && d.Signed != nil {
			if _, err := cjson.EncodeCanonical(d.Signed); err == nil {
				data = sign(t, d.Signed, signers[role])
			}
		}
		files := good
		files.Delegated = maps.Clone(good.Delegated)
		switch role {
		case "root":
			files.Initial = data
		case "timestamp":
			files.Timestamp = data
		case "snapshot":
			files.Snapshot = data
		case "targets":
			files.Targets = data
		default:
			files.Delegated[role] = data
		}
		s, err := trust.Verify(files, now)
		var panicked *trust.PanicError
		switch {
		case errors.As(err, &panicked):
			t.Fatalf("%v\n%s", err, panicked.Stack)
		case (err == nil) != (s != nil):
			t.Fatalf("set %v, error %v", s, err)
		case err != nil:
			return
		}
		if err := updaterAccepts(t, files, s); err != nil {
			t.Fatalf("accepted, and go-tuf says %v", err)
		}
	})
}

// An escaped name is one plain file name, and can be turned back.
func FuzzEscape(f *testing.F) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "%2E", "%", "\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e := trust.Escape(name)
		if e == "" || e[0] == '.' || e != filepath.Base(e) || strings.ContainsAny(e, "/\\\x00\n") {
			t.Fatalf("Escape(%q) is %q", name, e)
		}
		if e == "%" {
			e = ""
		}
		back, err := url.PathUnescape(e)
		if err != nil || back != name {
			t.Fatalf("%q comes back as %q, %v", name, back, err)
		}
	})
}
