// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// Advice is what a person types on this host to replace a client by one that
// reads what it must. It never makes anything skip a verification, and nothing is
// installed that was not checked.
type Advice struct {
	// Line says it in one line; "" when nothing is known to help.
	Line string `json:"line"`
	// Steps are shell lines, in order; one that begins with "# " is a comment. A
	// later step may be wrong where an earlier one failed: each stops at its own.
	Steps []string `json:"steps"`
}

// Advise says how to replace the client by what is required of it: "cosign
// 2.2.0", or the libraries it must be built with, "go-tuf 0.6.0 and sigstore
// 1.7.2". The distribution's package goes first where a good version is known to
// be there, else comes the project's release with its checksums.
func Advise(m *client.Model, c client.Client, host HostFacts, required string) Advice {
	named := slices.ContainsFunc(m.Clients, func(k client.KnownClient) bool { return k.Name == c.Name })
	if required == "" || c.Path == "" && !named { // libraries that were given outright are no client to install
		return Advice{Steps: []string{}}
	}
	a := advisor{m: m, c: c, host: host, required: required}
	if name, version, ok := strings.Cut(required, " "); ok && name == c.Name && !strings.Contains(version, " ") {
		a.version = version
	}
	a.dist, a.listed = m.PackagedIn(host.ID, host.Like, host.Release, c.Name)
	a.private = slices.ContainsFunc(host.Homes, func(home string) bool { return strings.HasPrefix(c.Path, strings.TrimSuffix(home, "/")+"/") })
	a.advise()
	a.line = Todo(a.line)
	return Advice{Line: a.line, Steps: a.steps}
}

// advisor puts one piece of advice together.
type advisor struct {
	m        *client.Model
	c        client.Client
	host     HostFacts
	required string
	version  string              // of the client itself, where it is that which is required; else ""
	dist     client.Distribution // what is known of the distribution's package
	listed   bool                // whether that is something
	private  bool                // the file lies in a home

	line  string
	steps []string
}

func (a *advisor) advise() {
	switch {
	case a.c.Path == "":
		a.fresh()
	case a.others() && a.c.Package == nil && a.language():
	case a.others() && !a.rootsPackage():
		a.ownersRelease()
	case a.store():
	case a.c.Package == nil && a.language():
	case a.c.Package != nil && a.bundledNPM():
	case a.c.Package != nil:
		a.owned()
	case a.goInstall():
	case a.good() && !a.homely() && local(a.c.Path) && path.Base(a.c.Path) == a.dist.Package:
		a.instead()
	default:
		a.release(a.c.Path)
		a.line = a.want() + ": " + a.releaseName()
	}
	a.comment("what this host says of it then")
	a.step("tufkeeper clients")
}

// want names what is required, as a person would say it.
func (a *advisor) want() string {
	if none := noneKnown(a.m, a.c, a.required); none != "" && a.version == "" {
		return want(a.c, a.required) + " (" + none + ")"
	}
	return want(a.c, a.required)
}

// good says that the distribution is known to have a version that is new enough.
func (a *advisor) good() bool {
	return a.listed && a.version != "" && a.dist.Version != "" && !client.Older(a.dist.Version, a.version) && manages(a.host.Manager)
}

// tooOld says that it is known not to have one.
func (a *advisor) tooOld() bool {
	return a.listed && a.version != "" && (a.dist.Version == "" || client.Older(a.dist.Version, a.version))
}

// fresh installs a client that is not there: an assumed one.
func (a *advisor) fresh() {
	if a.good() {
		a.asRoot()
		a.step(toolOf(a.host.Manager, a.host).install(a.dist.Package, a.dist.Version))
		a.line = fmt.Sprintf("%s: %s (%s)", a.want(), a.steps[len(a.steps)-1], a.known())
		return
	}
	a.release(localBin(path.Base(a.c.Name)))
	a.line = a.want() + ": " + a.releaseName()
}

// owned advises on a file that a package owns: the package is brought forward
// where that helps, and its file is never overwritten.
func (a *advisor) owned() {
	p := *a.c.Package
	tool := toolOf(p.Manager, a.host)
	switch {
	case a.good():
		a.asRoot()
		a.step(tool.upgrade(p.Name, a.dist.Version))
		a.line = fmt.Sprintf("%s: %s (%s)", a.want(), a.steps[len(a.steps)-1], a.known())
	case a.tooOld():
		a.comment("%s", a.known())
		a.comment("the package goes once the release is there; to keep it, leave that off and see that /usr/local/bin comes first on PATH")
		a.release(localBin(a.c.Path))
		a.then(tool.remove(p.Name))
		a.line = fmt.Sprintf("%s: %s; %s", a.want(), a.known(), a.releaseName())
	default:
		a.asRoot()
		a.comment("what the distribution has; needed is %s or newer", a.required)
		a.step(tool.query(p.Name))
		a.comment("if it has that")
		a.step(tool.upgrade(p.Name, a.version))
		a.comment("if it has not")
		a.release(localBin(a.c.Path))
		a.line = fmt.Sprintf("%s: %s, where the distribution has it; else %s", a.want(), tool.upgrade(p.Name, a.version), a.releaseName())
	}
}

// instead advises to replace a file that nobody looks after by the
// distribution's package, which somebody does.
func (a *advisor) instead() {
	tool := toolOf(a.host.Manager, a.host)
	a.asRoot()
	a.comment("no package owns the old file: with it gone, the package's is found")
	line := tool.install(a.dist.Package, a.dist.Version)
	a.step(fmt.Sprintf("%s && test -x /usr/bin/%s && rm -- %s", line, Typed(path.Base(a.c.Path)), Typed(a.c.Path)))
	a.line = fmt.Sprintf("%s: %s (%s), and remove %s", a.want(), line, a.known(), Plain(a.c.Path))
}

// known says what the table knows of the distribution's package.
func (a *advisor) known() string {
	name := a.host.Name
	if name == "" {
		name = strings.TrimSpace(a.host.ID + " " + a.host.Release)
	}
	had := fmt.Sprintf("%s has %s %s", Plain(name), Plain(a.dist.Package), a.dist.Version)
	if a.dist.Version == "" {
		had = fmt.Sprintf("%s has no package %s", Plain(name), Plain(a.dist.Package))
	} else if a.dist.Rolling() {
		had = fmt.Sprintf("%s had %s %s", Plain(name), Plain(a.dist.Package), a.dist.Version)
	}
	return had + ", as of " + a.dist.KnownAsOf
}

func (a *advisor) step(s string) { a.steps = append(a.steps, s) }

// then makes a command part of the step before it, which must have succeeded;
// where that is for a person to do, the command is, too.
func (a *advisor) then(command string) {
	last := len(a.steps) - 1
	if last < 0 || strings.HasPrefix(a.steps[last], "#") {
		a.comment("once it is in its place: %s", command)
		return
	}
	a.steps[last] += " && " + command
}

// comment adds a line that a shell reads over: it has no line break.
func (a *advisor) comment(format string, args ...any) {
	a.steps = append(a.steps, "# "+Line(fmt.Sprintf(format, args...)))
}

// asRoot says once that the steps are root's.
func (a *advisor) asRoot() {
	const said = "# as root"
	if !slices.Contains(a.steps, said) {
		a.steps = append(a.steps, said)
	}
}

// local says whether a file lies where an operator puts a program of his own, in
// front of a package's.
func local(file string) bool {
	return path.Dir(file) == "/usr/local/bin" || path.Dir(file) == "/usr/local/sbin"
}

// localBin is where a program goes that stands in for a package's.
func localBin(file string) string { return path.Join("/usr/local/bin", path.Base(file)) }
