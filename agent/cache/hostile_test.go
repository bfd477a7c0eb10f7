// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Whatever its owner, or whoever could write there, puts into a cache: looking at it
// and mending it end soon, take little memory, touch nothing outside, and say on one
// line what was found.

// bounds are what one look at a cache, its mending, and a look after it may take.
type bounds struct {
	mib  uint64 // allocated over all, whatever was freed
	time time.Duration
}

var usual = bounds{192, 10 * time.Second}

// outside is a tree beside the cache that nobody may touch.
func outside(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "inner"), 0o700))
	for _, name := range []string{"precious", "inner/precious", "timestamp.json", "root.json"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o600))
	}
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "precious"), past, past))
	return dir
}

// endure looks at the den's place, mends it, and looks again, within bounds. It returns
// what was found first and last, and what was done.
func (d *den) endure(t *testing.T, set *trust.Set, b bounds) (first, last []cache.Inspection, done []cache.Change) {
	t.Helper()
	place, mirrors := []cache.Place{d.cachePlace()}, []cache.Mirror{d.mirror()}
	var texts []string
	var before, after runtime.MemStats
	ended := make(chan struct{})
	runtime.ReadMemStats(&before)
	began := time.Now()
	go func() {
		defer close(ended)
		all, errs := cache.Find(place, mirrors)
		for _, c := range all {
			in := c.Inspect(set, later())
			change, err := c.Replace(set, later(), cache.WriteOptions{Mend: true, Publish: true, Checked: later()})
			again := c.Inspect(set, later())
			first, last, done = append(first, in), append(last, again), append(done, change)
			texts = append(texts, textsOf(in)...)
			texts = append(texts, textsOf(again)...)
			if err != nil {
				errs = append(errs, err)
			}
		}
		// What was done once is done: nothing moves on its own.
		all, _ = cache.Find(place, mirrors)
		for _, c := range all {
			if second, err := c.Replace(set, later(), both); !second.Empty() {
				errs = append(errs, fmt.Errorf("%w %+v", errTwice, second), err)
			}
		}
		for _, err := range errs {
			if errors.Is(err, errTwice) {
				t.Error(err)
			}
			if err != nil {
				texts = append(texts, err.Error())
			}
		}
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		stack := make([]byte, 1<<20)
		t.Fatalf("not done after a minute:\n%s", stack[:runtime.Stack(stack, true)])
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > b.mib || took > b.time {
		t.Errorf("took %d MiB and %s, want at most %d and %s", used, took, b.mib, b.time)
	}
	for _, text := range texts {
		if bad := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); bad >= 0 || !utf8.ValidString(text) {
			t.Errorf("told %q", text)
		}
	}
	for i, in := range append(first, last...) {
		if in.State == "" || in.Detail == "" || strings.Contains(in.Detail+in.Consequence+in.Remedy, "\n") {
			t.Errorf("inspection %d: %+v", i, in)
		}
	}
	return first, last, done
}

var errTwice = errors.New("a second run did")

// textsOf is what a person is told.
func textsOf(in cache.Inspection) []string {
	return []string{string(in.State), in.Detail, in.Consequence, in.Remedy}
}

// places are the names in a cache that its form has to itself, and some that all have.
func (d *den) places(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"the base": d.place, "the directory": d.dir, "targets": d.files, "target file": d.target(),
		"remote.json": filepath.Join(d.place, "remote.json"), "the time of the check": d.dir + ".json",
		"tuf.db": filepath.Join(d.place, "tuf.db"),
	}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		all[role+".json"] = d.path(role + ".json")
	}
	if d.reader != cache.Cosign { // what all have in common is tried there
		for _, name := range []string{"snapshot.json", "targets.json", "remote.json", "the time of the check", "tuf.db"} {
			delete(all, name)
		}
	}
	if d.layout == cache.LayoutSigstorePython {
		all["root_history"] = d.path("root_history")
		all["1.root.json"] = d.path("root_history/1.root.json")
	}
	return all
}

