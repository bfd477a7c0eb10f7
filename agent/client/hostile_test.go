// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// hook is a context that does something when it is asked for the nth time
// whether it has ended, which every read from a file does first.
type hook struct {
	context.Context
	asked atomic.Int64
	at    int64
	do    func()
	end   bool // it ends then
}

func (h *hook) Err() error {
	n := h.asked.Add(1)
	if n == h.at && h.do != nil {
		h.do()
	}
	if h.end && n >= h.at {
		return context.Canceled
	}
	return nil
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	old, young := program(cosign201("v2.0.1"), fnLegacy), program(cosign201("v2.0.0"), fnLegacy)
	for _, tt := range []struct {
		name   string
		change func(path string) error
		want   string // of the error; "" for a client
	}{
		{"rewritten", func(p string) error { return os.WriteFile(p, young, 0o600) }, "changed while being read"},
		{"truncated", func(p string) error { return os.Truncate(p, 200) }, "changed while being read"},
		{"emptied", func(p string) error { return os.Truncate(p, 0) }, "changed while being read"},
		{"grown", func(p string) error { return os.Truncate(p, 1<<20) }, "changed while being read"},
		{"removed", os.Remove, ""},
		{"replaced", func(p string) error {
			if err := os.WriteFile(p+".new", young, 0o755); err != nil { //nolint:gosec // a program
				return err
			}
			return os.Rename(p+".new", p)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "cosign"), old)
			ctx := &hook{Context: t.Context(), at: 4, do: func() {
				if err := tt.change(path); err != nil {
					t.Error(err)
				}
			}}
			o := client.FindOptions{Files: []string{path}, Model: loadModel(t), Cache: client.NewScanCache()}
			found, errs := client.Find(ctx, o)
			if ctx.asked.Load() < ctx.at {
				t.Fatal("nothing was changed")
			}
			if tt.want != "" {
				if len(found) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), tt.want) {
					t.Fatalf("found %v, errors %v", found, errs)
				}
			} else if len(found) != 1 || len(errs) != 0 || found[0].Version != "v2.0.1" {
				t.Fatalf("found %v, errors %v", found, errs)
			}
			// What is there now is what the next look sees, whatever was remembered.
			found, errs = client.Find(t.Context(), o)
			switch tt.name {
			case "rewritten", "replaced":
				if len(found) != 1 || found[0].Version != "v2.0.0" {
					t.Errorf("then found %v, errors %v", found, errs)
				}
			case "grown":
				if len(found) != 1 || found[0].Version != "v2.0.1" {
					t.Errorf("then found %v, errors %v", found, errs)
				}
			default:
				if len(found) != 0 || len(errs) != 1 {
					t.Errorf("then found %v, errors %v", found, errs)
				}
			}
		})
	}
}

func TestFindEndsInTheMiddleOfAFile(t *testing.T) {
	big := program(cosign201("v2.0.1"), fnLegacy, strings.Repeat("x", 64<<20))
	dir := t.TempDir()
	for i := range 20 {
		if i == 0 {
			write(t, filepath.Join(dir, "big"), big)
		} else if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), program(cosign201("v2.0.1"), fnLegacy, fmt.Sprint(i)), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	ctx := &hook{Context: t.Context(), at: 40, end: true}
	cache := client.NewScanCache()
	found, errs := client.Find(ctx, client.FindOptions{Files: []string{filepath.Join(dir, "big")}, Dirs: []string{dir}, Model: loadModel(t), Cache: cache})
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) || slices.ContainsFunc(found, func(c client.Client) bool { return filepath.Base(c.Path) == "big" }) {
		t.Errorf("found %v, errors %v", found, errs)
	}
	// 64 MB are read in more than 64 pieces: it did not go on to the end.
	if n := ctx.asked.Load(); n > ctx.at+30 {
		t.Errorf("asked %d times whether to go on after the end", n-ctx.at)
	}
}

func TestWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	m := loadModel(t)
	for _, path := range []string{fifo, socket, "/dev/zero", "/dev/null", link, dir} {
		if _, err := client.Read(path, m, 0); err == nil {
			t.Errorf("%s: read", path)
		}
		found, errs := client.Find(t.Context(), client.FindOptions{Files: []string{path}, Model: m})
		want := "not a regular file"
		if path == dir {
			want = "neither a package" // a directory may be one
		}
		if len(found) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s: %v %v", path, found, errs)
		}
	}
	if found, errs := client.Find(t.Context(), client.FindOptions{Dirs: []string{dir}, Model: m}); len(found) != 0 || len(errs) != 0 {
		t.Errorf("in a directory: %v %v", found, errs)
	}
}

