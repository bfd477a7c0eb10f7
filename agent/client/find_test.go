// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

func find(t *testing.T, o client.FindOptions) ([]string, []error) {
	t.Helper()
	o.Model = loadModel(t)
	found, errs := client.Find(t.Context(), o)
	paths := []string{}
	for _, c := range found {
		paths = append(paths, c.Path)
	}
	return paths, errs
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("found %q, want %q", got, want)
	}
}

// TestASmallProgramHidesNoLargeOne has files of all sizes read by the same few
// readers: what one of them was read with must not be too little for the next.
func TestASmallProgramHidesNoLargeOne(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 { // more than there are readers
		write(t, filepath.Join(dir, fmt.Sprintf("a%d", i)), program(modinfo("path\tx"), fmt.Sprint(i)))
	}
	large := write(t, filepath.Join(dir, "cosign"), program(cosign201("v2.0.1"), strings.Repeat("x", 3<<20+500_000), fnLegacy))
	got, errs := find(t, client.FindOptions{Dirs: []string{dir}})
	if len(errs) != 0 {
		t.Errorf("errors %v", errs)
	}
	same(t, got, large)
}

func TestFindLooksWhereItIsPointed(t *testing.T) {
	dir := t.TempDir()
	at := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	for _, d := range []string{"bin", "opt/a/bin", "opt/b", "skipped"} {
		if err := os.MkdirAll(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old, other := program(cosign201("v2.0.1"), fnLegacy), program(cosign201("v2.0.0"), fnLegacy)
	write(t, at("bin/cosign"), old)
	write(t, at("bin/script"), []byte("#!/bin/sh\n"))
	write(t, at("bin/ls"), program(modinfo("path\tls")))
	write(t, at("opt/a/bin/cosign"), other)
	write(t, at("opt/b/cosign-2"), append(other, 0))
	write(t, at("skipped/cosign"), append(old, 0))
	if err := os.WriteFile(at("bin/data"), append(old, 0, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"bin/again": "cosign", "bin/dangling": "nowhere", "opt/linked": "../bin", "bin/loop": "loop"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("bin/fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("unix", at("bin/socket")); err != nil {
		t.Fatal(err)
	} else {
		defer l.Close()
	}

	t.Chdir(at("skipped"))
	got, errs := find(t, client.FindOptions{Dirs: []string{at("bin"), at("bin"), at("missing"), ".", ""}})
	same(t, got, at("bin/cosign")) // once, and not by the name of a link
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "bin/loop") {
		t.Errorf("errors %v, want one about the loop", errs)
	}
	got, errs = find(t, client.FindOptions{Globs: []string{at("opt/**/bin"), at("**/cosign-[0-9]"), at("opt/linked/*"), at("nowhere/*")}, Exclude: []string{at("bin/loop"), at("opt/linked/loop")}})
	same(t, got, at("bin/cosign"), at("opt/a/bin/cosign"), at("opt/b/cosign-2"))
	if len(errs) != 0 {
		t.Errorf("errors %v", errs)
	}
	got, _ = find(t, client.FindOptions{Globs: []string{at("**/cosign*")}, Exclude: []string{at("skipped/**"), at("opt")}})
	same(t, got, at("bin/cosign"), at("opt/a/bin/cosign"), at("opt/b/cosign-2"))
	got, errs = find(t, client.FindOptions{Files: []string{at("skipped/cosign"), at("bin/script"), at("bin/fifo"), at("no\nsuch")}, Exclude: []string{at("**")}})
	same(t, got, at("skipped/cosign")) // what is named is never excluded
	text := fmt.Sprint(errs)
	if len(errs) != 3 || !errors.Is(errs[0], client.ErrNotClient) || strings.Contains(text, "\n") || !strings.Contains(text, `no\nsuch`) {
		t.Errorf("errors %v, want three, quoted", errs)
	}
}

func TestAFileIsReadOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cosign")
	info := func(version string) []byte { return program(cosign201(version), fnLegacy) }
	write(t, path, info("v2.0.1"))
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	o := client.FindOptions{Files: []string{path}, Model: loadModel(t), Cache: client.NewScanCache()}
	if found, errs := client.Find(t.Context(), o); len(found) != 1 || found[0].Version != "v2.0.1" || len(errs) != 0 {
		t.Fatal(found, errs)
	}
	o.MaxFileSize = 1 // what is read from now on is refused
	if found, errs := client.Find(t.Context(), o); len(found) != 1 || found[0].Version != "v2.0.1" || len(errs) != 0 {
		t.Errorf("read again: %v, %v", found, errs)
	}
	var tooLarge *client.TooLargeError
	reads := func(what string) {
		t.Helper()
		if found, errs := client.Find(t.Context(), o); len(found) != 0 || len(errs) != 1 || !errors.As(errs[0], &tooLarge) {
			t.Errorf("%s is not read again: %v, %v", what, found, errs)
		}
	}
	// The same inode, size and time of modification with other bytes.
	write(t, path, info("v2.0.0"))
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	reads("one that was written to")
	o.Cache = nil
	reads("without a cache one")
}

// Who deletes a file hands its inode on, and any size and time of modification can
// be given to a file: that another one was there before says nothing of the next.
func TestAFormerFileIsAnotherFile(t *testing.T) {
	dir, then := t.TempDir(), time.Unix(1700000000, 0)
	o := client.FindOptions{Dirs: []string{dir}, Model: loadModel(t), Cache: client.NewScanCache()}
	put := func(name, version string) client.FileID {
		t.Helper()
		path := write(t, filepath.Join(dir, name), program(cosign201(version), fnLegacy))
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		found, errs := client.Find(t.Context(), o)
		if len(found) != 1 || len(errs) != 0 || found[0].Version != version {
			t.Fatalf("found %+v, %v, want %s", found, errs, version)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return found[0].File
	}
	reused := false
	for range 20 { // ext4 hands an inode on at once
		former, next := put("a", "v2.0.0"), put("cosign", "v2.0.1")
		if former == next {
			t.Fatalf("both are %+v", next)
		}
		reused = reused || former.Inode == next.Inode
	}
	if !reused {
		t.Log("this file system hands no inode on at once")
	}
}

func TestAtMost200OfAnOwnerAreListed(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, n, uid int) {
		for i := range n {
			path := write(t, filepath.Join(dir, fmt.Sprintf("%s-%03d", name, i)), program(cosign201("v2.0.1"), fnLegacy, name, fmt.Sprint(i)))
			if uid != os.Getuid() {
				if err := os.Chown(path, uid, -1); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	put("a", client.MaxClients+7, os.Getuid())
	o := client.FindOptions{Dirs: []string{dir}, Model: loadModel(t), Cache: client.NewScanCache()}
	for range 2 { // read, and remembered
		got, errs := client.Find(t.Context(), o)
		if len(got) != client.MaxClients || len(errs) != 1 || !strings.Contains(errs[0].Error(), "7 more") {
			t.Fatalf("listed %d, errors %v", len(got), errs)
		}
	}
	// One that was not listed is, as soon as there is room.
	for i := range 3 {
		if err := os.Remove(filepath.Join(dir, fmt.Sprintf("a-%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	got, errs := client.Find(t.Context(), o)
	if len(got) != client.MaxClients || len(errs) != 1 || !strings.Contains(errs[0].Error(), "4 more") {
		t.Fatalf("listed %d, errors %v", len(got), errs)
	}
	if last := got[len(got)-1]; last.Path == "" || last.Name != "cosign" || last.Libraries[client.GoTUF] != "v0.5.2" {
		t.Errorf("the last is %+v", last)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can give files to another owner")
	}
	put("b", client.MaxClients+1, 12345)
	put("c", 5, 12346)
	got, errs = client.Find(t.Context(), o)
	if len(got) != 2*client.MaxClients+5 || len(errs) != 2 || !strings.Contains(fmt.Sprint(errs), "1 more of user 12345") {
		t.Errorf("listed %d, errors %v", len(got), errs)
	}
}

// TestNamesOfOneFile: links lead to one client, whatever was remembered of it.
func TestNamesOfOneFile(t *testing.T) {
	dir := t.TempDir()
	first := write(t, filepath.Join(dir, "b"), program(cosign201("v2.0.1"), fnLegacy))
	if err := os.Link(first, filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("c", filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	o := client.FindOptions{Dirs: []string{dir}, Model: loadModel(t), Cache: client.NewScanCache()}
	for range 2 {
		found, errs := client.Find(t.Context(), o)
		if len(found) != 1 || found[0].Path != filepath.Join(dir, "c") || len(errs) != 0 {
			t.Fatalf("found %v, errors %v", found, errs)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if found, _ := client.Find(t.Context(), o); len(found) != 1 || found[0].Path != first {
		t.Errorf("found %v", found)
	}
}

// TestErrorsAreBounded: a directory full of what cannot be read is not a page full of errors.
func TestErrorsAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		if err := os.Symlink("x", filepath.Join(dir, fmt.Sprintf("loop-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("x", filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	found, errs := client.Find(t.Context(), client.FindOptions{Dirs: []string{dir}, Model: loadModel(t)})
	if len(found) != 0 || len(errs) != 201 || !strings.Contains(errs[200].Error(), "101 more errors") {
		t.Errorf("found %v, %d errors, the last %v", found, len(errs), errs[len(errs)-1])
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "cosign"), program(cosign201("v2.0.1"), fnLegacy))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found, errs := client.Find(ctx, client.FindOptions{Files: []string{path}, Model: loadModel(t)})
	if len(found) != 0 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("found %v, errors %v", found, errs)
	}
}
