// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
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

// Find lists the caches in each place: those of the configured mirrors, the
// legacy one, and others that look like a cache, which bear no mirror's name. What
// looks like the cache of another layout than the place's is listed as that one. A base
// that does not exist holds none. A base that cannot be worked on is one cache whose
// Path is the base; its inspection says why. Errors are about what was left out.
func Find(places []Place, mirrors []Mirror) ([]Cache, []error) {
	var found []Cache
	var errs []error
	told := map[string]bool{}
	for _, p := range places {
		p.Base = filepath.Clean(p.Base)
		byDir, sharing := directories(p.Reader, mirrors)
		for _, err := range sharing {
			if !told[err.Error()] { // once, for all readers that name directories alike
				told[err.Error()] = true
				errs = append(errs, err)
			}
		}
		caches, err := findIn(p, byDir, mirrors)
		found = append(found, caches...)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for caches in %q: %w", p.Base, err))
		}
	}
	return found, errs
}

// directories maps the names that the reader's client gives directories to mirrors,
// without those that share one. A URL with and without its last slash is one mirror,
// with some clients in two directories. Clients have a root of their own for what they
// keep in the directory of the usual spelling, whichever spelling we were given: where
// that is in doubt, the root there is not ours to write.
func directories(reader Reader, mirrors []Mirror) (map[string]Mirror, []error) {
	layout := layoutOf(reader)
	byDir := map[string]Mirror{}
	owners := map[string][]string{} // the URLs of the mirrors that a directory is for
	for _, m := range mirrors {
		bare, usual := strings.TrimRight(m.URL, "/"), layout.DirName(Spelled(m.URL))
		for _, url := range []string{m.URL, bare, bare + "/"} {
			dir := layout.DirName(url)
			if dir == "" || slices.ContainsFunc(owners[dir], func(other string) bool { return strings.TrimRight(other, "/") == bare }) {
				continue
			}
			owners[dir] = append(owners[dir], m.URL)
			if len(owners[dir]) == 1 {
				byDir[dir] = Mirror{Name: m.Name, URL: url, Default: m.embedded(reader) && dir == usual}
			}
		}
	}
	var errs []error
	told := map[string]bool{}
	for _, dir := range slices.Sorted(maps.Keys(owners)) {
		urls := owners[dir]
		if len(urls) < 2 {
			continue
		}
		delete(byDir, dir)
		slices.Sort(urls)
		if who := strings.Join(urls, "\n"); !told[who] { // once, not for each spelling
			told[who] = true
			errs = append(errs, &CollisionError{Dir: dir, URLs: urls})
		}
	}
	return byDir, errs
}

// embedded says whether the reader's client starts from a root of its own here,
// whatever its cache holds.
func (m Mirror) embedded(reader Reader) bool {
	return (m.Default || slices.Contains(m.DefaultFor, reader)) && !layoutOf(reader).rules().anchored
}

func layoutOf(reader Reader) Layout {
	if h, known := readers[reader]; known {
		return h.layout
	}
	return LayoutSigstoreGo
}

