// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	remoteName    = "remote.json"
	legacyName    = "tuf.db"
	targetsDir    = "targets"
	maxSmall      = 64 << 10 // remote.json and <mirror>.json are tens of bytes
	maxEntries    = 4096     // names read of one base
	maxUnknown    = 50       // caches listed of one base beyond the configured ones
	oldBucketHost = "sigstore-tuf-root.storage.googleapis.com"
	publicMirror  = "https://tuf-repo-cdn.sigstore.dev" // what cosign calls default, to the letter
)

// DirName is the directory that sigstore-go, and so cosign from 2.5.1 and gh, keeps
// the cache of a mirror in: the URL without its scheme, '/' and ':' turned into '-',
// in lower case, nothing else (sigstore-go pkg/tuf, URLToPath). It is "" for a URL
// that makes no directory of its own ("https://..").
func DirName(url string) string {
	name := strings.TrimPrefix(url, "https://")
	name = strings.TrimPrefix(name, "http://")
	name = strings.ReplaceAll(name, "/", "-")
	name = strings.ReplaceAll(name, ":", "-")
	return plainName(strings.ToLower(name))
}

// plainName returns name if it names an entry of a directory, else "".
func plainName(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return ""
	}
	return name
}

// Find lists the caches in each place: those of the configured mirrors, the
// legacy one, and others that look like a cache, which bear no mirror's name. A base
// that does not exist holds none. A base that cannot be worked on is one cache whose
// Path is the base; its inspection says why. Errors are about what was left out.
func Find(places []Place, mirrors []Mirror) ([]Cache, []error) {
	byDir, errs := directories(mirrors)
	var found []Cache
	for _, p := range places {
		p.Base = filepath.Clean(p.Base)
		caches, err := findIn(p, byDir, mirrors)
		found = append(found, caches...)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for caches in %q: %w", p.Base, err))
		}
	}
	return found, errs
}

// directories maps directory names to mirrors, without those that share one. A URL
// with and without its last slash is one mirror in two directories; only the exact
// spelling is one that clients have a root of their own for.
func directories(mirrors []Mirror) (map[string]Mirror, []error) {
	byDir := map[string]Mirror{}
	sharing := map[string][]string{}
	for _, m := range mirrors {
		bare := strings.TrimRight(m.URL, "/")
		for _, url := range []string{bare, bare + "/"} {
			dir := DirName(url)
			if dir == "" {
				continue
			}
			if other, taken := byDir[dir]; taken && strings.TrimRight(other.URL, "/") != bare {
				sharing[dir] = append(sharing[dir], other.URL, m.URL)
				continue
			}
			byDir[dir] = Mirror{Name: m.Name, URL: url, Default: m.Default && url == m.URL}
		}
	}
	var errs []error
	for _, dir := range slices.Sorted(maps.Keys(sharing)) {
		delete(byDir, dir)
		errs = append(errs, &CollisionError{Dir: dir, URLs: slices.Compact(sharing[dir])})
	}
	return byDir, errs
}

