// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// debianCosign is a distribution's own build: without module information, with
// other library versions than the release of the same number.
const (
	debianCosign, debianSuite = "2.5.0-2+b4", "trixie"
	keyring                   = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// TestFullDebian installs Debian's cosign into a root of its own, has tufkeeper
// look from inside, and holds what it says against what that cosign does.
func TestFullDebian(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: a root of its own needs to be root")
	}
	root := t.TempDir()
	unpackDebian(t, root, debianPackage(t))
	in := func(name string, data []byte) string {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	program, err := os.ReadFile(tufkeeper(t))
	if err != nil {
		t.Fatal(err)
	}
	in("/tufkeeper", program)
	in("/etc/os-release", []byte("NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n"))
	config := in("/config.hcl", []byte("state_dir = \"/tmp/state\"\nstatus_file = \"/tmp/status.json\"\nclients {\nsearch_path = false\npackages = []\n}\n"))

	now := *sandbox.LikeSigstore(published).Style
	for _, k := range []kind{
		{name: "root 4", options: sandbox.Options{Style: *sandbox.LikeSigstore(4).Style}},
		{name: "root 8", options: sandbox.Options{Style: *sandbox.LikeSigstore(8).Style}},
		{name: "root 9", options: sandbox.Options{Style: *sandbox.LikeSigstore(9).Style}},
		{name: "root 15", options: sandbox.Options{Style: now}},
		{name: "P-384", options: sandbox.Options{KeyType: "ecdsa", Scheme: "ecdsa-sha2-nistp384", SHA512: true}},
		{name: "a key type that nobody knows", options: sandbox.Options{Style: now}, first: true, rotate: []sandbox.Rotation{{KeyType: "ml-dsa-65"}}},
	} {
		w := k.world(t)
		start := k.start(w)
		cmd := exec.CommandContext(t.Context(), "/tufkeeper", "clients", "--config", config, "--json",
			"--against", w.mirrorURL, "--start", in("/start.json", start), "/usr/bin/cosign")
		cmd.SysProcAttr, cmd.Dir, cmd.Env = &syscall.SysProcAttr{Chroot: root}, "/", []string{"HOME=/tmp", "PATH=/usr/bin"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		var report struct{ Clients []client }
		var what struct{ Clients []identified }
		decode(t, string(out), &report)
		decode(t, string(out), &what)
		if len(report.Clients) != 1 {
			t.Fatalf("%s: %s", k.name, out)
		}
		if c := what.Clients[0]; c.Name != "cosign" || c.Version != debianCosign || c.VersionSource != "package" ||
			fmt.Sprint(c.Libraries) != "map[go-tuf:v0.7.0 go-tuf/v2:v2.0.2 sigstore:v1.9.3 sigstore-go:v0.7.1]" || !c.has(12) {
			t.Errorf("Debian's cosign is taken for %+v", c)
		}
		c := cell{kind: k.name, client: debianCosign, verdict: report.Clients[0].Verdict, probe: "-", rules: rulesOf(report.Clients[0])}
		c.initialized, c.verified = w.tried(t, filepath.Join(root, "usr", "bin", "cosign"), start, legacyBundle)
		t.Logf("%s: %s %v; initialize: %q, verify-blob: %q", k.name, c.verdict, c.rules, c.initialized, c.verified)
		if all := c.disagreements(); len(all) > 0 {
			t.Errorf("%s: %s disagree\n%+v", c.key(), strings.Join(all, "; "), c)
		}
	}
}

// unpackDebian has dpkg unpack a package into a root, and record it there.
func unpackDebian(t *testing.T, root, file string) {
	t.Helper()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("dpkg", "--root="+root, "--force-depends", "--unpack", file).CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", file, err, out)
	}
}

// debianPackage returns Debian's package, got once by apt, with apt's verification,
// from the archive that this host uses, of a later suite.
func debianPackage(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(cache(t), "deb")
	file := filepath.Join(dir, "cosign_"+debianCosign+"_amd64.deb")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(CREATED_BY)|$(REPO_URI)|$(ORIGIN)").Output()
	if err != nil {
		t.Skipf("SKIPPED: there is no apt here: %v", err)
	}
	lines := strings.Split(string(out), "\n")
	i := slices.IndexFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "Packages|") && strings.HasSuffix(l, "|Debian") && !strings.Contains(l, "security")
	})
	if i < 0 {
		t.Skip("SKIPPED: this host has no Debian archive, or its lists are not here: apt-get update")
	}
	fields := strings.Split(lines[i], "|")
	apt := t.TempDir()
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(apt, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(apt, "apt.conf")
	for name, text := range map[string]string{
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, fields[1], debianSuite),
		"apt.conf": fmt.Sprintf("Dir::State::lists %q;\nDir::Cache %q;\nDir::Etc::sourcelist %q;\nDir::Etc::sourceparts %q;\n",
			filepath.Join(apt, "lists"), filepath.Join(apt, "cache"), filepath.Join(apt, "sources.list"), filepath.Join(apt, "parts")),
	} {
		if err := os.WriteFile(filepath.Join(apt, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"update"}, {"download", "cosign=" + debianCosign}} {
		cmd := exec.CommandContext(t.Context(), "apt-get", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "APT_CONFIG="+config)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: %v: %v\n%s", cmd.Args, err, out)
		}
	}
	return file
}
