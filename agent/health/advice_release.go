// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

const cosignReleases = "https://github.com/sigstore/cosign/releases"

// cosignArchs are the architectures that cosign's releases have programs for on
// Linux: cosign-linux-ARCH, and a line for it in cosign_checksums.txt.
var cosignArchs = []string{"amd64", "arm", "arm64", "ppc64le", "riscv64", "s390x"}

// release adds the steps that put a release of the project in place of to.
func (a *advisor) release(to string) {
	newest, ok := a.newestCosign()
	if a.c.Name == cosignName && ok && !slices.Contains(cosignArchs, a.host.Arch) && a.build(newest, path.Dir(to)) {
		return
	}
	if a.c.Name != cosignName || !ok || !slices.Contains(cosignArchs, a.host.Arch) {
		a.comment("%s, from %s", a.want(), a.page())
		a.comment("check it against the checksums that are published with it (sha256sum -c) before it becomes %s", Plain(to))
		return
	}
	a.whose(to)
	a.major(newest)
	a.step(`cd "$(mktemp -d)"`)
	a.fetch(newest, func(file string) string { return "install -m 0755 " + file + " " + Typed(to) })
}

// fetch adds the steps that get a release of cosign, check it and install it.
func (a *advisor) fetch(newest string, install func(file string) string) {
	file := "cosign-linux-" + a.host.Arch
	from := cosignReleases + "/download/" + newest
	a.step(fmt.Sprintf("curl -fsSL -O %s/%s -O %s/cosign_checksums.txt", from, file, from))
	// One step: what was not checked is not installed. The line is picked out for
	// the sake of a sha256sum that knows no --ignore-missing (BusyBox).
	a.step(fmt.Sprintf("grep ' %s$' cosign_checksums.txt | sha256sum -c - && %s", file, install(file)))
}

// whose says who takes the steps that write this file.
func (a *advisor) whose(to string) {
	if a.homely() && path.Dir(to) == path.Dir(a.c.Path) {
		a.comment("as the owner of %s: root is not needed", Plain(a.c.Path))
	} else {
		a.asRoot()
	}
}

// releaseName names the release that the steps install.
func (a *advisor) releaseName() string {
	if !slices.Contains(cosignArchs, a.host.Arch) && a.c.Name == cosignName {
		return "build it from " + a.page() + ": there is no program for " + Plain(a.host.Arch)
	}
	if newest, ok := a.newestCosign(); ok && a.c.Name == cosignName {
		return fmt.Sprintf("take %s of the project, checked against its checksums (%s/tag/%s)", newest, cosignReleases, newest)
	}
	return "take it from " + a.page() + ", checked against its checksums"
}

// newestCosign is the newest known release without a known advisory: of the major
// version that is required where there is one, else of a later one. Where every
// release has one, it is the newest of the major version that is required.
func (a *advisor) newestCosign() (string, bool) {
	want, err := client.Upstream(a.version)
	if err != nil {
		return "", false
	}
	newest, sound, later := "v"+want.String(), "", ""
	for _, r := range append([]client.Release{{Version: newest}}, a.m.Newer(a.version)...) {
		v, err := client.Upstream(r.Version)
		if err != nil {
			continue
		}
		same := v.Major() == want.Major()
		if same {
			newest = r.Version
		}
		c, err := a.m.Assume(cosignName + "@" + r.Version)
		switch {
		case err != nil || len(c.Libraries) == 0 || len(a.m.AdvisoriesOf(c)) > 0:
		case same:
			sound = r.Version
		default:
			later = r.Version
		}
	}
	return cmp.Or(sound, later, newest), true
}

// major tells of a release of a later major version than the client has, or else
// than is required.
func (a *advisor) major(release string) {
	v, err := client.Upstream(release)
	if err != nil {
		return
	}
	have, err := client.Upstream(a.c.Version)
	if err != nil {
		have, err = client.Upstream(a.version)
	}
	if err == nil && v.Major() > have.Major() {
		a.comment("%s is a new major version: read its notes, at %s/tag/%s", release, cosignReleases, release)
	}
}

// repository is a module on GitHub: its path in the binary is somebody's text.
var repository = regexp.MustCompile(`^github\.com/[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}`)

// page is where the project publishes its releases.
func (a *advisor) page() string {
	module := a.c.MainModule
	if module == "" {
		for _, k := range a.m.Clients {
			if k.Name == a.c.Name {
				module = k.Module
			}
		}
	}
	if repo := repository.FindString(module); repo != "" {
		return "https://" + repo + "/releases"
	}
	return "the project's releases"
}

// goInstall advises on a program that `go install` built, which is built again.
func (a *advisor) goInstall() bool {
	dir := path.Dir(a.c.Path)
	newest, ok := a.newestCosign()
	if a.c.Name != cosignName || !strings.HasSuffix(dir, "/go/bin") || !ok || !a.build(newest, dir) {
		return false
	}
	a.line = a.want() + ": " + a.steps[len(a.steps)-1]
	return true
}

// build adds the step that builds a release of cosign into a directory. The go
// command checks what it downloads against Go's checksum database.
func (a *advisor) build(version, dir string) bool {
	r, ok := a.m.Release(version)
	if !ok {
		return false
	}
	a.whose(path.Join(dir, "cosign"))
	a.major(r.Version)
	a.step(fmt.Sprintf("GOBIN=%s go install %s/cmd/cosign@%s", Typed(dir), r.MainModule, r.Version))
	return true
}

// store advises on what Nix and Homebrew installed: they replace it themselves.
func (a *advisor) store() bool {
	if a.c.Package == nil {
		return false
	}
	switch a.c.Package.Manager {
	case "homebrew":
		a.step("brew update && brew upgrade " + operand(a.c.Package.Name))
	case "nix":
		a.comment("in a profile; on NixOS raise nixpkgs in its configuration and rebuild")
		a.step("nix profile upgrade " + operand(a.c.Package.Name))
	default:
		return false
	}
	a.line = a.want() + ": " + a.steps[len(a.steps)-1]
	return true
}
