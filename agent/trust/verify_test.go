// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestVerifiedSetTellsWhatItHolds(t *testing.T) {
	f := newForge()
	f.nextRoot = clone(t, f.root)
	f.nextRoot["version"] = 2
	files := f.files(t)
	s := verified(t, files)

	var names []string
	for _, r := range s.Roles() {
		names = append(names, fmt.Sprint(r.Name, r.Version))
	}
	if want := []string{"root2", "timestamp1", "snapshot1", "targets1", "team1"}; !slices.Equal(names, want) {
		t.Errorf("roles are %v, want %v", names, want)
	}
	var targets []string
	for _, target := range s.Targets() {
		targets = append(targets, target.Role+":"+target.Path)
	}
	if want := []string{"targets:a.txt", "team:dir/b.txt"}; !slices.Equal(targets, want) {
		t.Errorf("targets are %v, want %v", targets, want)
	}
	if !s.VerifiedAt().Equal(now) {
		t.Errorf("verified at %s, want %s", s.VerifiedAt(), now)
	}
	if got := s.Expired(now); len(got) != 0 {
		t.Errorf("expired now: %v", got)
	}
	if got := s.Expired(now.AddDate(2, 0, 0)); len(got) != 4 {
		t.Errorf("expired in two years: %v, want the four top-level roles", got)
	}
	for want, data := range map[int64][]byte{1: files.Initial, 2: files.Roots[0]} {
		if v, ok := s.RootVersion(data); !ok || v != want {
			t.Errorf("root version is %d, %v, want %d", v, ok, want)
		}
	}
	if v, ok := s.RootVersion(append(slices.Clone(files.Initial), '\n')); !ok || v != 1 {
		t.Errorf("with a newline at the end, the first root is %d, %v", v, ok)
	}
	if v, ok := s.RootVersion(append([]byte("{}"), files.Initial...)); ok {
		t.Errorf("other bytes are called root %d of the chain", v)
	}
	if err := updaterAccepts(t, files, s); err != nil {
		t.Errorf("go-tuf's updater refuses the same files: %v", err)
	}
}

