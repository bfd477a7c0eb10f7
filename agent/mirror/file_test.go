// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

func TestADirectoryIsAMirror(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a b")
	if err := repo.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	m := newMirror(t, mirror.Options{URLs: []string{"file://" + strings.ReplaceAll(dir, " ", "%20")}})
	got, err := m.FetchRoot(t.Context(), m.Origins()[0], "1.root.json", 100_000)
	if err != nil || !bytes.Equal(got, repo.InitialRoot()) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := fetch(t, m, "2.root.json"); !errors.Is(err, mirror.ErrMissing) {
		t.Errorf("the root after the last: got %v, want ErrMissing", err)
	}
	if s := m.Stats(); s.Requests != 0 || s.Bytes == 0 {
		t.Errorf("got %+v, want bytes and no request", s)
	}
}

func TestOnlyRegularFilesOfTheDirectoryAreRead(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "mirror")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	must(os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "here"), []byte("here"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "large"), make([]byte, 1001), 0o644))
	must(os.WriteFile(filepath.Join(dir, "sub", "a b"), []byte("here"), 0o644))
	must(os.Symlink("here", filepath.Join(dir, "inward")))
	must(os.Symlink("../secret", filepath.Join(dir, "outward")))
	must(os.Symlink(filepath.Join(top, "secret"), filepath.Join(dir, "absolute")))
	must(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	must(os.Symlink("loop", filepath.Join(dir, "loop")))
	must(os.Symlink("/dev/zero", filepath.Join(dir, "zero")))
	must(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	m := newMirror(t, mirror.Options{URLs: []string{"file://" + dir}})
	for _, c := range []struct {
		name string
		want string // content; "" where it must be refused
		is   error
	}{
		{name: "here", want: "here"},
		{name: "inward", want: "here"},
		{name: "sub/a%20b", want: "here"},
		{name: "outward"}, {name: "absolute"}, {name: "loop"}, {name: "zero"}, {name: "fifo"}, {name: "sub"},
		{name: "..%2Fsecret"}, {name: "sub/..%2F..%2Fsecret"}, {name: "%00"}, {name: "%2Fetc%2Fpasswd"},
		{name: "dangling", is: mirror.ErrMissing},
		{name: "nothing", is: mirror.ErrMissing},
		{name: "here/x"},
		{name: "large", is: mirror.ErrTooLarge},
	} {
		got, err := fetch(t, m, c.name)
		if got != c.want || (err == nil) != (c.want != "") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
		if c.is == nil && errors.Is(err, mirror.ErrMissing) {
			t.Errorf("%s: got ErrMissing, which would end a root chain", c.name)
		}
	}
	for _, name := range []string{"%1b%5b31m", "here/%1b%5b31m"} {
		if _, err := fetch(t, m, name); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("got error %q", err)
		}
	}
}

func TestADirectoryThatIsGoneEndsNoRootChain(t *testing.T) {
	m := newMirror(t, mirror.Options{URLs: []string{"file:///nonexistent/tufkeeper"}})
	_, err := m.FetchRoot(t.Context(), m.Origins()[0], "2.root.json", 10)
	if errors.Is(err, mirror.ErrMissing) || !mirror.Unreachable(err) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
