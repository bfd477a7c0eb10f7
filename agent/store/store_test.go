// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // a second Close changes nothing
	return s
}

func newRepo(t *testing.T, o sandbox.Options) *sandbox.Repo {
	t.Helper()
	repo, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func verify(t *testing.T, f trust.Files) *trust.Set {
	t.Helper()
	set, err := trust.Verify(f, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A stamp is all that a write would change of a file.
type stamp struct {
	inode, links   uint64
	size           int64
	mtime, ctime   syscall.Timespec
	mode           fs.FileMode
	link, contents string
}

// stamps describes every file and directory below dir.
func stamps(t *testing.T, dir string) map[string]stamp {
	t.Helper()
	all := map[string]stamp{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		s := stamp{inode: st.Ino, links: uint64(st.Nlink), size: st.Size, mtime: st.Mtim, ctime: st.Ctim, mode: info.Mode()}
		if info.Mode()&fs.ModeSymlink != 0 {
			s.link, err = os.Readlink(path)
		} else if info.Mode().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			s.contents = string(data)
		}
		all[path] = s
		return err
	}))
	return all
}

func TestRolesAreKeptAsReceived(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.ReadRole(trust.Timestamp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what is not there: got %v, want fs.ErrNotExist", err)
	}
	data := []byte("{\"odd\":  1}  \n")
	must(t, s.WriteRole(trust.Timestamp, data))
	got, err := s.ReadRole(trust.Timestamp)
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("got %q, want %q", got, data)
	}
}

func TestNoRoleNameLeavesTheDirectory(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "store")
	s := open(t, dir)
	before := len(stamps(t, parent))
	names := []string{"../evil", "/etc/x", "a/b", "..", ".", "?", "#", "%2e%2e", ".tufkeeper-x", "a\x00b", "a\nb", "sets", "seen", "current", "é", `back\slash`}
	for i, role := range names {
		data := fmt.Appendf(nil, "%d", i)
		must(t, s.WriteRole(role, data))
	}
	must(t, s.Close())
	s = open(t, dir) // which sweeps leftovers
	for i, role := range names {
		got, err := s.ReadRole(role)
		if want := fmt.Sprint(i); err != nil || string(got) != want {
			t.Errorf("role %q: got %q, %v, want %q", role, got, err, want)
		}
	}
	after := stamps(t, parent)
	if got := len(after) - before; got != len(names) {
		t.Errorf("%d new files for %d roles", got, len(names))
	}
	for path := range after {
		if strings.HasPrefix(filepath.Base(path), ".") {
			t.Errorf("hidden file %q", path)
		}
	}
	for _, role := range []string{"", "root", strings.Repeat("x", 300)} {
		if err := s.WriteRole(role, nil); err == nil {
			t.Errorf("role %.10q was written", role)
		}
	}
}

func TestOnlyMetadataEndsInJSON(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	repo := newRepo(t, sandbox.Options{Delegation: true})
	f := repo.Files()
	must(t, s.WriteRoot(1, f.Initial))
	must(t, s.SetRoot(1))
	for role, data := range map[string][]byte{trust.Timestamp: f.Timestamp, trust.Snapshot: f.Snapshot, trust.Targets: f.Targets} {
		must(t, s.WriteRole(role, data))
	}
	must(t, s.Commit(verify(t, f)))
	must(t, s.Remember(store.Seen{Time: time.Now(), Root: 1}))
	must(t, s.WriteRole("torn", []byte("{")))
	must(t, s.SetAsideRole("torn", "not JSON"))
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	must(t, err)
	if len(names) != 4 {
		t.Errorf("got %q, want the four top-level roles", names)
	}
	if to, err := os.Readlink(filepath.Join(dir, "root.json")); to != "root_history/1.root.json" {
		t.Errorf("root.json links to %q, %v", to, err)
	}
}

func TestTheSameAgainCostsNoWrite(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	repo := newRepo(t, sandbox.Options{})
	f := repo.Files()
	now := time.Now()
	write := func() {
		must(t, s.WriteRoot(1, f.Initial))
		must(t, s.SetRoot(1))
		must(t, s.WriteRole(trust.Timestamp, f.Timestamp))
		must(t, s.Remember(store.Seen{Time: now, Root: 1, Keys: "k", Versions: map[string]int64{"timestamp": 1}}))
	}
	write()
	if s.Writes() == 0 {
		t.Fatal("the first time cost no write")
	}
	writes, before := s.Writes(), stamps(t, dir)
	now = now.Add(5 * time.Hour)
	write()
	if got := s.Writes() - writes; got != 0 {
		t.Errorf("%d writes, want none", got)
	}
	compare(t, before, stamps(t, dir))
}

