// SPDX-License-Identifier: Apache-2.0

package checkup_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

func TestCachesAreSeenWithTheirPlaceAndPolicy(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{Sigstore: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	dir := t.TempDir()
	home, system := filepath.Join(dir, "home"), filepath.Join(dir, "homeless") // its name begins like the home's
	for _, base := range []string{home, system} {
		if _, err := sandbox.Read(base, server.URL, repo.InitialRoot(), "trusted_root.json"); err != nil {
			t.Fatal(err)
		}
	}
	facts, collisions, unseen := checkup.Caches(checkup.Places{
		Caches: []cache.Place{{Base: home, Reader: cache.Cosign}, {Base: system, Reader: cache.Cosign}}, Homes: []string{home},
		Policy: func(c cache.Cache) (string, string) { return "policy of " + filepath.Base(c.Base), "why" },
	}, []cache.Mirror{{Name: "test", URL: server.URL}}, time.Now())
	if len(facts) != 2 || len(unseen) != 0 || len(collisions) != 0 {
		t.Fatalf("got %d caches, unseen %q, collisions %+v, want 2 and none", len(facts), unseen, collisions)
	}
	for _, f := range facts {
		if inHome := f.Cache.Base == home; f.System == inHome {
			t.Errorf("%s: system is %v", f.Cache.Base, f.System)
		}
		if want := "policy of " + filepath.Base(f.Cache.Base); f.Policy != want || f.PolicyWhy != "why" || f.Cache.Mirror != "test" {
			t.Errorf("%s: policy %q, mirror %q, want %q and test", f.Cache.Base, f.Policy, f.Cache.Mirror, want)
		}
	}
}

// The test binary links a TUF client by way of the sandbox: it is one.
func TestClientsOfAHomeAreTheirOwnersAffair(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	model, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	o := client.FindOptions{Files: []string{exe, missing}, Model: model}
	for home, system := range map[string]bool{filepath.Dir(exe): false, exe + "-elsewhere": true} {
		facts, unseen := checkup.Clients(t.Context(), o, []string{home})
		if len(facts) != 1 || facts[0].System != system {
			t.Errorf("with the home %s: got %+v, want one client with system %v", home, facts, system)
		}
		if len(unseen) != 1 {
			t.Errorf("unseen %q, want the missing file", unseen)
		}
	}
}

// A link in a home makes no program of the system its owner's affair, and a home
// that is a link is a home.
func TestALinkChangesNoClientsPlace(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	model, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	home, linked := filepath.Join(dir, "home"), filepath.Join(dir, "linked")
	for _, step := range []error{
		os.Mkdir(home, 0o755), os.Symlink(exe, filepath.Join(home, "a")), os.Symlink(filepath.Dir(exe), linked),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	facts, _ := checkup.Clients(t.Context(), client.FindOptions{Dirs: []string{home}, Model: model}, []string{home})
	if len(facts) != 1 || !facts[0].System || facts[0].Client.Path != exe {
		t.Errorf("got %+v, want %s of the system", facts, exe)
	}
	facts, _ = checkup.Clients(t.Context(), client.FindOptions{Dirs: []string{linked}, Model: model}, []string{linked})
	if len(facts) != 1 || facts[0].System {
		t.Errorf("got %+v, want one of a home", facts)
	}
}
