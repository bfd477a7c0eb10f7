// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

var (
	alpine318 = health.HostFacts{ID: "alpine", Release: "3.18.12", Name: "Alpine Linux v3.18", Manager: "apk", Arch: "amd64", Homes: []string{"/home", "/root"}}
	alpine323 = health.HostFacts{ID: "alpine", Release: "3.23.0", Name: "Alpine Linux v3.23", Manager: "apk", Arch: "arm64", Homes: []string{"/home", "/root"}}
	edge      = health.HostFacts{ID: "alpine", Release: "3.24_alpha20260127", Name: "Alpine Linux edge", Manager: "apk", Arch: "amd64", Homes: []string{"/home"}}
	bookworm  = health.HostFacts{ID: "debian", Release: "12", Name: "Debian GNU/Linux 12 (bookworm)", Manager: "dpkg", Arch: "amd64", Homes: []string{"/home", "/root"}}
	trixie    = health.HostFacts{ID: "debian", Release: "13", Name: "Debian GNU/Linux 13 (trixie)", Manager: "dpkg", Arch: "amd64", Homes: []string{"/home", "/root"}}
	ubuntu    = health.HostFacts{ID: "ubuntu", Like: []string{"debian"}, Release: "25.10", Name: "Ubuntu 25.10", Manager: "dpkg", Arch: "riscv64", Homes: []string{"/home"}}
	fedora    = health.HostFacts{ID: "fedora", Release: "43", Name: "Fedora Linux 43", Manager: "rpm", Arch: "s390x", Homes: []string{"/home"}}
	suse      = health.HostFacts{ID: "opensuse-tumbleweed", Like: []string{"opensuse", "suse"}, Release: "20261120", Name: "openSUSE Tumbleweed", Manager: "rpm", Arch: "amd64"}
	arch      = health.HostFacts{ID: "arch", Name: "Arch Linux", Manager: "pacman", Arch: "amd64", Homes: []string{"/home"}}
	scratch   = health.HostFacts{Arch: "mips64", Homes: []string{"/home"}}
)

type situation struct {
	name     string
	host     health.HostFacts
	client   client.Client
	required string
	// want is what a step or the line must hold, wantNot what none may.
	want, wantNot string
}

func cosignAt(path, manager, version string) client.Client {
	c := client.Client{Path: path, Name: "cosign", Ecosystem: client.Go, Version: version, MainModule: "github.com/sigstore/cosign/v2"}
	if manager != "" {
		c.Package = &client.Package{Manager: manager, Name: "cosign", Version: version}
	}
	return c
}

func of(path, name, module string, e client.Ecosystem) client.Client {
	return client.Client{Path: path, Name: name, MainModule: module, Ecosystem: e}
}

// hostileUser is a user's name that a shell must not read as anything else.
const hostileUser = "--command=$(reboot);'\n\x1b[2J"

func owned(c client.Client, owner string) client.Client {
	c.Owner = owner
	return c
}

func shared(c client.Client) client.Client {
	c.Shared = true
	return c
}

// hostile is a name that a shell must not read as anything but a name.
const hostile = "/home/eve/$(reboot);`id` 'x\" \n--force\x1b[2J"

