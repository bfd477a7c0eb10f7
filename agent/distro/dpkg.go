// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listed is a file under the name that a package lists it by.
type listed struct {
	file, pkg, arch string
}

// findDpkg reads dpkg's lists of files, and then the state and version of the
// packages that list a wanted one from its status file.
func findDpkg(ctx context.Context, h host, info string, w *wanted) error {
	dir := filepath.Dir(info)
	diverted, err := h.diversions(ctx, filepath.Join(dir, "diversions"))
	if err != nil {
		return err
	}
	// Another package's file of a diverted name lies elsewhere: it is wanted
	// under the name it was diverted from.
	asked := newWanted()
	for name, paths := range w.names {
		asked.names[name] = paths
	}
	for _, d := range diverted {
		if _, ok := w.names[d.to]; ok && asked.names[d.from] == nil {
			asked.names[d.from] = []string{}
		}
	}
	lists, err := h.list(info)
	if err != nil {
		return err
	}
	slices.Sort(lists)
	var hits []listed
	for _, name := range lists {
		pkg, ok := strings.CutSuffix(name, ".list")
		if !ok {
			continue
		}
		pkg, arch, _ := strings.Cut(pkg, ":")
		err := h.lines(ctx, filepath.Join(info, name), func(line []byte) bool {
			if asked.has(line) {
				hits = append(hits, listed{file: string(line), pkg: pkg, arch: arch})
			}
			return len(hits) < maxPaths
		})
		if err != nil {
			return err
		}
	}
	if len(hits) == 0 {
		return nil
	}
	installed, err := h.dpkgStatus(ctx, filepath.Join(dir, "status"), hits)
	if err != nil {
		return err
	}
	for _, hit := range hits {
		if pkg, ok := installed[hit.pkg+":"+hit.arch]; ok { // else only its configuration is left
			w.take(divertedTo(hit, diverted), pkg)
		}
	}
	return nil
}

// diversion says that every package but one has its file of a name elsewhere.
type diversion struct {
	from, to string
	by       string // the package that the name is kept for; ":" for the operator, and no package
}

func (h host) diversions(ctx context.Context, file string) ([]diversion, error) {
	if _, info, err := h.resolve(file); err != nil || info == nil {
		return nil, err
	}
	var out []diversion
	var three []string
	err := h.lines(ctx, file, func(line []byte) bool {
		if three = append(three, string(line)); len(three) == 3 {
			out = append(out, diversion{from: three[0], to: three[1], by: three[2]})
			three = nil
		}
		return len(out) < maxEntries
	})
	return out, err
}

// divertedTo is where the file really is that a package lists.
func divertedTo(l listed, diverted []diversion) string {
	for _, d := range diverted {
		if d.from == l.file && d.by != l.pkg {
			return d.to
		}
	}
	return l.file
}

// dpkgStatus returns those packages that are installed, by "name:architecture",
// the architecture being empty where the list names none.
func (h host) dpkgStatus(ctx context.Context, file string, hits []listed) (map[string]Package, error) {
	installed := map[string]Package{}
	var s stanza
	flush := func() {
		for _, hit := range hits {
			if hit.pkg == s.pkg && (hit.arch == "" || hit.arch == s.arch) && s.installed() {
				installed[hit.pkg+":"+hit.arch] = s.entry()
			}
		}
		s = stanza{}
	}
	err := h.lines(ctx, file, func(line []byte) bool {
		if len(line) == 0 {
			flush()
		}
		s.field(line)
		return true
	})
	flush()
	return installed, err
}

// stanza holds the fields of one package in dpkg's status file.
type stanza struct{ pkg, version, arch, status, sources string }

func (s *stanza) field(line []byte) {
	if len(line) == 0 || line[0] == ' ' || line[0] == '\t' {
		return // the rest of a field before it
	}
	key, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch string(key) {
	case "Package":
		s.pkg = fit(string(value))
	case "Version":
		s.version = fit(string(value))
	case "Architecture":
		s.arch = fit(string(value))
	case "Status":
		s.status = fit(string(value))
	case "Built-Using", "Static-Built-Using":
		s.sources += string(value) + ","
	}
}

func (s *stanza) entry() Package {
	p := Package{Manager: "dpkg", Name: s.pkg, Version: s.version}
	for source := range strings.SplitSeq(s.sources, ",") {
		// "golang-github-theupdateframework-go-tuf (= 2.0.2+0.7.0-1)"
		name, version, ok := strings.Cut(strings.TrimSpace(source), " (= ")
		if version, closed := strings.CutSuffix(version, ")"); ok && closed {
			p.Sources = append(p.Sources, Source{Name: fit(name), Version: fit(version)})
		}
	}
	return p
}

// installed says whether its files are on disk, as far as dpkg knows.
func (s *stanza) installed() bool {
	return s.version != "" && !strings.HasSuffix(s.status, " not-installed") && !strings.HasSuffix(s.status, " config-files")
}

// findDistroless reads the databases of images that are put together without
// dpkg: a status file for every package, and its files in NAME.md5sums.
func findDistroless(ctx context.Context, h host, dir string, w *wanted) error {
	names, err := h.list(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		base, ok := strings.CutSuffix(name, ".md5sums")
		if !ok {
			continue
		}
		var hits []string
		err := h.lines(ctx, path.Join(dir, name), func(line []byte) bool {
			// "d41d8cd98f00b204e9800998ecf8427e  usr/bin/x"
			const sum = 32
			if len(line) > sum+2 && w.has(append([]byte("/"), line[sum+2:]...)) {
				hits = append(hits, "/"+string(line[sum+2:]))
			}
			return len(hits) < maxPaths
		})
		if err != nil {
			return err
		}
		if len(hits) == 0 {
			continue
		}
		var s stanza
		if err := h.lines(ctx, path.Join(dir, base), func(line []byte) bool { s.field(line); return true }); err != nil {
			return err
		}
		if s.pkg == "" || !s.installed() {
			return fmt.Errorf("reading %q: no package and version", path.Join(dir, base))
		}
		for _, hit := range hits {
			w.take(hit, s.entry())
		}
	}
	return nil
}
