// SPDX-License-Identifier: Apache-2.0

// Package distro tells the distribution of this host, and which of its packages
// owns a file.
//
// The databases of dpkg, apk, rpm and pacman are read as files: no package
// manager is run, nothing is locked and nothing is written. A database is
// somebody else's, and large: it is streamed within bounds, under recover, and
// only when it changed since it was last asked. As root, one that another user
// could have written is refused. What cannot be read is an error beside the
// answers, since the rest of the host is still worth knowing.
package distro

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Package is an entry of a package database.
type Package struct {
	Manager string // "dpkg", "apk", "rpm", "pacman", or "nix" and "homebrew", which have no database
	Name    string
	Version string // as the database has it: "2.5.0-2+b4", "1:2.2.3-1.fc39"
	// Sources are the source packages compiled into it, where the database says so
	// (dpkg's Built-Using): what a build without build information is made of.
	Sources []Source
}

// Source is a source package.
type Source struct{ Name, Version string }

// maxPaths bounds how many files one call of Owners looks up.
const maxPaths = 4096

// Distro looks things up below one root directory. It is safe for concurrent use.
type Distro struct {
	h host

	mu sync.Mutex
	// known are the answers of the last call, good while the databases are those of stamp.
	known map[string]answer
	stamp string
}

type answer struct {
	pkg   Package
	owned bool
}

// Open returns the distribution installed at root, "/" for this host.
func Open(root string) (*Distro, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("opening the distribution: %w", quoted(err))
	}
	if !info.IsDir() || !filepath.IsAbs(root) {
		return nil, fmt.Errorf("opening the distribution: %q is not an absolute path of a directory", root)
	}
	return &Distro{h: host{root: filepath.Clean(root), strict: os.Geteuid() == 0, buffer: bufio.NewReaderSize(nil, maxLine)}}, nil
}

// Owners returns the packages that own the files at those paths, by path; one
// that nobody is known to own is absent. A symbolic link stands for the file it
// leads to: a link that some package ships to a file that it does not ship makes
// that file nobody's. The errors name the databases that could not be read.
func (d *Distro) Owners(ctx context.Context, paths []string) (map[string]Package, []error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if len(paths) > maxPaths {
		errs = append(errs, fmt.Errorf("looking up packages: %d files, only the first %d are looked up", len(paths), maxPaths))
		paths = paths[:maxPaths]
	}
	databases := d.h.databases()
	stamp := d.h.stamp(databases)
	if stamp != d.stamp || d.known == nil {
		d.known, d.stamp = map[string]answer{}, stamp
	}
	var ask []string
	for _, p := range paths {
		if _, ok := d.known[p]; !ok && !slices.Contains(ask, p) {
			ask = append(ask, p)
		}
	}
	lasting := true
	if len(ask) > 0 {
		answers, failed := d.h.lookUp(ctx, databases, ask)
		if after := d.h.databases(); d.h.stamp(after) != stamp { // somebody installed something meanwhile
			answers, failed = d.h.lookUp(ctx, after, ask)
		}
		errs = append(errs, failed...)
		for p, a := range answers {
			d.known[p] = a
		}
		lasting = len(failed) == 0 && d.h.stamp(d.h.databases()) == d.stamp
	}
	owners := map[string]Package{}
	kept := map[string]answer{}
	for _, p := range paths {
		kept[p] = d.known[p]
		if a := d.known[p]; a.owned {
			owners[p] = a.pkg
		}
	}
	if d.known = kept; !lasting {
		d.known = nil
	}
	return owners, errs
}

// lookUp asks each database for the paths that no earlier one knows.
func (h host) lookUp(ctx context.Context, databases []database, paths []string) (map[string]answer, []error) {
	answers := map[string]answer{}
	var errs []error
	w := newWanted()
	for _, p := range paths {
		names := h.names(p)
		answers[p] = answer{}
		if len(names) == 0 {
			continue
		}
		if pkg, ok := byStore(names[0]); ok && sound(pkg.Name) && sound(pkg.Version) {
			answers[p] = answer{pkg: pkg, owned: true}
			continue
		}
		w.add(p, names)
	}
	defer h.buffer.Reset(nil) // it holds no file longer than needed
	for _, db := range databases {
		if len(w.names) == 0 {
			break
		}
		if err := h.find(ctx, db, w); err != nil {
			errs = append(errs, fmt.Errorf("reading the package database %q: %w", db.path, err))
		}
		for p, pkg := range w.found {
			answers[p] = answer{pkg: pkg, owned: true}
		}
		w.drop()
	}
	return answers, errs
}

