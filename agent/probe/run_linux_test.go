// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/replica"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// oldClient is go-tuf's own client of 0.5.2, where it has been built.
func oldClient(t *testing.T) client.Client {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		t.Skip("NOT TESTED:", err)
	}
	built := filepath.Join(base, "tufkeeper", "bin", "tuf-client-v0.5.2", "tuf-client")
	if _, err := os.Stat(built); err != nil {
		t.Skip("NOT TESTED: make demo builds the client that this needs:", err)
	}
	return read(t, copied(t, built))
}

func read(t *testing.T, path string) client.Client {
	t.Helper()
	model, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Read(path, model, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve is a mirror whose root 2 has keys of that type.
func serve(t *testing.T, keyType string) (Mirror, Start) {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.RotateRoot(sandbox.Rotation{KeyType: keyType}); err != nil {
		t.Fatal(err)
	}
	set, err := trust.Verify(repo.Files(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return Mirror{Name: "test", Root: 2, Targets: 2, FirstRoot: 1, Handler: replica.New(set)},
		Start{Words: "initial root 1", Version: 1, Raw: repo.InitialRoot()}
}

func TestARealClientIsProbed(t *testing.T) {
	l := newLab(t)
	c := oldClient(t)
	for keyType, want := range map[string]struct{ outcome, text string }{
		"ecdsa-sha2-nistp256": {OK, ""},
		"ecdsa":               {Failed, "invalid key"},
	} {
		m, from := serve(t, keyType)
		f, err := l.r.Run(t.Context(), c, m, from)
		if err != nil {
			t.Fatal(err)
		}
		if f.Outcome != want.outcome || f.Error != want.text || f.File != c.File || f.Root != 2 || f.Start != from.Words {
			t.Errorf("%s: %+v, want %+v", keyType, f, want)
		}
	}
}

// TestRealClientsAreNotHinderedByWhatIsAroundThem runs every client that has been
// built for the tests: whatever it is told, it is not unclear what it did.
func TestRealClientsAreNotHinderedByWhatIsAroundThem(t *testing.T) {
	l := newLab(t)
	base, err := os.UserCacheDir()
	if err != nil {
		t.Skip("NOT TESTED:", err)
	}
	if dir := os.Getenv(builtClients); dir != "" {
		base = dir
	}
	ok, from := serve(t, "ecdsa-sha2-nistp256")
	other, otherFrom := serve(t, "ecdsa")
	n := 0
	for _, name := range []string{"cosign", "tuf-client"} {
		paths, err := filepath.Glob(filepath.Join(base, "tufkeeper", "bin", name+"-v*", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			c := read(t, path)
			if os.Geteuid() == 0 { // who runs it as somebody who may not get there
				c = read(t, copied(t, path))
			}
			n++
			f, err := l.r.Run(t.Context(), c, ok, from)
			// Those before 1.13 read keys of an older form only.
			if err != nil || f.Outcome != OK && !strings.HasSuffix(f.Error, "tuf: invalid key") {
				t.Errorf("%s: %s, %s, %v, want ok", path, f.Outcome, f.Error, err)
			}
			f, err = l.r.Run(t.Context(), c, other, otherFrom)
			if err != nil || f.Outcome == Unclear {
				t.Errorf("%s: %s, %s, %v, want it ok or failed", path, f.Outcome, f.Error, err)
			}
		}
	}
	if n == 0 {
		t.Skip("NOT TESTED: make e2e builds the clients that this needs")
	}
	t.Logf("%d clients, %s", n, l.r.Isolation())
}

// builtClients is the variable that says where clients were built, when not here.
const builtClients = "PROBE_TEST_CLIENTS"

func copied(t *testing.T, path string) string {
	t.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAClientThatHasChangedIsNotRun(t *testing.T) {
	l := newLab(t)
	c := oldClient(t)
	m, from := serve(t, "ecdsa")
	// Another program takes its name, as an upgrade or an attacker does it.
	other := c.Path + ".new"
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho executed\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, c.Path); err != nil {
		t.Fatal(err)
	}
	f, err := l.r.Run(t.Context(), c, m, from)
	if err != nil || f.Outcome != Unclear || !strings.Contains(f.Error, "not the file any more that was read") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestWhatIsExecutedIsTheDescriptor(t *testing.T) {
	l := newLab(t)
	c := oldClient(t)
	program, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if err := os.WriteFile(c.Path+".new", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.Path+".new", c.Path); err != nil { // after it was opened
		t.Fatal(err)
	}
	m, _ := serve(t, "ecdsa")
	o, err := l.r.confined(t.Context(), run{
		program: program, handler: m.Handler, timeout: 20 * time.Second,
		commands: func(string, string) [][]string { return [][]string{{"tuf-client", "help"}} },
	})
	if err != nil || !strings.Contains(string(o.output), "usage: tuf-client") {
		t.Errorf("%+v, %v: %s", o, err, o.output)
	}
}

func TestFilesThatAreNotRun(t *testing.T) {
	c := oldClient(t)
	for name, mode := range map[string]os.FileMode{
		"runs with the rights of another user": 0o755 | os.ModeSetuid,
		"its owner can probe it":               0o700,
	} {
		if os.Geteuid() != 0 && mode == 0o700 {
			continue
		}
		if err := os.Chmod(c.Path, mode); err != nil {
			t.Fatal(err)
		}
		if f, err := open(read(t, c.Path)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("mode %v: %v, %v", mode, f, err)
		}
	}
}

func TestUnknownWaysAndGapsAreUnclear(t *testing.T) {
	m, from := serve(t, "ecdsa")
	r := &Runner{}
	f, err := r.Run(t.Context(), client.Client{Name: "gh", Path: "/bin/gh"}, m, from)
	if err != nil || f.Outcome != Unclear || f.Error != "no way to probe is known" {
		t.Errorf("%+v, %v", f, err)
	}
	m.FirstRoot = 5
	f, err = r.Run(t.Context(), client.Client{Name: "cosign", Path: "/bin/cosign"}, m, Start{Words: "embedded root 2", Version: 2})
	if err != nil || f.Outcome != Unclear || !strings.Contains(f.Error, "the roots before 5 are not known here") {
		t.Errorf("%+v, %v", f, err)
	}
}
