// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// maxVersionText bounds a version string: longer ones are refused unread.
const maxVersionText = 128

var (
	epoch    = regexp.MustCompile(`^[0-9]{1,9}:`)
	upstream = regexp.MustCompile(`^v?([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?`)
	// preRelease is what comes before a release, as upstream ("-rc.1"), Debian
	// ("~rc1", "~git20230801"), Alpine ("_rc1") and builders ("-SNAPSHOT") write it.
	// Alpine's "_git" and "_p" come after one.
	preRelease = regexp.MustCompile(`^(?:[-~._]?(alpha|beta|preview|pre|rc|devel|dev|snapshot|next|nightly|canary)|[-~](git))(?:[.-]?([0-9]{1,18}))?`)
	// pseudo is the tail of a Go pseudo-version, which sorts before its release.
	pseudo = regexp.MustCompile(`^-(?:[0-9A-Za-z]+\.)*[0-9]{14}-[0-9a-f]{12}`)
	// packaged is what packagers and builds append: "-r6", "-2+b4", "+carbide.2",
	// "-1.fc39", "_1", "-12-gabc1234", "~bpo12+1", "+dirty".
	packaged = regexp.MustCompile(`^[-+~._][0-9A-Za-z+~._-]*$`)
	// storePath is a package of Nix ("/nix/store/…-cosign-2.5.3"), up to its version.
	storePath = regexp.MustCompile(`^(?:/nix/store/)?[0-9a-z]{32}-(?:[A-Za-z][0-9A-Za-z+._]*-)+`)
	// packageFile is the file of a package: "cosign-2.2.0-1.x86_64.rpm".
	packageFile = regexp.MustCompile(`^(?:[A-Za-z][0-9A-Za-z+.]*[-_])+([0-9].*)\.(?:rpm|deb|apk|pkg\.tar\.zst)$`)
)

// Upstream reads a version as builds and distributions write it and returns the
// upstream part, by which releases are compared: "1:2.2.3-1.fc39" is 2.2.3 and
// "2.0.1-r6" is 2.0.1, while a release candidate or a Go pseudo-version keeps
// what makes it older than its release. A build some commits after a tag
// ("v2.2.0-12-gabc1234") counts as that release: it has what the release has.
//
// What is only a number or "rN" after the version is a packager's: 2.0.1-r6 and
// 2.5.0-2 are no release candidates, 2.0.1-rc.6 is one.
func Upstream(text string) (*semver.Version, error) {
	if len(text) > maxVersionText {
		return nil, fmt.Errorf("reading version %q: longer than %d bytes", text[:32]+"…", maxVersionText)
	}
	rest := withoutName(strings.TrimSpace(text))
	rest = rest[len(epoch.FindString(rest)):]
	m := upstream.FindStringSubmatch(rest)
	if m == nil {
		return nil, fmt.Errorf("reading version %q: not a version", text)
	}
	rest = rest[len(m[0]):]
	core := m[1] + "." + m[2] + "." + m[3]
	if m[3] == "" {
		core += "0"
	}
	switch {
	case pseudo.MatchString(rest):
		p := pseudo.FindString(rest)
		core, rest = core+p, rest[len(p):]
	case preRelease.MatchString(strings.ToLower(rest)):
		p := preRelease.FindStringSubmatchIndex(strings.ToLower(rest))
		word, after := strings.ToLower(strings.TrimLeft(rest[:max(p[3], p[5])], "-~._")), rest[p[1]:]
		core += "-" + word
		if n := strings.TrimLeft(rest[max(p[6], 0):max(p[7], 0)], "0"); p[6] >= 0 && (after == "" || packaged.MatchString(after)) {
			core += "." + cmp.Or(n, "0")
		} else {
			after = rest[max(p[3], p[5]):] // "-SNAPSHOT-546f1c5": a commit, no number
		}
		rest = after
	}
	if rest != "" && !packaged.MatchString(rest) {
		return nil, fmt.Errorf("reading version %q: unexpected %q after the version", text, rest)
	}
	v, err := semver.NewVersion(core)
	if err != nil {
		return nil, fmt.Errorf("reading version %q: %w", text, err)
	}
	return v, nil
}

// withoutName takes the name of a package from in front of its version, where a
// store or a file name has both.
func withoutName(text string) string {
	if name := storePath.FindString(text); name != "" {
		text, _, _ = strings.Cut(text[len(name):], "/")
		return text
	}
	if m := packageFile.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return text
}

// versionRange is a list of bounds that all hold: ">=v0.5.0 <v0.6.0". Unlike a
// semver constraint it has no special case for pre-releases: a pseudo-version
// sorts before its release and that is all.
type versionRange struct {
	text string
	from *semver.Version // inclusive, nil: no lower bound
	to   *semver.Version // exclusive, nil: no upper bound
}

func (r *versionRange) UnmarshalText(text []byte) error {
	r.text = string(text)
	if r.text == "*" {
		return nil
	}
	for _, bound := range strings.Fields(r.text) {
		var at **semver.Version
		var version string
		switch {
		case strings.HasPrefix(bound, ">="):
			at, version = &r.from, bound[2:]
		case strings.HasPrefix(bound, "<") && !strings.HasPrefix(bound, "<="):
			at, version = &r.to, bound[1:]
		default:
			return fmt.Errorf("reading version range %q: %q is neither >= nor <", r.text, bound)
		}
		if *at != nil {
			return fmt.Errorf("reading version range %q: two bounds of one kind", r.text)
		}
		v, err := semver.NewVersion(version)
		if err != nil {
			return fmt.Errorf("reading version range %q: %w", r.text, err)
		}
		*at = v
	}
	if r.from == nil && r.to == nil {
		return fmt.Errorf("reading version range %q: no bound; write * for every version", r.text)
	}
	if r.from != nil && r.to != nil && !r.from.LessThan(r.to) {
		return fmt.Errorf("reading version range %q: holds nothing", r.text)
	}
	return nil
}

// String returns the range as it is written in the table.
func (r versionRange) String() string { return r.text }

func (r versionRange) holds(v *semver.Version) bool {
	return (r.from == nil || !v.LessThan(r.from)) && (r.to == nil || v.LessThan(r.to))
}

// overlaps says whether some version is in both ranges.
func (r versionRange) overlaps(o versionRange) bool {
	return (r.to == nil || o.from == nil || o.from.LessThan(r.to)) &&
		(o.to == nil || r.from == nil || r.from.LessThan(o.to))
}

// Older says whether version a comes before version b. It is false when one of
// them cannot be read.
func Older(a, b string) bool {
	va, errA := Upstream(a)
	vb, errB := Upstream(b)
	return errA == nil && errB == nil && va.LessThan(vb)
}