// TestAVastSparseFile reads a program that claims a terabyte, whose end
// holds what is looked for, as files on other file systems are laid out.
func TestAVastSparseFile(t *testing.T) {
	const size = 1 << 40
	path := write(t, filepath.Join(t.TempDir(), "sparse"), program(cosign201("v2.0.1")))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{size / 3, size / 2, size - 4096} {
		if _, err := f.WriteAt([]byte(strings.Trim(fnLegacy, "\x00")+"\x00"+rootDocument(int(at>>30)+1, "")), at); err != nil {
			t.Skipf("no sparse files here: %v", err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Sys().(*syscall.Stat_t).Blocks > 1<<20 {
		t.Skip("no sparse files here")
	}
	ctx := &hook{Context: t.Context()}
	found, errs := client.Find(ctx, client.FindOptions{Files: []string{path}, MaxFileSize: 1 << 20, Model: loadModel(t)})
	if len(errs) != 0 || len(found) != 1 {
		t.Fatalf("found %v, errors %v", found, errs)
	}
	if n := ctx.asked.Load(); n > 100 { // a million chunks without the holes
		t.Errorf("took %d reads", n)
	}
	c := found[0]
	if !c.Linked.LegacyTUF || len(c.EmbeddedRoots) != 3 || c.Version != "v2.0.1" {
		t.Errorf("found %+v", c)
	}
	// The limit holds for what is in the file.
	var large *client.TooLargeError
	if _, err := client.Read(path, loadModel(t), 8000); !errors.As(err, &large) || large.Size > 1<<20 {
		t.Errorf("got %v", err)
	}
}

// TestBuildInformationThatLies damages the build information of a program that
// links a client: it is still one, of unknown libraries.
func TestBuildInformationThatLies(t *testing.T) {
	const magic = "\xff Go buildinf:"
	good := string(program(cosign201("v2.0.1"), fnLegacy, "8faaee4d2b5f65678eb0831a8a3d5990a0271d3a"))
	at := strings.Index(good, magic)
	cut := func(s string, at int, with string) string { return s[:at] + with + s[at+len(with):] }
	for name, data := range map[string]string{
		"wiped":                           cut(good, at, strings.Repeat("\x00", 14)),
		"a length beyond the file":        cut(good, at+32, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
		"a length that never ends":        cut(good, at+32, strings.Repeat("\xff", 16)),
		"no version of Go":                cut(good, at+32, "\x00"),
		"pointers that point nowhere":     cut(good, at+14, "\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
		"pointers of an impossible width": cut(good, at+14, "\x03\x00"),
	} {
		c, err := read(t, []byte(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Libraries) != 0 || !c.Linked.LegacyTUF || !strings.Contains(strings.Join(c.Notes, "\n"), "build information cannot be read") {
			t.Errorf("%s: %v, notes %q", name, c.Libraries, c.Notes)
		}
		if c.Name != "cosign" || c.VersionSource != "release commit" {
			t.Errorf("%s: %s by %q", name, c.Name, c.VersionSource)
		}
	}
	// A list of modules without those that are linked is as good as none.
	if c, err := read(t, []byte(strings.ReplaceAll(good, "dep\t", "dip\t"))); err != nil || len(c.Libraries) != 0 || !strings.Contains(strings.Join(c.Notes, "\n"), "lists no library") {
		t.Errorf("%+v, %v", c, err)
	}
	// Without a commit nobody knows what it is.
	c, err := read(t, []byte(strings.Replace(cut(good, at, strings.Repeat("\x00", 14)), "8faaee4d", "00000000", 1)))
	if err != nil || c.Name != "unknown" || c.Version != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if a := loadModel(t).Capabilities(c).Can(client.Legacy, client.KeyTypeECDSA); a != client.Maybe {
		t.Errorf("what it can is %v", a)
	}
	// And without a client it is none.
	if _, err := read(t, []byte(strings.Replace(cut(good, at, strings.Repeat("\x00", 14)), "client.(*Client)", "client.(*Klient)", 1))); !errors.Is(err, client.ErrNotClient) {
		t.Errorf("got %v", err)
	}
}