// eachForm runs f on a cache of every form: a directory in a base; the same with
// target files apart and a history; a base that is the cache.
func eachForm(t *testing.T, f func(t *testing.T, d *den)) {
	for _, reader := range []cache.Reader{cache.Cosign, cache.SigstorePython, cache.SigstoreJava} {
		t.Run(string(reader), func(t *testing.T) { f(t, newDen(t, reader)) })
	}
}

// objects are what may be put in place of anything. Each is made at a path that is free.
func objects(t *testing.T, outside string) map[string]func(path string) error {
	t.Helper()
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	all := map[string]func(path string) error{
		"a file of 10 GB": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 10<<30))
		},
		"a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a socket": func(path string) error {
			short := filepath.Join(outside, "..", "s") // a socket's name is short
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return errors.Join(l.Close(), os.Rename(short, path))
		},
		"an empty directory":             func(path string) error { return os.Mkdir(path, 0o700) },
		"a link to a file outside":       link(filepath.Join(outside, "precious")),
		"a link to metadata outside":     link(filepath.Join(outside, "timestamp.json")),
		"a link to a directory outside":  link(filepath.Join(outside, "inner")),
		"a link to nothing outside":      link(filepath.Join(outside, "new")),
		"a link to an endless file":      link("/dev/zero"),
		"a link to itself":               func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"a link to the root":             link("/"),
		"a file of two names":            func(path string) error { return os.Link(filepath.Join(outside, "precious"), path) },
		"a file that nobody may touch":   func(path string) error { return os.WriteFile(path, []byte("x"), 0) },
		"a directory nobody may enter":   func(path string) error { return os.Mkdir(path, 0) },
		"a directory that all may write": func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o1777)) },
	}
	if os.Geteuid() == 0 {
		probe := filepath.Join(t.TempDir(), "node")
		if err := syscall.Mknod(probe, syscall.S_IFCHR|0o600, 1<<8|5); err != nil {
			t.Logf("devices are not tested: %v", err)
			return all
		}
		all["an endless device"] = func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) }
		all["a terminal"] = func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 5<<8) }
		all["a disk"] = func(path string) error { return syscall.Mknod(path, syscall.S_IFBLK|0o600, 7<<8) }
	}
	return all
}

func TestObjectsInPlaceOfEverything(t *testing.T) {
	beside := outside(t)
	objects := objects(t, beside)
	before := picture(t, beside)
	eachForm(t, func(t *testing.T, d *den) {
		set := d.set(t)
		for where := range d.places(t) {
			for what, make := range objects {
				t.Run(what+" for "+where, func(t *testing.T) {
					must(t, os.RemoveAll(filepath.Dir(d.place)))
					d.fill(t)
					path := d.places(t)[where]
					must(t, os.RemoveAll(path))
					must(t, os.MkdirAll(filepath.Dir(path), 0o700))
					must(t, make(path))
					d.endure(t, set, usual)
					wantUntouched(t, beside, before)
				})
			}
		}
	})
}