// find reads one database. A parser that panics has met a broken database.
func (h host) find(ctx context.Context, db database, w *wanted) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	if err := h.trusted(db.path); err != nil {
		return err
	}
	return db.find(ctx, h, db.path, w)
}

// A database is one package database that was found.
type database struct {
	manager string
	path    string   // below the root, resolved
	watch   []string // what changes with it, below the root
	find    func(ctx context.Context, h host, path string, w *wanted) error
}

// databases finds those that are there. A host may have several: an image built
// by one manager with another one's packages in it.
func (h host) databases() []database {
	var found []database
	seen := map[string]bool{}
	for _, c := range []struct {
		manager, path string
		watch         []string
		find          func(context.Context, host, string, *wanted) error
	}{
		{"dpkg", "/var/lib/dpkg/info", []string{"/var/lib/dpkg/status", "/var/lib/dpkg/diversions"}, findDpkg},
		{"dpkg", "/var/lib/dpkg/status.d", nil, findDistroless},
		{"apk", "/lib/apk/db/installed", nil, findAPK},
		{"apk", "/usr/lib/apk/db/installed", nil, findAPK},
		{"pacman", "/var/lib/pacman/local", nil, findPacman},
		{"rpm", "/var/lib/rpm", rpmFiles("/var/lib/rpm"), findRPM},
		{"rpm", "/usr/lib/sysimage/rpm", rpmFiles("/usr/lib/sysimage/rpm"), findRPM},
	} {
		path, info, err := h.resolve(c.path)
		if err != nil || info == nil || seen[path] {
			continue
		}
		seen[path] = true
		found = append(found, database{manager: c.manager, path: path, watch: append([]string{path}, c.watch...), find: c.find})
	}
	return found
}

// stamp tells one state of the databases from every other.
func (h host) stamp(databases []database) string {
	var s []byte
	for _, db := range databases {
		for _, path := range db.watch {
			if _, info, err := h.resolve(path); err == nil && info != nil {
				s = fmt.Appendf(s, "%s %d %d %s\n", path, info.Size(), info.ModTime().UnixNano(), inode(info))
			}
		}
	}
	return string(s)
}

// Managers are the package managers whose databases are there.
func (d *Distro) Managers() []string {
	var managers []string
	for _, db := range d.h.databases() {
		if !slices.Contains(managers, db.manager) {
			managers = append(managers, db.manager)
		}
	}
	return managers
}

// wanted are the files that are looked for, under every name that a database may
// have for them.
type wanted struct {
	names map[string][]string // a name -> the paths asked for
	found map[string]Package  // by path asked for
}

func newWanted() *wanted { return &wanted{names: map[string][]string{}, found: map[string]Package{}} }

func (w *wanted) add(path string, names []string) {
	for _, n := range names {
		w.names[n] = append(w.names[n], path)
	}
}

// has says whether somebody asked for the file that is listed under this name.
// It is called for every file of every package and does not allocate.
func (w *wanted) has(name []byte) bool {
	_, ok := w.names[string(name)]
	return ok
}

// take notes the owner of the file that is listed under this name. The first one
// that says so keeps it.
func (w *wanted) take(name string, pkg Package) {
	if !sound(pkg.Name) || !sound(pkg.Version) {
		return // no package manager has written that
	}
	pkg.Sources = slices.DeleteFunc(pkg.Sources, func(s Source) bool { return !sound(s.Name) || !sound(s.Version) })
	for _, path := range w.names[name] {
		if _, ok := w.found[path]; !ok {
			w.found[path] = pkg
		}
	}
}

// sound says whether a text can be the name or version of a package: they are shown
// to people and stand in commands, and no package manager allows more in them.
func sound(text string) bool {
	for _, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("+-._~^:@%=?", r) {
			return false
		}
	}
	return text != "" && text[0] != '-'
}

// drop forgets the names of what was found.
func (w *wanted) drop() {
	for name, paths := range w.names {
		paths = slices.DeleteFunc(paths, func(p string) bool { _, ok := w.found[p]; return ok })
		if w.names[name] = paths; len(paths) == 0 {
			delete(w.names, name)
		}
	}
}
