// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

// Names of clients in other languages. A package of somebody's that uses one of
// these libraries is listed under the library's name: the packages that it is
// made of do not tell who installed them.
const (
	nameSigstorePython = "sigstore-python"
	nameSigstoreJS     = "sigstore-js"
	nameNPM            = "npm"
	nameSigstoreRuby   = "sigstore-ruby"
	nameSigstoreJava   = "sigstore-java"
)

// Names of libraries that those clients check signatures with.
const (
	SecureSystemsLib = "securesystemslib"  // python-tuf's
	PyCryptography   = "pyca/cryptography" // below securesystemslib
)

// Bounds of looking for packages.
const (
	maxPackageDirs    = 20_000  // directories that one Find looks into
	maxPackageEntries = 50_000  // names in one of them
	maxMetadata       = 1 << 20 // bytes of one metadata file
)

// fromPackage is where the version of a package comes from.
const fromPackage = "package metadata"

// found is a package that was found to be a client.
type found struct {
	path string // what is shown: the package's directory, its jar or its gemspec
	// metadata is the file whose state tells whether the package is still the same.
	metadata string
	// libraries are the versions of the libraries it uses, where they are known from
	// elsewhere than the metadata file. They are looked up every time: they may
	// change without it.
	libraries map[string]string
	notes     []string
	// read fills in what stands in the package itself: name, version, own library
	// and embedded roots.
	read func(metadata []byte, c *Client) error
}

// packageDirs looks for clients in other languages in the directories that match
// a pattern. No package is ever executed or imported.
func (s *search) packageDirs(ctx context.Context, pattern string) {
	base, rest := doublestar.SplitPattern(filepath.ToSlash(pattern))
	if !filepath.IsAbs(base) {
		s.fail(fmt.Errorf("looking for packages in %q: not an absolute path", pattern))
		return
	}
	if s.closed(base, rest) {
		return
	}
	err := doublestar.GlobWalk(os.DirFS(base), rest, func(name string, _ fs.DirEntry) error {
		dir := filepath.Join(base, filepath.FromSlash(name))
		if s.packageDirsSeen++; s.packageDirsSeen > maxPackageDirs {
			return errEnough
		}
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !s.excluded(dir) {
			s.packageDir(ctx, dir)
		}
		return ctx.Err()
	}, doublestar.WithNoFollow())
	switch {
	case errors.Is(err, errEnough):
		if !s.packagesDropped {
			s.packagesDropped = true
			s.fail(fmt.Errorf("looking for packages: there are more than the %d directories that are looked into", maxPackageDirs))
		}
	case err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist):
		s.fail(fmt.Errorf("looking for packages in %q: %w", pattern, quoted(err)))
	}
}

// packageDir looks into one directory. In node_modules a few names are looked up;
// every other directory is listed once.
func (s *search) packageDir(ctx context.Context, dir string) {
	name := filepath.Base(dir)
	dir = realPath(dir) // a link to it is no other directory
	switch name {
	case "node_modules", "nodejs":
		s.nodeModules(ctx, dir)
		return
	case "sigstore-java": // Maven's and Gradle's own repositories
		s.jarVersions(ctx, dir)
		return
	}
	names, err := list(dir)
	if err != nil {
		s.fail(err)
	}
	s.python(ctx, dir, names)
	s.ruby(ctx, dir, names)
	s.jars(ctx, dir, names)
}

// list returns the names in a directory, sorted, and no more than maxPackageEntries.
func list(dir string) ([]string, error) {
	// Without O_DIRECTORY a FIFO of that name would hold us up.
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading directory %q: %w", dir, quoted(err))
	}
	defer f.Close() // opened for reading: nothing can be lost
	names, err := f.Readdirnames(maxPackageEntries)
	slices.Sort(names)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return names, fmt.Errorf("reading directory %q: %w", dir, quoted(err))
	case len(names) == maxPackageEntries:
		return names, fmt.Errorf("reading directory %q: more than the %d names that are read", dir, maxPackageEntries)
	}
	return names, nil
}

