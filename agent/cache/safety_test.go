// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// wantUnusable inspects and writes, and wants both refused with something to type.
func wantUnusable(t *testing.T, r *rig, reason, remedy string) {
	t.Helper()
	found, _ := cache.Find(cosignPlaces(r.base), []cache.Mirror{r.mirror()})
	if len(found) != 1 {
		t.Fatalf("found %+v, want one", found)
	}
	in := found[0].Inspect(r.set(t), time.Now())
	if in.State != cache.Unusable || !strings.Contains(in.Detail, reason) || !strings.Contains(in.Remedy, remedy) {
		t.Errorf("found %s, %q, remedy %q; want unusable, %q, %q", in.State, in.Detail, in.Remedy, reason, remedy)
	}
	_, err := found[0].Replace(r.set(t), time.Now(), both)
	var u *cache.UnusableError
	if !errors.As(err, &u) {
		t.Errorf("replacing: %v, want it refused", err)
	}
}

func TestLinkedMirrorDirectoryIsNotFollowed(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	for _, where := range []string{filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(r.base, "beside")} {
		must(t, os.Rename(r.path(), where))
		must(t, os.Symlink(where, r.path()))
		before := picture(t, where)
		found, _ := cache.Find(cosignPlaces(r.base), []cache.Mirror{r.mirror()})
		for _, c := range found {
			if c.Mirror != "sandbox" {
				continue
			}
			if in := c.Inspect(r.set(t), time.Now()); in.State != cache.Unusable || !strings.Contains(in.Detail, "symbolic link") {
				t.Errorf("found %s, %q; want unusable", in.State, in.Detail)
			}
			if _, err := c.Replace(r.set(t), time.Now(), both); err == nil {
				t.Error("written through a link")
			}
		}
		wantUntouched(t, where, before)
		must(t, os.Remove(r.path()))
		must(t, os.Rename(where, r.path()))
	}
}

func TestLinksInPlaceOfFilesAreReplaced(t *testing.T) {
	for _, file := range []string{"timestamp.json", "targets/hello.txt", "checked"} {
		t.Run(file, func(t *testing.T) {
			r := filled(t, sandbox.Options{})
			must(t, r.Publish(target, []byte("hello again\n")))
			path := r.path(file)
			if file == "checked" {
				path = r.path() + ".json"
			}
			victim := filepath.Join(t.TempDir(), "victim")
			put(t, victim, []byte("precious"))
			must(t, os.Remove(path))
			must(t, os.Symlink(victim, path))
			o := both
			o.Checked = time.Now()
			r.replace(t, o)
			if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
				t.Errorf("written through the link: %q %v", data, err)
			}
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("the link is still there: %v %v", info.Mode(), err)
			}
			r.mustRead(t)
		})
	}
}

func TestHardLinkedFileIsReplacedNotWrittenTo(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.Link(r.path("timestamp.json"), other))
	before, err := os.ReadFile(other)
	must(t, err)
	r.replace(t, both)
	if after, err := os.ReadFile(other); err != nil || string(after) != string(before) {
		t.Errorf("the other name's content changed (%v)", err)
	}
	if got := r.version(t, "timestamp"); got != 2 {
		t.Errorf("timestamp %d, want 2", got)
	}
}

func TestLinkedBaseIsFollowedAmongOnesOwn(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(r.base, link))
	real := r.base
	r.base = link
	r.wantState(t, cache.Behind)
	r.replace(t, both)
	r.wantState(t, cache.Fresh)

	if os.Geteuid() == 0 {
		must(t, os.Lchown(link, 65534, 65534))
		wantLeft(t, r, "belongs to ", "sudo -u ")
		must(t, os.Lchown(link, 0, 0))
		must(t, os.Chown(real, 65534, 65534))
		wantUnusable(t, r, "symbolic link", "")
	}
}

func TestWhatOthersCanWriteIsNotUsed(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, os.Chmod(r.path(), 0o777))
	wantUnusable(t, r, "mode 0777", "chmod go-w "+r.path())
	must(t, os.Chmod(r.path(), 0o700))
	must(t, os.Chmod(r.base, 0o1777))
	wantUnusable(t, r, "mode 0777", "chmod go-w "+r.base)
}

