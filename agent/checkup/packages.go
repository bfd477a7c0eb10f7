// SPDX-License-Identifier: Apache-2.0

package checkup

import (
	"context"
	"runtime"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/distro"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Host tells the distribution of this host, for advice; d may be nil. The second
// result names what could not be seen.
func Host(ctx context.Context, d *distro.Distro, homes []string) (health.HostFacts, []string) {
	h := health.HostFacts{Arch: runtime.GOARCH, Homes: homes}
	if d == nil {
		return h, nil
	}
	system, err := d.System(ctx)
	h.ID, h.Like, h.Release, h.Name = system.ID, system.Like, system.Release, system.Name
	h.Manager = manager(d.Managers(), append([]string{h.ID}, h.Like...))
	if err != nil {
		return h, lines([]error{err})
	}
	return h, nil
}

// managers are the package managers of the distributions that others are made from.
var managers = map[string]string{
	"debian": "dpkg", "ubuntu": "dpkg",
	"alpine": "apk", "wolfi": "apk", "chainguard": "apk",
	"arch":   "pacman",
	"fedora": "rpm", "rhel": "rpm", "centos": "rpm", "suse": "rpm", "opensuse": "rpm", "opensuse-tumbleweed": "rpm",
}

// manager is the one that programs are installed with here: a host may hold a
// database of another one, too, for its tools.
func manager(present, ids []string) string {
	for _, id := range ids {
		if m := managers[id]; slices.Contains(present, m) {
			return m
		}
	}
	if len(present) > 0 {
		return present[0]
	}
	return ""
}

// Packages fills in the packages of d that own the clients, and what is known
// from there of a client that says too little of itself; d may be nil. It returns
// what could not be seen.
func Packages(ctx context.Context, d *distro.Distro, clients []health.ClientFacts) []string {
	if d == nil || len(clients) == 0 {
		return nil
	}
	paths := make([]string, len(clients))
	for i, f := range clients {
		paths[i] = f.Client.Path
	}
	owners, errs := d.Owners(ctx, paths)
	for i := range clients {
		c := &clients[i].Client
		owner, ok := owners[c.Path]
		if !ok {
			continue
		}
		c.Package = &client.Package{Manager: owner.Manager, Name: owner.Name, Version: owner.Version}
		if c.Version == "" {
			c.Version, c.VersionSource = owner.Version, sourcePackage
		}
		if found := libraries(owner.Sources); len(c.Libraries) == 0 && len(found) > 0 {
			// Map and notes are shared with the scan cache: they are replaced, never changed.
			c.Libraries = found
			c.Notes = append(slices.DeleteFunc(slices.Clone(c.Notes), func(n string) bool { return n == client.NoteWithoutModules }), noteFromPackage)
		}
	}
	return lines(errs)
}

const noteFromPackage = "built without module information: its libraries are those that its package was built from"

// sourcePackage is the version source of a client that only its package knows.
const sourcePackage = "package"

// libraries are the TUF libraries among the source packages that a package was
// built from, by their names in Debian: there, programs carry no module versions.
func libraries(sources []distro.Source) map[string]string {
	libraries := map[string]string{}
	add := func(library, version string) {
		if v, err := client.Upstream(version); err == nil {
			libraries[library] = "v" + v.String()
		}
	}
	for _, s := range sources {
		switch s.Name {
		case "golang-github-theupdateframework-go-tuf":
			// Both major versions are in one: "2.0.2+0.7.0-1".
			newer, older, both := strings.Cut(s.Version, "+")
			switch {
			case both && strings.HasPrefix(newer, "2."):
				add(client.GoTUFv2, newer)
				add(client.GoTUF, older)
			case strings.HasPrefix(s.Version, "2."):
				add(client.GoTUFv2, s.Version)
			default:
				add(client.GoTUF, s.Version)
			}
		case "golang-github-sigstore-sigstore":
			add(client.Sigstore, s.Version)
		case "sigstore-go", "golang-github-sigstore-sigstore-go":
			add(client.SigstoreGo, s.Version)
		}
	}
	return libraries
}
