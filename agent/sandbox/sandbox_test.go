// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

func TestSigstoreGoReadsIt(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{Sigstore: true, Delegation: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	cache := t.TempDir()
	data, err := sandbox.Read(cache, server.URL, repo.InitialRoot(), "trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.NewTrustedRootFromJSON(data); err != nil {
		t.Errorf("trusted_root.json: %v", err)
	}
	if err := repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa-sha2-nistp256", Online: true, AllRootKeys: true}); err != nil {
		t.Fatal(err)
	}
	if err := repo.Publish("hello.txt", []byte("again\n")); err != nil {
		t.Fatal(err)
	}
	data, err = sandbox.Read(cache, server.URL, repo.InitialRoot(), "hello.txt")
	if err != nil || !bytes.Equal(data, []byte("again\n")) {
		t.Fatalf("after a rotation: got %q, %v", data, err)
	}
	data, err = sandbox.Read(cache, server.URL, repo.InitialRoot(), sandbox.DelegatedTarget)
	if err != nil || len(data) == 0 {
		t.Fatalf("delegated target: got %q, %v", data, err)
	}
}
