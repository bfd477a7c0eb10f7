// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package client_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

//go:embed testdata/refresh.js
var refreshJS string

//go:embed testdata/refresh.py
var refreshPython string

// shape is a repository that clients are held against, and what it takes to read it.
type shape struct {
	name    string
	options sandbox.Options
	then    func(*testing.T, *sandbox.Repo)
	takes   []string // capabilities; "nobody" reads it
}

func rotate(r sandbox.Rotation) func(*testing.T, *sandbox.Repo) {
	return func(t *testing.T, repo *sandbox.Repo) {
		if err := repo.RotateRoot(r); err != nil {
			t.Fatal(err)
		}
	}
}

const nobody = "nobody"

func shapes() []shape {
	renamed := []string{client.PEMKeys, client.KeyTypeECDSA, client.KeyTypeECDSAP256, client.SHA256Only}
	hex := []string{client.HexKeys, client.KeyTypeECDSAP256}
	fields := []string{client.PEMKeys, client.KeyTypeECDSA, client.KeyExtraFields}
	all := []shape{
		{"ecdsa", sandbox.Options{KeyType: "ecdsa"}, nil, []string{client.PEMKeys, client.KeyTypeECDSA, client.SHA256Only}},
		{"ecdsa-sha2-nistp256", sandbox.Options{KeyType: "ecdsa-sha2-nistp256"}, nil, []string{client.PEMKeys, client.KeyTypeECDSAP256}},
		{"renamed key type", sandbox.Options{KeyType: "ecdsa-sha2-nistp256"}, rotate(sandbox.Rotation{KeyType: "ecdsa"}), renamed},
		{"hex keys", sandbox.Options{Style: sandbox.Style{KeyType: "ecdsa-sha2-nistp256", Encoding: sandbox.EncodingHex}}, nil, hex},
		{"ed25519", sandbox.Options{KeyType: "ed25519"}, nil, []string{client.Ed25519Keys}},
		{"p384", sandbox.Options{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384"}, nil, []string{client.P384}},
		{"rsa-pss", sandbox.Options{Style: sandbox.Style{KeyType: "rsa", Scheme: "rsassa-pss-sha256"}}, nil, []string{client.RSAPSS}},
		{"fields of tuf-on-ci", sandbox.Options{Style: sandbox.Style{KeyType: "ecdsa", TUFOnCI: true}}, nil, fields},
		{"made-up key type", sandbox.Options{KeyType: "ml-dsa-65", Scheme: "ml-dsa-65"}, nil, []string{nobody}},
		{"one made-up key", sandbox.Options{KeyType: "ecdsa"}, rotate(sandbox.Rotation{ExtraKeyType: "ml-dsa-65"}), []string{client.SkipsKeys}},
		{"403 for the next root", sandbox.Options{KeyType: "ecdsa"}, func(_ *testing.T, r *sandbox.Repo) {
			r.SetFault("2.root.json", sandbox.Fault{Status: http.StatusForbidden})
		}, []string{client.Forbidden}},
		{"hashes of metadata", sandbox.Options{KeyType: "ecdsa", MetaHashes: true, SHA512: true}, nil, []string{client.PEMKeys, client.KeyTypeECDSA}},
	}
	for _, from := range []int{1, 5} {
		takes := append(slices.Clone(fields), client.KeyTypeECDSAP256)
		if from == 1 {
			takes = append(takes, client.HexKeys)
		}
		all = append(all, shape{fmt.Sprintf("like the chain of Sigstore from root %d", from), sandbox.Options{Style: *sandbox.LikeSigstore(from).Style}, func(t *testing.T, repo *sandbox.Repo) {
			for n := from + 1; n <= 15; n++ {
				rotate(sandbox.LikeSigstore(n))(t, repo)
			}
		}, takes})
	}
	for _, n := range []int{5, 9, 11, 13, 15} {
		takes := []string{client.PEMKeys, client.KeyTypeECDSAP256}
		if n >= 9 {
			takes = fields
		}
		all = append(all, shape{fmt.Sprintf("like root %d of Sigstore", n), sandbox.Options{Style: *sandbox.LikeSigstore(n).Style}, nil, takes})
	}
	return all
}

// TestMeasuredLanguages runs real packages of other languages against real
// repositories, and holds the table against what they do. The packages lie below
// TUFKEEPER_E2E_PACKAGES (by default e2e-packages in the user's cache of tufkeeper)
// as NAME/node_modules and NAME/dist-packages; npm's own is taken, too.
func TestMeasuredLanguages(t *testing.T) {
	clients := measuredClients(t)
	if len(clients) == 0 {
		t.Skip("NOTHING MEASURED: no node with npm, and no packages below TUFKEEPER_E2E_PACKAGES")
	}
	m := loadModel(t)
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			s.options.Sigstore = true
			repo, err := sandbox.New(s.options)
			if err != nil {
				t.Fatal(err)
			}
			if s.then != nil {
				s.then(t, repo)
			}
			server := httptest.NewServer(repo.Handler())
			defer server.Close()
			root := filepath.Join(t.TempDir(), "root.json")
			if err := os.WriteFile(root, repo.InitialRoot(), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, c := range clients {
				got := refreshWith(t, c, server.URL, root)
				switch want := expected(m, c, s.takes); {
				case want == client.Maybe:
					t.Logf("not known of %s %v: %q", c.Path, c.Libraries, got)
				case (want == client.Yes) != (got == ""):
					t.Errorf("%s %v: the table says %s, it does %q", c.Path, c.Libraries, want, got)
				}
			}
		})
	}
}

