// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"path"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// language advises on a package of another language: its own package manager
// replaces it, where it lies.
func (a *advisor) language() bool {
	var command string
	switch a.c.Ecosystem {
	case client.Python:
		command = a.python()
	case client.JavaScript:
		command = a.javascript()
	case client.Ruby:
		command = "gem install " + Typed("sigstore"+a.atLeast(":>="))
	case client.Java:
		a.comment("%s: raise dev.sigstore in the build of the program that brings %s", a.want(), Plain(a.c.Path))
		a.line = a.want() + " in the build of the program that brings it"
		return true
	default:
		return false
	}
	if a.others() {
		a.asOwner(command)
		return true
	}
	if a.homely() {
		a.comment("as the owner of %s: root is not needed", Plain(a.c.Path))
	}
	a.step(command)
	a.line = a.want() + ": " + command
	return true
}

// atLeast is the version that is required, behind an operator, where it is known.
func (a *advisor) atLeast(operator string) string {
	if a.version == "" {
		return ""
	}
	return operator + a.version
}

// python upgrades by the tool that made the environment, or by its interpreter.
func (a *advisor) python() string {
	for _, made := range []struct{ below, command string }{
		{"/pipx/venvs/", "pipx upgrade "},
		{"/uv/tools/", "uv tool upgrade "},
	} {
		if _, rest, ok := strings.Cut(a.c.Path, made.below); ok {
			name, _, _ := strings.Cut(rest, "/")
			return made.command + operand(name)
		}
	}
	python := "python3"
	if prefix, _, ok := strings.Cut(a.c.Path, "/lib/python3"); ok && prefix != "/usr" && prefix != "" {
		if !strings.HasSuffix(prefix, "/.local") {
			python = Typed(path.Join(prefix, "bin/python3"))
		}
	}
	return python + " -m pip install --upgrade " + Typed("sigstore"+a.atLeast(">="))
}

// bundledNPM advises on an npm that came with a package of the distribution, such as
// that of Node.js: a newer npm is put beside it, where it is found first, since
// nobody can tell from the package's version what its npm is made of.
func (a *advisor) bundledNPM() bool {
	if a.c.Ecosystem != client.JavaScript || a.c.Name != "npm" && !strings.Contains(a.c.Path, "/node_modules/npm/") {
		return false
	}
	p := *a.c.Package
	a.asRoot()
	a.comment("%s %s brings this npm: see whether the distribution has a newer one", Plain(p.Name), Plain(p.Version))
	a.step(toolOf(p.Manager, a.host).upgrade(p.Name, ""))
	a.comment("if the npm in it is still too old: the newest one, beside it; it needs a Node.js that is not too old for it, and says so if not")
	const command = "npm install -g --prefix /usr/local npm@latest"
	a.step(command)
	a.line = fmt.Sprintf("%s: bring %s forward, or %s", a.want(), Plain(p.Name), command)
	return true
}

// javascript upgrades the package that stands at the top: what lies below it is
// its own choice.
func (a *advisor) javascript() string {
	prefix, rest, ok := strings.Cut(a.c.Path, "/node_modules/")
	if !ok {
		prefix, rest = path.Dir(a.c.Path), a.c.Name
	}
	parts := strings.SplitN(rest, "/", 3)
	top := parts[0]
	if strings.HasPrefix(top, "@") && len(parts) > 1 {
		top += "/" + parts[1]
	}
	if path.Base(prefix) == "lib" {
		return "npm install -g " + operand(top+"@latest")
	}
	if a.others() { // one command, which somebody else can be given to run
		return "npm --prefix " + Typed(prefix) + " install " + operand(top+"@latest")
	}
	return "cd " + Typed(prefix) + " && npm install " + operand(top+"@latest")
}