func TestSetIDChangesWithEveryByte(t *testing.T) {
	id := verified(t, newForge().files(t)).ID()
	if again := verified(t, newForge().files(t)).ID(); again != id {
		t.Errorf("equal files have ids %s and %s", id, again)
	}
	without := newForge().files(t)
	delete(without.Artifacts, "a.txt")
	spaced := newForge().files(t)
	spaced.Timestamp = append(spaced.Timestamp, '\n')
	for what, files := range map[string]trust.Files{"a missing artifact": without, "a trailing newline": spaced} {
		if verified(t, files).ID() == id {
			t.Errorf("%s does not change the id", what)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	typed := func(want error) func(error) bool {
		return func(err error) bool { return errors.Is(err, want) }
	}
	expired := typed(&metadata.ErrExpiredMetadata{})
	unsigned := typed(&metadata.ErrUnsignedMetadata{})
	version := typed(&metadata.ErrBadVersionNumber{})
	mismatch := typed(&metadata.ErrLengthOrHashMismatch{})
	says := func(text string) func(error) bool {
		return func(err error) bool { return strings.Contains(err.Error(), text) }
	}
	past := now.Add(-time.Second).Format(time.RFC3339)
	tests := []struct {
		name   string
		edit   func(*forge)
		tamper func(*trust.Files)
		want   func(error) bool
	}{
		{name: "a last root that has expired", edit: func(f *forge) { f.root["expires"] = past }, want: expired},
		{name: "a timestamp that has expired", edit: func(f *forge) { f.timestamp["expires"] = past }, want: expired},
		{name: "a snapshot that has expired", edit: func(f *forge) { f.snapshot["expires"] = past }, want: expired},
		{name: "targets that have expired", edit: func(f *forge) { f.targets["expires"] = past }, want: expired},
		{name: "a delegated role that has expired", edit: func(f *forge) { f.delegated["team"]["expires"] = past }, want: expired},
		{name: "a timestamp signed with the root's key", tamper: func(x *trust.Files) {
			f := newForge()
			x.Timestamp = sign(t, f.timestamp, f.rootKey)
		}, want: unsigned},
		{name: "an initial root that does not sign itself", tamper: func(x *trust.Files) {
			x.Initial = sign(t, newForge().root, newKey("online"))
		}, want: unsigned},
		{name: "a root that the one before signs and it itself does not", edit: func(f *forge) {
			f.nextRoot = rootOfAnotherKey(t, f)
		}, want: unsigned},
		{name: "a root that leaves out a version", edit: func(f *forge) {
			f.nextRoot = clone(t, f.root)
			f.nextRoot["version"] = 3
		}, want: version},
		{name: "the same root twice", edit: func(f *forge) { f.nextRoot = clone(t, f.root) }, want: version},
		{name: "a snapshot newer than the timestamp says", edit: func(f *forge) { f.snapshot["version"] = 2 }, want: version},
		{name: "a snapshot older than the timestamp says", edit: func(f *forge) {
			at(f.timestamp, "meta", "snapshot.json")["version"] = 2
		}, want: version},
		{name: "targets of another snapshot", edit: func(f *forge) { f.targets["version"] = 2 }, want: version},
		{name: "a snapshot with another hash than the timestamp says", edit: func(f *forge) {
			at(f.timestamp, "meta", "snapshot.json")["hashes"] = doc{"sha256": strings.Repeat("00", 32)}
		}, want: mismatch},
		{name: "a delegated role that the snapshot does not list", edit: func(f *forge) {
			delete(at(f.snapshot, "meta"), "team.json")
		}, want: says("does not contain information")},
		{name: "a delegated role signed by a stranger", edit: func(f *forge) {
			f.delegatedKeys["team"] = newKey("stranger")
		}, want: unsigned},
		{name: "a role that nobody delegates to", tamper: func(x *trust.Files) {
			x.Delegated["other"] = x.Delegated["team"]
		}, want: says("no role of the set delegates to it")},
		{name: "an artifact of another version", tamper: func(x *trust.Files) {
			x.Artifacts["a.txt"] = []byte("x\n")
		}, want: mismatch},
		{name: "an artifact cut short", tamper: func(x *trust.Files) {
			x.Artifacts["a.txt"] = nil
		}, want: mismatch},
		{name: "an artifact that no role lists", tamper: func(x *trust.Files) {
			x.Artifacts["c.txt"] = nil
		}, want: typed(trust.ErrNoTarget)},
		{name: "an artifact listed by a role that may not", edit: func(f *forge) {
			f.targets["delegations"].(doc)["roles"].([]any)[0].(doc)["paths"] = []any{"elsewhere/*"}
		}, want: typed(trust.ErrNoTarget)},
		{name: "an artifact of more than ten megabytes", edit: func(f *forge) {
			f.artifacts["a.txt"] = make([]byte, trust.MaxTargetFile+1)
			at(f.targets, "targets")["a.txt"] = targetFile(f.artifacts["a.txt"])
		}, want: says("more than")},
		{name: "no timestamp at all", tamper: func(x *trust.Files) { x.Timestamp = nil }, want: says("malformed")},
		{name: "no initial root", tamper: func(x *trust.Files) { x.Initial = nil }, want: says("malformed")},
		{name: "more roots than a chain may have", tamper: func(x *trust.Files) {
			x.Roots = make([][]byte, 4*trust.MaxRootRotations+1)
		}, want: says("more than")},
		{name: "more delegated roles than a set may have", tamper: func(x *trust.Files) {
			for i := range 257 {
				x.Delegated[fmt.Sprint("r", i)] = x.Delegated["team"]
			}
		}, want: says("more than")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newForge()
			if tt.edit != nil {
				tt.edit(f)
			}
			files := f.files(t)
			if tt.tamper != nil {
				tt.tamper(&files)
			}
			s, err := trust.Verify(files, now)
			if err == nil || s != nil {
				t.Fatalf("verified: set %v, error %v", s, err)
			}
			if !tt.want(err) {
				t.Errorf("refused for another reason: %v", err)
			}
			var panicked *trust.PanicError
			if errors.As(err, &panicked) {
				t.Errorf("refused by a panic: %v\n%s", err, panicked.Stack)
			}
		})
	}
}

// rootOfAnotherKey is the next root, of a key that does not sign it.
func rootOfAnotherKey(t *testing.T, f *forge) doc {
	next := clone(t, f.root)
	next["version"] = 2
	other := newKey("other")
	at(next, "keys")[other.id] = other.doc()
	at(next, "roles", "root")["keyids"] = []any{other.id}
	return next
}

func TestExpiryIsJudgedAtTheReferenceTime(t *testing.T) {
	files := newForge().files(t)
	expires := now.AddDate(1, 0, 0)
	if _, err := trust.Verify(files, expires); err != nil {
		t.Errorf("at the instant of expiry: %v", err)
	}
	if _, err := trust.Verify(files, expires.Add(time.Nanosecond)); !errors.Is(err, &metadata.ErrExpiredMetadata{}) {
		t.Errorf("a nanosecond later: got %v, want expired", err)
	}
}

func TestRootExpiryCountsOnlyAtTheEndOfTheChain(t *testing.T) {
	f := newForge()
	f.nextRoot = clone(t, f.root)
	f.nextRoot["version"] = 2
	f.root["expires"] = "2001-01-01T00:00:00Z"
	verified(t, f.files(t))
}

func TestUnknownKeyIsNamed(t *testing.T) {
	exotic := doc{"keytype": "ml-dsa", "scheme": "ml-dsa-65", "keyval": doc{"public": "abcd"}}
	add := func(root doc, role string) {
		at(root, "keys")["exotic"] = exotic
		r := at(root, "roles", role)
		r["keyids"] = append([]any{"exotic"}, r["keyids"].([]any)...)
	}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		t.Run("in the "+role+" role of the next root", func(t *testing.T) {
			f := newForge()
			f.nextRoot = clone(t, f.root)
			f.nextRoot["version"] = 2
			add(f.nextRoot, role)
			_, err := trust.Verify(f.files(t), now)
			var unknown *trust.UnknownKeyError
			if !errors.As(err, &unknown) {
				t.Fatalf("got %v, want an UnknownKeyError", err)
			}
			if unknown.Role != role || unknown.KeyType != "ml-dsa" || unknown.Scheme != "ml-dsa-65" {
				t.Errorf("got %+v", unknown)
			}
		})
	}
	t.Run("in a delegation", func(t *testing.T) {
		f := newForge()
		d := at(f.targets, "delegations")
		d["keys"].(doc)["exotic"] = exotic
		d["roles"].([]any)[0].(doc)["keyids"] = []any{f.delegateKey.id, "exotic"}
		_, err := trust.Verify(f.files(t), now)
		var unknown *trust.UnknownKeyError
		if !errors.As(err, &unknown) || unknown.Role != "team" {
			t.Errorf("got %v, want an UnknownKeyError for team", err)
		}
	})
	t.Run("not where an expired root is the reason", func(t *testing.T) {
		f := newForge()
		f.root["expires"] = "2001-01-01T00:00:00Z"
		add(f.root, "timestamp")
		_, err := trust.Verify(f.files(t), now)
		var unknown *trust.UnknownKeyError
		if !errors.Is(err, &metadata.ErrExpiredMetadata{}) || errors.As(err, &unknown) {
			t.Errorf("got %v, want expired", err)
		}
	})
	t.Run("not believed of a root that the trusted root did not sign", func(t *testing.T) {
		f := newForge()
		files := f.files(t)
		forged := clone(t, f.root)
		forged["version"] = 2
		add(forged, "root")
		files.Roots = [][]byte{sign(t, forged, newKey("stranger"))}
		_, err := trust.Verify(files, now)
		var unknown *trust.UnknownKeyError
		if err == nil || errors.As(err, &unknown) {
			t.Errorf("got %v, want a plain refusal", err)
		}
	})
}

