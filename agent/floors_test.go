// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tufkeeper/tufkeeper"

// noFloor marks a room that stands beside the house: the tests and the demo
// may enter it, nothing else.
const noFloor = 0

// floors is the map of the house: a package imports only lower floors.
// A new package is given its floor here.
var floors = map[string]int{
	"agent/config":     1,
	"agent/distro":     1,
	"agent/durable":    1,
	"agent/executable": 1,
	"agent/leveldb":    1,
	"agent/mirror":     1,
	"agent/schedule":   1,
	"agent/trust":      1,
	"agent/watch":      1,
	"systemd":          1,

	"agent/cache":  2,
	"agent/client": 2,
	"agent/store":  2,

	"agent/health": 3,

	"agent/alert":   4,
	"agent/chart":   4,
	"agent/checkup": 4,
	"agent/probe":   4,
	"agent/publish": 4,
	"agent/refresh": 4,
	"agent/replica": 4,
	"agent/status":  4,

	"agent": 5,

	"cmd/tuf-client": 6,
	"cmd/tufkeeper":  6,

	"agent/sandbox": noFloor,
}

// sandboxDoors are the only packages that may import the sandbox outside tests.
var sandboxDoors = []string{"cmd/tufkeeper"}

// everywhere is the home of a library that the whole house may use.
var everywhere = []string{"*"}

// homes says which packages may import which library. A second home is a
// design question; a library that is not here is a hire to be argued.
var homes = map[string][]string{
	"github.com/Masterminds/semver/v3":                         {"agent/client"},
	"github.com/agext/levenshtein":                             {"agent/config"},
	"github.com/bmatcuk/doublestar/v4":                         {"agent/client", "agent/config"},
	"github.com/coreos/go-systemd/v22":                         {"cmd/tufkeeper"},
	"github.com/dustin/go-humanize":                            {"agent/status"},
	"github.com/fsnotify/fsnotify":                             {"agent/watch"},
	"github.com/golang/snappy":                                 {"agent/leveldb"}, // what LevelDB packs its blocks with
	"github.com/hashicorp/go-hclog":                            everywhere,
	"github.com/hashicorp/hcl/v2":                              {"agent/config"},
	"github.com/kardianos/service":                             {"cmd/tufkeeper"},
	"github.com/netresearch/go-cron":                           {"agent/schedule"},
	"github.com/secure-systems-lab":                            {"agent/sandbox", "agent/trust"},
	"github.com/sigstore/protobuf-specs":                       {"agent/sandbox"},
	"github.com/sigstore/sigstore":                             {"agent/sandbox", "agent/trust"},
	"github.com/sigstore/sigstore-go":                          {"agent/sandbox", "agent/trust"},
	"github.com/spf13/cobra":                                   {"cmd/tufkeeper"},
	"github.com/spf13/pflag":                                   {"cmd/tufkeeper"},
	"github.com/syndtr/goleveldb":                              {"agent/leveldb"},
	"github.com/theupdateframework/go-tuf/v2":                  {"agent/refresh", "agent/sandbox", "agent/trust"},
	"github.com/zclconf/go-cty":                                {"agent/config"},
	"golang.org/x/sync":                                        everywhere,
	"golang.org/x/sys":                                         everywhere,
	"golang.org/x/term":                                        {"agent/status", "cmd/tufkeeper"},
	"github.com/theupdateframework/go-tuf":                     nil, // v0 is what old clients carry, not us
	"github.com/theupdateframework/go-tuf/v2/metadata/updater": nil, // persists without fsync: docs/decisions/0001
}

func TestImportsGoDown(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for pkg, imports := range packages(t, root) {
		seen[pkg] = true
		for _, fault := range faults(pkg, imports) {
			t.Error(fault)
		}
	}
	for pkg := range floors {
		if !seen[pkg] {
			t.Errorf("%s has a floor and no Go file: take it off the map", pkg)
		}
	}
}