// expected is what the table says of reading that.
func expected(m *client.Model, c client.Client, takes []string) client.Answer {
	can := m.Capabilities(c)
	impl := m.Uses(c)[0]
	if c.Ecosystem == client.Python && !slices.Contains(takes, client.Ed25519Keys) { // which it has of its own
		takes = append([]string{client.PythonCrypto}, takes...)
	}
	answer := client.Yes
	for _, capability := range takes {
		switch can.Can(impl, capability) {
		case client.No:
			return client.No // of a capability that there is not, too
		case client.Maybe:
			if capability == nobody {
				return client.No
			}
			answer = client.Maybe
		}
	}
	return answer
}

// measuredClients are the packages at hand: those found, and those of python-tuf,
// which alone is no Sigstore client.
func measuredClients(t *testing.T) []client.Client {
	t.Helper()
	dir := os.Getenv("TUFKEEPER_E2E_PACKAGES")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "tufkeeper", "e2e-packages")
	}
	var clients []client.Client
	if _, err := exec.LookPath("node"); err == nil {
		patterns := []string{filepath.Join(dir, "*/node_modules"), "/usr/lib/node_modules", "/usr/local/lib/node_modules"}
		found, errs := client.Find(t.Context(), client.FindOptions{Packages: patterns, Model: loadModel(t)})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		clients = append(clients, found...)
		// tuf-js by itself, in versions that no sigstore-js brings today.
		alone, err := filepath.Glob(filepath.Join(dir, "tuf-js-*/node_modules/tuf-js"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range alone {
			data, err := os.ReadFile(filepath.Join(path, "package.json"))
			if err != nil {
				t.Fatal(err)
			}
			var p struct{ Version string }
			if err := json.Unmarshal(data, &p); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, client.Client{Path: path, Ecosystem: client.JavaScript, Libraries: map[string]string{client.TUFJS: p.Version}})
		}
	} else {
		t.Log("NO NODE: nothing of JavaScript is measured")
	}
	python, err := filepath.Glob(filepath.Join(dir, "*/dist-packages"))
	if err != nil {
		t.Fatal(err)
	}
	if len(python) == 0 {
		t.Log("NO PYTHON-TUF: nothing of Python is measured")
	}
	for _, path := range python {
		clients = append(clients, pythonTUF(t, path))
	}
	return clients
}

var distInfo = regexp.MustCompile(`^(tuf|securesystemslib|cryptography)-([0-9.]+)\.dist-info$`)

// pythonTUF tells the versions in a directory, and of the cryptography that the
// interpreter has where there is none.
func pythonTUF(t *testing.T, dir string) client.Client {
	t.Helper()
	names := map[string]string{"tuf": client.PythonTUF, "securesystemslib": client.SecureSystemsLib, "cryptography": client.PyCryptography}
	c := client.Client{Path: dir, Ecosystem: client.Python, Libraries: map[string]string{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if m := distInfo.FindStringSubmatch(e.Name()); m != nil {
			c.Libraries[names[m[1]]] = m[2]
		}
	}
	if c.Libraries[client.PyCryptography] == "" {
		out, err := exec.CommandContext(t.Context(), "python3", "-c", "import cryptography; print(cryptography.__version__)").Output()
		if err != nil {
			t.Fatalf("python3 with cryptography: %v", err)
		}
		c.Libraries[client.PyCryptography] = strings.TrimSpace(string(out))
	}
	return c
}

// refreshWith lets a client read trusted_root.json from a mirror, and returns its
// error, "" if there is none.
func refreshWith(t *testing.T, c client.Client, mirror, root string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var run *exec.Cmd
	if c.Ecosystem == client.JavaScript {
		dir := c.Path
		if c.Name == "npm" {
			dir = filepath.Join(dir, "node_modules", "@sigstore", "tuf")
		}
		run = exec.CommandContext(ctx, "node", "-e", refreshJS, dir, mirror, root, t.TempDir())
	} else {
		run = exec.CommandContext(ctx, "python3", "-c", refreshPython, c.Path, mirror, root, t.TempDir())
	}
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", c.Path, err, out)
	}
	var answer struct{ Error string }
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s: %s: %v", c.Path, out, err)
	}
	return answer.Error
}
