// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"os"
	"path/filepath"
	"testing"
)

// What the package managers themselves write into an empty root, where this
// machine has them.

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: package managers install as root only")
	}
}

func TestWhatDpkgWrites(t *testing.T) {
	asRoot(t)
	dir, root := t.TempDir(), tree(t, map[string]string{"var/lib/dpkg/status": "", "var/lib/dpkg/info/format": "1\n", "var/lib/dpkg/updates/x": ""})
	remove(t, root, "var/lib/dpkg/updates/x")
	write(t, dir, "usr/bin/cosign", "x")
	write(t, dir, "DEBIAN/control", "Package: cosign\nVersion: 2.5.0-2+b4\nArchitecture: all\nMaintainer: x <x@example.com>\n"+
		"Static-Built-Using: sigstore-go (= 0.7.1-2)\nDescription: x\n")
	deb := filepath.Join(t.TempDir(), "cosign.deb")
	run(t, "", []string{"dpkg-deb"}, "--build", dir, deb)
	run(t, "", []string{"dpkg"}, "--root="+root, "--log=/dev/null", "-i", deb)
	wantOwners(t, root, map[string]string{"/usr/bin/cosign": "dpkg cosign 2.5.0-2+b4"})
	if p, _ := open(t, root).Owner("/usr/bin/cosign"); len(p.Sources) != 1 || p.Sources[0].Version != "0.7.1-2" {
		t.Errorf("made of %v", p.Sources)
	}
	run(t, "", []string{"dpkg"}, "--root="+root, "--log=/dev/null", "-r", "cosign")
	write(t, root, "usr/bin/cosign", "x")
	wantOwners(t, root, map[string]string{"/usr/bin/cosign": ""})
}

func TestWhatRPMWrites(t *testing.T) {
	asRoot(t)
	dir, root := t.TempDir(), t.TempDir()
	write(t, dir, "x.spec", `Name: cosign
Epoch: 1
Version: 2.2.3
Release: 1.fc39
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/many
echo x > %{buildroot}/usr/bin/cosign
for i in 1 2 3 4 5 6 7 8 9; do echo > %{buildroot}/usr/share/many/$i; done
%files
/usr/bin/cosign
/usr/share/many
`)
	run(t, "", []string{"rpmbuild"}, "-bb", "--define", "_topdir "+dir, "--define", "__os_install_post %{nil}", filepath.Join(dir, "x.spec"))
	built, err := filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
	if err != nil || len(built) != 1 {
		t.Fatalf("built %v, %v", built, err)
	}
	run(t, "", []string{"rpm"}, "--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite", "--nodeps", "-i", built[0])
	wantOwners(t, root, map[string]string{
		"/usr/bin/cosign": "rpm cosign 1:2.2.3-1.fc39", "/usr/share/many/9": "rpm cosign 1:2.2.3-1.fc39", "/var/lib/rpm/rpmdb.sqlite": "",
	})
}

func TestWhatPacmanWrites(t *testing.T) {
	asRoot(t)
	dir, root := t.TempDir(), t.TempDir()
	write(t, dir, "pkg/usr/bin/cosign", "x")
	write(t, dir, "pkg/.PKGINFO", "pkgname = cosign\npkgver = 3.0.4-1\npkgdesc = x\narch = any\nsize = 1\n")
	write(t, dir, "pacman.conf", "[options]\nSigLevel = Never\nArchitecture = auto\n")
	write(t, root, "var/lib/pacman/x", "")
	file := filepath.Join(dir, "cosign-3.0.4-1-any.pkg.tar")
	run(t, "", []string{"tar"}, "-C", filepath.Join(dir, "pkg"), "-cf", file, ".PKGINFO", "usr")
	run(t, "", []string{"pacman"}, "-U", "--noconfirm", "--config", filepath.Join(dir, "pacman.conf"), "--root", root,
		"--dbpath", filepath.Join(root, "var/lib/pacman"), "--cachedir", dir, "--logfile", filepath.Join(dir, "log"),
		"--gpgdir", dir, "--hookdir", dir, file)
	wantOwners(t, root, map[string]string{"/usr/bin/cosign": "pacman cosign 3.0.4-1"})
}
