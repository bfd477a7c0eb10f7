// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// anew writes a document as another program would.
func anew(t *testing.T, data []byte, change func(whole doc)) []byte {
	t.Helper()
	var whole doc
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(whole)
	}
	out, err := json.MarshalIndent(whole, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRootVersionIsOfWhatARootSays(t *testing.T) {
	f := newForge()
	f.nextRoot = clone(t, f.root)
	f.nextRoot["version"] = 2
	files := f.files(t)
	s := verified(t, files)
	for want, data := range map[int64][]byte{1: files.Initial, 2: files.Roots[0]} {
		if got, ok := s.RootVersion(anew(t, data, nil)); got != want || !ok {
			t.Errorf("written anew, root %d is %d, %v", want, got, ok)
		}
		if got, ok := s.Root(want); !ok || !bytes.Equal(got, data) {
			t.Errorf("root %d is not what was published (%v)", want, ok)
		}
		unsigned := anew(t, data, func(whole doc) { whole["signatures"] = []any{} })
		if got, ok := s.RootVersion(unsigned); got != want || ok {
			t.Errorf("without signatures, root %d is %d, %v", want, got, ok)
		}
		if trust.SelfSigned(data) != nil || trust.SelfSigned(unsigned) == nil {
			t.Errorf("root %d: %v with, %v without signatures", want, trust.SelfSigned(data), trust.SelfSigned(unsigned))
		}
		altered := anew(t, data, func(whole doc) { whole["signed"].(doc)["expires"] = "2099-01-01T00:00:00Z" })
		if got, ok := s.RootVersion(altered); got != 0 || ok {
			t.Errorf("altered, root %d is %d, %v", want, got, ok)
		}
		if trust.SelfSigned(altered) == nil {
			t.Error("an altered root is signed by itself")
		}
	}
	for _, version := range []int64{0, 3} {
		if _, ok := s.Root(version); ok {
			t.Errorf("there is a root %d", version)
		}
	}
	for _, data := range []string{"", "null", "{}", `{"signed":{},"signatures":[]}`} {
		if v, ok := s.RootVersion([]byte(data)); v != 0 || ok {
			t.Errorf("%q is root %d, %v", data, v, ok)
		}
	}
}

// The public roots before the one that is built in lead to it, as far back as their
// keys can be read.
func TestFormerRootsLeadToTheInitialOne(t *testing.T) {
	initial, err := trust.Initial(trust.Sigstore)
	if err != nil {
		t.Fatal(err)
	}
	first, err := trust.Peek(trust.Root, initial)
	if err != nil {
		t.Fatal(err)
	}
	versions := trust.FormerOf(t, initial)
	t.Logf("initial root %d, before it %v", first.Version, versions)
	if len(versions) < 5 {
		t.Fatalf("only %v", versions)
	}
	for i, v := range versions {
		if want := first.Version - int64(len(versions)-i); v != want {
			t.Errorf("former roots %v: a gap at %d", versions, want)
		}
	}
	forged := verified(t, newForge().files(t))
	if _, ok := forged.RootVersion(initial); ok {
		t.Error("the public root is of another chain")
	}
	if _, ok := forged.Root(first.Version); ok {
		t.Error("a public root is of another chain")
	}
}

func TestTargetsOf(t *testing.T) {
	files := newForge().files(t)
	listed := trust.TargetsOf(files.Targets)
	if got, ok := listed["a.txt"]; !ok || got.Verify(files.Artifacts["a.txt"]) != nil || got.Verify([]byte("?")) == nil {
		t.Errorf("listed %v", listed)
	}
	for _, data := range []string{"", "null", "{", string(files.Snapshot)} {
		if got := trust.TargetsOf([]byte(data)); len(got) > 0 {
			t.Errorf("%.20q lists %v", data, got)
		}
	}
}