func findIn(p Place, byDir map[string]Mirror, mirrors []Mirror) ([]Cache, error) {
	base := p.Base
	if _, err := os.Lstat(base); errors.Is(err, fs.ErrNotExist) {
		return targetsAlone(p, byDir), nil
	}
	whole := Cache{Base: base, Path: base, Layout: layoutOf(p.Reader), Reader: p.Reader, Owner: ownerOf(base)}
	rules := whole.Layout.rules()
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
	var remote remote
	if whole.habits().remote {
		remote = readRemote(root)
	}
	var found []Cache
	switch {
	case rules.dir == nil:
		found = append(found, onlyCache(whole, p.URL, mirrors))
	case looksLikeCache(root, "."):
		flat := whole
		flat.Layout = LayoutSigstoreJava // a cache and no base of caches; releases of sigstore-js did so too
		found = append(found, flat)
	}
	var unknown int
	for _, name := range names {
		c := whole
		c.Path = filepath.Join(base, name)
		m, ours := byDir[name]
		switch {
		case name == legacyName && (whole.habits().remote || isDir(root, name)):
			found = append(found, legacyCache(whole, remote, mirrors))
			continue
		case rules.dir == nil:
			continue
		case ours && remote.url != "" && remote.url != m.URL && DirName(remote.url) == name:
			err = errors.Join(err, &CollisionError{Base: base, Dir: name, URLs: []string{m.URL, remote.url}})
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
			c.Layout = looksLike(root, whole.Layout, name, mirrors)
		default:
			continue
		}
		if rules.apart && p.Targets != "" {
			c.Targets = filepath.Join(p.Targets, name)
		}
		found = append(found, c)
	}
	found = append(found, targetsAlone(p, byDir)...)
	if dir := remote.needsDir(names); dir != "" {
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

// targetsAlone are the caches that have target files and no metadata: what
// sigstore-python leaves that was never run but offline, and believes.
func targetsAlone(p Place, byDir map[string]Mirror) []Cache {
	layout := layoutOf(p.Reader)
	if !layout.rules().apart || p.Targets == "" {
		return nil
	}
	var found []Cache
	for _, name := range slices.Sorted(maps.Keys(byDir)) {
		m := byDir[name]
		c := Cache{Base: p.Base, Path: filepath.Join(p.Base, name), Layout: layout, Reader: p.Reader,
			Targets: filepath.Join(p.Targets, name), Mirror: m.Name, URL: m.URL, Default: m.Default}
		if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if c.Owner = ownerOf(c.Targets); c.Owner != "" {
			found = append(found, c)
		}
	}
	return found
}

// onlyCache is the cache of a reader whose base is one, for the mirror of its place.
func onlyCache(whole Cache, url string, mirrors []Mirror) Cache {
	whole.URL = url
	for _, m := range mirrors {
		if url == "" && m.Default || url != "" && Spelled(m.URL) == Spelled(url) {
			whole.Mirror, whole.URL, whole.Default = m.Name, m.URL, m.embedded(whole.Reader)
			break
		}
	}
	return whole
}

// looksLike is the layout that a directory speaks for by what lies in and beside it and
// by its name, the place's own before all others.
func looksLike(base *os.Root, own Layout, name string, mirrors []Mirror) Layout {
	all := []Layout{own, LayoutSigstorePython, LayoutSigstoreRuby, LayoutSigstoreJS, LayoutSigstoreGo}
	switch {
	case isDir(base, filepath.Join(name, historyDir)):
		return LayoutSigstorePython
	case isThere(base, name+".json"):
		return LayoutSigstoreGo
	}
	for _, named := range []func(Layout) bool{
		func(l Layout) bool {
			return slices.ContainsFunc(mirrors, func(m Mirror) bool { return l.DirName(m.URL) == name })
		},
		func(l Layout) bool { return l.resembles(name) },
	} {
		if i := slices.IndexFunc(all, named); i >= 0 {
			return all[i]
		}
	}
	return own
}

func isThere(base *os.Root, name string) bool {
	_, err := base.Lstat(name)
	return err == nil
}

func isDir(base *os.Root, name string) bool {
	info, err := base.Lstat(name)
	return err == nil && info.IsDir()
}

// withKnown adds to names what exists of the names that caches of ours have.
func withKnown(base *os.Root, names []string, byDir map[string]Mirror) []string {
	for _, name := range append(slices.Collect(maps.Keys(byDir)), legacyName) {
		if isThere(base, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isOldBucket says whether a mirror is the public one under its former address.
func isOldBucket(mirror string) bool {
	u, err := url.Parse(mirror)
	return err == nil && strings.EqualFold(u.Hostname(), oldBucketHost)
}

// legacyCache is the one cache of the legacy layout that a base can hold. Its
// mirror is the one remote.json names; without that file it is the default one.
func legacyCache(whole Cache, remote remote, mirrors []Mirror) Cache {
	whole.Layout = LayoutLegacy
	whole.URL = remote.url
	// Releases up to cosign 2.0.1 wrote the bucket's own address for the public
	// mirror; what is in it is the same repository.
	public := remote.url == "" || isOldBucket(remote.url)
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

// looksLikeCache says whether the directory name holds what every cache of plain files
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
	url    string // the mirror named; "" for none
	fault  string // why cosign from 2.5.1 on refuses the file; "" for not
	object bool   // the fault is what stands there, not what it holds
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
		return remote{fault: f.kind.String(), object: f.kind != tooLarge}
	}
	var content map[string]string // as its client reads it
	if what := shape(f.data); what != "" && what != wrongShape {
		return remote{fault: what}
	}
	if err := json.Unmarshal(f.data, &content); err != nil {
		return remote{fault: wrongShape}
	}
	if content["mirror"] == "" {
		return remote{fault: "names no mirror"} // nor does its client go on with the public one (measured)
	}
	return remote{url: content["mirror"]}
}