func compare(t *testing.T, before, after map[string]stamp) {
	t.Helper()
	for path, b := range before {
		if a := after[path]; a != b {
			t.Errorf("%s changed:\n%+v\n%+v", path, b, a)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		}
	}
}

func TestTheHighestTimeIsSavedSeldomAndOnClose(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, dir)
	must(t, s.Remember(store.Seen{Time: start}))
	last := start
	for _, tt := range []struct {
		name   string
		at     time.Time
		writes bool
	}{
		{"an hour later", start.Add(time.Hour), false},
		{"just six hours later", start.Add(6 * time.Hour), false},
		{"more than six hours later", start.Add(6*time.Hour + time.Second), true},
		{"back again", start, false},
		{"a little later still", start.Add(7 * time.Hour), false},
	} {
		writes := s.Writes()
		must(t, s.Remember(store.Seen{Time: tt.at}))
		if highest := s.HighestTime(); highest.Before(tt.at) || highest.Before(last) {
			t.Errorf("%s: the highest time went back to %s", tt.name, highest)
		} else {
			last = highest
		}
		if got := s.Writes() > writes; got != tt.writes {
			t.Errorf("%s: written is %v, want %v", tt.name, got, tt.writes)
		}
	}
	want := start.Add(7 * time.Hour)
	if got := s.HighestTime(); !got.Equal(want) {
		t.Errorf("highest time is %s, want %s", got, want)
	}
	must(t, s.Close())
	if got := open(t, dir).HighestTime(); !got.Equal(want) {
		t.Errorf("after a restart the highest time is %s, want %s", got, want)
	}
}

func TestWhatWasSeenOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Remember(store.Seen{Root: 3, Initial: "i", Keys: "k", KeysRoot: 2, Versions: map[string]int64{"timestamp": 7, "../x": 2}}))
	got := open(t, dir).Seen() // without Close: a crash
	if got.Root != 3 || got.Initial != "i" || got.Keys != "k" || got.KeysRoot != 2 || got.Versions["timestamp"] != 7 || got.Versions["../x"] != 2 {
		t.Errorf("got %+v", got)
	}
	got.Versions["timestamp"] = 1
	if s.Seen().Versions["timestamp"] != 7 {
		t.Error("a caller changed what is remembered")
	}
}

func TestDamageIsSetAsideByNameAndReported(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "seen"), []byte("{torn"), 0o600))
	s := open(t, dir)
	damaged := s.Damaged()
	if len(damaged) != 1 || !strings.Contains(damaged[0], "seen.broken-") {
		t.Fatalf("got %q, want the file of versions seen", damaged)
	}
	for range 12 {
		must(t, s.WriteRole(trust.Timestamp, []byte("{torn")))
		must(t, s.SetAsideRole(trust.Timestamp, "not JSON"))
	}
	if _, err := s.ReadRole(trust.Timestamp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was set aside is still read: %v", err)
	}
	damaged = s.Damaged()
	if len(damaged) != 8 {
		t.Errorf("%d files are kept aside, want 8:\n%s", len(damaged), strings.Join(damaged, "\n"))
	}
	if !strings.Contains(damaged[len(damaged)-1], "not JSON") {
		t.Errorf("the reason is not told: %q", damaged)
	}
	must(t, s.Close())
	s = open(t, dir)
	if got := s.Damaged(); len(got) != 8 {
		t.Errorf("after a restart %d damaged files are reported, want 8", len(got))
	}
	broken, err := filepath.Glob(filepath.Join(dir, "*.broken-*"))
	must(t, err)
	for _, name := range broken {
		must(t, os.Remove(name))
	}
	if got := s.Damaged(); len(got) != 0 {
		t.Errorf("after they were removed still reported: %q", got)
	}
}