func findIn(p Place, byDir map[string]Mirror, mirrors []Mirror) ([]Cache, error) {
	base := p.Base
	if _, err := os.Lstat(base); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	whole := Cache{Base: base, Path: base, Layout: LayoutSigstoreGo, Reader: p.Reader, Owner: ownerOf(base)}
	root, err := openBase(base)
	if err != nil {
		return []Cache{whole}, nil // its inspection says why
	}
	defer root.Close()
	names, truncated, err := entries(root)
	if err != nil {
		return nil, err
	}
	if truncated { // what we were asked to look after may be in the rest
		names = withKnown(root, names, byDir)
	}
	remote := readRemote(root)

	var found []Cache
	var unknown int
	for _, name := range names {
		c := whole
		c.Path = filepath.Join(base, name)
		m, ours := byDir[name]
		switch {
		case name == legacyName:
			found = append(found, legacyCache(whole, remote, mirrors))
			continue
		case ours && remote.url != "" && remote.url != m.URL && DirName(remote.url) == name:
			err = errors.Join(err, &CollisionError{Dir: name, URLs: []string{m.URL, remote.url}})
			c.URL = remote.url
		case ours:
			c.Mirror, c.URL, c.Default = m.Name, m.URL, m.Default
		case looksLikeCache(root, name):
			if unknown++; unknown > maxUnknown {
				continue
			}
			if DirName(remote.url) == name {
				c.URL = remote.url
			}
		default:
			continue
		}
		found = append(found, c)
	}
	if dir := remote.needsDir(names); dir != "" && !slices.Contains(names, legacyName) {
		c := whole
		c.Path, c.URL = filepath.Join(base, dir), remote.url
		if m, ours := byDir[dir]; ours && m.URL == remote.url {
			c.Mirror = m.Name
		}
		found = append(found, c)
	}
	if remote.fault != "" && !slices.ContainsFunc(found, func(c Cache) bool { return c.Layout == LayoutSigstoreGo }) {
		found = append(found, whole) // cosign fails on it before it makes a directory
	}
	if unknown > maxUnknown {
		err = errors.Join(err, fmt.Errorf("%d more caches of mirrors that are not configured are not listed", unknown-maxUnknown))
	}
	if truncated {
		err = errors.Join(err, fmt.Errorf("more than %d entries: the rest was not looked at", maxEntries))
	}
	return found, err
}

// withKnown adds to names what exists of the names that caches of ours have.
func withKnown(base *os.Root, names []string, byDir map[string]Mirror) []string {
	for _, name := range append(slices.Collect(maps.Keys(byDir)), legacyName) {
		if _, err := base.Lstat(name); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// legacyCache is the one cache of the legacy layout that a base can hold. Its
// mirror is the one remote.json names; without that file it is the default one.
func legacyCache(whole Cache, remote remote, mirrors []Mirror) Cache {
	whole.Layout = LayoutLegacy
	whole.URL = remote.url
	// Releases up to cosign 2.0.1 wrote the bucket's own address for the public
	// mirror; what is in it is the same repository.
	public := remote.url == "" || strings.Contains(remote.url, oldBucketHost)
	for _, m := range mirrors {
		if m.URL == remote.url || public && m.Default {
			whole.Mirror, whole.Default = m.Name, m.Default
			if whole.URL == "" {
				whole.URL = m.URL
			}
			break
		}
	}
	return whole
}

// entries are the names in dir, sorted, at most maxEntries.
func entries(dir *os.Root) (names []string, truncated bool, err error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	names, err = f.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if len(names) > maxEntries {
		names, truncated = names[:maxEntries], true
	}
	slices.Sort(names)
	return names, truncated, nil
}

// looksLikeCache says whether the directory name holds what every sigstore-go cache
// holds after its client's first run.
func looksLikeCache(base *os.Root, name string) bool {
	for _, file := range []string{"", rootFile, timestampFile} {
		info, err := base.Lstat(filepath.Join(name, file))
		if err != nil || file == "" && !info.IsDir() {
			return false
		}
	}
	return true
}

// remote is what remote.json says: `cosign initialize` writes the mirror there.
type remote struct {
	url   string // the mirror named; "" for none
	fault string // why cosign from 2.5.1 on refuses the file; "" for not
}

// needsDir is the directory that cosign from 2.5.1 on looks for a root in, because
// remote.json names a mirror that is not its default one, when it is not among
// names; "" for none.
func (r remote) needsDir(names []string) string {
	dir := DirName(r.url)
	if r.url == publicMirror || dir == "" || slices.Contains(names, dir) {
		return ""
	}
	return dir
}

func readRemote(base *os.Root) remote {
	f := readFile(base, remoteName, maxSmall)
	switch f.kind {
	case absent:
		return remote{}
	case regular:
	default:
		return remote{fault: f.kind.String()}
	}
	var content struct {
		Mirror string `json:"mirror"`
	}
	if what := shape(f.data); what != "" && what != wrongShape {
		return remote{fault: what}
	}
	if err := json.Unmarshal(f.data, &content); err != nil {
		return remote{fault: wrongShape}
	}
	return remote{url: content.Mirror}
}