// add reads a package and lists it. Two names that lead to one metadata file are
// one client; two files with one content, such as installers make by hard links,
// are two.
func (s *search) add(ctx context.Context, e Ecosystem, p found) {
	if ctx.Err() != nil || s.excluded(p.path) {
		return
	}
	real, err := filepath.EvalSymlinks(p.metadata)
	if err != nil {
		return
	}
	outside, foreign := elsewhere(filepath.Dir(p.path), real)
	if foreign {
		s.fail(fmt.Errorf("reading %q: it is a link to what belongs to another user", p.path))
		return // it says nothing of the package that is there, and does not hide it
	}
	if s.packagesSeen[real] {
		return
	}
	s.packagesSeen[real] = true
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() {
		return // a FIFO or a directory is no metadata
	}
	key := scanKey{kind: e, path: p.path, file: fileID(info)}
	s.seen[key] = true
	c, err := s.o.Cache.read(p.path, key, func() (Client, error) { return readPackage(e, p, real, key.file) })
	if err != nil && outside && !errors.Is(err, ErrNotClient) {
		err = fmt.Errorf("reading %q: it is a link to what is no metadata of a package", p.path) // and no word of what it is
	}
	switch {
	case err == nil:
		c.Libraries = maps.Clone(c.Libraries)
		maps.Copy(c.Libraries, p.libraries)
		c.Notes = slices.Concat(c.Notes, p.notes)
		s.list(ownerOf(info), c)
	case !errors.Is(err, ErrNotClient):
		s.fail(err)
	}
}

// elsewhere says whether a file lies outside the directory that it was found in, by
// a link, and whether it belongs to another user there.
func elsewhere(dir, real string) (outside, foreign bool) {
	at := realPath(dir)
	if strings.HasPrefix(real, at+"/") {
		return false, false
	}
	to, err := os.Stat(real)
	from, fromErr := os.Stat(at)
	return true, err != nil || fromErr != nil || ownerOf(to) != ownerOf(from)
}

// readPackage reads what stands in a package.
func readPackage(e Ecosystem, p found, path string, key FileID) (c Client, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Client{}, fmt.Errorf("reading %q: the parser panicked: %.200q", p.path, fmt.Sprint(r))
		}
	}()
	c = Client{Path: p.path, Ecosystem: e, File: key, Libraries: map[string]string{}, EmbeddedRoots: []EmbeddedRoot{}, Notes: []string{}}
	var metadata []byte
	if e != Java { // a jar is opened by its own parser
		if metadata, err = readBounded(path, maxMetadata); err != nil {
			return Client{}, err
		}
	}
	if err := p.read(metadata, &c); err != nil {
		return Client{}, fmt.Errorf("reading %q: %w", p.path, err)
	}
	sortRoots(c.EmbeddedRoots)
	return c, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	if info.Size() > limit {
		return nil, fmt.Errorf("reading %q: larger than %d bytes", path, limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, quoted(err))
	}
	return data, nil
}

// addRootFile adds the root document in the first of the files that holds one.
// Only the root of Sigstore's public instance is read: packages carry that of its
// staging, too, and nobody is judged by where a test starts.
func (c *Client) addRootFile(paths ...string) {
	for _, path := range paths {
		data, err := readBounded(path, maxRoot)
		if err == nil && c.addRoot(data) {
			return
		}
	}
}

func (c *Client) addRoot(data []byte) bool {
	root, ok := decodeRoot(data)
	if ok && len(c.EmbeddedRoots) < maxRoots {
		c.EmbeddedRoots = append(c.EmbeddedRoots, root)
	}
	return ok
}

// addRootBase64 adds a root document written in base64.
func (c *Client) addRootBase64(text string) {
	if len(text) > base64.StdEncoding.EncodedLen(maxRoot) {
		return
	}
	if data, err := base64.StdEncoding.DecodeString(text); err == nil {
		c.addRoot(data)
	}
}

// publicMirror is the mirror of Sigstore's public instance, as packages name it.
const publicMirror = "https://tuf-repo-cdn.sigstore.dev"
