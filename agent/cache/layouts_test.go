// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A den is the cache of one reader, written as its client writes it: the names, the
// modes and the forms are spelled out here, not taken from the code under test.
type den struct {
	*sandbox.Repo
	reader   cache.Reader
	layout   cache.Layout
	url      string
	embedded bool       // its client brings the root of this mirror
	place    string     // base
	dir      string     // of metadata
	files    string     // of target files
	known    *trust.Set // what is known of its mirror; nil for all it has
	last     *trust.Set // verified last
}

const denURL = "https://tuf.test:8443/a"

// kinds are the readers with what is peculiar to each.
var kinds = []struct {
	reader             cache.Reader
	layout             cache.Layout
	dir, files         string // below the home
	place              string
	rolePerm, filePerm fs.FileMode
}{
	{cache.Cosign, cache.LayoutSigstoreGo, "b/tuf.test-8443-a", "b/tuf.test-8443-a/targets", "b", 0o644, 0o644},
	{cache.GH, cache.LayoutSigstoreGo, "b/tuf.test-8443-a", "b/tuf.test-8443-a/targets", "b", 0o644, 0o644},
	{cache.SigstoreJS, cache.LayoutSigstoreJS, "b/tuf.test%3A8443%2Fa", "b/tuf.test%3A8443%2Fa/targets", "b", 0o644, 0o644},
	{cache.NPM, cache.LayoutSigstoreJS, "b/tuf.test%3A8443%2Fa", "b/tuf.test%3A8443%2Fa/targets", "b", 0o644, 0o644},
	{cache.SigstorePython, cache.LayoutSigstorePython, "b/https%3A%2F%2Ftuf.test%3A8443%2Fa", "t/https%3A%2F%2Ftuf.test%3A8443%2Fa", "b", 0o600, 0o644},
	{cache.SigstoreRuby, cache.LayoutSigstoreRuby, "b/https%3A%2F%2Ftuf.test%3A8443%2Fa", "t/https%3A%2F%2Ftuf.test%3A8443%2Fa", "b", 0o600, 0o644},
	{cache.SigstoreJava, cache.LayoutSigstoreJava, "b", "b/targets", "b", 0o644, 0o644},
}

// eachReader runs f on a filled cache of every reader, on several at a time.
func eachReader(t *testing.T, f func(t *testing.T, d *den)) {
	for _, k := range kinds {
		t.Run(string(k.reader), func(t *testing.T) {
			t.Parallel()
			f(t, newDen(t, k.reader))
		})
	}
}

// newDen is a cache of that reader that its client has just filled. Its mirror is one
// that gh alone brings a root for.
func newDen(t *testing.T, reader cache.Reader) *den {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{})
	must(t, err)
	home := t.TempDir()
	for _, k := range kinds {
		if k.reader == reader {
			d := &den{Repo: repo, reader: reader, layout: k.layout, url: denURL, embedded: reader == cache.GH,
				place: filepath.Join(home, k.place), dir: filepath.Join(home, k.dir), files: filepath.Join(home, k.files)}
			d.fill(t)
			return d
		}
	}
	t.Fatalf("no reader %q", reader)
	return nil
}

// fill writes what the repository serves, as the client does on a run that goes well.
func (d *den) fill(t *testing.T) {
	t.Helper()
	must(t, os.MkdirAll(d.dir, 0o700))
	must(t, os.MkdirAll(d.files, 0o700))
	f, newest := d.Files(), d.Versions()[trust.Root]
	switch d.layout {
	case cache.LayoutSigstorePython:
		must(t, os.MkdirAll(filepath.Join(d.dir, "root_history"), 0o700))
		for v := int64(1); v <= newest; v++ {
			d.put(t, fmt.Sprintf("root_history/%d.root.json", v), d.RootJSON(v))
		}
		os.Remove(d.path("root.json"))
		must(t, os.Symlink(fmt.Sprintf("root_history/%d.root.json", newest), d.path("root.json")))
	default:
		d.put(t, "root.json", d.RootJSON(newest))
	}
	d.put(t, "timestamp.json", f.Timestamp)
	d.put(t, "snapshot.json", f.Snapshot)
	d.put(t, "targets.json", f.Targets)
	must(t, os.WriteFile(d.target(), f.Artifacts[target], 0o644))
}

