// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func TestFormerRootsLeadToTheBuiltInOne(t *testing.T) {
	initial, err := trust.Initial(trust.Sigstore)
	if err != nil {
		t.Fatal(err)
	}
	role, err := trust.Peek(trust.Root, initial)
	if err != nil {
		t.Fatal(err)
	}
	former := trust.Former(initial)
	if int64(len(former)) != role.Version-1 {
		t.Fatalf("%d former roots of root %d: add the new ones to sigstore/", len(former), role.Version)
	}
	for i, data := range former {
		if r, err := trust.Peek(trust.Root, data); err != nil || r.Version != int64(i)+1 {
			t.Errorf("former root %d is version %d, %v", i+1, r.Version, err)
		}
		if string(data) != string(publicRoot(t, i+1)) {
			t.Errorf("former root %d is not as published", i+1)
		}
	}
	if got := trust.Former(former[4]); len(got) != 4 {
		t.Errorf("root 5 has %d former roots, want 4", len(got))
	}
	staging, err := trust.Initial(trust.Sigstage)
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.Former(staging); got != nil {
		t.Errorf("a root of another repository has %d former roots, want none", len(got))
	}
}
