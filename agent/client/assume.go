// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Assume describes a client that is not installed: a release ("cosign@v2.0.1",
// "cosign@2.0.1-r6", "ko@0.19.1") or library versions given outright
// ("go-tuf=v0.5.2,sigstore=v1.6.1"). Its Path is empty. A release that is not in
// the table is described like the newest known one before it, of the same major
// version, and its Notes say so; nothing is claimed of any other.
func (m *Model) Assume(spec string) (Client, error) {
	if name, version, ok := strings.Cut(spec, "@"); ok {
		return m.assumeRelease(name, version)
	}
	return m.assumeLibraries(spec)
}

func (m *Model) assumeRelease(name, version string) (Client, error) {
	if name == "" || !slices.ContainsFunc(m.Clients, func(c KnownClient) bool { return c.Name == name }) {
		return Client{}, fmt.Errorf("assuming %q: no client of that name is known", name)
	}
	v, err := Upstream(version)
	if err != nil {
		return Client{}, fmt.Errorf("assuming %s: %w", name, err)
	}
	c := Client{Ecosystem: Go, Name: name, Version: version, VersionSource: "assumed", Libraries: map[string]string{}, EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}}
	r, exact := m.nearest(name, v)
	switch {
	case r == nil && name != cosign:
		c.Notes = append(c.Notes, "the libraries of this release of "+name+" are not known: give them outright (go-tuf/v2=VERSION,sigstore-go=VERSION)")
		return c, nil
	case r == nil:
		c.Notes = append(c.Notes, fmt.Sprintf("no cosign release of major version %d is known", v.Major()))
		return c, nil
	case !exact:
		c.Notes = append(c.Notes, "this release is not known; described like "+r.Version+", the newest known before it")
	}
	m.describe(&c, *r)
	return c, nil
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
		c.Notes = append(c.Notes, "has no TUF client")
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
	for _, part := range strings.Split(spec, ",") {
		name, version, ok := strings.Cut(part, "=")
		if !ok {
			return Client{}, fmt.Errorf("assuming %q: neither NAME@VERSION nor LIBRARY=VERSION", part)
		}
		name, version = strings.TrimSpace(name), strings.TrimSpace(version)
		if !slices.Contains([]string{GoTUF, GoTUFv2, Sigstore, SigstoreGo}, name) {
			return Client{}, fmt.Errorf("assuming %q: the libraries are %s, %s, %s and %s", part, GoTUF, GoTUFv2, Sigstore, SigstoreGo)
		}
		if c.Libraries[name] != "" {
			return Client{}, fmt.Errorf("assuming %q: given twice", name)
		}
		v, err := semver.NewVersion(version)
		if err != nil {
			return Client{}, fmt.Errorf("assuming %q: reading version %q: %w", name, version, err)
		}
		c.Libraries[name] = "v" + v.String()
	}
	if c.Libraries[GoTUF] == "" && c.Libraries[GoTUFv2] == "" {
		return Client{}, errors.New("assuming libraries: a client has go-tuf or go-tuf/v2")
	}
	c.Name = "libraries"
	c.Linked = m.assumeLinked(c.Libraries)
	m.assumeRoots(&c)
	return c, nil
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
