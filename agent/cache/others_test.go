// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// othersEnv names a directory of executables, each a language's interpreter that
// finds a client's library, and is named for the client and its version:
// "sigstore-js-5.0.1" is a node with @sigstore/tuf on its NODE_PATH,
// "sigstore-python-4" a python with python-tuf on its PYTHONPATH,
// "sigstore-ruby-0.2.3" a ruby with the gem's lib on its RUBYLIB; "sigstore-java-2.2.0"
// is itself a program that prints a target file: mirror, initial root, target.
// Everybody must be able to run them: modes mean nothing to root, so the tests run as
// an ordinary user.
const othersEnv = "TUFKEEPER_CACHE_CLIENTS"

//go:embed testdata/read.*
var drivers embed.FS

// An other is a real client that is not built on sigstore-go.
type other struct {
	name, exe, driver string
	reader            cache.Reader
	metadata, targets string // in the home; targets "" for metadata/targets
	// root says that its program brings a root; embedded, that it starts from that
	// one, whatever its cache holds.
	root, embedded bool
}

func others(t *testing.T) []other {
	t.Helper()
	dir := os.Getenv(othersEnv)
	if dir == "" {
		t.Skipf("NOTHING MEASURED: %s names no directory of clients", othersEnv)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	known := []other{
		{reader: cache.SigstoreJS, driver: "read.js", root: true, metadata: "data/sigstore-js"},
		{reader: cache.SigstorePython, driver: "read.py", root: true, embedded: true, metadata: "data/sigstore-python/tuf", targets: "cache/sigstore-python/tuf"},
		{reader: cache.SigstorePython, driver: "read.py", metadata: "data/sigstore-python/tuf", targets: "cache/sigstore-python/tuf"},
		{reader: cache.SigstoreRuby, driver: "read.rb", root: true, metadata: "data/sigstore-ruby/sigstore/tuf", targets: "cache/sigstore-ruby/sigstore/tuf"},
		{reader: cache.SigstoreJava, root: true, metadata: ".sigstore-java/root"},
	}
	var all []other
	for _, e := range entries {
		for _, o := range known {
			if !strings.HasPrefix(e.Name(), string(o.reader)) {
				continue
			}
			o.name, o.exe = e.Name(), filepath.Join(dir, e.Name())
			if !o.root {
				o.name += ", another mirror"
			}
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no client in %s", dir)
	}
	return all
}

// eachOther runs a test with every client at hand, as an ordinary user.
func eachOther(t *testing.T, test func(*testing.T, *desk)) {
	all := others(t)
	if !unprivileged(t) {
		return
	}
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) { test(t, newDesk(t, o)) })
	}
}

// A desk is a repository on a listener, and the home of a user whose client has
// read it: once as it was at first ("a"), then after a new root and new targets ("b").
type desk struct {
	*sandbox.Repo
	other
	url, dir, home, initial string
}

func newDesk(t *testing.T, o other) *desk {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{})
	must(t, err)
	server := httptest.NewServer(repo.Handler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	d := &desk{Repo: repo, other: o, url: server.URL, dir: dir, home: filepath.Join(dir, "home"), initial: filepath.Join(dir, "initial.json")}
	must(t, os.Mkdir(d.home, 0o700))
	put(t, d.initial, repo.InitialRoot())
	if o.driver != "" {
		driver, err := drivers.ReadFile("testdata/" + o.driver)
		must(t, err)
		put(t, filepath.Join(dir, o.driver), driver)
	}
	root := d.root
	d.root = true // every client needs one on its first run
	d.mustRead(t)
	d.root = root
	d.save(t, "a")
	must(t, d.RotateRoot(sandbox.Rotation{}))
	must(t, d.Publish(target, []byte("hello again\n")))
	d.mustRead(t)
	d.save(t, "b")
	return d
}

// read runs the client once. What it says is the error.
func (d *desk) read(t *testing.T, env ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return d.run(ctx, env...)
}

func (d *desk) mustRead(t *testing.T) {
	t.Helper()
	if err := d.read(t); err != nil {
		t.Fatalf("the client fails: %v", err)
	}
}

func (d *desk) run(ctx context.Context, env ...string) error {
	initial := ""
	if d.root {
		initial = d.initial
	}
	args := []string{d.url, initial, target}
	if d.driver != "" {
		args = slices.Insert(args, 0, filepath.Join(d.dir, d.driver))
	}
	cmd := exec.CommandContext(ctx, d.exe, args...)
	cmd.Dir = d.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "LANG=C.UTF-8",
		"XDG_DATA_HOME=" + filepath.Join(d.home, "data"), "XDG_CACHE_HOME=" + filepath.Join(d.home, "cache"),
	}, env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %.300s", err, strings.Join(strings.Fields(said.String()), " "))
	case len(out) == 0:
		return errors.New("nothing was read")
	}
	return nil
}

// place is where the client keeps its caches.
func (d *desk) place() cache.Place {
	p := cache.Place{Base: filepath.Join(d.home, d.metadata), Reader: d.reader}
	if d.targets != "" {
		p.Targets = filepath.Join(d.home, d.targets)
	}
	if d.reader == cache.SigstoreJava {
		p.URL = d.url
	}
	return p
}

// cache is the one that the client made, as Find finds it.
func (d *desk) cache(t *testing.T) cache.Cache {
	t.Helper()
	found, errs := cache.Find([]cache.Place{d.place()}, []cache.Mirror{{Name: "sandbox", URL: d.url, Default: d.embedded}})
	if len(found) != 1 || len(errs) > 0 || found[0].Mirror != "sandbox" {
		t.Fatalf("found %+v, %v; want one cache of mirror sandbox", found, errs)
	}
	return found[0]
}

func (d *desk) path(t *testing.T, name string) string {
	t.Helper()
	c := d.cache(t)
	switch {
	case name != target:
		return filepath.Join(c.Path, name)
	case c.Targets != "":
		return filepath.Join(c.Targets, name)
	}
	return filepath.Join(c.Path, "targets", name)
}

func (d *desk) set(t *testing.T) *trust.Set {
	t.Helper()
	set, err := trust.Verify(d.Files(), time.Now())
	must(t, err)
	return set
}

func (d *desk) inspect(t *testing.T) cache.Inspection {
	t.Helper()
	return d.cache(t).Inspect(d.set(t), later())
}

func (d *desk) replace(t *testing.T) cache.Change {
	t.Helper()
	change, err := d.cache(t).Replace(d.set(t), later(), both)
	if err != nil {
		t.Fatalf("replacing: %v", err)
	}
	return change
}

// save and load keep and bring back the whole home.
func (d *desk) save(t *testing.T, name string) { t.Helper(); d.copy(t, d.home, d.saved(name)) }
func (d *desk) load(t *testing.T, name string) { t.Helper(); d.copy(t, d.saved(name), d.home) }

func (d *desk) saved(name string) string { return filepath.Join(d.dir, "saved-"+name) }

func (d *desk) copy(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.RemoveAll(to))
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copying: %v: %s", err, out)
	}
}