// What a file holds may be anything, up to what its role may be long, and beyond.
func TestHostileContent(t *testing.T) {
	long := func(n int, around string) []byte {
		return []byte(strings.Replace(around, "*", strings.Repeat("x", n), 1))
	}
	contents := map[string][]byte{
		"a million brackets":     bytes.Repeat([]byte("["), 1_000_000),
		"a million braces":       bytes.Repeat([]byte(`{"a":`), 1_000_000),
		"10,001 brackets inside": []byte(`{"signed":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`),
		"a string of 100 MB":     long(100<<20, `{"signed":{"_type":"*"},"signatures":[]}`),
		"a string of 400 kB":     long(400<<10, `{"signed":{"_type":"*","version":1},"signatures":[]}`),
		"a key of 400 kB":        long(400<<10, `{"*":1}`),
		"100,000 signatures":     []byte(`{"signed":{},"signatures":[` + strings.Repeat("null,", 99_999) + `null]}`),
		"twice the same keys":    []byte(`{"signed":{"_type":"root"},"signed":{"_type":"timestamp"},"signatures":[],"signatures":[]}`),
		"a null for all":         []byte(`null`),
		"nulls inside":           []byte(`{"signed":null,"signatures":null}`),
		"null keys and roles":    []byte(`{"signed":{"_type":"root","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","keys":{"a":null},"roles":{"root":null,"timestamp":null,"snapshot":null,"targets":null},"consistent_snapshot":true},"signatures":[{"keyid":"a","sig":"00"}]}`),
		"null metadata":          []byte(`{"signed":{"_type":"timestamp","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","meta":{"snapshot.json":null}},"signatures":[null]}`),
		"a null delegation":      []byte(`{"signed":{"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","targets":{"a":null},"delegations":{"keys":{"a":null},"roles":[null]}},"signatures":[]}`),
		"a huge version":         []byte(`{"signed":{"_type":"timestamp","version":1e400,"expires":"2030-01-01T00:00:00Z"},"signatures":[]}`),
		"a version beyond int64": []byte(`{"signed":{"_type":"timestamp","version":99999999999999999999999,"expires":"2030-01-01T00:00:00Z"},"signatures":[]}`),
		"a negative version":     []byte(`{"signed":{"_type":"timestamp","version":-1,"expires":"2030-01-01T00:00:00Z"},"signatures":[]}`),
		"a year of five digits":  []byte(`{"signed":{"_type":"timestamp","version":1,"expires":"99999-01-01T00:00:00Z"},"signatures":[],"lastTimestamp":"99999-01-01T00:00:00Z"}`),
		"not a number":           []byte(`{"signed":{"version":NaN},"signatures":[Infinity]}`),
		"invalid UTF-8":          []byte("{\"signed\":{\"_type\":\"\xff\xfe\"},\"mirror\":\"https://\xff\",\"signatures\":[]}"),
		"control characters":     []byte("{\"mirror\":\"https://h\\u001b[2J\\n\\u202e/x\",\"signed\":{\"_type\":\"\\u001b]0;owned\\u0007\"}}"),
		"zero bytes":             make([]byte, 100_000),
		"a number":               []byte(`1`),
		"a byte order mark":      []byte("\xef\xbb\xbf{}"),
	}
	eachForm(t, func(t *testing.T, d *den) {
		set := d.set(t)
		for where := range d.places(t) {
			if where == "the base" || where == "the directory" || where == "targets" || where == "root_history" {
				continue
			}
			for what, content := range contents {
				if len(content) > 10<<20 && where != "timestamp.json" && where != "remote.json" {
					continue // it takes its time to write
				}
				t.Run(what+" in "+where, func(t *testing.T) {
					must(t, os.RemoveAll(filepath.Dir(d.place)))
					d.fill(t)
					path := d.places(t)[where]
					must(t, os.RemoveAll(path))
					must(t, os.WriteFile(path, content, 0o644))
					_, last, _ := d.endure(t, set, usual)
					if strings.HasSuffix(path, "timestamp.json") || strings.HasSuffix(path, "snapshot.json") {
						if len(last) != 1 || last[0].State != cache.Fresh {
							t.Errorf("not mended: %+v", last)
						}
					}
				})
			}
		}
	})
}

