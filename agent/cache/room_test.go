// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// small mounts a small file system at dir.
func small(t *testing.T, dir, options string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := unix.Mount("none", dir, "tmpfs", 0, "mode=0700,"+options); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// Where there is no room for all of it, nothing is begun, and what to do is said.
func TestShortOfRoom(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		fill    func(t *testing.T, dir string)
		want    string
	}{
		"bytes": {"size=256k", func(t *testing.T, dir string) {
			t.Helper()
			f, err := os.Create(filepath.Join(dir, "filler"))
			must(t, err)
			defer f.Close()
			for {
				if _, err := f.Write(make([]byte, 4096)); err != nil {
					break
				}
			}
			must(t, f.Truncate(must1(f.Seek(0, 1))-8192))
		}, "no room left"},
		"inodes": {"size=4m,nr_inodes=20", func(t *testing.T, dir string) {
			t.Helper()
			var names []string
			for i := 0; ; i++ {
				path := filepath.Join(dir, "filler"+strconv.Itoa(i))
				if os.WriteFile(path, nil, 0o600) != nil {
					break
				}
				names = append(names, path)
			}
			must(t, os.Remove(names[0]))
		}, "no inodes left"},
	} {
		t.Run(name, func(t *testing.T) {
			mount := filepath.Join(t.TempDir(), "small")
			small(t, mount, c.options)
			d := newDen(t, cache.SigstoreRuby)
			d.place, d.dir = filepath.Join(mount, "b"), filepath.Join(mount, "b", filepath.Base(d.dir))
			d.fill(t)
			d.newer(t)
			c.fill(t, mount)
			before := picture(t, mount)
			targets := picture(t, d.files)
			change, err := d.cache(t).Replace(d.set(t), later(), both)
			var u *cache.UnusableError
			if !errors.As(err, &u) || !strings.Contains(u.Reason, c.want) || u.Remedy == "" || !change.Empty() {
				t.Errorf("%+v, %v; want it refused", change, err)
			}
			wantUntouched(t, mount, before)
			wantUntouched(t, d.files, targets)
			must(t, removeAll(mount, "filler*"))
			d.replace(t, both)
			d.wantState(t, cache.Fresh)
		})
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func removeAll(dir, pattern string) error {
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
