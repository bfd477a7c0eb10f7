// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// NoteNoClient is the note on a release that has no TUF client at all.
const NoteNoClient = "has no TUF client"

// AssumeError says that nothing can be assumed from what was given.
type AssumeError struct {
	Text string
	// Advice says what can be given instead.
	Advice string
	// Unknown is the name that was given where that is not known.
	Unknown string
}

func (e *AssumeError) Error() string { return "assuming " + e.Text }

// Hint says what can be given instead.
func (e *AssumeError) Hint() string { return e.Advice }

// assumeForms are what can be given.
const assumeForms = "a release, as in cosign@v2.0.1, or libraries, as in go-tuf=v0.5.2,sigstore=v1.6.1"

// aliases are names by which clients are asked for, and what they are known by here.
var aliases = map[string]string{"flux": "source-controller", "docker-buildx": "buildx"}

// Names are those of the clients that can be assumed, sorted.
func (m *Model) Names() []string {
	names := []string{nameNPM, nameSigstorePython, nameSigstoreJS, nameSigstoreRuby, nameSigstoreJava}
	for _, c := range m.Clients {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Assume describes a client that is not installed: a release ("cosign@v2.0.1",
// "cosign@2.0.1-r6", "ko@0.19.1", "sigstore-python@4.5.0") or versions of Go
// libraries given outright ("go-tuf=v0.5.2,sigstore=v1.6.1"). Its Path is empty. A
// release that is not in the table is described like the newest known one before
// it, of the same major version, and its Notes say so; nothing is claimed of any
// other. The error is an *AssumeError.
func (m *Model) Assume(spec string) (Client, error) {
	name, version, ok := strings.Cut(spec, "@")
	if !ok {
		return m.assumeLibraries(spec)
	}
	alias := aliases[name]
	if alias != "" {
		name = alias
	}
	if !slices.Contains(m.Names(), name) {
		return Client{}, &AssumeError{
			Text: fmt.Sprintf("%.80q: no client of that name is known", name), Unknown: name,
			Advice: "known are " + strings.Join(m.Names(), ", "),
		}
	}
	v, err := Upstream(version)
	if err != nil {
		return Client{}, &AssumeError{Text: fmt.Sprintf("%s: %v", name, err), Advice: "give its version: " + m.example(name)}
	}
	c := m.assumeRelease(name, version, v)
	if alias != "" {
		c.Notes = append(c.Notes, fmt.Sprintf("what verifies there is %s: its version is what counts", name))
	}
	if v.Prerelease() == "" && !bareVersion.MatchString(version) {
		c.Notes = append(c.Notes, "described like its upstream release; a distribution may build it with other libraries: once it is installed, its file decides")
	}
	return c, nil
}

// bareVersion is a version to which no packager added anything.
var bareVersion = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){1,2}$`)

// example is a release of that client that can be assumed.
func (m *Model) example(name string) string {
	if name == cosign || name == "" {
		return cosign + "@" + m.Releases[len(m.Releases)-1].Version
	}
	if r := m.newest(name); r != nil {
		return name + "@" + r.Version
	}
	return name + "@1.2.3"
}

// newest is the newest known release of another client than cosign; nil for none.
func (m *Model) newest(name string) *Release {
	for i := range slices.Backward(m.OtherReleases) {
		if m.OtherReleases[i].Of == name {
			return &m.OtherReleases[i]
		}
	}
	return nil
}

func (m *Model) assumeRelease(name, version string, v *semver.Version) Client {
	c := Client{Ecosystem: Go, Name: name, Version: version, VersionSource: "assumed", Libraries: map[string]string{}, EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}}
	if m.assumeItself(&c, v) {
		return c
	}
	r, exact := m.nearest(name, v)
	switch {
	case r == nil && name != cosign:
		c.Notes = append(c.Notes, fmt.Sprintf("the libraries of this release of %s are not known: give those of its go.mod outright (--assume %s)", name, m.librariesOf(name)))
		return c
	case r == nil:
		c.Notes = append(c.Notes, fmt.Sprintf("no cosign release of major version %d is known", v.Major()))
		return c
	case !exact:
		c.Notes = append(c.Notes, "this release is not known; described like "+r.Version+", the newest known before it")
	}
	m.describe(&c, *r)
	return c
}

// librariesOf are the libraries that a release of that client has, as they are
// given outright: those of its newest known one, else one choice of them.
func (m *Model) librariesOf(name string) string {
	libraries := []string{GoTUFv2, SigstoreGo}
	if r := m.newest(name); r != nil {
		libraries = slices.Sorted(maps.Keys(r.Libraries))
	}
	return strings.Join(libraries, "=VERSION,") + "=VERSION"
}

// assumeItself describes a client whose version is that of a library: it is that
// library's own program, or the library in another language.
func (m *Model) assumeItself(c *Client, v *semver.Version) bool {
	own := func(library string) { c.Libraries[library] = "v" + v.String() }
	switch c.Name {
	case "tuf-client":
		if own(GoTUF); v.Major() >= 2 {
			c.Libraries = map[string]string{}
			own(GoTUFv2)
		}
	case SigstoreGo:
		own(SigstoreGo)
		c.Linked = Linked{TUFv2: true, SigstoreGo: true}
		m.assumeRoots(c)
		return true
	case nameSigstorePython:
		c.Ecosystem, c.Libraries[SigstorePython] = Python, c.Version
		c.Notes = append(c.Notes, "what it can depends on the versions of tuf, securesystemslib and cryptography that are installed beside it, too")
		return true
	case nameSigstoreJS:
		c.Ecosystem, c.Libraries[SigstoreJS] = JavaScript, c.Version
		c.Notes = append(c.Notes, "what it can depends on the version of tuf-js that is installed beside it, too")
		return true
	case nameNPM:
		c.Ecosystem = JavaScript
		c.Notes = append(c.Notes, "which sigstore-js it carries does not follow from its version: tufkeeper clients judges an npm that is installed")
		return true
	case nameSigstoreRuby:
		c.Ecosystem, c.Libraries[SigstoreRuby] = Ruby, c.Version
		return true
	case nameSigstoreJava:
		c.Ecosystem, c.Libraries[SigstoreJava] = Java, c.Version
		return true
	default:
		return false
	}
	c.Linked = m.assumeLinked(c.Libraries)
	return true
}

// nearest returns the release of a client with that version, or else the newest
// known one before it of the same major version.
func (m *Model) nearest(name string, v *semver.Version) (r *Release, exact bool) {
	releases, order := m.Releases, m.releaseOrder
	if name != cosign {
		releases, order = m.OtherReleases, m.otherOrder
	}
	for i, known := range order {
		switch {
		case name != cosign && releases[i].Of != name:
		case known.Equal(v):
			return &releases[i], true
		case known.Major() == v.Major() && known.LessThan(v):
			r = &releases[i]
		}
	}
	return r, false
}

// describe fills in what the table knows of a release.
func (m *Model) describe(c *Client, r Release) {
	c.MainModule = r.MainModule
	for name, version := range r.Libraries {
		c.Libraries[name] = version
	}
	switch r.Client {
	case "none":
		c.Notes = append(c.Notes, NoteNoClient)
		return
	case "cosign":
		c.Linked = Linked{LegacyTUF: true, CosignTUF: true}
	case "unknown":
		c.Notes = append(c.Notes, "its libraries are those of its go.mod: which of them are linked is not known")
		fallthrough
	default:
		c.Linked = m.assumeLinked(c.Libraries)
	}
	if len(r.EmbeddedRoots) == 0 {
		m.assumeRoots(c)
		return
	}
	versions := []int64{}
	for _, v := range r.EmbeddedRoots {
		if !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	for _, v := range versions {
		known, _ := m.publicRootVersion(v) // check has seen to it that it is listed
		c.EmbeddedRoots = append(c.EmbeddedRoots, known.embedded())
	}
}

func (m *Model) assumeLibraries(spec string) (Client, error) {
	c := Client{Ecosystem: Go, VersionSource: "assumed", Libraries: map[string]string{}, EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}}
	names := []string{GoTUF, GoTUFv2, Sigstore, SigstoreGo}
	for _, part := range strings.Split(spec, ",") {
		name, version, ok := strings.Cut(part, "=")
		name, version = strings.TrimSpace(name), strings.TrimSpace(version)
		if known := cmp.Or(aliases[name], name); !ok && slices.Contains(m.Names(), known) && part == spec {
			return Client{}, &AssumeError{Text: fmt.Sprintf("%q: of which release?", name), Advice: "give its version: " + m.example(known)}
		}
		if !ok {
			return Client{}, &AssumeError{Text: fmt.Sprintf("%.80q: neither NAME@VERSION nor LIBRARY=VERSION", part), Advice: "give " + assumeForms}
		}
		if !slices.Contains(names, name) {
			return Client{}, &AssumeError{Text: fmt.Sprintf("%.80q: no Go library of that name decides what a client can read", name), Advice: "the libraries are " + strings.Join(names, ", ")}
		}
		if c.Libraries[name] != "" {
			return Client{}, &AssumeError{Text: fmt.Sprintf("%q: given twice", name), Advice: "give " + assumeForms}
		}
		v, err := semver.NewVersion(version)
		if err != nil {
			return Client{}, &AssumeError{Text: fmt.Sprintf("%s: %.80q is no version", name, version), Advice: "give it as in go.mod: " + name + "=" + m.newestOf(name)}
		}
		c.Libraries[name] = "v" + v.String()
	}
	if c.Libraries[GoTUF] == "" && c.Libraries[GoTUFv2] == "" {
		return Client{}, &AssumeError{Text: fmt.Sprintf("%.80q: a client has %s or %s", spec, GoTUF, GoTUFv2), Advice: "give " + assumeForms}
	}
	c.Name = "libraries"
	c.Linked = m.assumeLinked(c.Libraries)
	m.assumeRoots(&c)
	return c, nil
}

func (m *Model) newestOf(library string) string {
	l, _ := m.library(library) // only asked of known ones
	return l.Newest
}

// assumeRoots adds the roots that these versions of the libraries carry.
func (m *Model) assumeRoots(c *Client) {
	for _, library := range []string{Sigstore, SigstoreGo} {
		if !c.Linked.needs(library) {
			continue
		}
		if known, ok := m.libraryRoot(library, c.Libraries[library]); ok {
			c.EmbeddedRoots = append(c.EmbeddedRoots, known.embedded())
		}
	}
}

// assumeLinked tells from library versions what a client of them links.
func (m *Model) assumeLinked(libraries map[string]string) Linked {
	_, gotuf := libraries[GoTUF]
	_, gotuf2 := libraries[GoTUFv2]
	_, sigstore := libraries[Sigstore]
	_, sigstoreGo := libraries[SigstoreGo]
	l := Linked{LegacyTUF: gotuf, SigstoreTUF: gotuf && sigstore, TUFv2: gotuf2, SigstoreGo: gotuf2 && sigstoreGo, HexVerifier: gotuf}
	for name, r := range m.HexVerifier.Versions {
		v, err := semver.NewVersion(libraries[name])
		if err != nil || !r.holds(v) {
			l.HexVerifier = false
		}
	}
	return l
}
