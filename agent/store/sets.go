// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Names inside the directory of a set. Delegated roles and target files have
// directories of their own, since they may have any name.
const (
	verifiedAtFile = "verified_at"
	delegatedDir   = "delegated"
	filesDir       = "files"

	// maxSet bounds all bytes of one set.
	maxSet = 256 << 20
)

// ErrUnfit means that a set was not kept for what the mirror put into it: a name too
// long for a file, too many files, too many bytes. Nothing is wrong with the store.
var ErrUnfit = errors.New("the set cannot be kept")

// Commit makes set the last good one. Until its last step, which switches one
// link, Load returns the set before it; that one is kept, and older ones are
// removed.
func (s *Store) Commit(set *trust.Set) error {
	name, err := s.freeSetName(set.ID())
	if err != nil {
		return fmt.Errorf("committing set: %w", err)
	}
	linked, err := currentSet(s.dir)
	if err != nil {
		linked = "" // none, or damaged; Load reports that
	}
	if err := s.writeSet(name, set); err != nil {
		return fmt.Errorf("committing set %q: %w", name, err)
	}
	if err := s.link(currentLink, filepath.Join(setsDir, name)); err != nil {
		return fmt.Errorf("committing set %q: %w", name, err)
	}
	s.mu.Lock()
	delete(s.damage, currentLink) // whatever it was, it is a link to a set now
	previous := s.good
	s.good = name
	s.mu.Unlock()
	if previous == "" {
		previous = linked
	}
	return s.removeOldSets(name, previous)
}

// freeSetName returns a name for a set that no directory has: a set is never
// written into a directory that may be in use, or damaged.
func (s *Store) freeSetName(id string) (string, error) {
	entries, err := readDir(s.dir, setsDir)
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, e := range entries {
		taken[e.Name()] = true
	}
	name := id
	for i := 2; taken[name]; i++ {
		name = id + "-" + strconv.Itoa(i)
	}
	return name, nil
}

// writeSet writes the whole set under a temporary name, and renames it.
func (s *Store) writeSet(name string, set *trust.Set) (err error) {
	content, err := setContent(set)
	if err != nil {
		return err
	}
	temp := filepath.Join(setsDir, durable.TempPrefix+rand.Text())
	defer func() {
		if err != nil {
			// What cannot be removed now is swept by the next Open.
			err = errors.Join(err, s.dir.RemoveAll(temp))
		}
	}()
	for _, dir := range []string{temp, filepath.Join(temp, delegatedDir), filepath.Join(temp, filesDir)} {
		if err := s.change("make "+dir, func() error { return s.dir.Mkdir(dir, dirPerm) }); err != nil {
			return err
		}
	}
	for _, file := range content {
		if err := s.put(filepath.Join(temp, file.name), file.data); err != nil {
			return err
		}
	}
	for _, dir := range []string{filepath.Join(temp, delegatedDir), filepath.Join(temp, filesDir), temp} {
		if err := s.sync(dir); err != nil {
			return err
		}
	}
	to := filepath.Join(setsDir, name)
	if err := s.change("rename "+to, func() error { return s.dir.Rename(temp, to) }); err != nil {
		return err
	}
	return s.sync(setsDir)
}

type setFile struct {
	name string
	data []byte
}