func TestDelegatedRoleIsVerifiedAgainstItsOwnDelegator(t *testing.T) {
	// Both "left" and "right" delegate to "shared", with different keys. The file is
	// signed with left's. Under right's paths it must not count.
	f := newForge()
	left := f.delegate(f.targets, "left", newKey("left"), "", nil, "left/*")
	right := f.delegate(f.targets, "right", newKey("right"), "", nil, "right/*")
	f.delegate(right, "shared", newKey("right-shared"), "", nil, "right/*")
	shared := f.delegate(left, "shared", newKey("left-shared"), "left/x", []byte("x"), "left/*")
	shared["targets"].(doc)["right/x"] = targetFile([]byte("x"))

	s := verified(t, f.files(t))
	if target, ok := s.Target("left/x"); !ok || target.Role != "shared" {
		t.Errorf("left/x is %+v, %v: want it from shared", target, ok)
	}
	if target, ok := s.Target("right/x"); ok {
		t.Errorf("right/x was found as %+v, though right's key signed nothing", target)
	}
}

func TestLookupOrder(t *testing.T) {
	one, two := []byte("1"), []byte("2")
	tests := []struct {
		name string
		make func(f *forge)
		want string // the role that answers for dir/x, "" for none
	}{
		{"the first role in order wins", func(f *forge) {
			f.delegate(f.targets, "first", newKey("first"), "dir/x", one, "dir/*")
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
		}, "first"},
		{"a child comes before the next sibling", func(f *forge) {
			first := f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
			f.delegate(first, "child", newKey("child"), "dir/x", one, "dir/*")
		}, "child"},
		{"a terminating role ends the search", func(f *forge) {
			f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			roles := f.targets["delegations"].(doc)["roles"].([]any)
			roles[len(roles)-1].(doc)["terminating"] = true
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
		}, ""},
		{"a role absent from the set might have answered first", func(f *forge) {
			f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
			delete(f.delegated, "first")
		}, ""},
		{"a role with a bad signature ends the search", func(f *forge) {
			by := f.delegate(f.targets, "outer", newKey("outer"), "", nil, "other/*")
			f.delegate(by, "first", newKey("outer-first"), "", nil, "other/*")
			f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			f.delegatedKeys["first"] = newKey("outer-first")
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
		}, ""},
		{"a cycle ends, and the search goes on", func(f *forge) {
			first := f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			second := f.delegate(first, "second", newKey("second"), "", nil, "dir/*")
			second["delegations"] = doc{
				"keys":  doc{"first-key": newKey("first").doc()},
				"roles": []any{f.delegation("first", newKey("first"), "dir/*")},
			}
			f.delegate(f.targets, "last", newKey("last"), "dir/x", two, "dir/*")
		}, "last"},
		{"a terminating child ends the search for its elders too", func(f *forge) {
			first := f.delegate(f.targets, "first", newKey("first"), "", nil, "dir/*")
			f.delegate(f.targets, "second", newKey("second"), "dir/x", two, "dir/*")
			f.delegate(first, "child", newKey("child"), "", nil, "dir/*")
			first["delegations"].(doc)["roles"].([]any)[0].(doc)["terminating"] = true
		}, ""},
		{"deeper than the limit is not found", func(f *forge) {
			by := f.targets
			for i := range trust.MaxDelegations + 1 {
				name := fmt.Sprintf("r%02d", i)
				by = f.delegate(by, name, newKey(name), "", nil, "dir/*")
			}
			f.delegate(by, "last", newKey("last"), "dir/x", two, "dir/*")
		}, ""},
		{"just within the limit is found", func(f *forge) {
			by := f.targets
			for i := range trust.MaxDelegations - 1 {
				name := fmt.Sprintf("r%02d", i)
				by = f.delegate(by, name, newKey(name), "", nil, "dir/*")
			}
			f.delegate(by, "last", newKey("last"), "dir/x", two, "dir/*")
		}, "last"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newForge()
			f.delegated = map[string]doc{}
			f.targets["delegations"] = doc{"keys": doc{}, "roles": []any{}}
			f.artifacts = nil
			f.artifacts = map[string][]byte{}
			tt.make(f)
			f.artifacts = nil
			files := f.files(t)
			s := verified(t, files)
			target, _ := s.Target("dir/x")
			if target.Role != tt.want {
				t.Errorf("dir/x comes from %q, want %q", target.Role, tt.want)
			}
			if err := updaterAccepts(t, files, s); err != nil {
				t.Errorf("go-tuf's updater disagrees: %v", err)
			}
		})
	}
}

