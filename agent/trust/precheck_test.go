// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestPrecheckRefuses(t *testing.T) {
	f := newForge()
	text := func(d doc, k key) string { return string(sign(t, d, k)) }
	timestamp, targets, root := text(f.timestamp, f.onlineKey), text(f.targets, f.rootKey), text(f.root, f.rootKey)
	swap := func(in, old, new string) string {
		t.Helper()
		if !strings.Contains(in, old) {
			t.Fatalf("%s does not occur in %s", old, in)
		}
		return strings.Replace(in, old, new, 1)
	}
	manySignatures := clone(t, doc{"signed": f.timestamp})
	sigs := []any{}
	for i := range 1025 {
		sigs = append(sigs, doc{"keyid": fmt.Sprint(i), "sig": ""})
	}
	manySignatures["signatures"] = sigs
	many, _ := json.Marshal(manySignatures)

	tests := []struct {
		name, role, data, want string
	}{
		{"nothing", "timestamp", "", "cut off"},
		{"zeroes", "timestamp", "\x00\x00\x00\x00", "not JSON"},
		{"null", "timestamp", "null", "metadata: is missing or null"},
		{"a web page", "timestamp", "<html>", "not JSON"},
		{"a byte order mark", "timestamp", "\ufeff" + timestamp, "not JSON"},
		{"bytes that are not UTF-8", "timestamp", swap(timestamp, "1.0.31", "1.0.\xff"), "not UTF-8"},
		{"a lone surrogate", "timestamp", swap(timestamp, "1.0.31", `1.0.\ud800`), "not well-formed"},
		{"a cut file", "timestamp", timestamp[:len(timestamp)-1], "cut off"},
		{"bytes after the end", "timestamp", timestamp + "{}", "bytes after the end"},
		{"a zero after the end", "timestamp", timestamp + "\x00", "bytes after the end"},
		{"two values of signed", "timestamp", swap(timestamp, `"signed":`, `"signed":{},"signed":`), "given twice"},
		{"a member name given twice by an escape", "timestamp", swap(timestamp, `"version":1`, `"version":1,"v\u0065rsion":1`), "given twice"},
		{"a known member in another case", "timestamp", swap(timestamp, `"spec_version"`, `"Spec_Version"`), "only in case"},
		{"a known member in another case beside the right one", "timestamp", swap(timestamp, `"spec_version":`, `"VERSION":9,"spec_version":`), "only in case"},
		{"a known member folded by a long s", "timestamp", swap(timestamp, `"spec_version":`, `"verſion":9,"spec_version":`), "only in case"},
		{"unknown members that differ only in case", "timestamp", swap(timestamp, `"spec_version":`, `"x-a":1,"X-A":2,"spec_version":`), "only in case"},
		{"an unknown null", "timestamp", swap(timestamp, `"spec_version":`, `"x-a":{"b":[null]},"spec_version":`), "null"},
		{"an unknown null beside signed", "timestamp", swap(timestamp, `"signed":`, `"x-a":null,"signed":`), "null"},
		{"a null target", "targets", swap(targets, `"a.txt":{`, `"x":null,"a.txt":{`), "null"},
		{"nesting a hundred deep", "timestamp", swap(timestamp, `"spec_version":`, `"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`,"spec_version":`), "deeper"},
		{"nesting a million deep", "targets", strings.Repeat("[", 1_000_000), "deeper"},
		{"a fraction", "timestamp", swap(timestamp, `"spec_version":`, `"x":1.5,"spec_version":`), "plain integer"},
		{"a version with a point", "timestamp", swap(timestamp, `"version":1}`, `"version":1.0}`), "plain integer"},
		{"an exponent", "timestamp", swap(timestamp, `"version":1}`, `"version":1e2}`), "plain integer"},
		{"a huge exponent", "timestamp", swap(timestamp, `"version":1}`, `"version":1e400}`), "plain integer"},
		{"a leading zero", "timestamp", swap(timestamp, `"version":1}`, `"version":01}`), "not JSON"},
		{"minus zero", "timestamp", swap(timestamp, `"spec_version":`, `"x":-0,"spec_version":`), "plain integer"},
		{"an integer beyond 2^53", "timestamp", swap(timestamp, `"spec_version":`, `"x":9007199254740993,"spec_version":`), "plain integer"},
		{"an integer beyond 2^64", "timestamp", swap(timestamp, `"spec_version":`, `"x":99999999999999999999,"spec_version":`), "plain integer"},
		{"an integer below -2^53", "timestamp", swap(timestamp, `"spec_version":`, `"x":-9007199254740993,"spec_version":`), "plain integer"},
		{"an unknown null in a signature", "timestamp", swap(timestamp, `"keyid":`, `"x":null,"keyid":`), "null"},
		{"signatures that are no array", "timestamp", `{"signatures":{},"signed":{}}`, "want an array"},
		{"a key id that is no string", "timestamp", swap(timestamp, `"keyid":"online-key"`, `"keyid":7`), "want a string"},
		{"a consistent_snapshot in quotes", "root", swap(root, `"consistent_snapshot":true`, `"consistent_snapshot":"true"`), "want true or false"},
		{"a role of 257 keys", "root", swap(root, `"keyids":[`, `"keyids":[`+strings.Repeat(`"root-key",`, 256)), "has 257 entries"},
		{"version 0", "timestamp", swap(timestamp, `"version":1}`, `"version":0}`), "want 1 to"},
		{"a negative version", "timestamp", swap(timestamp, `"version":1}`, `"version":-1}`), "want 1 to"},
		{"version 2^31", "timestamp", swap(timestamp, `"version":1}`, `"version":2147483648}`), "want 1 to"},
		{"a version in quotes", "timestamp", swap(timestamp, `"version":1}`, `"version":"1"}`), "want an integer"},
		{"another role's metadata", "timestamp", text(f.snapshot, f.onlineKey), "signed._type"},
		{"targets in place of a root", "root", targets, "signed._type"},
		{"a specification of the future", "timestamp", swap(timestamp, "1.0.31", "2.0.0"), "want 1.x"},
		{"a specification that only begins like ours", "timestamp", swap(timestamp, "1.0.31", "10.0"), "want 1.x"},
		{"an expiry that is no time", "timestamp", swap(timestamp, "2027-11-22T12:00:00Z", "tomorrow"), "RFC 3339"},
		{"an expiry without a zone", "timestamp", swap(timestamp, "2027-11-22T12:00:00Z", "2027-11-22T12:00:00"), "RFC 3339"},
		{"two signatures of one key", "timestamp", swap(timestamp, `"signatures":[`, `"signatures":[{"keyid":"online-key","sig":""},`), "two signatures"},
		{"a signature that is not hexadecimal", "timestamp", swap(timestamp, `"signatures":[`, `"signatures":[{"keyid":"x","sig":"xyz"},`), "not hexadecimal"},
		{"a thousand signatures", "targets", string(many), "more than"},
		{"a timestamp of 20 KB", "timestamp", swap(timestamp, `"spec_version":`, `"x":"`+strings.Repeat("x", 20_000)+`","spec_version":`), "bytes, more than"},
		{"an Ed25519 key of 31 bytes", "root", swap(root, hex.EncodeToString([]byte(newKey("root").priv[32:])), strings.Repeat("ab", 31)), "Ed25519 key of 31 bytes"},
		{"threshold 0", "root", swap(root, `"threshold":1`, `"threshold":0`), "want 1 to"},
		{"a negative threshold", "root", swap(root, `"threshold":1`, `"threshold":-1`), "want 1 to"},
		{"threshold 2^31", "root", swap(root, `"threshold":1`, `"threshold":2147483648`), "want 1 to"},
		{"a root without a snapshot role", "root", swap(root, `"snapshot":{`, `"mirrors":{`), `does not name "snapshot"`},
		{"a timestamp that lists no snapshot", "timestamp", swap(timestamp, "snapshot.json", "other.json"), "does not name"},
		{"a negative length", "targets", swap(targets, `"length":2`, `"length":-2`), "want 0 to"},
		{"a target without hashes", "targets", swap(targets, `"hashes":{`, `"hashes":{},"x":{`), "is empty"},
		{"succinct roles", "targets", swap(targets, `"delegations":{`, `"delegations":{"succinct_roles":{},`), "not supported"},
		{"delegation by hash prefixes", "targets", swap(targets, `"paths":["dir/*"]`, `"path_hash_prefixes":["00"]`), "not supported"},
		{"a delegated role without a name", "targets", swap(targets, `"name":"team"`, `"name":""`), "is empty"},
		{"a delegated role called timestamp", "targets", swap(targets, `"name":"team"`, `"name":"timestamp"`), "top-level role"},
		{"a delegated role with a very long name", "targets", swap(targets, `"name":"team"`, `"name":"`+strings.Repeat("x", 81)+`"`), "longer than"},
		{"one delegator naming a role twice", "targets", swap(targets, `"roles":[`, `"roles":[{"name":"team","keyids":[],"threshold":1,"terminating":true,"paths":[]},`), "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := trust.Precheck(tt.role, []byte(tt.data))
			var malformed *trust.MalformedError
			if !errors.As(err, &malformed) {
				t.Fatalf("got %v, want a MalformedError", err)
			}
			if malformed.Role != tt.role || !strings.Contains(malformed.Reason, tt.want) {
				t.Errorf("got %+v, want a reason with %q", malformed, tt.want)
			}
			if role, err := trust.Peek(tt.role, []byte(tt.data)); err == nil || role != (trust.Role{}) {
				t.Errorf("Peek reads it all the same: %+v, %v", role, err)
			}
		})
	}
}

func TestPrecheckAllows(t *testing.T) {
	tests := []struct {
		name, role string
		edit       func(f *forge)
	}{
		{"what the forge makes", "targets", func(*forge) {}},
		{"unknown members, whatever their type", "root", func(f *forge) {
			f.root["x-y"] = []any{true, "a", doc{"b": 1, "B2": -9007199254740992}}
			at(f.root, "keys", "root-key")["keyid_hash_algorithms"] = []any{"sha256", "sha512"}
		}},
		{"target paths that differ only in case", "targets", func(f *forge) {
			at(f.targets, "targets")["A.TXT"] = targetFile([]byte("A"))
		}},
		{"nulls inside custom", "targets", func(f *forge) {
			at(f.targets, "targets", "a.txt")["custom"] = doc{"sigstore": doc{"usage": nil}}
		}},
		{"fractions of a second and an offset in an expiry", "timestamp", func(f *forge) {
			f.timestamp["expires"] = "2027-12-18T13:28:12.99008-06:00"
		}},
		{"lengths and hashes of metadata", "snapshot", func(f *forge) {
			at(f.snapshot, "meta")["x.json"] = doc{"version": 1, "length": 5, "hashes": doc{"sha256": strings.Repeat("00", 32)}}
		}},
		{"a specification called 1", "timestamp", func(f *forge) { f.timestamp["spec_version"] = "1" }},
		{"keys of a kind nobody knows", "root", func(f *forge) {
			at(f.root, "keys")["x"] = doc{"keytype": "ml-dsa", "scheme": "s", "keyval": doc{"public": "?"}}
		}},
		{"the newest version there can be", "timestamp", func(f *forge) { f.timestamp["version"] = trust.MaxVersion }},
		{"an empty target path", "targets", func(f *forge) { at(f.targets, "targets")[""] = targetFile(nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newForge()
			tt.edit(f)
			d := map[string]doc{"root": f.root, "timestamp": f.timestamp, "snapshot": f.snapshot, "targets": f.targets}[tt.role]
			data := sign(t, d, f.rootKey, f.onlineKey)
			if err := trust.Precheck(tt.role, data); err != nil {
				t.Error(err)
			}
			role, err := trust.Peek(tt.role, data)
			want, _ := time.Parse(time.RFC3339, d["expires"].(string))
			if err != nil || fmt.Sprint(role.Version) != fmt.Sprint(d["version"]) || !role.Expires.Equal(want) {
				t.Errorf("Peek reads %+v, %v", role, err)
			}
			verified(t, f.files(t)) // and go-tuf takes it
		})
	}
}

func TestHostileTextIsQuotedInReasons(t *testing.T) {
	f := newForge()
	nasty := "\x1b[31m\n" + strings.Repeat("x", 5000)
	at(f.targets, "targets")[nasty] = doc{"length": -1, "hashes": doc{}}
	err := trust.Precheck("targets", sign(t, f.targets, f.rootKey))
	if err == nil {
		t.Fatal("no error")
	}
	if text := err.Error(); strings.ContainsAny(text, "\x1b\n") || len(text) > 500 {
		t.Errorf("the reason is %d bytes: %q", len(text), text)
	}
	// The same for what go-tuf says of a name.
	f = newForge()
	f.snapshot["meta"] = doc{"targets.json": doc{"version": 1}}
	odd := "\x1b[31m\n"
	f.delegate(f.targets, odd, newKey("odd"), "", nil, "x")
	delete(at(f.snapshot, "meta"), odd+".json")
	delete(f.delegated, "team")
	if _, err = trust.Verify(f.files(t), now); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q", err)
	}
}

func TestAFullSizeRoleIsCheckedInTime(t *testing.T) {
	f := newForge()
	files := at(f.targets, "targets")
	for i := range 30_000 {
		files[fmt.Sprintf("some/directory/of/files/%d", i)] = targetFile(nil)
	}
	data := sign(t, f.targets, f.rootKey)
	if len(data) > trust.MaxTargets || len(data) < trust.MaxTargets/2 {
		t.Fatalf("%d bytes is not nearly full size", len(data))
	}
	started := time.Now()
	if err := trust.Precheck("targets", data); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("took %s", took)
	}
}

// Every place of every document is emptied, given another type, or taken away,
// before signing and after. Whatever comes of it is an error or a set that go-tuf
// agrees with, never a panic; and a null is always refused.
func TestEveryPlaceCanBeBroken(t *testing.T) {
	docs := map[string]func(*forge) (doc, key){
		"root":      func(f *forge) (doc, key) { return f.root, f.rootKey },
		"timestamp": func(f *forge) (doc, key) { return f.timestamp, f.onlineKey },
		"snapshot":  func(f *forge) (doc, key) { return f.snapshot, f.onlineKey },
		"targets":   func(f *forge) (doc, key) { return f.targets, f.rootKey },
		"team":      func(f *forge) (doc, key) { return f.delegated["team"], f.delegateKey },
	}
	put := func(files *trust.Files, role string, data []byte) {
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
	}
	replacements := map[string]any{
		"null": nil, "a number": 7, "a string": "x", "an array": []any{}, "an object": doc{}, "true": true, "nothing": gone{},
	}
	good := newForge().files(t)
	tried, accepted := 0, 0
	for role, pick := range docs {
		original, k := pick(newForge())
		original = clone(t, original)
		for _, place := range places(original) {
			for what, replacement := range replacements {
				broken := replaced(clone(t, original), place, replacement).(doc)
				for _, data := range [][]byte{
					sign(t, broken, k),
					envelope(t, broken, canonicalOf(t, original), k),
				} {
					tried++
					files := good
					files.Delegated = maps.Clone(good.Delegated)
					put(&files, role, data)
					s, err := trust.Verify(files, now)
					var panicked *trust.PanicError
					if errors.As(err, &panicked) {
						t.Errorf("%s: %v in place of %v: %v", role, what, place, err)
					}
					var malformed *trust.MalformedError
					if what == "null" && !errors.As(err, &malformed) {
						t.Errorf("%s: null in place of %v: got %v, want a MalformedError", role, place, err)
					}
					if err != nil {
						continue
					}
					accepted++
					if err := updaterAccepts(t, files, s); err != nil {
						t.Errorf("%s: %v in place of %v is accepted here, and go-tuf says %v", role, what, place, err)
					}
				}
			}
		}
	}
	t.Logf("%d tried, %d accepted", tried, accepted)
	if tried < 500 || accepted == 0 || accepted > tried/4 {
		t.Errorf("%d tried, %d accepted: the test no longer tries what it says", tried, accepted)
	}
}

type gone struct{}

// places lists the paths of all values below v.
func places(v any) [][]any {
	var all [][]any
	below := func(step any, v any) {
		all = append(all, []any{step})
		for _, p := range places(v) {
			all = append(all, slices.Concat([]any{step}, p))
		}
	}
	switch v := v.(type) {
	case doc:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below(name, v[name])
		}
	case []any:
		for i := range v {
			below(i, v[i])
		}
	}
	return all
}

func replaced(v any, place []any, by any) any {
	if len(place) == 0 {
		return by
	}
	switch step := place[0].(type) {
	case string:
		o := v.(doc)
		if _, remove := by.(gone); remove && len(place) == 1 {
			delete(o, step)
			return o
		}
		o[step] = replaced(o[step], place[1:], by)
		return o
	default:
		l := v.([]any)
		if _, remove := by.(gone); remove && len(place) == 1 {
			return slices.Delete(l, step.(int), step.(int)+1)
		}
		l[step.(int)] = replaced(l[step.(int)], place[1:], by)
		return l
	}
}