// setContent lists the files of a set, in a stable order.
func setContent(set *trust.Set) ([]setFile, error) {
	f := set.Files()
	initial, err := trust.Peek(trust.Root, f.Initial)
	if err != nil {
		return nil, err
	}
	content := []setFile{
		{rootFile(initial.Version), f.Initial},
		{"timestamp.json", f.Timestamp},
		{"snapshot.json", f.Snapshot},
		{"targets.json", f.Targets},
		{verifiedAtFile, []byte(set.VerifiedAt().UTC().Format(time.RFC3339Nano) + "\n")},
	}
	for i, data := range f.Roots {
		content = append(content, setFile{rootFile(initial.Version + int64(i) + 1), data})
	}
	for role, data := range f.Delegated {
		name, err := fileName(role, ".json")
		if err != nil {
			return nil, fmt.Errorf("%w: delegated role: %w", ErrUnfit, err)
		}
		content = append(content, setFile{filepath.Join(delegatedDir, name), data})
	}
	for path, data := range f.Artifacts {
		name, err := fileName(path, "")
		if err != nil {
			return nil, fmt.Errorf("%w: target file: %w", ErrUnfit, err)
		}
		content = append(content, setFile{filepath.Join(filesDir, name), data})
	}
	slices.SortFunc(content, func(a, b setFile) int { return strings.Compare(a.name, b.name) })
	size := 0
	for _, file := range content {
		size += len(file.data)
	}
	if size > maxSet || len(content) > maxEntries/2 {
		return nil, fmt.Errorf("%w: %d files with %d bytes are more than a set may have (%d files, %d bytes)",
			ErrUnfit, len(content), size, maxEntries/2, maxSet)
	}
	return content, nil
}

func (s *Store) removeOldSets(keep ...string) error {
	entries, err := readDir(s.dir, setsDir)
	if err != nil {
		return fmt.Errorf("removing old sets: %w", err)
	}
	removed := false
	for _, e := range entries {
		if slices.Contains(keep, e.Name()) || strings.Contains(e.Name(), brokenMark) {
			continue
		}
		if err := s.remove(filepath.Join(setsDir, e.Name())); err != nil {
			return fmt.Errorf("removing old set %q: %w", e.Name(), err)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.sync(setsDir)
}

// Load reads the last good set and verifies it again, from the given initial root
// and at the time it was verified at. A set that does not verify is reported in
// Damaged, and the one before it is tried. fs.ErrNotExist means that there is
// none; other errors mean that the directory could not be read.
func (s *Store) Load(initial []byte) (*trust.Set, error) {
	set, name, err := load(s.dir, initial, s.reportDamage)
	if err != nil {
		return nil, fmt.Errorf("loading last good set: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = name
	if at := set.VerifiedAt(); at.After(s.seen.Time) {
		s.seen.Time, s.saved = at, at // it is on disk already, with the set
	}
	return set, nil
}

// LoadSet is Load for those who do not own the store: it changes nothing, and
// works beside a running agent.
func LoadSet(dir string, initial []byte) (*trust.Set, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("loading last good set: %w", err)
	}
	defer root.Close()
	var set *trust.Set
	for range 3 { // the agent may switch sets under our hands
		set, _, err = load(root, initial, func(string, string) {})
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("loading last good set of %q: %w", dir, err)
	}
	return set, nil
}

// load tries the current set first, then whatever other set there is, newest
// first, and returns its name too. What is wrong with those that fail goes to
// report.
func load(dir *os.Root, initial []byte, report func(name, reason string)) (*trust.Set, string, error) {
	current, err := currentSet(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		report(currentLink, err.Error())
	}
	names, err := setNames(dir, current)
	if err != nil {
		return nil, "", err
	}
	if current != "" && !slices.Contains(names, current) {
		report(currentLink, fmt.Sprintf("the set it names, %q, is gone", current))
	}
	for _, name := range names {
		set, err := loadSet(dir, name, initial)
		if err == nil {
			return set, name, nil
		}
		report(filepath.Join(setsDir, name), err.Error())
	}
	return nil, "", fs.ErrNotExist
}

// currentSet returns the name of the set that the link names.
func currentSet(dir *os.Root) (string, error) {
	target, err := dir.Readlink(currentLink)
	if err != nil {
		return "", err
	}
	parent, name := filepath.Split(target)
	if parent != setsDir+"/" || !isSetName(name) {
		return "", fmt.Errorf("link names %q, which is not a set", target)
	}
	return name, nil
}

func isSetName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.Contains(name, brokenMark)
}

// setNames lists the sets: first, then the others by the time of their directory,
// newest first.
func setNames(dir *os.Root, first string) ([]string, error) {
	entries, err := readDir(dir, setsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type named struct {
		name string
		at   time.Time
	}
	var all []named
	for _, e := range entries {
		if !isSetName(e.Name()) {
			continue
		}
		info, err := dir.Lstat(filepath.Join(setsDir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, named{e.Name(), info.ModTime()})
	}
	slices.SortStableFunc(all, func(a, b named) int {
		if (a.name == first) != (b.name == first) {
			if a.name == first {
				return -1
			}
			return 1
		}
		return b.at.Compare(a.at)
	})
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = n.name
	}
	return names, nil
}

// loadSet reads one set and verifies it from the initial root.
func loadSet(dir *os.Root, name string, initial []byte) (*trust.Set, error) {
	files, at, err := readSet(dir, filepath.Join(setsDir, name), initial)
	if err != nil {
		return nil, err
	}
	return trust.Verify(files, at)
}

func readSet(dir *os.Root, path string, initial []byte) (trust.Files, time.Time, error) {
	r := setReader{dir: dir, left: maxSet}
	f := trust.Files{Initial: initial}
	f.Timestamp = r.read(filepath.Join(path, "timestamp.json"), trust.MaxTimestamp)
	f.Snapshot = r.read(filepath.Join(path, "snapshot.json"), trust.MaxSnapshot)
	f.Targets = r.read(filepath.Join(path, "targets.json"), trust.MaxTargets)
	f.Delegated = r.readAll(filepath.Join(path, delegatedDir), ".json", trust.MaxTargets)
	f.Artifacts = r.readAll(filepath.Join(path, filesDir), "", trust.MaxTargetFile)
	f.Roots = r.roots(path, initial)
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(r.read(filepath.Join(path, verifiedAtFile), 64))))
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("reading %s: %w", verifiedAtFile, err)
	}
	return f, at, r.err
}