func TestRoleNamesOfAnyKindWork(t *testing.T) {
	for _, name := range []string{"?", "#", "/delegatedrole", "../delegatedrole", "..", ".hidden", "%2e%2e", "a\nb", "ключ"} {
		f := newForge()
		f.delegate(f.targets, name, newKey("odd"), "odd/x", []byte("x"), "odd/*")
		s := verified(t, f.files(t))
		if target, ok := s.Target("odd/x"); !ok || target.Role != name {
			t.Errorf("role %q: odd/x is %+v, %v", name, target, ok)
		}
	}
}

func TestWorkIsBounded(t *testing.T) {
	f := newForge()
	by := f.delegate(f.targets, "big", newKey("big"), "", nil, "x/*")
	paths := make([]any, 3_000)
	for i := range paths {
		paths[i] = fmt.Sprintf("x/%d", i)
		by["targets"].(doc)[paths[i].(string)] = targetFile(nil)
	}
	roles := f.targets["delegations"].(doc)["roles"].([]any)
	roles[len(roles)-1].(doc)["paths"] = paths
	files := f.files(t)
	if _, err := trust.Verify(files, now); err == nil || !strings.Contains(err.Error(), "comparisons") {
		t.Errorf("got %v, want a bound on comparisons", err)
	}
}

