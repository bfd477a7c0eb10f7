// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/distro"
)

const dpkgStatus = `Package: cosign
Status: install ok installed
Priority: optional
Section: golang
Installed-Size: 98304
Maintainer: Somebody <somebody@example.com>
Architecture: amd64
Version: 2.5.0-2+b4
Static-Built-Using: golang-github-theupdateframework-go-tuf (= 2.0.2+0.7.0-1), golang-github-sigstore-sigstore (= 1.9.3-2), broken (>= 1), 
Description: container signing
 Version: 9.9.9 is what this line says of another package
 .
 Package: other

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0-1

Package: libsame
Status: install ok installed
Architecture: i386
Version: 1.0-1

Package: libsame
Status: install ok installed
Architecture: amd64
Version: 2.0-1

Package: early
Status: install ok installed
Architecture: all
Version: 3.0-1`

func dpkgTree(t *testing.T, more map[string]string) string {
	t.Helper()
	files := map[string]string{
		"var/lib/dpkg/status":                  dpkgStatus,
		"var/lib/dpkg/info/cosign.list":        "/.\n/usr\n/usr/bin\n/usr/bin/cosign\n/usr/share/doc/cosign\n",
		"var/lib/dpkg/info/cosign.md5sums":     "not a list\n/usr/bin/stranger\n",
		"var/lib/dpkg/info/gone.list":          "/.\n/usr/bin/gone\n",
		"var/lib/dpkg/info/libsame:amd64.list": "/.\n/usr/lib/x86_64/same\n",
		"var/lib/dpkg/info/libsame:i386.list":  "/.\n/usr/lib/i386/same\n",
		"var/lib/dpkg/info/early.list":         "/.\n/bin/early\n/usr/bin/last", // no newline at the end
		"usr/bin/cosign":                       "x",
		"usr/bin/gone":                         "x",
		"usr/bin/stranger":                     "x",
		"usr/bin/early":                        "x",
		"usr/bin/last":                         "x",
		"usr/lib/x86_64/same":                  "x",
		"usr/lib/i386/same":                    "x",
		"bin":                                  "-> usr/bin",
	}
	for name, content := range more {
		files[name] = content
	}
	return tree(t, files)
}

func TestDpkg(t *testing.T) {
	wantOwners(t, dpkgTree(t, map[string]string{
		"usr/local/bin/cosign":     "-> /usr/bin/cosign",
		"usr/local/bin/signer":     "-> ../../bin/../../etc/alternatives/signer",
		"etc/alternatives/signer":  "-> ../../usr/bin/cosign",
		"usr/local/bin/round":      "-> round",
		"usr/local/bin/nothing":    "-> /usr/bin/nothing",
		"usr/local/bin/by-the-way": "x",
	}), map[string]string{
		"/usr/bin/cosign":           "dpkg cosign 2.5.0-2+b4",
		"/bin/cosign":               "dpkg cosign 2.5.0-2+b4",
		"/usr/bin/../bin//cosign":   "dpkg cosign 2.5.0-2+b4",
		"/usr/local/bin/cosign":     "dpkg cosign 2.5.0-2+b4",
		"/usr/local/bin/signer":     "dpkg cosign 2.5.0-2+b4",
		"/usr/bin/early":            "dpkg early 3.0-1", // listed below /bin
		"/bin/early":                "dpkg early 3.0-1",
		"/usr/bin/last":             "dpkg early 3.0-1",
		"/usr/lib/x86_64/same":      "dpkg libsame 2.0-1",
		"/usr/lib/i386/same":        "dpkg libsame 1.0-1",
		"/usr/bin/gone":             "", // only its configuration is left
		"/usr/bin/stranger":         "",
		"/usr/local/bin/by-the-way": "",
		"/usr/local/bin/round":      "",
		"/usr/local/bin/nothing":    "",
		"/usr/bin/missing":          "",
	})
}

func TestDpkgSaysWhatABuildIsMadeOf(t *testing.T) {
	p, _ := open(t, dpkgTree(t, nil)).Owner("/usr/bin/cosign")
	want := []distro.Source{
		{Name: "golang-github-theupdateframework-go-tuf", Version: "2.0.2+0.7.0-1"},
		{Name: "golang-github-sigstore-sigstore", Version: "1.9.3-2"},
	}
	if !slices.Equal(p.Sources, want) {
		t.Errorf("made of %q, want %q", p.Sources, want)
	}
}

// A packaged link that somebody pointed at a file of his own says nothing of it.
func TestALinkIsNotTheFileItLeadsTo(t *testing.T) {
	root := dpkgTree(t, map[string]string{"opt/cosign-3/cosign": "x"})
	if err := os.Remove(filepath.Join(root, "usr/bin/cosign")); err != nil {
		t.Fatal(err)
	}
	write(t, root, "usr/bin/cosign", "-> /opt/cosign-3/cosign")
	wantOwners(t, root, map[string]string{"/usr/bin/cosign": "", "/opt/cosign-3/cosign": ""})
}

