// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/distro"
)

// rpmFormats are the files that rpm keeps its packages in.
var rpmFormats = []string{"rpmdb.sqlite", "Packages", "Packages.db"}

// FuzzRPM: no database makes a reader panic, run on, or name a package without a
// name. Panics are caught where hosts are read; here they would be found.
func FuzzRPM(f *testing.F) {
	small := [][]byte{header("cosign", "1", "1", 0, "/usr/bin/cosign"), header("other", "1", "1", -1, strings.Split(strings.Repeat("/usr/lib/x ", 200), " ")...)}
	f.Add(uint8(2), ndb(small), []byte(nil))
	file := filepath.Join(f.TempDir(), "rpmdb.sqlite")
	wal := ".dbconfig no_ckpt_on_close on\nPRAGMA journal_mode=WAL;\nPRAGMA wal_autocheckpoint=0;\n"
	if made(file, "PRAGMA page_size=512;\n"+sqlDump(small), "sqlite3") {
		f.Add(uint8(0), read(f, file), []byte(nil))
		if made(file, wal+"DELETE FROM Packages WHERE hnum = 2;\n", "sqlite3") {
			f.Add(uint8(0), read(f, file), read(f, file+"-wal"))
		}
	}
	file = filepath.Join(f.TempDir(), "Packages")
	if made(file, fmt.Sprintf("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=512\nHEADER=END\n 01\n %x\n 02\n %x\nDATA=END\n", small[0], small[1]), "db5.3_load") {
		f.Add(uint8(1), read(f, file), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, format uint8, data, log []byte) {
		owners, _ := distro.OwnersInRPM(t.Context(), rpmFormats[int(format)%len(rpmFormats)], data, log, "/usr/bin/cosign", "/usr/lib/x")
		for _, p := range owners {
			if p.Manager != "rpm" || p.Name == "" || p.Version == "" || len(p.Name)+len(p.Version) > len(data)+len(log)+12 {
				t.Errorf("half an entry: %+v", p)
			}
		}
	})
}

// made lets a tool of this machine write a file; false where there is no such tool.
func made(file, stdin, tool string) bool {
	cmd := exec.Command(tool, file) //nolint:gosec // a tool of the test's choice
	cmd.Stdin = strings.NewReader(stdin)
	return cmd.Run() == nil
}

func read(f *testing.F, file string) []byte {
	f.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// texts are the files of the other databases.
var texts = []string{
	"lib/apk/db/installed", "var/lib/dpkg/status", "var/lib/dpkg/info/cosign.list", "var/lib/dpkg/diversions",
	"var/lib/pacman/local/cosign/files", "var/lib/pacman/local/cosign/desc",
	"var/lib/dpkg/status.d/cosign", "var/lib/dpkg/status.d/cosign.md5sums", "etc/os-release",
}

func FuzzTextDatabases(f *testing.F) {
	for i, seed := range []string{
		apkInstalled, dpkgStatus, "/.\n/usr/bin/cosign\n", "/usr/bin/cosign\n/usr/bin/cosign.distrib\nother\n",
		"%FILES%\nusr/bin/cosign\n", "%NAME%\ncosign\n\n%VERSION%\n1-1\n",
		"Package: cosign\nVersion: 1\n", "d41d8cd98f00b204e9800998ecf8427e  usr/bin/cosign\n", "ID=\"a\\\"b\"\nNAME='x'\n",
	} {
		f.Add(uint8(i), []byte(seed)) //nolint:gosec // small
	}
	f.Fuzz(func(t *testing.T, place uint8, data []byte) {
		root := tree(t, map[string]string{
			"usr/bin/cosign": "x", "var/lib/dpkg/status": dpkgStatus, "var/lib/dpkg/info/cosign.list": "/usr/bin/cosign\n",
			"var/lib/pacman/local/cosign/files": "%FILES%\nusr/bin/cosign\n", "var/lib/pacman/local/cosign/desc": "%NAME%\ncosign\n\n%VERSION%\n1-1\n",
		})
		if err := os.RemoveAll(filepath.Join(root, texts[int(place)%len(texts)])); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(data), "-> ") {
			return // the helper would make a link of it
		}
		write(t, root, texts[int(place)%len(texts)], string(data))
		d := open(t, root)
		owners, errs := d.Owners(t.Context(), []string{"/usr/bin/cosign", "/usr/bin/../bin/cosign"})
		for _, p := range owners {
			if p.Manager == "" || p.Name == "" || p.Version == "" {
				t.Errorf("half an entry: %+v", p)
			}
		}
		for _, err := range errs {
			if strings.Contains(err.Error(), "damaged") {
				t.Errorf("a panic: %v", err)
			}
		}
		if s, err := d.System(t.Context()); err != nil && s.ID != "" {
			t.Errorf("an error with a value: %+v, %v", s, err)
		}
	})
}