// put writes one file of metadata; sigstore-java writes it anew.
func (d *den) put(t *testing.T, name string, data []byte) {
	t.Helper()
	perm := fs.FileMode(0o644)
	switch d.layout {
	case cache.LayoutSigstorePython, cache.LayoutSigstoreRuby:
		perm = 0o600
	case cache.LayoutSigstoreJava:
		var v any
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		must(t, dec.Decode(&v))
		var err error
		data, err = json.Marshal(v)
		must(t, err)
	}
	must(t, os.WriteFile(d.path(name), data, perm))
}

func (d *den) path(name string) string { return filepath.Join(d.dir, name) }
func (d *den) target() string          { return filepath.Join(d.files, target) }

// at is where a file of the matrix lies.
func (d *den) at(file string) string {
	if file == "target file" {
		return d.target()
	}
	return d.path(file)
}

func (d *den) mirror() cache.Mirror {
	m := cache.Mirror{Name: "sandbox", URL: d.url}
	if d.embedded {
		m.DefaultFor = []cache.Reader{d.reader}
	}
	return m
}

func (d *den) cachePlace() cache.Place {
	p := cache.Place{Base: d.place, Reader: d.reader}
	switch d.layout {
	case cache.LayoutSigstorePython, cache.LayoutSigstoreRuby:
		p.Targets = filepath.Dir(d.files)
	case cache.LayoutSigstoreJava:
		p.URL = d.url
	}
	return p
}

// cache is the one cache of the den, as Find finds it.
func (d *den) cache(t *testing.T) cache.Cache {
	t.Helper()
	found, errs := cache.Find([]cache.Place{d.cachePlace()}, []cache.Mirror{d.mirror()})
	if len(found) != 1 || len(errs) > 0 || found[0].Mirror != "sandbox" {
		t.Fatalf("found %+v, %v; want one cache of the sandbox", found, errs)
	}
	return found[0]
}

func (d *den) set(t *testing.T) *trust.Set {
	t.Helper()
	if d.known != nil {
		return d.known
	}
	files := d.Files()
	if d.last != nil && bytes.Equal(d.last.Files().Timestamp, files.Timestamp) && len(d.last.Files().Roots) == len(files.Roots) {
		return d.last
	}
	set, err := trust.Verify(files, time.Now())
	must(t, err)
	d.last = set
	return set
}

// later is when no client writes any more.
func later() time.Time { return time.Now().Add(time.Minute) }

func (d *den) inspect(t *testing.T) cache.Inspection {
	t.Helper()
	return d.cache(t).Inspect(d.set(t), later())
}

func (d *den) wantState(t *testing.T, want cache.State) cache.Inspection {
	t.Helper()
	got := d.inspect(t)
	if got.State != want {
		t.Fatalf("state %s (%s, %v), want %s", got.State, got.Detail, got.Damage, want)
	}
	return got
}

func (d *den) replace(t *testing.T, o cache.WriteOptions) cache.Change {
	t.Helper()
	change, err := d.cache(t).Replace(d.set(t), later(), o)
	if err != nil {
		t.Fatalf("replacing: %v", err)
	}
	return change
}

// newer publishes another target file under another root.
func (d *den) newer(t *testing.T) {
	t.Helper()
	must(t, d.RotateRoot(sandbox.Rotation{Online: true}))
	must(t, d.RotateRoot(sandbox.Rotation{Online: true}))
	must(t, d.Publish(target, []byte("hello again\n")))
}