func TestADirectoryThatIsALinkIsAName(t *testing.T) {
	wantOwners(t, dpkgTree(t, map[string]string{
		"var/lib/dpkg/info/early.list": "/opt/early/current/bin/x\n",
		"opt/early/current":            "-> 3.0",
		"opt/early/3.0/bin/x":          "x",
	}), map[string]string{"/opt/early/current/bin/x": "dpkg early 3.0-1"})
}

func TestDiversions(t *testing.T) {
	wantOwners(t, dpkgTree(t, map[string]string{
		"var/lib/dpkg/diversions": "/usr/bin/cosign\n/usr/bin/cosign.distrib\nearly\n" +
			"/usr/bin/last\n/usr/bin/last.mine\n:\n",
		"var/lib/dpkg/info/early.list": "/usr/bin/cosign\n/usr/bin/last\n",
		"usr/bin/cosign.distrib":       "x",
		"usr/bin/last.mine":            "x",
	}), map[string]string{
		"/usr/bin/cosign":         "dpkg early 3.0-1",
		"/usr/bin/cosign.distrib": "dpkg cosign 2.5.0-2+b4",
		"/usr/bin/last":           "",
		"/usr/bin/last.mine":      "dpkg early 3.0-1",
	})
}

func TestDistroless(t *testing.T) {
	wantOwners(t, tree(t, map[string]string{
		"var/lib/dpkg/status.d/cosign":         "Package: cosign\nVersion: 2.5.0-2\nArchitecture: amd64\n",
		"var/lib/dpkg/status.d/cosign.md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/bin/cosign\nshort\n",
		"usr/bin/cosign":                       "x",
		"usr/bin/other":                        "x",
	}), map[string]string{"/usr/bin/cosign": "dpkg cosign 2.5.0-2", "/usr/bin/other": ""})
}

const apkInstalled = `C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
F:
R:at-the-top
F:etc

P:cosign
V:2.0.1-r6
o:cosign
F:usr
F:usr/bin
M:0:0:755
R:cosign
Z:Q1abc=
R:second

P:without-version
F:usr/bin
R:nothing
`

func TestAPK(t *testing.T) {
	for _, at := range []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		wantOwners(t, tree(t, map[string]string{
			at: apkInstalled, "usr/bin/cosign": "x", "usr/bin/second": "x", "usr/bin/nothing": "x", "at-the-top": "x", "etc/cosign": "x",
			"lib/ld-musl-x86_64.so.1": "x",
		}), map[string]string{
			"/usr/bin/cosign": "apk cosign 2.0.1-r6", "/usr/bin/second": "apk cosign 2.0.1-r6", "/usr/bin/nothing": "",
			"/at-the-top": "apk musl 1.2.5-r0", "/etc/cosign": "", "/lib/ld-musl-x86_64.so.1": "apk musl 1.2.5-r0",
		})
	}
}

func TestPacman(t *testing.T) {
	wantOwners(t, tree(t, map[string]string{
		"var/lib/pacman/local/ALPM_DB_VERSION":      "9\n",
		"var/lib/pacman/local/cosign-3.0.4-1/desc":  "%NAME%\ncosign\n\n%VERSION%\n3.0.4-1\n\n%DESC%\nsigns %NAME%\n\n",
		"var/lib/pacman/local/cosign-3.0.4-1/files": "%FILES%\nusr/\nusr/bin/\nusr/bin/cosign\n\n%BACKUP%\netc/cosign.conf\tabc\n",
		"var/lib/pacman/local/half-1-1/desc":        "%NAME%\nhalf\n",
		"usr/bin/cosign":                            "x",
		"etc/cosign.conf":                           "x",
		"sbin":                                      "-> usr/bin",
	}), map[string]string{"/usr/bin/cosign": "pacman cosign 3.0.4-1", "/sbin/cosign": "pacman cosign 3.0.4-1", "/etc/cosign.conf": ""})
}

func TestStoresWithoutADatabase(t *testing.T) {
	store := "nix/store/0123456789abcdfghijklmnpqrsvwxyz-cosign-2.5.3/bin/cosign"
	cellar := "home/linuxbrew/.linuxbrew/Cellar/cosign/2.2.0_1/bin/cosign"
	wantOwners(t, tree(t, map[string]string{
		store: "x", cellar: "x", "nix/store/short-cosign-2.5.3/bin/cosign": "x",
		"home/linuxbrew/.linuxbrew/bin/cosign": "-> ../Cellar/cosign/2.2.0_1/bin/cosign",
		"run/profile/cosign":                   "-> /" + store,
	}), map[string]string{
		"/run/profile/cosign":                      "nix cosign 2.5.3",
		"/home/linuxbrew/.linuxbrew/bin/cosign":    "homebrew cosign 2.2.0_1",
		"/nix/store/short-cosign-2.5.3/bin/cosign": "",
	})
}

