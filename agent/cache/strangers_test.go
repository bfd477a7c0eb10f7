// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A mirror whose files would be called what cosign calls others has no directory:
// telling "https://remote" when it was last checked would overwrite remote.json.
func TestMirrorsNamedLikeFilesOfTheClient(t *testing.T) {
	for _, host := range []string{"remote", "REMOTE", "remote.json", "targets", "tuf.db"} {
		url := "https://" + host
		if dir := cache.DirName(url); dir != "" {
			t.Errorf("the directory of %s is %q, want none", url, dir)
		}
		d := newDen(t, cache.Cosign)
		must(t, d.BumpTimestamp())
		must(t, os.Rename(d.dir, filepath.Join(d.place, host)))
		if host == "remote" {
			put(t, filepath.Join(d.place, "remote.json"), []byte(`{"mirror":"https://remote"}`))
		}
		before := picture(t, d.place)
		found, _ := cache.Find(cosignPlaces(d.place), []cache.Mirror{{Name: "m", URL: url}})
		for _, c := range found {
			if c.Mirror != "" && c.Layout != cache.LayoutLegacy {
				t.Errorf("%s is managed in %q", url, c.Path)
			}
			var set *trust.Set // as for any mirror that is not known
			if c.Mirror != "" {
				set = d.set(t)
			}
			now := time.Now()
			_, _ = c.Replace(set, now, cache.WriteOptions{Mend: true, Publish: true, Checked: now.Add(-time.Second)})
		}
		wantUntouched(t, d.place, before)
	}
}

// The public mirror's former address is a host, not anything that holds its name.
func TestOnlyTheHostMakesTheFormerPublicMirror(t *testing.T) {
	const host = "sigstore-tuf-root.storage.googleapis.com"
	mirrors := []cache.Mirror{{Name: "sigstore", URL: "https://tuf-repo-cdn.sigstore.dev", Default: true}}
	for url, want := range map[string]string{
		"https://" + host: "sigstore", "https://" + host + "/": "sigstore", "https://" + host + ":443": "sigstore",
		"https://evil.example/" + host: "", "https://" + host + ".evil.example": "", "https://" + host + "@evil.example": "",
		"https://evil.example/?" + host: "", "https://not-" + host: "",
	} {
		base := filepath.Join(t.TempDir(), "root")
		must(t, os.MkdirAll(filepath.Join(base, "tuf.db"), 0o700))
		put(t, filepath.Join(base, "remote.json"), []byte(`{"mirror":"`+url+`"}`))
		found, _ := cache.Find(cosignPlaces(base), mirrors)
		for _, c := range found {
			if c.Layout == cache.LayoutLegacy && c.Mirror != want {
				t.Errorf("the cache of %s is of mirror %q, want %q", url, c.Mirror, want)
			}
		}
	}
}

// Metadata is put into an empty directory of a client that brings its root, and into
// no other that has none.
func TestOnlyAnEmptyDirectoryIsFilled(t *testing.T) {
	for thing, put := range map[string]func(path string) error{
		"nothing":     func(string) error { return nil },
		"a file":      func(path string) error { return os.WriteFile(filepath.Join(path, "notes.txt"), nil, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(filepath.Join(path, "my photos"), 0o700) },
		"targets":     func(path string) error { return os.Mkdir(filepath.Join(path, "targets"), 0o700) },
		"a role":      func(path string) error { return os.WriteFile(filepath.Join(path, "other.json"), []byte("{}"), 0o600) },
	} {
		d := newDen(t, cache.GH)
		must(t, os.RemoveAll(d.dir))
		must(t, os.Mkdir(d.dir, 0o700))
		must(t, put(d.dir))
		before := picture(t, d.place)
		change := d.replace(t, cache.WriteOptions{Publish: true})
		if thing == "nothing" {
			if len(change.Written) != 4 {
				t.Errorf("into an empty directory %q was written", change.Written)
			}
			d.wantState(t, cache.Fresh)
			continue
		}
		if !change.Empty() {
			t.Errorf("beside %s: %+v", thing, change)
		}
		wantUntouched(t, d.place, before)
	}
}

// Whoever owns a link on the way to a place chooses where it is written.
func TestLinksOfOthersOnTheWayAreNotFollowed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOTHING TESTED: only root can give a link away")
	}
	const nobody = 65534
	for owner, want := range map[int]bool{0: true, nobody: false} {
		for _, through := range []string{"", "a link of ours"} {
			d := newDen(t, cache.Cosign)
			must(t, os.Remove(d.path("snapshot.json")))
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(filepath.Dir(d.place), link))
			must(t, os.Lchown(link, owner, owner))
			if through != "" {
				ours := filepath.Join(t.TempDir(), "ours")
				must(t, os.Symlink(link, ours))
				link = ours
			}
			before := picture(t, d.place)
			found, _ := cache.Find(cosignPlaces(filepath.Join(link, filepath.Base(d.place))), []cache.Mirror{d.mirror()})
			if len(found) != 1 {
				t.Fatalf("found %+v, want one", found)
			}
			change, err := found[0].Replace(d.set(t), later(), both)
			if wrote := len(change.Written) > 0; wrote != want {
				t.Errorf("a link of %d%s: wrote %v, %v", owner, through, change.Written, err)
			}
			if want {
				continue
			}
			wantUntouched(t, d.place, before)
			if in := found[0].Inspect(d.set(t), later()); in.State != cache.Unusable || !strings.Contains(in.Detail, "symbolic link") || !strings.Contains(in.Detail, "nobody") {
				t.Errorf("inspected as %s: %s", in.State, in.Detail)
			}
		}
	}
}

// Our own group may write to a cache, as a umask of 002 has it; another may not.
func TestADirectoryThatAnotherGroupMayWriteTo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOTHING TESTED: only root can give a directory to any group")
	}
	d := newDen(t, cache.Cosign)
	c := d.cache(t)
	for _, dir := range []string{d.place, d.dir, d.files} {
		must(t, os.Chmod(dir, 0o770))
		d.wantState(t, cache.Fresh)
		must(t, os.Chown(dir, -1, 65534))
		if in := c.Inspect(d.set(t), later()); in.State != cache.Unusable || in.Remedy == "" {
			t.Errorf("%s: %s, %s", dir, in.State, in.Detail)
		}
		must(t, os.Chmod(dir, 0o750))
		d.wantState(t, cache.Fresh)
	}
}
