// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An identified is what clients --json says that a binary is.
type identified struct {
	Path, Name, Version, VersionSource string
	Libraries                          map[string]string
	EmbeddedRoots                      []struct{ Version int64 }
	Notes                              []string
}

func (i *identified) UnmarshalJSON(data []byte) error {
	var raw struct {
		Path, Name, Version string
		Source              string `json:"version_source"`
		Libraries           map[string]string
		Roots               []struct{ Version int64 } `json:"embedded_roots"`
		Notes               []string
	}
	err := json.Unmarshal(data, &raw)
	*i = identified{raw.Path, raw.Name, raw.Version, raw.Source, raw.Libraries, raw.Roots, raw.Notes}
	return err
}

func (i identified) has(root int64) bool {
	return slices.ContainsFunc(i.EmbeddedRoots, func(r struct{ Version int64 }) bool { return r.Version == root })
}

func identify(t *testing.T, files ...string) map[string]identified {
	t.Helper()
	h := newHost(t)
	r := h.run(t, nil, tufkeeper(t), append([]string{"clients", "--json", "--config", h.write(t, "config.hcl", fmt.Appendf(nil,
		"state_dir = %q\nstatus_file = %q\nclients {\nsearch_path = false\npackages = []\n}\n", h.path("state"), h.path("status.json")))}, files...)...)
	want(t, r, 0, "")
	var report struct{ Clients []identified }
	decode(t, r.out, &report)
	all := map[string]identified{}
	for _, c := range report.Clients {
		all[c.Path] = c
	}
	return all
}

// TestFullIdentityOfReleases reads what every release here is, and what is
// compiled into it, against what its build information says.
func TestFullIdentityOfReleases(t *testing.T) {
	embedded := map[string]int64{ // facts of the releases: the root of the client that initialize runs
		"v1.9.0": 2, "v1.11.1": 2, "v1.13.1": 2, "v1.13.6": 7, "v2.0.1": 2, "v2.2.4": 9, "v2.4.0": 9, "v2.4.3": 10, "v2.6.4": 13, "v3.1.3": 14,
	}
	for _, r := range releases {
		file := cosign(t, r.version)
		c := identify(t, file)[file]
		if c.Name != "cosign" || c.Version != r.version || c.VersionSource == "" || !c.has(embedded[r.version]) {
			t.Errorf("cosign %s is taken for %+v", r.version, c)
		}
		out, err := exec.Command("go", "version", "-m", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		for name, module := range map[string]string{
			"go-tuf": "github.com/theupdateframework/go-tuf", "go-tuf/v2": "github.com/theupdateframework/go-tuf/v2",
			"sigstore": "github.com/sigstore/sigstore", "sigstore-go": "github.com/sigstore/sigstore-go",
		} {
			_, after, _ := strings.Cut(string(out), "\tdep\t"+module+"\t")
			version, _, _ := strings.Cut(after, "\t")
			if c.Libraries[name] != version {
				t.Errorf("cosign %s: %s is %q, go version -m says %q", r.version, name, c.Libraries[name], version)
			}
		}
	}
}

// TestFullIdentityOfBuilds builds one release in every way that hides what it is.
func TestFullIdentityOfBuilds(t *testing.T) {
	const (
		version = "v2.0.1"
		commit  = "8faaee4d2b5f65678eb0831a8a3d5990a0271d3a"
		stamp   = "sigs.k8s.io/release-utils/version."
		release = "-X " + stamp + "gitVersion=" + version + " -X " + stamp + "gitCommit=" + commit
	)
	for _, b := range []struct {
		name, source string // the source of its version
		replace      string
		flags        []string
		version      string
		sigstore     string
	}{
		{"release flags", "ldflags", "", []string{"-ldflags", release}, version, "v1.6.1"},
		{"release flags, trimpath", "symbol", "", []string{"-trimpath", "-ldflags", release}, version, "v1.6.1"},
		{"release flags, trimpath, stripped", "commit", "", []string{"-trimpath", "-ldflags", "-s -w " + release}, version, "v1.6.1"},
		{"trimpath, stripped", "unique match", "", []string{"-trimpath", "-ldflags", "-s -w"}, version, "v1.6.1"},
		{"a replaced library", "", "github.com/sigstore/sigstore=github.com/sigstore/sigstore@v1.6.2",
			[]string{"-trimpath", "-ldflags", "-s -w"}, "", "v1.6.2"},
	} {
		t.Run(b.name, func(t *testing.T) {
			file := fromSource(t, "cosign-"+version+"-"+strings.NewReplacer(" ", "-", ",", "").Replace(b.name),
				"github.com/sigstore/cosign/v2", version, "./cmd/cosign", b.replace, b.flags...)
			c := identify(t, file)[file]
			t.Logf("%+v", c)
			if c.Name != "cosign" || c.Version != b.version || !strings.Contains(c.VersionSource, b.source) {
				t.Errorf("it is taken for %s %q by %q, want %q by %q", c.Name, c.Version, c.VersionSource, b.version, b.source)
			}
			if c.Libraries["go-tuf"] != "v0.5.2" || c.Libraries["sigstore"] != b.sigstore || !c.has(2) {
				t.Errorf("compiled in are %v and the roots %v", c.Libraries, c.EmbeddedRoots)
			}
		})
	}
}

// fromSource builds a command in a copy of its module's source, as packagers do:
// then the main module has no version. It is built once into the cache.
func fromSource(t *testing.T, name, module, version, command, replace string, flags ...string) string {
	t.Helper()
	file := filepath.Join(cache(t), "bin", name, filepath.Base(command))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	t.Logf("building %s: minutes, once", name)
	run := func(dir string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
		return out
	}
	var source struct{ Dir string }
	out := run(t.TempDir(), "mod", "download", "-json", module+"@"+version)
	if err := json.Unmarshal(out, &source); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.CopyFS(dir, os.DirFS(source.Dir)); err != nil {
		t.Fatal(err)
	}
	if replace != "" {
		if err := os.Chmod(filepath.Join(dir, "go.mod"), 0o644); err != nil {
			t.Fatal(err)
		}
		run(dir, "mod", "edit", "-replace", replace)
	}
	run(dir, slices.Concat([]string{"build", "-mod=mod", "-buildvcs=false"}, flags, []string{"-o", file, command})...)
	return file
}