var situations = []situation{
	{"the package that broke in 2024", alpine318, cosignAt("/usr/bin/cosign", "apk", "2.0.1-r6"), "cosign 2.2.0", "install -m 0755 cosign-linux-amd64 /usr/local/bin/cosign && apk del cosign", "apk add"},
	{"a distribution that has it", alpine323, cosignAt("/usr/bin/cosign", "apk", "2.4.3-r10"), "cosign 2.6.3", "apk add --update-cache --upgrade 'cosign>=2.6.3-r1'", "curl"},
	{"a distribution that has it, of an older major version than is required", alpine323, cosignAt("/usr/bin/cosign", "apk", "2.6.3-r1"), "cosign 3.0.6", "download/v3.", "apk add"},
	{"a rolling release that was too old when it was looked at", edge, cosignAt("/usr/bin/cosign", "apk", "2.4.3-r10"), "cosign 2.6.3", "had cosign 2.4.3-r10, as of 2026-02-04", ""},
	{"Debian stable has it", trixie, cosignAt("/usr/bin/cosign", "dpkg", "2.5.0-1"), "cosign 2.2.0", "apt-get update && apt-get install --only-upgrade cosign", "curl"},
	{"Debian stable is too old", trixie, cosignAt("/usr/bin/cosign", "dpkg", "2.5.0-2+b4"), "cosign 3.0.6", "/usr/local/bin/cosign && apt-get remove cosign", "only-upgrade"},
	{"a package that came from elsewhere", bookworm, cosignAt("/usr/bin/cosign", "dpkg", "2.0.1"), "cosign 2.2.0", "Debian GNU/Linux 12 (bookworm) has no package cosign, as of 2026-11-22", "only-upgrade"},
	{"a file of nobody's, and the distribution has a package", trixie, cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "test -x /usr/bin/cosign && rm -- /usr/local/bin/cosign", "curl"},
	{"a file of nobody's, and the distribution has none", bookworm, cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "install -m 0755 cosign-linux-amd64 /usr/local/bin/cosign", "apt-get"},
	{"a file of nobody's where the package's would be", trixie, cosignAt("/usr/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "install -m 0755 cosign-linux-amd64 /usr/bin/cosign", "rm --"},
	{"a file in a directory of its own", trixie, cosignAt("/opt/tools/cosign-2.0.1", "", "v2.0.1"), "cosign 2.2.0", "install -m 0755 cosign-linux-amd64 /opt/tools/cosign-2.0.1", "rm --"},
	{"a file in a home", trixie, cosignAt("/home/ada/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "# as the owner of /home/ada/bin/cosign: root is not needed", "as root"},
	{"built by go install", bookworm, cosignAt("/home/ada/go/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "GOBIN=/home/ada/go/bin go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1", "curl"},
	{"a distribution of which nothing is known", ubuntu, cosignAt("/usr/bin/cosign", "dpkg", "2.0.0-1ubuntu1"), "cosign 2.2.0", "apt-cache policy cosign", ""},
	{"Fedora", fedora, cosignAt("/usr/bin/cosign", "rpm", "1:2.0.1-1.fc39"), "cosign 2.2.0", "dnf --refresh upgrade cosign", "zypper"},
	{"openSUSE has it", suse, cosignAt("/usr/bin/cosign", "rpm", "2.2.3+carbide.2-1"), "cosign 2.5.1", "zypper refresh && zypper update cosign", "dnf"},
	{"Arch has it", arch, cosignAt("/usr/bin/cosign", "pacman", "3.0.3-1"), "cosign 3.0.4", "pacman -Syu cosign", "curl"},
	{"Homebrew", bookworm, cosignAt("/home/linuxbrew/.linuxbrew/Cellar/cosign/2.2.0_1/bin/cosign", "homebrew", "2.2.0_1"), "cosign 2.6.3", "brew update && brew upgrade cosign", "curl"},
	{"an architecture without a release", scratch, cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "GOBIN=/usr/local/bin go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1", "curl"},
	{"a version that no known release has", bookworm, cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "cosign 9.1.0", "download/v9.1.0/", ""},
	{"gh, by the libraries it must have", bookworm, of("/usr/local/bin/gh", "gh", "github.com/cli/cli/v2", client.Go), "go-tuf/v2 2.0.1 and sigstore-go 0.7.1", "https://github.com/cli/cli/releases", "curl"},
	{"gitsign, which Debian has too old", trixie, client.Client{Path: "/usr/bin/gitsign", Name: "gitsign", Ecosystem: client.Go, Package: &client.Package{Manager: "dpkg", Name: "gitsign", Version: "0.13.0-2+b2"}}, "gitsign 0.16.0", "https://github.com/sigstore/gitsign/releases", "curl"},
	{"npm", bookworm, of("/usr/lib/node_modules/npm/node_modules/@sigstore/tuf", "sigstore-js", "", client.JavaScript), "sigstore-js 3.1.0", "npm install -g npm@latest", "root is"},
	{"npm that came with the distribution's Node.js", bookworm, client.Client{
		Path: "/usr/lib/node_modules/npm", Name: "npm", Ecosystem: client.JavaScript,
		Package: &client.Package{Manager: "dpkg", Name: "nodejs", Version: "18.20.4"},
	}, "sigstore-js 3.1.0", "npm install -g --prefix /usr/local npm@latest", "the project's releases"},
	{"a package of a project's", bookworm, of("/home/ada/shop/node_modules/@acme/sign/node_modules/@sigstore/tuf", "sigstore-js", "", client.JavaScript), "sigstore-js 3.1.0", "cd /home/ada/shop && npm install @acme/sign@latest", "-g"},
	{"pipx", bookworm, of("/home/ada/.local/pipx/venvs/sigstore/lib/python3.11/site-packages/sigstore-2.1.5.dist-info", "sigstore-python", "", client.Python), "sigstore-python 3.6.0", "pipx upgrade sigstore", "pip install"},
	{"a virtual environment", bookworm, of("/srv/venv/lib/python3.11/site-packages/sigstore-2.1.5.dist-info", "sigstore-python", "", client.Python), "sigstore-python 3.6.0", "/srv/venv/bin/python3 -m pip install --upgrade 'sigstore>=3.6.0'", ""},
	{"a gem", bookworm, of("/var/lib/gems/3.1.0/specifications/sigstore-0.2.1.gemspec", "sigstore-ruby", "", client.Ruby), "sigstore-ruby 0.2.2", "gem install 'sigstore:>=0.2.2'", ""},
	{"a hostile path", trixie, cosignAt(hostile, "", "v2.0.1"), "cosign 2.2.0", `install -m 0755 cosign-linux-amd64 $'/home/eve/`, ""},
	{"a hostile module", trixie, of("/opt/x", "x\n$(reboot)", "github.com/a/$(reboot)/b", client.Go), "go-tuf 0.6.0", "the project's releases", "https://github.com/a/$"},
	{"a release that is not installed", bookworm, cosignAt("", "", "v2.0.1"), "cosign 2.2.0", "install -m 0755 cosign-linux-amd64 /usr/local/bin/cosign", "''"},
	{"a release that is not installed, where the distribution has a good one", alpine323, cosignAt("", "", "v2.0.1"), "cosign 2.2.0", "apk add --update-cache --upgrade 'cosign>=2.6.3-r1'", "curl"},
	{"gitsign, with what is required of it and of its libraries", trixie, of("/usr/local/bin/gitsign", "gitsign", "github.com/sigstore/gitsign", client.Go), "gitsign 0.16.0 and go-tuf/v2 2.4.1", "install gitsign 0.16.0 or newer that is built with go-tuf/v2 2.4.1 or newer", "built with gitsign"},
	{"a client of which no known release helps", trixie, of("/usr/local/bin/source-controller", "source-controller", "github.com/fluxcd/source-controller", client.Go), "go-tuf/v2 2.99.0", "no release of source-controller up to v", ""},
	{"a major version that has a release without advisories", bookworm, cosignAt("/usr/local/bin/cosign", "", "v3.0.2"), "cosign 3.0.6", "download/v3.", "new major version"},
	{"a later major version", bookworm, cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "cosign 2.2.0", "# v3.1.4 is a new major version: read its notes", "download/v2."},
	{"a virtual environment of a user's", bookworm, owned(of("/srv/venv/lib/python3.11/site-packages/sigstore", "sigstore-python", "", client.Python), "ada"), "sigstore-python 3.6.0", "HOME=~ada runuser -u ada -- /srv/venv/bin/python3 -m pip", "\n/srv/venv"},
	{"a virtual environment of root's in root's home", bookworm, owned(of("/root/x/venv/lib/python3.11/site-packages/sigstore", "sigstore-python", "", client.Python), "root"), "sigstore-python 3.6.0", "\n/root/x/venv/bin/python3 -m pip", "runuser"},
	{"a virtual environment of a user's in root's home", bookworm, owned(of("/root/x/venv/lib/python3.11/site-packages/sigstore", "sigstore-python", "", client.Python), "ada"), "sigstore-python 3.6.0", "runuser -u ada -- /root/x/venv/bin/python3 -m pip", "\n/root"},
	{"a virtual environment that several can change", bookworm, shared(of("/srv/venv/lib/python3.11/site-packages/sigstore", "sigstore-python", "", client.Python)), "sigstore-python 3.6.0", "# /srv/venv/bin/python3 -m pip", "\n/srv/venv"},
	{"a project of a user's", bookworm, owned(of("/srv/shop/node_modules/@sigstore/tuf", "sigstore-js", "", client.JavaScript), "ada"), "sigstore-js 3.1.0", "HOME=~ada runuser -u ada -- npm --prefix /srv/shop install @sigstore/tuf@latest", "cd "},
	{"a program in a directory of a user's", trixie, owned(cosignAt("/srv/ci/bin/cosign", "", "v2.0.1"), "ci"), "cosign 2.2.0", "&& runuser -u ci -- install -m 0755 cosign-linux-amd64 /srv/ci/bin/cosign", "&& install"},
	{"a program of a user's in front of the package's", trixie, owned(cosignAt("/usr/local/bin/cosign", "", "v2.0.1"), "ci"), "cosign 2.2.0", "runuser -u ci -- install", "rm --"},
	{"a program that several can change", trixie, shared(cosignAt("/srv/ci/bin/cosign", "", "v2.0.1")), "cosign 2.2.0", "never as root", "install -m"},
	{"built by go install, by a user", bookworm, owned(cosignAt("/home/ada/go/bin/cosign", "", "v2.0.1"), "ada"), "cosign 2.2.0", "runuser -u ada -- install -m 0755 cosign-linux-amd64 /home/ada/go/bin/cosign", "go install"},
	{"a user's, on an architecture without a release", scratch, owned(cosignAt("/srv/ci/bin/cosign", "", "v2.0.1"), "ci"), "cosign 2.2.0", "# as ci, never as root", "GOBIN"},
	{"Homebrew of a user's", bookworm, owned(cosignAt("/home/linuxbrew/.linuxbrew/Cellar/cosign/2.2.0_1/bin/cosign", "homebrew", "2.2.0_1"), "linuxbrew"), "cosign 2.6.3", "runuser -u linuxbrew -- brew upgrade cosign", "\nbrew"},
	{"a user of a hostile name", bookworm, owned(of("/srv/venv/lib/python3.11/site-packages/sigstore", "sigstore-python", "", client.Python), hostileUser), "sigstore-python 3.6.0", `runuser -u $'--command=\x24\x28reboot\x29\x3b`, "HOME=~"},
	{"a package in a directory that others can change is still root's", trixie, shared(cosignAt("/usr/bin/cosign", "dpkg", "2.5.0-1")), "cosign 2.2.0", "apt-get update && apt-get install --only-upgrade cosign", "never"},
	{"a hostile package", fedora, client.Client{Path: "/usr/bin/x", Name: "x", Ecosystem: client.Go, Package: &client.Package{Manager: "rpm", Name: "--nogpgcheck;reboot", Version: "1"}}, "go-tuf 0.6.0", "dnf --refresh upgrade -- '--nogpgcheck;reboot'", ""},
}

func TestAdvice(t *testing.T) {
	m := loadModel(t)
	var golden strings.Builder
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			a := health.Advise(m, s.client, s.host, s.required)
			text := a.Line + "\n" + strings.Join(a.Steps, "\n") + "\n"
			if !strings.Contains(text, s.want) {
				t.Errorf("without %q:\n%s", s.want, text)
			}
			if s.wantNot != "" && strings.Contains(text, s.wantNot) {
				t.Errorf("with %q:\n%s", s.wantNot, text)
			}
			wantSound(t, a)
			fmt.Fprintf(&golden, "== %s\n   %s, %s needs %s\n%s\n", s.name, s.host.Name, health.Plain(s.client.Path), s.required, text)
		})
	}
	compare(t, filepath.Join("testdata", "advice.txt"), golden.String())
}

// wantSound checks what must hold of any advice: a shell can read it, nothing in
// it breaks a line, and nothing unverified is installed.
func wantSound(t *testing.T, a health.Advice) {
	t.Helper()
	if a.Line == "" || len(a.Steps) == 0 {
		t.Fatalf("nothing is advised: %+v", a)
	}
	for _, line := range append([]string{a.Line}, a.Steps...) {
		if strings.ContainsAny(line, "\n\r\x1b") {
			t.Errorf("breaks its line: %q", line)
		}
		for _, never := range []string{"insecure", "allow-untrusted", "nogpg", "no-gpg", "skip", "--force", "no-check", " -k "} {
			if strings.Contains(strings.ReplaceAll(line, "'--nogpgcheck;reboot'", ""), never) && !strings.Contains(line, "/home/eve/") {
				t.Errorf("advises %q: %s", never, line)
			}
		}
		if strings.Contains(line, "install -m") && !strings.HasPrefix(line, "grep ' cosign-linux-") {
			t.Errorf("installs what it did not check: %s", line)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to read the steps")
	}
	parse := exec.Command(bash, "-n")
	parse.Stdin = strings.NewReader(strings.Join(a.Steps, "\n") + "\n")
	if out, err := parse.CombinedOutput(); err != nil {
		t.Errorf("no shell reads this: %v: %s\n%q", err, out, a.Steps)
	}
}

// A shell that runs the step of a hostile path hands on the path and nothing else.
func TestAHostilePathIsOneWord(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	a := health.Advise(loadModel(t), cosignAt(hostile, "", "v2.0.1"), trixie, "cosign 2.2.0")
	for _, step := range a.Steps {
		_, command, ok := strings.Cut(step, "&& install ")
		if !ok {
			continue
		}
		out, err := exec.Command(bash, "-c", `printf '%s\0' `+command).Output() //nolint:gosec // the point of the test
		words := strings.Split(string(out), "\x00")
		if err != nil || len(words) != 5 || words[3] != hostile {
			t.Errorf("%s hands on %q, %v", step, words, err)
		}
		return
	}
	t.Errorf("no step installs it: %q", a.Steps)
}

func TestNothingIsAdvisedWhereNothingHelps(t *testing.T) {
	if a := health.Advise(loadModel(t), cosignAt("/usr/bin/cosign", "", ""), trixie, ""); a.Line != "" || a.Steps == nil || len(a.Steps) != 0 {
		t.Errorf("got %+v", a)
	}
}

// Whatever the distribution, manager, architecture and client: the advice is sound,
// and a file that a package owns is never overwritten.
func TestAdviceIsSoundEverywhere(t *testing.T) {
	m := loadModel(t)
	hosts := []health.HostFacts{alpine318, alpine323, edge, bookworm, trixie, ubuntu, fedora, suse, arch, scratch, {}}
	if race {
		hosts = hosts[:1]
	}
	required := []string{"cosign 1.13.6", "cosign 2.2.0", "cosign 3.1.4", "gitsign 0.16.0", "go-tuf 0.6.0 and sigstore 1.7.2"}
	for _, host := range hosts {
		for _, manager := range []string{"", "dpkg", "apk", "rpm", "pacman", "nix", "homebrew"} {
			for _, need := range required {
				for _, path := range []string{"/usr/bin/cosign", "/home/ada/go/bin/cosign", hostile} {
					c := cosignAt(path, manager, "2.0.1-1")
					if strings.HasPrefix(need, "gitsign") {
						c.Name, c.MainModule = "gitsign", ""
					}
					a := health.Advise(m, c, host, need)
					if t.Run(fmt.Sprintf("%s %s %s", host.ID, manager, need), func(t *testing.T) { wantLines(t, a) }); manager == "" {
						continue
					}
					for _, step := range a.Steps {
						if strings.Contains(step, "install -m") && !strings.Contains(step, "/usr/local/bin/") {
							t.Errorf("overwrites the file of a package: %s", step)
						}
					}
				}
			}
		}
	}
}

func wantLines(t *testing.T, a health.Advice) {
	t.Helper()
	for _, line := range append([]string{a.Line}, a.Steps...) {
		if line == "" || strings.ContainsAny(line, "\n\r\x1b") || strings.Contains(line, "%!") {
			t.Errorf("not a line: %q", line)
		}
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (renew it with -update):\n%s", file, got)
	}
}

func TestLibrariesAloneAreNotInstalled(t *testing.T) {
	a := health.Advise(loadModel(t), client.Client{Name: "libraries", Ecosystem: client.Go}, bookworm, "go-tuf 0.6.0")
	if a.Line != "" || a.Steps == nil || len(a.Steps) > 0 {
		t.Errorf("%+v", a)
	}
}