func TestAnInstallationMeanwhileIsSeen(t *testing.T) {
	root := dpkgTree(t, nil)
	d := open(t, root)
	if _, ok := d.Owner("/usr/bin/stranger"); ok {
		t.Fatal("owned before")
	}
	write(t, root, "var/lib/dpkg/info/stranger.list", "/usr/bin/stranger\n")
	write(t, root, "var/lib/dpkg/status", dpkgStatus+"\n\nPackage: stranger\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n")
	if p, _ := d.Owner("/usr/bin/stranger"); line(p) != "dpkg stranger 1" {
		t.Errorf("after it was installed: %q", line(p))
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, root string)
		want  string
	}{
		{"the status file is a directory", func(t *testing.T, root string) {
			remove(t, root, "var/lib/dpkg/status")
			write(t, root, "var/lib/dpkg/status/x", "")
		}, "not a regular file"},
		{"the status file is missing", func(t *testing.T, root string) { remove(t, root, "var/lib/dpkg/status") }, "no such file"},
		{"a list is a link that leads round", func(t *testing.T, root string) {
			write(t, root, "var/lib/dpkg/info/a.list", "-> a.list")
		}, "symbolic links"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := dpkgTree(t, nil)
			tt.spoil(t, root)
			owners, errs := open(t, root).Owners(t.Context(), []string{"/usr/bin/cosign"})
			if len(owners) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", owners, errs, tt.want)
			}
		})
	}
}

func remove(t *testing.T, root, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(root, name)); err != nil {
		t.Fatal(err)
	}
}

// One broken database hides no other.
func TestOneBrokenDatabaseHidesNoOther(t *testing.T) {
	root := dpkgTree(t, map[string]string{"lib/apk/db/installed": "P:a\nV:1-r0\nF:opt\nR:a\n", "opt/a": "x"})
	remove(t, root, "var/lib/dpkg/status")
	owners, errs := open(t, root).Owners(t.Context(), []string{"/usr/bin/cosign", "/opt/a"})
	if line(owners["/opt/a"]) != "apk a 1-r0" || len(errs) != 1 {
		t.Errorf("got %v, %v", owners, errs)
	}
}

func TestAsRootADatabaseThatOthersCanWriteIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: there is nothing to refuse")
	}
	tests := map[string]func(root string) error{
		"a list that everybody can write": func(root string) error {
			return os.Chmod(filepath.Join(root, "var/lib/dpkg/info/cosign.list"), 0o646)
		},
		"a status file that a group can write": func(root string) error {
			status := filepath.Join(root, "var/lib/dpkg/status")
			if err := os.Chown(status, 0, 12345); err != nil {
				return err
			}
			return os.Chmod(status, 0o664)
		},
		"a directory of somebody else": func(root string) error {
			return os.Chown(filepath.Join(root, "var/lib/dpkg/info"), 12345, 0)
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			root := dpkgTree(t, nil)
			if err := spoil(root); err != nil {
				t.Fatal(err)
			}
			owners, errs := open(t, root).Owners(t.Context(), []string{"/usr/bin/cosign"})
			if len(owners) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "others than root can write it") {
				t.Errorf("got %v, %v, want it refused", owners, errs)
			}
		})
	}
}

// A name or version is shown and typed: what no package manager allows in one is
// nobody's, whoever wrote the database.
func TestNamesThatNoManagerAllows(t *testing.T) {
	for text, want := range map[string]bool{
		"1:2.5.0-2+b4~rc1^git": true, "go@1.22": true, "libstdc++6": true,
		"1\x1b[31m": false, "1\u009b2J": false, "1\u202e": false, "1 2": false, "1;reboot": false, "$(id)": false, "1\x7f": false, "-1": false, "é": false,
	} {
		for _, files := range []map[string]string{
			{"var/lib/dpkg/status": "Package: cosign\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + text + "\n", "var/lib/dpkg/info/cosign.list": "/usr/bin/cosign\n"},
			{"lib/apk/db/installed": "P:cosign\nV:" + text + "\nF:usr/bin\nR:cosign\n\n"},
			{"lib/apk/db/installed": "P:" + text + "\nV:1.0-r0\nF:usr/bin\nR:cosign\n\n"},
			{"var/lib/pacman/local/cosign-1/desc": "%NAME%\ncosign\n\n%VERSION%\n" + text + "\n", "var/lib/pacman/local/cosign-1/files": "%FILES%\nusr/bin/cosign\n"},
		} {
			files["usr/bin/cosign"] = "x"
			d, err := distro.Open(tree(t, files))
			if err != nil {
				t.Fatal(err)
			}
			owners, errs := d.Owners(t.Context(), []string{"/usr/bin/cosign"})
			if _, owned := owners["/usr/bin/cosign"]; owned != want || len(errs) != 0 {
				t.Errorf("%q: owned %v, want %v, errors %v", text, owners, want, errs)
			}
		}
	}
}