func TestEveryLayoutIsFoundAndRead(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		c := d.cache(t)
		if c.Path != d.dir || c.Layout != d.layout || c.Reader != d.reader || c.Default != d.embedded || c.URL != d.url {
			t.Errorf("found %+v", c)
		}
		if c.ReadBy() == "" {
			t.Error("nobody reads it")
		}
		in := d.wantState(t, cache.Fresh)
		if len(in.Damage) > 0 || in.Versions[trust.Timestamp] != 1 || in.Asks == "" {
			t.Errorf("inspection %+v", in)
		}
		if want := map[bool]int64{true: 0, false: 1}[d.embedded]; in.RootVersion != want {
			t.Errorf("starts from root %d, want %d", in.RootVersion, want)
		}
		before := picture(t, filepath.Dir(d.place))
		if change := d.replace(t, cache.WriteOptions{Mend: true, Publish: true, Checked: later()}); !change.Empty() {
			t.Errorf("an idle run did %+v", change)
		}
		wantUntouched(t, filepath.Dir(d.place), before)
	})
}

func TestEveryLayoutIsBroughtForward(t *testing.T) {
	roles := []string{"timestamp.json", "snapshot.json", "targets.json"}
	order := map[cache.Reader][]string{
		cache.Cosign:         append([]string{"root.json"}, roles...),
		cache.GH:             roles,
		cache.SigstoreJS:     append([]string{"root.json"}, roles...),
		cache.NPM:            append([]string{"root.json"}, roles...),
		cache.SigstorePython: append([]string{"root_history/2.root.json", "root_history/3.root.json", "root.json"}, roles...),
		cache.SigstoreRuby:   append([]string{"root.json"}, roles...),
		cache.SigstoreJava:   {"root.json", "targets.json", "snapshot.json", "timestamp.json"},
	}
	eachReader(t, func(t *testing.T, d *den) {
		d.newer(t)
		in := d.wantState(t, cache.Behind)
		if len(in.Damage) > 0 || in.Consequence == "" {
			t.Errorf("damage %v, consequence %q", in.Damage, in.Consequence)
		}
		var did []string
		c := d.cache(t)
		change, err := c.Replace(d.set(t), later(), cache.WithStep(cache.WriteOptions{Publish: true}, func(done string) { did = append(did, done) }))
		must(t, err)
		file := "targets/" + target
		if c.Targets != "" {
			file = d.target()
		}
		if want := append(append([]string{"staged"}, order[d.reader]...), file); !slices.Equal(did, want) {
			t.Errorf("order %q, want %q", did, want)
		}
		if len(change.Written) != len(did)-1 {
			t.Errorf("change %+v", change)
		}
		d.wantState(t, cache.Fresh)
		d.wantModes(t)
		before := picture(t, filepath.Dir(d.place))
		if again := d.replace(t, both); !again.Empty() {
			t.Errorf("a second run did %+v", again)
		}
		wantUntouched(t, filepath.Dir(d.place), before)
	})
}

// wantModes wants every file with the mode that its client gives it.
func (d *den) wantModes(t *testing.T) {
	t.Helper()
	for _, k := range kinds {
		if k.reader != d.reader {
			continue
		}
		for _, file := range []string{"timestamp.json", "snapshot.json", "targets.json", "target file"} {
			want := k.rolePerm
			if file == "target file" {
				want = k.filePerm
			}
			if info, err := os.Lstat(d.at(file)); err != nil || info.Mode() != want {
				t.Errorf("%s has mode %v (%v), want %v", file, info.Mode(), err, want)
			}
		}
	}
	info, err := os.Lstat(d.path("root.json"))
	must(t, err)
	to, _ := os.Readlink(d.path("root.json"))
	if want := fmt.Sprintf("root_history/%d.root.json", d.Versions()[trust.Root]); d.layout == cache.LayoutSigstorePython && to != want {
		t.Errorf("root.json is %v %q, want a link to %s", info.Mode(), to, want)
	}
	if d.layout != cache.LayoutSigstorePython && !info.Mode().IsRegular() {
		t.Errorf("root.json is %v", info.Mode())
	}
}