// What is not a plain file of sane size is never read, nor waited for.
func TestOddFilesInPlaceOfOursAreNamed(t *testing.T) {
	odd := map[string]struct {
		plant func(t *testing.T, path string)
		want  string
	}{
		"a directory": {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "directory"},
		"a FIFO":      {func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "FIFO"},
		"a symbolic link to a good file": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".other", []byte("{}"), 0o600))
			must(t, os.Symlink(filepath.Base(path)+".other", path))
		}, "symbolic link"},
		"a dangling link":    {func(t *testing.T, path string) { must(t, os.Symlink("nowhere", path)) }, "symbolic link"},
		"a link to a device": {func(t *testing.T, path string) { must(t, os.Symlink("/dev/zero", path)) }, "symbolic link"},
		"a socket": {func(t *testing.T, path string) {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			must(t, err)
			t.Cleanup(func() { syscall.Close(fd) })
			wd, err := os.Getwd()
			must(t, err)
			t.Chdir(filepath.Dir(path)) // a socket's path is short
			must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Base(path)}))
			t.Chdir(wd)
		}, "socket"},
		"a huge file": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path, nil, 0o600))
			must(t, os.Truncate(path, 1<<40))
		}, "larger than"},
	}
	for what, o := range odd {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			o.plant(t, filepath.Join(dir, "timestamp.json"))
			o.plant(t, filepath.Join(dir, "root_history", "2.root.json"))
			for name, read := range map[string]func() error{
				"reading a role":  func() error { _, err := s.ReadRole(trust.Timestamp); return err },
				"reading a root":  func() error { _, err := s.ReadRoot(2); return err },
				"writing a role":  func() error { return s.WriteRole(trust.Timestamp, []byte("{}")) },
				"writing a root":  func() error { return s.WriteRoot(2, []byte("{}")) },
				"opening a store": func() error { o.plant(t, filepath.Join(dir, "seen")); _, err := store.Open(dir, nil); return err },
			} {
				err := read()
				var unusable *store.UnusableFileError
				if !errors.As(err, &unusable) || !strings.Contains(err.Error(), o.want) {
					t.Errorf("%s: got %v, want an UnusableFileError about a %s", name, err, o.want)
				}
			}
		})
	}
}

func TestAFileThatCannotBeReadIsNotAbsent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, os.Symlink("timestamp.json", filepath.Join(dir, "timestamp.json"))) // a loop
	if _, err := s.ReadRole(trust.Timestamp); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error other than fs.ErrNotExist", err)
	}
}

func TestADirectoryThatOthersCouldUseIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	_, err := store.Open(dir, nil)
	var unsafe *store.UnsafeDirError
	if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("got %v, want an UnsafeDirError with what to type", err)
	}
	if os.Geteuid() == 0 {
		must(t, os.Chmod(dir, 0o700))
		must(t, os.Chown(dir, 12345, -1))
		if _, err = store.Open(dir, nil); !errors.As(err, &unsafe) || !strings.Contains(err.Error(), "chown") {
			t.Errorf("another's directory: got %v, want an UnsafeDirError with what to type", err)
		}
	}
}

func TestOpenMakesAPrivateDirectoryAndSweepsLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, dir)
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %v, want 0700", info.Mode().Perm())
	}
	temp := durable.TempPrefix + rand.Text()
	leftovers := []string{temp, "root_history/" + temp, "sets/" + temp + "/deep"}
	for _, name := range leftovers {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	future := time.Now().Add(24 * time.Hour) // as a clock that was wrong leaves them
	must(t, os.Chtimes(filepath.Join(dir, leftovers[0]), future, future))
	open(t, dir)
	for path := range stamps(t, dir) {
		if strings.Contains(path, durable.TempPrefix) {
			t.Errorf("%s was left", path)
		}
	}
}

func TestDropTakesTimestampAndSnapshotOnly(t *testing.T) {
	s := open(t, t.TempDir())
	for _, role := range []string{trust.Timestamp, trust.Snapshot, trust.Targets} {
		must(t, s.WriteRole(role, []byte(role)))
	}
	must(t, s.DropTimestampAndSnapshot())
	for role, want := range map[string]bool{trust.Timestamp: false, trust.Snapshot: false, trust.Targets: true} {
		if _, err := s.ReadRole(role); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", role, err, want)
		}
	}
	writes := s.Writes()
	must(t, s.DropTimestampAndSnapshot())
	if s.Writes() != writes {
		t.Error("dropping nothing cost a write")
	}
}