// A setReader reads files until the first error or until there are too many bytes.
type setReader struct {
	dir  *os.Root
	left int64
	err  error
}

func (r *setReader) read(name string, limit int64) []byte {
	if r.err != nil {
		return nil
	}
	data, err := readFile(r.dir, name, min(limit, r.left))
	if err != nil {
		r.err = err
		return nil
	}
	r.left -= int64(len(data))
	return data
}

func (r *setReader) readAll(path, suffix string, limit int64) map[string][]byte {
	if r.err != nil {
		return nil
	}
	entries, err := readDir(r.dir, path)
	if err != nil {
		r.err = err
		return nil
	}
	all := map[string][]byte{}
	for _, e := range entries {
		text, err := textOf(e.Name(), suffix)
		if err != nil {
			r.err = err
			return nil
		}
		all[text] = r.read(filepath.Join(path, e.Name()), limit)
	}
	return all
}

// roots reads the roots after the initial one, up to the set's newest. Where the
// set was written with a newer initial root, the history has those before it.
func (r *setReader) roots(path string, initial []byte) [][]byte {
	if r.err != nil {
		return nil
	}
	role, err := trust.Peek(trust.Root, initial)
	if err != nil {
		r.err = fmt.Errorf("reading initial root: %w", err)
		return nil
	}
	newest, err := newestRoot(r.dir, path)
	if err != nil {
		r.err = err
		return nil
	}
	var roots [][]byte
	for v := role.Version + 1; v <= newest && r.err == nil; v++ {
		name := filepath.Join(path, rootFile(v))
		if _, err := r.dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			name = filepath.Join(rootHistory, rootFile(v))
		}
		roots = append(roots, r.read(name, trust.MaxRoot))
	}
	return roots
}

func newestRoot(dir *os.Root, path string) (int64, error) {
	entries, err := readDir(dir, path)
	if err != nil {
		return 0, err
	}
	newest := int64(0)
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".root.json")
		if v, err := strconv.ParseInt(digits, 10, 32); ok && err == nil {
			newest = max(newest, v)
		}
	}
	return newest, nil
}