func TestCheckHoldsMetadataAgainstTheSet(t *testing.T) {
	f := newForge()
	oldTimestamp := sign(t, f.timestamp, f.onlineKey)

	// The online key changes.
	fresh := newKey("fresh")
	f.nextRoot = clone(t, f.root)
	f.nextRoot["version"] = 2
	at(f.nextRoot, "keys")[fresh.id] = fresh.doc()
	at(f.nextRoot, "roles", "timestamp")["keyids"] = []any{fresh.id}
	at(f.nextRoot, "roles", "snapshot")["keyids"] = []any{fresh.id}
	f.onlineKey = fresh
	files := f.files(t)
	s := verified(t, files)

	newer := clone(t, f.timestamp)
	newer["version"] = 7
	newer["expires"] = "2001-01-01T00:00:00Z"
	got, err := s.Check(trust.Timestamp, sign(t, newer, fresh))
	if err != nil || got.Version != 7 || got.Expires.Year() != 2001 {
		t.Errorf("a newer, expired timestamp: got %+v, %v: want it read, neither version nor expiry judged", got, err)
	}
	for role, data := range map[string][]byte{
		"root": files.Roots[0], "snapshot": files.Snapshot, "targets": files.Targets, "team": files.Delegated["team"],
	} {
		if _, err := s.Check(role, data); err != nil {
			t.Errorf("its own %s: %v", role, err)
		}
	}
	for what, bad := range map[string]struct {
		role string
		data []byte
	}{
		"a timestamp under the former key": {"timestamp", oldTimestamp},
		"a root that does not sign itself": {"root", sign(t, rootOfAnotherKey(t, f), f.rootKey)},
		"a root signed by a stranger":      {"root", sign(t, f.nextRoot, newKey("stranger"))},
		"a snapshot in place of targets":   {"targets", files.Snapshot},
		"a role nobody delegates to":       {"other", files.Delegated["team"]},
		"an altered timestamp":             {"timestamp", []byte(strings.Replace(string(files.Timestamp), `"version":1`, `"version":2`, 1))},
		"a cut timestamp":                  {"timestamp", files.Timestamp[:len(files.Timestamp)/2]},
	} {
		if got, err := s.Check(bad.role, bad.data); err == nil || got != (trust.Role{}) {
			t.Errorf("%s: got %+v, %v: want an error and no role", what, got, err)
		}
	}
	var malformed *trust.MalformedError
	if _, err := s.Check("timestamp", nil); !errors.As(err, &malformed) {
		t.Errorf("empty bytes: got %v, want a MalformedError", err)
	}
	if _, err := s.CheckFormer("timestamp", oldTimestamp); err != nil {
		t.Errorf("the former key is not known: %v", err)
	}
	if _, err := s.CheckFormer("timestamp", files.Timestamp); err == nil {
		t.Error("the newest key passes for a former one")
	}
	if _, err := s.CheckFormer("timestamp", sign(t, f.timestamp, newKey("stranger"))); err == nil {
		t.Error("a stranger passes for a former key")
	}
}

func TestSetIsNotChangedThroughWhatItReturns(t *testing.T) {
	files := newForge().files(t)
	s := verified(t, files)
	s.Targets()[0].Path = "changed"
	s.Roles()[0].Version = 99
	files.Artifacts["a.txt"] = []byte("changed")
	delete(files.Delegated, "team")
	if s.Targets()[0].Path == "changed" || s.Roles()[0].Version == 99 ||
		string(s.Files().Artifacts["a.txt"]) != "a\n" || s.Files().Delegated["team"] == nil {
		t.Error("the set changed")
	}
}

func TestSetIsSafeForConcurrentUse(t *testing.T) {
	files := newForge().files(t)
	s := verified(t, files)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for role, data := range map[string][]byte{
				"root": files.Initial, "timestamp": files.Timestamp, "targets": files.Targets, "team": files.Delegated["team"],
			} {
				if _, err := s.Check(role, data); err != nil {
					t.Error(err)
				}
			}
			if _, ok := s.Target("a.txt"); !ok || len(s.Requirements().Roots) != 1 || s.ID() == "" {
				t.Error("the set is not what it was")
			}
		})
	}
	all.Wait()
}

func TestGuardTurnsAPanicIntoAnError(t *testing.T) {
	err := trust.Guard("reading", func() error { panic("boom\x1b[31m") })
	var panicked *trust.PanicError
	if !errors.As(err, &panicked) || panicked.What != "reading" || len(panicked.Stack) == 0 {
		t.Fatalf("got %#v", err)
	}
	if strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("the text is not quoted: %q", err)
	}
	if err := trust.Guard("reading", func() error { return nil }); err != nil {
		t.Errorf("without a panic: %v", err)
	}
}
