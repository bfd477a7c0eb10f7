// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/distro"
)

func TestOSRelease(t *testing.T) {
	tests := []struct {
		name, text string
		want       distro.System
	}{
		{
			"Debian", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nID=debian\n",
			distro.System{ID: "debian", Release: "13", Name: "Debian GNU/Linux 13 (trixie)"},
		},
		{"Alpine", "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.23.0", distro.System{ID: "alpine", Release: "3.23.0", Name: "Alpine Linux"}},
		{"several parents", "ID='rocky'\nID_LIKE=\"rhel centos fedora\"\n", distro.System{ID: "rocky", Like: []string{"rhel", "centos", "fedora"}}},
		{"a comment, blank lines, spaces", "\n# ID=no\n  ID=yes  \n", distro.System{ID: "yes"}},
		{"a comment after the value", "ID=yes # said he\n", distro.System{ID: "yes"}},
		{"escapes in double quotes", `NAME="a \"b\" \$c \\ \n"` + "\n", distro.System{Name: `a "b" $c \ \n`}},
		{"no escapes in single quotes", `NAME='a\b'` + "\n", distro.System{Name: `a\b`}},
		{"a shell command", "ID=x rm\nNAME=ok\n", distro.System{Name: "ok"}},
		{"an open quote", "ID=\"x\nNAME=ok\n", distro.System{Name: "ok"}},
		{"control characters", "ID=a\x1b[2Jb\nNAME=ok\n", distro.System{Name: "ok"}},
		{"not UTF-8", "ID=\xff\nNAME=ok\n", distro.System{Name: "ok"}},
		{"a long value", "ID=" + strings.Repeat("a", 300) + "\nNAME=ok\n", distro.System{Name: "ok"}},
		{"a repeated key", "ID=a\nID=b\n", distro.System{ID: "b"}},
		{"nothing", "", distro.System{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, at := range []string{"etc/os-release", "usr/lib/os-release"} {
				got, err := open(t, tree(t, map[string]string{at: tt.text})).System(t.Context())
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: got %+v, %v, want %+v", at, got, err, tt.want)
				}
			}
		})
	}
}

func TestOSReleaseIsALink(t *testing.T) {
	root := tree(t, map[string]string{"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=debian\n"})
	if got, err := open(t, root).System(t.Context()); got.ID != "debian" || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAHostWithoutOSRelease(t *testing.T) {
	if got, err := open(t, t.TempDir()).System(t.Context()); err != nil || !reflect.DeepEqual(got, distro.System{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOpenNeedsADirectory(t *testing.T) {
	for _, root := range []string{filepath.Join(t.TempDir(), "missing"), "."} {
		if _, err := distro.Open(root); err == nil {
			t.Errorf("Open(%q) opened it", root)
		}
	}
}
