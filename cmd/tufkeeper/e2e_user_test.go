// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ordinary is the uid of a user without rights, for what root would not notice: a
// file that its owner cannot read, one that belongs to somebody else.
const ordinary = 65534

// newUserHost is a host whose programs run as an ordinary user: the one who runs the
// test or, where that is root, another.
func newUserHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	if os.Geteuid() != 0 {
		return h
	}
	// A test's own directory lies in one that is closed to others.
	home, err := os.MkdirTemp("", "tufkeeper-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chmod(home, 0o755))
	for i, v := range h.env {
		h.env[i] = strings.ReplaceAll(v, h.home, home)
	}
	h.home = home
	h.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}
	h.own(t, home)
	return h
}

// uid is who the host's programs run as.
func (h *host) uid() int {
	if h.as == nil {
		return os.Geteuid()
	}
	return int(h.as.Credential.Uid)
}

// own gives a file, or all below a directory, to the host's user.
func (h *host) own(t *testing.T, path string) {
	t.Helper()
	if h.as == nil {
		return
	}
	must(t, filepath.WalkDir(path, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(file, h.uid(), h.uid())
	}))
}

// dir makes a directory of the host's user.
func (h *host) dir(t *testing.T, name string) string {
	t.Helper()
	dir := h.path(name)
	must(t, os.MkdirAll(dir, 0o700))
	h.own(t, dir)
	return dir
}

// bring returns a program that the host's user can run: a copy, where there is
// another user.
func (h *host) bring(t *testing.T, program string) string {
	t.Helper()
	if h.as == nil {
		return program
	}
	file := h.path("bin", filepath.Base(filepath.Dir(program)), filepath.Base(program))
	if exists(file) {
		return file
	}
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	from, err := os.Open(program)
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	return file
}

// tufkeeper is `make build`'s, where the host's user can run it.
func (h *host) tufkeeper(t *testing.T) string { return h.bring(t, tufkeeper(t)) }

// keeper runs tufkeeper to its end, with a config.
func (h *host) keeper(t *testing.T, config string, args ...string) result {
	t.Helper()
	return h.run(t, nil, h.tufkeeper(t), append(args, "--config", config)...)
}

// copyTree copies a directory with its owners, modes and links.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copying %s: %v\n%s", from, err, out)
	}
}

// reader is the Go program on sigstore-go below testdata.
func reader(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tufreader", "tufreader")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./testdata/tufreader")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return file
}

// nodeReader is the command that runs the driver of @sigstore/tuf below testdata, as
// far as its options, and the variables it needs. The package is installed once.
func (h *host) nodeReader(t *testing.T) (command, env []string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v: install nodejs and npm", err)
	}
	out, err := exec.CommandContext(t.Context(), node, "--version").Output()
	must(t, err)
	var major int
	if _, err := fmt.Sscanf(string(out), "v%d.", &major); err != nil {
		t.Fatalf("node --version says %q", out)
	}
	// The newest of each line that this node takes.
	packages := []string{"@sigstore/tuf@4.0.2", "tuf-js@4.1.0", "@tufjs/models@4.1.0"}
	if major < 20 {
		packages = []string{"@sigstore/tuf@3.1.1", "tuf-js@3.1.0", "@tufjs/models@3.0.1"}
	}
	modules := filepath.Join(installed(t, packages), "node_modules")
	driver, err := filepath.Abs("testdata/tufreader/tufreader.cjs")
	must(t, err)
	if h.as != nil {
		copied := h.path("node_modules")
		if !exists(copied) {
			copyTree(t, modules, copied)
			h.own(t, copied)
		}
		modules = copied
		data, err := os.ReadFile(driver)
		must(t, err)
		driver = h.write(t, "tufreader.cjs", data)
	}
	return []string{node, driver}, []string{"NODE_PATH=" + modules, "NO_PROXY=127.0.0.1"}
}

// installed is a folder of the cache with those npm packages, installed once.
func installed(t *testing.T, packages []string) string {
	t.Helper()
	name := strings.NewReplacer("@", "-", "/", "-").Replace(strings.TrimPrefix(packages[0], "@"))
	dir := filepath.Join(cache(t), "npm", name)
	done := filepath.Join(dir, "complete")
	if exists(done) {
		return dir
	}
	must(t, os.MkdirAll(dir, 0o755))
	var said []byte
	var err error
	for range 3 {
		args := append([]string{"install", "--prefix", dir, "--save-exact", "--ignore-scripts", "--no-audit", "--no-fund"}, packages...)
		if said, err = exec.CommandContext(t.Context(), "npm", args...).CombinedOutput(); err == nil {
			must(t, os.WriteFile(done, nil, 0o644))
			return dir
		}
	}
	t.Fatalf("installing %v: %v\n%s", packages, err, said)
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ownerOf is the uid of a file's owner.
func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
