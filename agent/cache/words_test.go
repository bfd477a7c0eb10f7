// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// What lies behind a link is not looked at, and that is said.
func TestLinkedTargetsAreReported(t *testing.T) {
	eachReader(t, func(t *testing.T, d *den) {
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		must(t, os.Rename(d.files, elsewhere))
		must(t, os.Symlink(elsewhere, d.files))
		put(t, filepath.Join(elsewhere, target), []byte("tampered"))
		in := d.inspect(t)
		if in.State != cache.Unusable || !strings.Contains(in.Detail, "symbolic link") || in.Remedy != "rm "+d.files ||
			!strings.HasPrefix(in.Consequence, "its client follows the link; tufkeeper does not") {
			t.Errorf("found %+v", in)
		}
		must(t, os.Remove(d.files))
		must(t, os.Mkdir(d.files, 0o700))
		if in := d.inspect(t); in.State != cache.Fresh {
			t.Errorf("found %s, %q once the link is gone", in.State, in.Detail)
		}
	})
}

// A root is put there by who trusts it: no mending makes one up.
func TestMissingRootIsNotSaidToBeMended(t *testing.T) {
	d := newDen(t, cache.SigstoreRuby)
	must(t, os.Remove(d.path("root.json")))
	want := "put the root.json that you trust for this mirror at " + d.path("root.json") + "; initial_root of the configuration names one"
	if in := d.inspect(t); in.State != cache.Damaged || in.Remedy != want {
		t.Errorf("found %s, %q, remedy %q; want %q", in.State, in.Detail, in.Remedy, want)
	}
}

// Its client works through a link to a good root, so nothing says that it fails.
func TestLinkedRootIsNotSaidToFail(t *testing.T) {
	for reader, want := range map[cache.Reader]string{
		cache.Cosign:       "its client reads through the link (and replaces it), which tufkeeper does not follow",
		cache.SigstoreRuby: "its client reads through the link (and replaces it), which tufkeeper does not follow",
		cache.NPM:          "its client reads and writes through the link, which tufkeeper does not follow",
	} {
		d := newDen(t, reader)
		elsewhere := filepath.Join(t.TempDir(), "root.json")
		must(t, os.Rename(d.path("root.json"), elsewhere))
		must(t, os.Symlink(elsewhere, d.path("root.json")))
		if in := d.inspect(t); in.State != cache.Unusable || in.Consequence != want {
			t.Errorf("%s: found %s, %q, %q", reader, in.State, in.Detail, in.Consequence)
		}
	}
}

func TestLinkedMirrorDirectorySaysWhatToType(t *testing.T) {
	r := filled(t, sandbox.Options{})
	where := filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.Rename(r.path(), where))
	must(t, os.Symlink(where, r.path()))
	in := r.inspect(t)
	if in.Remedy != "mv "+r.path()+" "+r.path()+".broken" || in.Consequence != "its client follows the link; tufkeeper does not" {
		t.Errorf("found %q, %q, remedy %q", in.Detail, in.Consequence, in.Remedy)
	}
}

// A file or a dangling link where a base should be, or on the way to it.
func TestBaseThatIsAFileSaysWhatToType(t *testing.T) {
	dir := t.TempDir()
	file, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "dangling")
	put(t, file, nil)
	must(t, os.Symlink(filepath.Join(dir, "nowhere"), dangling))
	for base, at := range map[string]string{file: file, filepath.Join(file, "root"): file, dangling: dangling} {
		found, errs := cache.Find(cosignPlaces(base), nil)
		if len(found) != 1 || len(errs) > 0 {
			t.Fatalf("found %+v, %v", found, errs)
		}
		if in := found[0].Inspect(nil, time.Now()); in.State != cache.Unusable || in.Remedy != "mv "+at+" "+at+".broken" {
			t.Errorf("%s: found %s, %q, remedy %q", base, in.State, in.Detail, in.Remedy)
		}
	}
}
