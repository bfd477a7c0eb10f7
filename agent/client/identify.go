// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

// Where a version was found, as VersionSource says it.
const (
	fromMainModule = "main module"
	fromRevision   = "vcs.revision"
	fromLDFlags    = "ldflags"
	fromSymbol     = "symbol"
	fromCommit     = "release commit"
	fromLibraries  = "unique match of libraries"
)

// unnamed is what a client is called that does not say what it is.
const unnamed = "unknown"

const noteModified = "built from a modified checkout"

// identify names the client and finds its release, by the surest source first
// (measured for every way of building cosign). Without build information there
// is only the commit that the file may carry.
func (c *Client) identify(m *Model, build *debug.BuildInfo, found findings, symbol func(module string) string) {
	commit := ""
	if len(found.commits) == 1 { // more are a list of them: a tool like this one
		for i := range found.commits {
			commit = m.Releases[i].Version
		}
	}
	if build == nil {
		c.Name = unnamed
		if commit != "" {
			c.Name, c.Version, c.VersionSource = cosign, commit, fromCommit
		} else if v := symbol(""); v != "" {
			c.Version, c.VersionSource = v, fromSymbol
		}
		return
	}
	c.MainModule = build.Main.Path
	c.Name = m.name(build)
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	if settings["vcs.modified"] == "true" {
		c.Notes = append(c.Notes, noteModified)
	}
	main := build.Main.Version
	if main != "" && main != "(devel)" && !pseudoVersion.MatchString(main) {
		c.Version, c.VersionSource = main, fromMainModule
		return
	}
	if c.Name == cosign {
		if i, ok := m.byCommit[settings["vcs.revision"]]; ok {
			c.Version, c.VersionSource = m.Releases[i].Version, fromRevision
			return
		}
	}
	module := cmp.Or(build.Main.Path, build.Path)
	if v := ldflagsVersion(settings["-ldflags"], module); v != "" {
		c.Version, c.VersionSource = v, fromLDFlags
		return
	}
	if v := symbol(module); v != "" {
		c.Version, c.VersionSource = v, fromSymbol
		return
	}
	if c.Name == cosign && commit != "" {
		c.Version, c.VersionSource = commit, fromCommit
		return
	}
	if main != "" && main != "(devel)" {
		c.Version, c.VersionSource = main, fromMainModule
		return
	}
	if c.Name == cosign {
		c.matchLibraries(m)
	}
}

// pseudoVersion is the version of a build from a commit that is no release.
var pseudoVersion = regexp.MustCompile(`[.-][0-9]{14}-[0-9a-f]{12}(?:\+|$)`)

// majorVersion is the part of a module path that names its major version.
var majorVersion = regexp.MustCompile(`/v[0-9]{1,4}(/|$)`)

// name returns what a client is called: by its main module, of whatever major
// version, and the package that was built, or by that package alone where a
// distribution builds without modules. One without a name goes by its module path.
func (m *Model) name(build *debug.BuildInfo) string {
	module, pkg := majorVersion.ReplaceAllString(build.Main.Path, "$1"), majorVersion.ReplaceAllString(build.Path, "$1")
	best, command := "", ""
	for _, k := range m.Clients {
		known := majorVersion.ReplaceAllString(k.Module, "$1")
		in := module == known || build.Main.Path == "" && (pkg == known || strings.HasPrefix(pkg, known+"/"))
		if in && (best == "" || command == "") && (k.Command == "" || pkg == path.Join(known, k.Command)) {
			best, command = k.Name, k.Command
		}
	}
	return cmp.Or(best, build.Main.Path, build.Path, unnamed)
}

// ldflagsX is one -X flag, which sets a variable to a text.
var ldflagsX = regexp.MustCompile(`-X[= ]['"]?([^\s'"=]+)=['"]?([^\s'"]+)`)

// ldflagsVersion is the version that linker flags gave to a variable.
func ldflagsVersion(flags, module string) string {
	best, text := 0, ""
	for _, m := range ldflagsX.FindAllStringSubmatch(flags, 64) {
		if _, err := Upstream(m[2]); err != nil {
			continue
		}
		if rank := versionRank(m[1], module); rank > best {
			best, text = rank, m[2]
		}
	}
	return text
}

// symbolVersion is the version that stands in a variable, as the symbols of a
// program that was not stripped tell.
func symbolVersion(f *executable.File, module string) string {
	best, text := 0, ""
	for _, s := range f.Stamps("ersion", func(variable string) bool { return versionRank(variable, module) > 0 }) {
		if _, err := Upstream(s.Text); err != nil {
			continue
		}
		if rank := versionRank(s.Variable, module); rank > best {
			best, text = rank, s.Text
		}
	}
	return text
}

// releaseUtils is the package whose variables most Sigstore tools stamp.
const releaseUtils = "sigs.k8s.io/release-utils/version.gitVersion"

// versionRank says how much a variable tells of the version of a program with
// that main module: 0 is nothing. A stamped library tells nothing.
func versionRank(variable, module string) int {
	dot := strings.LastIndexByte(variable, '.')
	if dot < 0 {
		return 0
	}
	switch strings.ToLower(variable[dot+1:]) {
	case "gitversion", "version", "buildversion":
	default:
		return 0
	}
	switch pkg := variable[:dot]; {
	case variable == releaseUtils:
		return 3
	case pkg == "main":
		return 2
	case module != "" && (pkg == module || strings.HasPrefix(pkg, module+"/")):
		return 1
	}
	return 0
}

// matchLibraries names the release when only one was built from these libraries.
func (c *Client) matchLibraries(m *Model) {
	var match []string
	for _, r := range m.Releases {
		same := r.MainModule == c.MainModule && len(r.Libraries) == len(c.Libraries)
		for name, version := range r.Libraries {
			same = same && c.Libraries[name] == version
		}
		if same {
			match = append(match, r.Version)
		}
	}
	switch len(match) {
	case 0:
	case 1:
		c.Version, c.VersionSource = match[0], fromLibraries
	default:
		c.Notes = append(c.Notes, fmt.Sprintf("has the libraries of cosign %s", strings.Join(match, ", ")))
	}
}