// wantLeft inspects and writes, and wants the cache left to the other user whose it is.
func wantLeft(t *testing.T, r *rig, detail, remedy string) {
	t.Helper()
	c := r.cacheAt(t)
	in := c.Inspect(r.set(t), time.Now())
	if in.State != cache.Foreign || !strings.Contains(in.Detail, detail) || !strings.HasPrefix(in.Remedy, remedy) ||
		in.Consequence != "" || len(in.Damage) > 0 {
		t.Errorf("found %+v; want it left to its owner, %q, remedy %q", in, detail, remedy)
	}
	var u *cache.UnusableError
	if change, err := c.Replace(r.set(t), time.Now(), both); !errors.As(err, &u) || u.Left == "" || !change.Empty() {
		t.Errorf("replaced %+v, %v; want it left to its owner", change, err)
	}
}

func (r *rig) cacheAt(t *testing.T) cache.Cache {
	t.Helper()
	found, _ := cache.Find(cosignPlaces(r.base), []cache.Mirror{r.mirror()})
	if len(found) != 1 {
		t.Fatalf("found %+v; want one cache", found)
	}
	return found[0]
}

// Only root can make what belongs to someone else; the other half of the truth is
// tested as an ordinary user below.
func TestForeignOwner(t *testing.T) {
	if os.Geteuid() == 0 {
		r := filled(t, sandbox.Options{})
		must(t, os.Chown(r.path(), 65534, 65534))
		wantLeft(t, r, ": not looked at", "sudo -u ")
		must(t, os.Chown(r.path(), 0, 0))
		must(t, os.Chown(r.base, 12345, 12345))
		wantLeft(t, r, "belongs to 12345, and is left to 12345: not looked at", "sudo -u '#12345' tufkeeper caches")
	}
}

func TestForeignOwnerAsAUser(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	for _, base := range []string{"/usr", "/root/.sigstore/root"} { // root's, and no place of ours
		in := (cache.Cache{Base: base, Path: base, Layout: cache.LayoutSigstoreGo}).Inspect(nil, time.Now())
		if in.State != cache.Foreign || in.Remedy != "sudo -u root tufkeeper caches" || len(in.Damage) > 0 {
			t.Errorf("found %s, %q, remedy %q; want it left to root", in.State, in.Detail, in.Remedy)
		}
	}
	// What a sudo left in the home of a user is that user's to take back, at any depth.
	if base := os.Getenv(leftBySudo); base != "" {
		in := (cache.Cache{Base: base, Path: base, Layout: cache.LayoutSigstoreGo}).Inspect(nil, time.Now())
		if in.State != cache.Unusable || !strings.Contains(in.Detail, "belongs to root, not to ") || !strings.HasPrefix(in.Remedy, "sudo chown -R ") ||
			!strings.HasSuffix(in.Remedy, "/.sigstore") {
			t.Errorf("found %s, %q, remedy %q; want unusable with a chown to type", in.State, in.Detail, in.Remedy)
		}
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	r := filled(t, sandbox.Options{})
	must(t, r.BumpTimestamp())
	for _, mode := range []os.FileMode{0o500, 0} {
		must(t, os.Chmod(r.path(), mode))
		if err := r.read(); err == nil {
			t.Error("its client does not mind")
		}
		wantUnusable(t, r, "mode", "chmod u+rwx "+r.path())
		must(t, os.Chmod(r.path(), 0o700))
	}
	r.replace(t, both)
	r.wantState(t, cache.Fresh)
}

func TestHostileSizes(t *testing.T) {
	r := filled(t, sandbox.Options{})
	must(t, os.Truncate(r.path("timestamp.json"), 1<<40)) // sparse
	must(t, os.Truncate(r.path("targets", target), 1<<40))
	must(t, os.Truncate(r.path()+".json", 1<<40))
	must(t, os.Truncate(r.path("root.json"), 1<<40))
	began := time.Now()
	r.wantState(t, cache.Damaged)
	r.replace(t, cache.WriteOptions{Mend: true, Checked: began})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	r.mustRead(t)
	r.wantState(t, cache.Fresh)
}