// A tree deeper than any path is long, in place of a file and beside them all.
func TestDeepTrees(t *testing.T) {
	deep := filepath.Join(t.TempDir(), "deep")
	must(t, os.Mkdir(deep, 0o700))
	root, err := os.OpenRoot(deep)
	must(t, err)
	for range 3000 { // it is built from the inside
		must(t, root.Mkdir("d", 0o700))
		next, err := root.OpenRoot("d")
		must(t, err)
		must(t, root.Close())
		root = next
	}
	must(t, root.Close())
	t.Cleanup(func() { flatten(t, deep) })
	eachForm(t, func(t *testing.T, d *den) {
		set := d.set(t)
		for where, at := range map[string]string{
			"timestamp.json": d.path("timestamp.json"), "target file": d.target(), "beside": d.path("beside"),
			"a leftover of ours": d.path(durable.TempPrefix + strings.Repeat("D", 26)), "a leftover of a client": d.path("tuf_tmp1"), "in the base": filepath.Join(d.place, durable.TempPrefix+strings.Repeat("D", 26)),
		} {
			must(t, os.RemoveAll(at))
			must(t, os.Rename(deep, at))
			where := fmt.Sprintf("%s of %s", where, d.reader)
			past := time.Now().Add(-24 * time.Hour)
			must(t, os.Chtimes(at, past, past))
			d.endure(t, set, usual)
			if aside, _ := filepath.Glob(at + ".broken-*"); len(aside) == 1 {
				at = aside[0]
			}
			if _, err := os.Lstat(filepath.Join(at, "d", "d")); err != nil {
				t.Fatalf("%s: the tree is gone: %v", where, err)
			}
			must(t, os.Rename(at, deep))
			d.fill(t)
		}
	})
}

// flatten removes a tree deeper than any path is long.
func flatten(t *testing.T, dir string) {
	t.Helper()
	for n := 0; ; n++ {
		inner, next := filepath.Join(dir, "d"), fmt.Sprintf("%s.%d", dir, n%2)
		if err := os.Rename(inner, next); errors.Is(err, fs.ErrNotExist) {
			must(t, os.RemoveAll(dir))
			return
		} else if err != nil {
			t.Log(err)
			return
		}
		must(t, os.Remove(dir))
		dir = next
	}
}

// Names are their maker's words.
func TestHostileNames(t *testing.T) {
	names := []string{"evil\nCRITICAL - all is lost", "\x1b[2J\x1b]0;owned\a", "\xff\xfe", "\u202egnp", "-rf", "$(touch x)", "`id`", "'\"", " ", "..json",
		strings.Repeat("n", 255), "tuf_tmp\n\x1b[1m", ".tufkeeper-\n", "%2e%2e%2f", "https%3A%2F%2F..%2F..%2Fetc"}
	eachForm(t, func(t *testing.T, d *den) {
		files, set := d.Files(), d.set(t)
		for _, name := range names {
			for _, dir := range []string{d.place, d.dir, d.files} {
				at := filepath.Join(dir, name)
				if err := os.MkdirAll(at, 0o700); err != nil {
					continue
				}
				// as a cache is recognised
				must(t, os.WriteFile(filepath.Join(at, "root.json"), files.Initial, 0o644))
				must(t, os.WriteFile(filepath.Join(at, "timestamp.json"), []byte("{"), 0o644))
			}
			must(t, os.WriteFile(filepath.Join(d.place, "remote.json"), fmt.Appendf(nil, "{%q: %q}", "mirror", "https://"+name), 0o600))
			first, _, _ := d.endure(t, set, usual)
			if len(first) == 0 {
				t.Errorf("%q: nothing found", name)
			}
		}
	})
}

// A base in a directory that everybody may write to, as in /tmp: nobody else can
// exchange it there, and it is used; one that somebody else made is not.
func TestBaseInAStickyDirectory(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		must(t, os.Chmod(filepath.Dir(d.place), 0o777|fs.ModeSticky))
		must(t, d.BumpTimestamp())
		set := d.set(t)
		if _, last, _ := d.endure(t, set, usual); len(last) != 1 || last[0].State != cache.Fresh {
			t.Errorf("found %+v, want it brought forward", last)
		}
		if os.Geteuid() != 0 {
			return
		}
		must(t, d.BumpTimestamp())
		set = d.set(t)
		must(t, os.Chown(d.place, 65534, 65534))
		first, _, done := d.endure(t, set, usual)
		if len(first) != 1 || first[0].State != cache.Foreign || !done[0].Empty() {
			t.Errorf("found %+v, did %+v; want somebody else's left alone", first, done)
		}
		must(t, os.Chown(d.place, 0, 0))
	})
}
