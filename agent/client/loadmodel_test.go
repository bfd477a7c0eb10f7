// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// dated returns the table of this build as if it were known as of another day.
func dated(t *testing.T, day string) []byte {
	t.Helper()
	m := loadModel(t)
	old := `"known_as_of": "` + m.KnownAsOf + `"`
	data := modelFile(t)
	if bytes.Count(data, []byte(old)) == 0 {
		t.Fatalf("no %s in the table", old)
	}
	return bytes.ReplaceAll(data, []byte(old), []byte(`"known_as_of": "`+day+`"`)) // its entries are no younger
}

// newer is the newest day that a table may be known as of: later than ours, and a
// day ahead of the clock.
func newer(t *testing.T) string {
	t.Helper()
	day := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	if ours := loadModel(t).KnownAsOf; day <= ours {
		t.Skipf("the clock is behind the table of this build (%s)", ours)
	}
	return day
}

func TestATableCanBeDroppedIn(t *testing.T) {
	ours := loadModel(t)
	for name, day := range map[string]string{"newer": newer(t), "of the same day": ours.KnownAsOf} {
		path := filepath.Join(t.TempDir(), "compat.json")
		if err := os.WriteFile(path, dated(t, day), 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := client.LoadModel(path)
		if err != nil || m.KnownAsOf != day {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r, ok := m.Release("v2.0.1"); !ok || r.Libraries[client.GoTUF] != "v0.5.2" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAnOlderTableIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compat.json")
	older := dated(t, "2026-11-21") // whatever else it says, today's is not in it
	if err := os.WriteFile(path, older, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := client.LoadModel(path)
	var e *client.OlderModelError
	if m != nil || !errors.As(err, &e) || e.KnownAsOf != "2026-11-21" || e.Embedded != loadModel(t).KnownAsOf || e.Path != path {
		t.Errorf("got %v", err)
	}
	if want := "older than the one in this build"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestWhatIsNoTableIsNotRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask says
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	huge := write("huge", nil, 0o600)
	if err := os.Truncate(huge, 1<<40); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("link", link); err != nil {
		t.Fatal(err)
	}
	later := dated(t, newer(t))
	tests := []struct{ name, path, want string }{
		{"nothing there", filepath.Join(dir, "absent"), "no such file"},
		{"a directory", dir, "not a regular file"},
		{"a pipe that nobody writes", pipe, "not a regular file"},
		{"a device", "/dev/zero", "not a regular file"},
		{"a terabyte", huge, "larger than"},
		{"a link to itself", link, "too many levels"},
		{"one from the future", write("future", dated(t, "2999-01-01"), 0o600), "known as of 2999-01-01, which is still to come"},
		{"a list", write("list", []byte("[1]"), 0o600), "it is a JSON array, and no compatibility table"},
		{"a text in the place of a list", write("kind", []byte(`{"schema": 1, "rules": "none"}`), 0o600), `"rules" cannot be a JSON string`},
		{"HTML", write("html", []byte("<html>"), 0o600), "it is not JSON (near byte 1)"},
		{"a file of secrets", write("shadow", []byte("root:$y$j9T"), 0o600), "it is not JSON (near byte 1)"},
		{"half a table", write("half", later[:len(later)/2], 0o600), "unexpected end"},
		{"one of another schema", write("schema", bytes.Replace(later, []byte(`"schema": 1`), []byte(`"schema": 2`), 1), 0o600), "schema 2"},
		{"one that contradicts itself", write("wrong", bytes.Replace(later, []byte(`"version": "v2.0.1"`), []byte(`"version": "v2.0.0"`), 1), 0o600), "listed twice"},
	}
	if os.Geteuid() == 0 {
		theirs := write("theirs", later, 0o600)
		if err := os.Chown(theirs, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		tests = append(tests, []struct{ name, path, want string }{
			{"one that a group can write", write("group", later, 0o664), "others than its owner can write it (mode 0664)"},
			{"one that everybody can write", write("all", later, 0o646), "others than its owner can write it (mode 0646)"},
			{"somebody else's", theirs, "does not belong to root"},
		}...)
	}
	for _, tt := range tests {
		done := make(chan struct{})
		go func() {
			defer close(done)
			m, err := client.LoadModel(tt.path)
			if m != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "compatibility table") || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("%s: got %v, want %q and the path", tt.name, err, tt.want)
			}
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: blocks", tt.name)
		}
	}
}
