// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// named takes up a path that was given by name: a program, a package of another
// language by the path that it is listed under, or a directory that holds packages.
func (s *search) named(ctx context.Context, path string) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && !isPackageFile(info, path) {
		s.look(ctx, path, true)
		return
	}
	found, errs := s.packagesAt(ctx, path, info)
	for _, err := range errs {
		s.fail(err)
	}
	if len(found) == 0 && len(errs) == 0 && ctx.Err() == nil {
		what := "it is no package of a known Sigstore client"
		if info.IsDir() {
			what = "it is a directory, and neither a package of a known Sigstore client nor one that holds such packages"
		}
		s.fail(fmt.Errorf("reading %q: %s", path, what))
	}
	for _, c := range found {
		if !slices.ContainsFunc(s.clients, func(have Client) bool { return have.Path == c.Path }) {
			s.clients = append(s.clients, c)
		}
	}
}

// isPackageFile says whether a file is a package by its name.
func isPackageFile(info fs.FileInfo, path string) bool {
	return info.Mode().IsRegular() && (gemspec.MatchString(filepath.Base(path)) || filepath.Ext(path) == ".jar")
}

// packagesAt looks for packages in path, and else for the one that path itself is.
func (s *search) packagesAt(ctx context.Context, path string, info fs.FileInfo) ([]Client, []error) {
	if info.IsDir() {
		in := newSearch(FindOptions{Model: s.o.Model})
		in.packageDir(ctx, path)
		if len(in.clients)+len(in.errs) > 0 {
			return in.clients, in.errs
		}
	}
	// The places where packages lie are looked through; what is asked for is kept.
	at := newSearch(FindOptions{Model: s.o.Model})
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	switch {
	case gemspec.MatchString(name):
		at.ruby(ctx, dir, []string{name})
	case !info.IsDir():
		at.add(ctx, Java, found{path: path, metadata: path, read: func(_ []byte, c *Client) error { return readJar(path, c) }})
	case name == packageNPM:
		at.npm(ctx, dir)
	case strings.HasSuffix(path, "/"+packageSigstoreTUF):
		at.sigstoreJS(ctx, filepath.Dir(dir), outerModules(filepath.Dir(dir)))
	case name == packageSigstore:
		at.sigstoreJS(ctx, dir, outerModules(dir))
		names, err := list(dir)
		if err != nil {
			at.fail(err)
		}
		at.python(ctx, dir, names)
	}
	return slices.DeleteFunc(at.clients, func(c Client) bool { return c.Path != path }), at.errs
}

// outerModules is the node_modules directory around another one, or itself.
func outerModules(dir string) string {
	for up := filepath.Dir(dir); up != filepath.Dir(up); up = filepath.Dir(up) {
		if base := filepath.Base(up); base == "node_modules" || base == "nodejs" {
			return up
		}
	}
	return dir
}
