// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A legacyBlow hurts a LevelDB cache. Such a cache is only reported on.
type legacyBlow struct {
	name    string
	hit     func(t *testing.T, base string)
	lasting bool // what is known (facts on caches, 3.5)
	// state is what tufkeeper says; "" for anything that is no damage.
	state string
}

func legacyBlows() []legacyBlow {
	files := func(t *testing.T, base, pattern string, do func(file string)) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(base, pattern))
		must(t, err)
		for _, file := range found {
			do(file)
		}
		if len(found) == 0 {
			t.Fatalf("there is no %s", pattern)
		}
	}
	replace := func(t *testing.T, file string, data []byte) { must(t, os.WriteFile(file, data, 0o600)) }
	// What rekor.pub holds is read by every verification.
	key := func(base string) string { return filepath.Join(base, "targets", "rekor.pub") }
	return []legacyBlow{
		{"CURRENT is empty", func(t *testing.T, base string) { replace(t, base+"/tuf.db/CURRENT", nil) }, false, ""},
		{"no MANIFEST", func(t *testing.T, base string) {
			files(t, base, "tuf.db/MANIFEST-*", func(f string) { must(t, os.Remove(f)) })
		}, false, ""},
		{"cut tables", func(t *testing.T, base string) {
			files(t, base, "tuf.db/*.ldb", func(f string) { must(t, os.Truncate(f, 60)) })
		}, true, "damaged"},
		{"tuf.db is a file", func(t *testing.T, base string) {
			must(t, os.RemoveAll(base+"/tuf.db"))
			replace(t, base+"/tuf.db", []byte("?"))
		}, true, "unusable"},
		{"a target file is empty", func(t *testing.T, base string) { replace(t, key(base), nil) }, true, "damaged"},
		{"a target file is another", func(t *testing.T, base string) { replace(t, key(base), []byte("?")) }, true, "damaged"},
		{"a target file is missing", func(t *testing.T, base string) { must(t, os.Remove(key(base))) }, true, "damaged"},
		{"a target file is a directory", func(t *testing.T, base string) {
			must(t, os.Remove(key(base)))
			must(t, os.Mkdir(key(base), 0o700))
		}, true, "unusable"},
		{"a target file has mode 000", func(t *testing.T, base string) { must(t, os.Chmod(key(base), 0)) }, true, "unusable"},
		{"remote.json is empty", func(t *testing.T, base string) { replace(t, base+"/remote.json", nil) }, false, ""},
		{"left alone", func(*testing.T, string) {}, false, ""},
	}
}

func TestE2ELegacy(t *testing.T) { legacyDamage(t, oldRelease) }

func TestFullLegacy(t *testing.T) {
	for _, version := range []string{"v2.2.4", "v2.4.3"} {
		t.Run(version, func(t *testing.T) { legacyDamage(t, version) })
	}
}

// legacyDamage hurts the caches of an old cosign. tufkeeper says what is wrong, and
// touches nothing.
func legacyDamage(t *testing.T, version string) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	image, public := w.signImage(t)
	pub := r.write(t, "image.pub", public)
	file := r.bring(t, cosign(t, version))
	verify := func(t *testing.T, base string) result {
		return r.host.run(t, []string{"TUF_ROOT=" + base}, file, "verify", "--key", pub, image)
	}
	whole := r.dir(t, "whole")
	for range 2 { // the second one makes goleveldb write a table of what lay in its log
		ok(t, r.host.run(t, []string{"TUF_ROOT=" + whole}, file, "initialize", "--mirror", w.mirrorURL, "--root", r.root))
	}
	ok(t, verify(t, whole))

	config := r.config(t, "legacy", reads{mirror: r.private(), places: cosignPlaces}, []string{r.path("with")}, "")
	want(t, r.keeper(t, config, "refresh"), 0, "")
	var table strings.Builder
	fmt.Fprintf(&table, "| cosign %s | client alone | tufkeeper says | and the consequence | to type | then |\n|---|---|---|---|---|---|\n", version)
	for _, b := range legacyBlows() {
		t.Run(b.name, func(t *testing.T) {
			alone, with := r.path("alone"), r.path("with")
			for _, base := range []string{alone, with} {
				must(t, os.RemoveAll(base))
				copyTree(t, whole, base)
				b.hit(t, base)
				r.own(t, base)
				aged(t, base, time.Minute)
			}
			_ = verify(t, alone)
			second := verify(t, alone)
			if got := second.code != 0; got != b.lasting {
				t.Errorf("its client fails: %t, known is %t: %s", got, b.lasting, second.said())
			}
			before := digestOf(t, with)
			found := r.one(t, config)
			mend := r.keeper(t, config, "caches", "--mend")
			// cosign 2.5.1 and newer find no root of the mirror that remote.json names, and
			// nobody here makes one up.
			if mend.code != 1 && b.name != "remote.json is empty" {
				t.Errorf("caches --mend ends with %d: %s", mend.code, mend.errors)
			}
			if after := digestOf(t, with); after != before {
				t.Errorf("tufkeeper changed it:\n%s\nis now\n%s", before, after)
			}
			if b.state != "" && found.State != b.state || b.state == "" && (found.State == "damaged" || found.State == "unusable") && b.name != "remote.json is empty" {
				t.Errorf("it is %s (%s), want %q", found.State, found.Detail, b.state)
			}
			if b.lasting && (found.Consequence == "" || found.Remedy == "") {
				t.Errorf("the consequence is %q, to type is %q", found.Consequence, found.Remedy)
			}
			typed := ""
			if b.lasting {
				if r := r.types(t, found.Remedy, with, file); r.code != 0 {
					t.Errorf("typing %s: %s", found.Remedy, r.said())
				}
				last := verify(t, with)
				if typed = "works"; last.code != 0 {
					typed = "fails"
					t.Errorf("after what was to type: %s", last.said())
				}
			}
			word := map[bool]string{true: "permanent", false: "heals"}[second.code != 0]
			fmt.Fprintf(&table, "| %s | %s | %s: %s | %s | %s | %s |\n", b.name, word, found.State, found.Detail, found.Consequence, found.Remedy, typed)
		})
	}
	t.Logf("\n%s", strings.ReplaceAll(table.String(), r.home, "~"))
}

// one is what tufkeeper says of the only cache that a configuration knows of; of the
// legacy one, where there are two.
func (h *host) one(t *testing.T, config string) foundCache {
	t.Helper()
	r := h.keeper(t, config, "caches", "--json")
	want(t, r, 0, "")
	var report struct{ Caches []foundCache }
	decode(t, r.out, &report)
	for _, c := range report.Caches {
		if len(report.Caches) == 1 || c.Layout == "legacy" {
			return c
		}
	}
	t.Fatalf("there are %d caches, want one:\n%s", len(report.Caches), r.out)
	return foundCache{}
}

// digestOf lists everything below a directory: owner, mode, time and content.
func digestOf(t *testing.T, base string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(base, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var sum [sha256.Size]byte
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			sum = sha256.Sum256(data)
		}
		fmt.Fprintln(&b, strings.TrimPrefix(file, base), info.Mode(), ownerOf(info), info.ModTime().UnixNano(), fmt.Sprintf("%x", sum[:6]))
		return nil
	}))
	return b.String()
}
