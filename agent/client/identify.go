// SPDX-License-Identifier: Apache-2.0

package client

import (
	"debug/elf"
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime/debug"
	"strings"
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

// identify names the client and finds its release, by the surest source first
// (measured for every way of building cosign).
func (c *Client) identify(m *Model, build *debug.BuildInfo, f io.ReaderAt, size int64) {
	c.MainModule = build.Main.Path
	c.Name = m.name(build)
	main := build.Main.Version
	if main != "" && main != "(devel)" && !pseudoVersion.MatchString(main) {
		c.Version, c.VersionSource = main, fromMainModule
		return
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	if c.Name == cosign {
		if i, ok := m.byCommit[settings["vcs.revision"]]; ok {
			c.Version, c.VersionSource = m.Releases[i].Version, fromRevision
			if settings["vcs.modified"] == "true" {
				c.Notes = append(c.Notes, "built from a modified checkout")
			}
			return
		}
	}
	if v := ldflagsVersion(settings["-ldflags"]); v != "" {
		c.Version, c.VersionSource = v, fromLDFlags
		return
	}
	if v := symbolVersion(f, size); v != "" {
		c.Version, c.VersionSource = v, fromSymbol
		return
	}
	if c.Name == cosign {
		if v := m.releaseByCommitText(f, size); v != "" {
			c.Version, c.VersionSource = v, fromCommit
			return
		}
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

// name returns what a client is called, or the path of its main module.
func (m *Model) name(build *debug.BuildInfo) string {
	for _, k := range m.Clients {
		if k.Module == build.Main.Path && (k.Command == "" || build.Path == path.Join(k.Module, k.Command)) {
			return k.Name
		}
	}
	if build.Main.Path != "" {
		return build.Main.Path
	}
	return build.Path
}

// ldflagsX is one -X flag that sets a version: the variable's name ends in
// "version", as with sigs.k8s.io/release-utils/version.gitVersion.
var ldflagsX = regexp.MustCompile(`-X[= ]['"]?([^\s'"=]+)=['"]?([^\s'"]+)`)

func ldflagsVersion(flags string) string {
	best := ""
	for _, m := range ldflagsX.FindAllStringSubmatch(flags, 64) {
		name := strings.ToLower(m[1][strings.LastIndexByte(m[1], '.')+1:])
		if _, err := Upstream(m[2]); err != nil {
			continue
		}
		if name == "gitversion" {
			return m[2]
		}
		if name == "version" && best == "" {
			best = m[2]
		}
	}
	return best
}

// gitVersionSymbol is what the linker calls the text that -X put into
// release-utils' variable.
const gitVersionSymbol = "sigs.k8s.io/release-utils/version.gitVersion.str"

// symbolVersion reads that text through the symbol table of an ELF file that
// was not stripped.
func symbolVersion(f io.ReaderAt, size int64) string {
	file, err := elf.NewFile(&budget{r: f, left: 2*size + 64<<20})
	if err != nil {
		return ""
	}
	symbols, err := file.Symbols()
	if err != nil {
		return "" // stripped
	}
	for _, s := range symbols {
		if s.Name != gitVersionSymbol || s.Size == 0 || s.Size > maxVersionText || int(s.Section) >= len(file.Sections) {
			continue
		}
		section := file.Sections[s.Section]
		text := make([]byte, s.Size)
		if s.Value < section.Addr {
			return ""
		}
		if _, err := section.ReadAt(text, int64(s.Value-section.Addr)); err != nil {
			return ""
		}
		version := strings.TrimRight(string(text), "\x00")
		if _, err := Upstream(version); err != nil {
			return ""
		}
		return version
	}
	return ""
}

// releaseByCommitText looks for the commit of a known release in the text of a
// file: the official builds carry it even when stripped (measured).
func (m *Model) releaseByCommitText(f io.ReaderAt, size int64) string {
	const length = 40
	found := map[int]bool{}
	err := chunks(f, size, func(chunk []byte, _ int64) {
		// A commit of 40 digits covers one of every 40 places.
		for i := length - 1; i < len(chunk); i += length {
			if !hexDigit(chunk[i]) {
				continue
			}
			from, to := i, i+1
			for from > 0 && i-from < length-1 && hexDigit(chunk[from-1]) {
				from--
			}
			for to < len(chunk) && to-i < length && hexDigit(chunk[to]) {
				to++
			}
			for ; from+length <= to; from++ {
				if r, ok := m.byCommit[string(chunk[from:from+length])]; ok {
					found[r] = true
				}
			}
		}
	})
	if err != nil || len(found) != 1 {
		return "" // none, or a list of them: a tool like this one
	}
	for r := range found {
		return m.Releases[r].Version
	}
	return ""
}

func hexDigit(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' }

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
