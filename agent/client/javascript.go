// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The packages of JavaScript that make a Sigstore client.
const (
	packageSigstoreTUF = "@sigstore/tuf" // the client since sigstore 1.6
	packageSigstore    = "sigstore"      // the client itself before that
	packageTUF         = "tuf-js"
	packageNPM         = "npm"
)

// parents are packages below which installers put a copy of their own of
// @sigstore/tuf. Only these are looked below: whole trees are not walked.
var parents = [...]string{packageSigstore, "pacote", "libnpmpublish", "@actions/attest"}

// maxStorePackages bounds the copies in one store of pnpm's.
const maxStorePackages = 64

// nodeModules finds npm and sigstore-js in a node_modules directory by looking up
// exact names. What Yarn keeps in archives is not seen.
func (s *search) nodeModules(ctx context.Context, dir string) {
	s.npm(ctx, dir)
	s.sigstoreJS(ctx, dir, dir)
	for _, parent := range parents {
		s.sigstoreJS(ctx, filepath.Join(dir, parent, "node_modules"), dir)
	}
	s.pnpm(ctx, filepath.Join(dir, ".pnpm"))
}

// npm finds npm, which has its own copy of sigstore-js, or in Debian's package the
// one beside it.
func (s *search) npm(ctx context.Context, dir string) {
	home := filepath.Join(dir, packageNPM)
	metadata := filepath.Join(home, "package.json")
	if !regular(metadata) {
		return
	}
	libraries, tuf := nodeLibraries(filepath.Join(home, "node_modules"), dir)
	if tuf == "" {
		return // npm before 9.5 has no TUF client
	}
	s.add(ctx, JavaScript, found{path: home, metadata: metadata, libraries: libraries, read: func(data []byte, c *Client) error {
		version, err := packageJSON(data, packageNPM)
		if err != nil {
			return err
		}
		c.Name, c.Version, c.VersionSource = nameNPM, version, fromPackage
		c.addSeeds(tuf)
		return nil
	}})
	if real := realPath(filepath.Join(tuf, "package.json")); !foreign(dir, real) {
		s.packagesSeen[real] = true // it is npm's
	}
}

func foreign(dir, real string) bool {
	_, foreign := elsewhere(dir, real)
	return foreign
}

// sigstoreJS finds sigstore-js in a node_modules directory; what it needs is there
// or in the outer one.
func (s *search) sigstoreJS(ctx context.Context, dir, outer string) {
	libraries, tuf := nodeLibraries(dir, outer)
	if tuf == "" || filepath.Dir(tuf) != dir && filepath.Dir(filepath.Dir(tuf)) != dir {
		return // the one it uses is the outer one's
	}
	name := packageSigstoreTUF
	if _, ok := libraries[SigstoreJS]; !ok {
		name = packageSigstore
	}
	s.add(ctx, JavaScript, found{path: tuf, metadata: filepath.Join(tuf, "package.json"), libraries: libraries, read: func(data []byte, c *Client) error {
		version, err := packageJSON(data, name)
		if err != nil {
			return err
		}
		c.Name, c.Version, c.VersionSource = nameSigstoreJS, version, fromPackage
		c.addSeeds(tuf)
		return nil
	}})
}

// nodeLibraries returns the versions that a package whose node_modules are these,
// innermost first, would load, and the directory of the one that is the Sigstore
// client, "" if there is none.
func nodeLibraries(dirs ...string) (libraries map[string]string, tuf string) {
	libraries = map[string]string{}
	for _, dir := range dirs {
		at := filepath.Join(dir, packageSigstoreTUF)
		if version, ok := packageVersion(at, packageSigstoreTUF); ok {
			libraries[SigstoreJS] = version
			// Its own tuf-js is nearer than the one beside it.
			dirs = append([]string{filepath.Join(realPath(at), "node_modules"), filepath.Dir(filepath.Dir(realPath(at)))}, dirs...)
			tuf = at
			break
		}
	}
	if tuf == "" { // sigstore before 1.6, which was all in one
		for _, dir := range dirs {
			at := filepath.Join(dir, packageSigstore)
			if version, ok := packageVersion(at, packageSigstore); ok && Older(version, "1.6.0") {
				dirs = append([]string{filepath.Join(at, "node_modules"), filepath.Dir(realPath(at))}, dirs...)
				tuf = at
				break
			}
		}
	}
	if tuf == "" {
		return nil, ""
	}
	for _, dir := range dirs {
		if version, ok := packageVersion(filepath.Join(dir, packageTUF), packageTUF); ok {
			libraries[TUFJS] = version
			break
		}
	}
	return libraries, tuf
}

// pnpm looks into the store of pnpm, where a package's directory begins with its
// name.
func (s *search) pnpm(ctx context.Context, store string) {
	names, err := list(store)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.fail(err)
	}
	n := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "@sigstore+tuf@") && !strings.HasPrefix(name, "sigstore@") && !strings.HasPrefix(name, "npm@") {
			continue
		}
		if n++; n > maxStorePackages {
			s.fail(fmt.Errorf("reading directory %q: more than the %d copies that are read", store, maxStorePackages))
			return
		}
		dir := filepath.Join(store, name, "node_modules")
		s.npm(ctx, dir)
		s.sigstoreJS(ctx, dir, dir)
	}
}

// packageVersion reads the version of the package in a directory.
func packageVersion(dir, name string) (string, bool) {
	data, err := readBounded(filepath.Join(dir, "package.json"), maxMetadata)
	if err != nil {
		return "", false // not there, or nothing that could be a package
	}
	version, err := packageJSON(data, name)
	return version, err == nil
}

// packageJSON reads the version from a package.json of that name.
func packageJSON(data []byte, want string) (string, error) {
	var doc struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", fmt.Errorf("reading package.json: %w", err)
	}
	if doc.Name != want {
		return "", fmt.Errorf("package %.60q, not %s: %w", doc.Name, want, ErrNotClient)
	}
	return doc.Version, versionText(doc.Version)
}

// maxSeeds bounds seeds.json: the known ones have up to 100 kB.
const maxSeeds = 8 << 20

// addSeeds adds the root that a fresh cache is begun with.
func (c *Client) addSeeds(dir string) {
	if data, err := readBounded(filepath.Join(dir, "seeds.json"), maxSeeds); err == nil {
		c.addRootBase64(seededRoot(data)) // since @sigstore/tuf 2.3
	}
	if len(c.EmbeddedRoots) == 0 {
		c.addRootFile(filepath.Join(dir, "store", "public-good-instance-root.json"))
	}
}

// seededRoot returns the public instance's root in a seeds.json, in base64.
func seededRoot(data []byte) string {
	var seeds map[string]struct {
		Root string `json:"root.json"`
	}
	if json.Unmarshal(data, &seeds) != nil {
		return ""
	}
	return seeds[publicMirror].Root
}

// regular says whether path is, or leads to, a regular file.
func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// realPath follows links where it can.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
