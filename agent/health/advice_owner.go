// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"path"
	"regexp"
	"slices"
)

// others says that somebody else than root can change what lies there: whatever
// root ran of it, or wrote into it, would be that user's choice.
func (a *advisor) others() bool { return a.c.Shared || a.c.Owner != "" && a.c.Owner != "root" }

// homely says that the file lies in a home, whose owner is not known to be root.
func (a *advisor) homely() bool { return a.private && a.c.Owner != "root" }

// rootsPackage says that the file belongs to a package that root's own package
// manager looks after.
func (a *advisor) rootsPackage() bool { return a.c.Package != nil && manages(a.c.Package.Manager) }

// userName is a name that a shell finds the home of behind a tilde.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// as has the owner run a command, in his own home.
func (a *advisor) as(command string) string {
	run := "runuser -u " + Typed(a.c.Owner) + " -- " + command
	if userName.MatchString(a.c.Owner) {
		run = "HOME=~" + a.c.Owner + " " + run
	}
	return run
}

// asOwner advises on what its owner has to run: as root a person runs nothing that
// somebody else can choose.
func (a *advisor) asOwner(command string) {
	if a.c.Owner == "" || a.c.Shared {
		a.comment("others than root can change %s: as its owner, never as root:", Plain(a.c.Path))
		a.comment("%s", command)
		a.line = a.want() + ", as the owner of " + Plain(a.c.Path) + " and never as root"
		return
	}
	a.comment("as %s, who can change what root would run there", Plain(a.c.Owner))
	a.step(a.as(command))
	a.line = fmt.Sprintf("%s, as %s: %s", a.want(), Plain(a.c.Owner), a.as(command))
}

// ownersRelease advises on a program in a directory of somebody else than root.
func (a *advisor) ownersRelease() {
	if a.c.Package != nil { // of Nix or Homebrew, in a tree of somebody's own
		command := "brew upgrade "
		if a.c.Package.Manager == "nix" {
			command = "nix profile upgrade "
		}
		a.asOwner(command + operand(a.c.Package.Name))
		return
	}
	newest, ok := a.newestCosign()
	a.line = a.want() + ", as " + Plain(a.c.Owner) + ": " + a.releaseName()
	switch {
	case a.c.Owner == "" || a.c.Shared:
		a.comment("others than root can change %s: as its owner, never as root", Plain(a.c.Path))
		a.comment("%s", a.releaseName())
		a.line = a.want() + ", as the owner of " + Plain(a.c.Path) + " and never as root: " + a.releaseName()
	case a.c.Name != cosignName || !ok || !slices.Contains(cosignArchs, a.host.Arch):
		a.comment("as %s, never as root", Plain(a.c.Owner))
		a.comment("%s", a.releaseName())
	default:
		a.comment("as root; what lies in a directory of %s is written as %s", Plain(a.c.Owner), Plain(a.c.Owner))
		a.major(newest)
		a.step(`cd "$(mktemp -d)" && chmod 0755 .`)
		a.fetch(newest, func(file string) string {
			return "runuser -u " + Typed(a.c.Owner) + " -- install -m 0755 " + file + " " + Typed(path.Clean(a.c.Path))
		})
	}
}