func TestFaultsAreSeen(t *testing.T) {
	tests := []struct {
		name string
		pkg  string
		imp  string
		want string // part of the fault, "" for none
	}{
		{"a lower floor", "agent/cache", module + "/agent/trust", ""},
		{"the standard library", "agent/cache", "net/http", ""},
		{"the same floor", "agent/mirror", module + "/agent/trust", "does not go down"},
		{"a higher floor", "agent/trust", module + "/agent/store", "does not go down"},
		{"the agent from a room", "agent/status", module + "/agent", "does not go down"},
		{"a package without a floor", "agent/util", "fmt", "has no floor"},
		{"an import without a floor", "agent", module + "/agent/util", "has no floor"},
		{"the sandbox from the demo", "cmd/tufkeeper", module + "/agent/sandbox", ""},
		{"the sandbox from a room", "agent/refresh", module + "/agent/sandbox", "only tests and the demo"},
		{"the sandbox signs what trust reads", "agent/sandbox", module + "/agent/trust", ""},
		{"the sandbox reaching for more", "agent/sandbox", module + "/agent/store", "only agent/trust"},
		{"a library at home", "agent/watch", "github.com/fsnotify/fsnotify", ""},
		{"a library away from home", "agent/cache", "github.com/fsnotify/fsnotify", "is not at home"},
		{"a package of a library at home", "agent/refresh", "github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata", ""},
		{"go-tuf's updater", "agent/refresh", "github.com/theupdateframework/go-tuf/v2/metadata/updater", "is not at home"},
		{"go-tuf v0", "agent/trust", "github.com/theupdateframework/go-tuf/client", "is not at home"},
		{"a library nobody argued for", "agent/trust", "example.com/leftpad", "has no home"},
		{"a library whose name only begins alike", "agent/watch", "github.com/fsnotify/fsnotify-extra", "has no home"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(faults(tt.pkg, []string{tt.imp}), "; ")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("faults(%s, %s) = %q, want %q", tt.pkg, tt.imp, got, tt.want)
			}
		})
	}
}

// faults says what is wrong with a package of the house that has these imports.
func faults(pkg string, imports []string) []string {
	var list []string
	floor, ok := floors[pkg]
	if !ok {
		list = append(list, fmt.Sprintf("%s has no floor: give it one in agent/floors_test.go", pkg))
	}
	for _, imp := range imports {
		room, ours := strings.CutPrefix(imp, module+"/")
		first, _, _ := strings.Cut(imp, "/")
		switch {
		case ours:
			if f := crossing(pkg, floor, room); f != "" {
				list = append(list, f)
			}
		case strings.Contains(first, "."): // not the standard library
			if f := away(pkg, imp); f != "" {
				list = append(list, f)
			}
		}
	}
	return list
}

// crossing says what is wrong when a package on a floor imports another room.
func crossing(pkg string, floor int, room string) string {
	below, ok := floors[room]
	switch {
	case !ok:
		return fmt.Sprintf("%s imports %s, which has no floor", pkg, room)
	case room == "agent/sandbox":
		if !slices.Contains(sandboxDoors, pkg) {
			return fmt.Sprintf("%s imports %s: only tests and the demo do", pkg, room)
		}
	case pkg == "agent/sandbox":
		if room != "agent/trust" {
			return fmt.Sprintf("%s imports %s: it may import only agent/trust", pkg, room)
		}
	case below >= floor:
		return fmt.Sprintf("%s (floor %d) imports %s (floor %d): that does not go down", pkg, floor, room, below)
	}
	return ""
}

// away says what is wrong when a package imports a library. The longest entry
// of homes that covers the import decides.
func away(pkg, imp string) string {
	for at := imp; at != "."; at = path.Dir(at) {
		home, ok := homes[at]
		switch {
		case !ok:
			continue
		case slices.Contains(home, "*"), slices.Contains(home, pkg):
			return ""
		}
		return fmt.Sprintf("%s imports %s, which is not at home there (homes: %q)", pkg, imp, home)
	}
	return fmt.Sprintf("%s imports %s, which has no home: argue for it in agent/floors_test.go", pkg, imp)
}

// packages returns the imports of every package under root, tests excluded,
// by the package's folder. Files behind build tags count too.
func packages(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		found[pkg] = append(found[pkg], nil...) // a package without imports counts too
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[pkg] = append(found[pkg], imp)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