// The damage of facts measured with the real clients: what each gets over by itself.
// Root, metadata, target file; "" for none.
func TestEveryDamageOfEveryLayout(t *testing.T) {
	heals := map[cache.Reader]map[string]string{
		cache.Cosign: {"altered under its signature": "metadata", "zero bytes": "file", "null": "file"},
		cache.GH:     {"altered under its signature": "root metadata", "zero bytes": "root file", "null": "root file", "directory": ""},
		cache.SigstoreJS: {"altered under its signature": "metadata", "zero bytes": "metadata file",
			"null": "metadata file"},
		cache.SigstorePython: {"altered under its signature": "metadata", "zero bytes": "metadata", "null": "metadata"},
		cache.SigstoreRuby:   {"altered under its signature": "metadata"},
		cache.SigstoreJava:   {"zero bytes": "file", "null": "file"},
	}
	heals[cache.NPM] = heals[cache.SigstoreJS]
	for _, like := range []string{"truncated", "random bytes"} {
		for _, h := range heals {
			h[like] = h["zero bytes"]
		}
	}
	for _, h := range heals {
		h["valid JSON of wrong shape"] = h["null"]
	}
	eachReader(t, func(t *testing.T, d *den) {
		for _, b := range blows() {
			if d.reader == cache.NPM {
				continue // as sigstore-js
			}
			for class, files := range map[string][]string{"root": {"root.json"}, "metadata": {"timestamp.json", "snapshot.json", "targets.json"}, "file": {"target file"}} {
				if b.name == "dangling link" || b.name == "altered under its signature" && class == "file" {
					continue // tested by itself; has no signature of its own
				}
				for _, file := range files {
					t.Run(b.name+" "+file, func(t *testing.T) {
						d.fresh(t)
						b.hit(t, d.at(file))
						d.wantMended(t, file, b.name, class, strings.Contains(heals[d.reader][b.name], class))
					})
				}
			}
		}
	})
}

// fresh removes the cache and has its client fill it anew.
func (d *den) fresh(t *testing.T) {
	t.Helper()
	must(t, os.RemoveAll(d.dir))
	must(t, os.RemoveAll(d.files))
	d.fill(t)
}

func (d *den) wantMended(t *testing.T, file, blow, class string, heals bool) {
	t.Helper()
	in := d.inspect(t)
	base := filepath.Base(d.at(file))
	if file == "root.json" && d.embedded && blow == "altered under its signature" {
		return // its client writes it on every run
	}
	at := slices.IndexFunc(in.Damage, func(x cache.Damage) bool { return filepath.Base(x.File) == base })
	linked := file == "root.json" && d.layout == cache.LayoutSigstorePython
	switch {
	case at < 0:
		t.Fatalf("damage not seen: %s (%s) %v", in.State, in.Detail, in.Damage)
	case in.Damage[at].Heals != heals && !linked:
		t.Errorf("%+v, heals should be %v", in.Damage[at], heals)
	}
	want := cache.Damaged
	if blow == "directory" {
		want = cache.Unusable
	}
	if in.State != want && (!heals || class != "root") {
		t.Errorf("state %s (%s), want %s", in.State, in.Detail, want)
	}
	if in.Consequence == "" && (!heals || class != "root") {
		t.Error("no consequence told")
	}
	d.replace(t, cache.WriteOptions{Mend: true})
	if file == "root.json" && d.embedded {
		return
	}
	d.wantState(t, cache.Fresh)
	d.wantModes(t)
	if again := d.replace(t, both); !again.Empty() {
		t.Errorf("a second run did %+v", again)
	}
	if blow == "directory" && !linked {
		if kept, err := filepath.Glob(d.at(file) + ".broken-*/inside"); err != nil || len(kept) != 1 {
			t.Errorf("what was in the directory is gone: %v %v", kept, err)
		}
	}
}
