// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

func TestLoadReadsTheFileOfTheUser(t *testing.T) {
	env := ada
	env.ConfigHome = t.TempDir()
	if c, err := config.Load("", env); err != nil || !reflect.DeepEqual(c, config.Default(env)) {
		t.Fatalf("without a file: got %+v, %v, want the defaults", c, err)
	}
	path := config.DefaultPath(env)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`state_dir = "/mine"`), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("", env)
	if err != nil || c.StateDir != "/mine" || c.Path != path {
		t.Errorf("got state_dir %q of %q, %v", c.StateDir, c.Path, err)
	}
}

func TestAFileThatWasAskedForMustBeThere(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "config.hcl"), ada)
	if e, ok := errors.AsType[*config.Error](err); !ok || !errors.Is(e, fs.ErrNotExist) {
		t.Errorf("got %v, want a *config.Error that is fs.ErrNotExist", err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	root := config.Env{Home: "/root", Root: true}
	for name, tc := range map[string]struct {
		make func(path string) error
		env  config.Env
		want string // "" means accepted
	}{
		"a file that others can write, for root":          {file(0o666), root, "others than its owner can write it (mode 0666)"},
		"a file that its group can write, for root":       {file(0o664), root, "others than its owner can write it (mode 0664)"},
		"a file that others can write, for a user":        {file(0o666), ada, ""},
		"a file that others can read, for root":           {file(0o644), root, ""},
		"a symbolic link to a file that others can write": {link(0o666), root, "others than its owner can write it (mode 0666)"},
		"a symbolic link to a file":                       {link(0o644), root, ""},
		"a directory":                                     {func(p string) error { return os.Mkdir(p, 0o755) }, ada, "it is a directory"},
		"a pipe that nobody writes to":                    {func(p string) error { return syscall.Mkfifo(p, 0o644) }, ada, "it is not a regular file"},
		"a device":                                        {func(p string) error { return os.Symlink("/dev/zero", p) }, ada, "it is not a regular file"},
		"a file of 1 MiB":                                 {size(1 << 20), ada, ""},
		"a file of 1 MiB and a byte":                      {size(1<<20 + 1), ada, "it is bigger than 1MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.hcl")
			if err := tc.make(path); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(path, tc.env)
			if tc.want == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			e, ok := errors.AsType[*config.Error](err)
			if !ok || e.Problems[0].Text != tc.want || !reflect.ValueOf(c).IsZero() {
				t.Errorf("got %v, want %q and no Config", err, tc.want)
			}
		})
	}
}

// Only root can make a file that belongs to somebody else.
func TestAFileOfSomebodyElseIsRefusedForRoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := file(0o644)(path); err != nil {
		t.Fatal(err)
	}
	want := "it does not belong to root"
	if err := os.Chown(path, 65534, 65534); err != nil {
		want = "" // it stays with who runs this test, who is trusted
	}
	_, err := config.Load(path, config.Env{Root: true})
	if got := reason(err); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlacesDependOnWhoStartsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		env                 config.Env
		file, state, status string
		caches              []string
	}{
		"root": {
			config.Env{Home: "/root", StateHome: "/root/.local/state", RuntimeDir: "/run/user/0", Root: true},
			"/etc/tufkeeper/config.hcl", "/var/lib/tufkeeper", "/run/tufkeeper/status.json", []string{"/root/.sigstore/root"},
		},
		"a user": {
			ada, "/home/ada/.config/tufkeeper/config.hcl", "/home/ada/.local/state/tufkeeper", "/run/user/1000/tufkeeper/status.json", []string{"/home/ada/.sigstore/root"},
		},
		"a user without a session": {
			config.Env{Home: "/home/ada", StateHome: "/home/ada/.local/state"}, "", "/home/ada/.local/state/tufkeeper", "/home/ada/.local/state/tufkeeper/status.json", []string{"/home/ada/.sigstore/root"},
		},
		"a user with TUF_ROOT": {
			config.Env{Home: "/home/ada", StateHome: "/s", TUFRoot: "/ci/tuf"}, "", "/s/tufkeeper", "/s/tufkeeper/status.json", []string{"/home/ada/.sigstore/root", "/ci/tuf"},
		},
		"a user whose TUF_ROOT is the usual place": {
			config.Env{Home: "/home/ada", StateHome: "/s", TUFRoot: "/home/ada/.sigstore/root/"}, "", "/s/tufkeeper", "/s/tufkeeper/status.json", []string{"/home/ada/.sigstore/root"},
		},
		"a service": {
			config.Env{StateDirectory: "/var/lib/tufkeeper", RuntimeDirectory: "/run/tufkeeper", ConfigurationDirectory: "/etc/tufkeeper"},
			"/etc/tufkeeper/config.hcl", "/var/lib/tufkeeper", "/run/tufkeeper/status.json", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default(tc.env)
			if got := config.DefaultPath(tc.env); got != tc.file {
				t.Errorf("file: got %q, want %q", got, tc.file)
			}
			if c.StateDir != tc.state || c.StatusFile != tc.status || !reflect.DeepEqual(c.Caches.Paths, tc.caches) {
				t.Errorf("got %s, %s, %s, want %s, %s, %s", c.StateDir, c.StatusFile, c.Caches.Paths, tc.state, tc.status, tc.caches)
			}
		})
	}
}

func TestWhereWhatProbesSawIs(t *testing.T) {
	for want, env := range map[string]config.Env{
		"/var/lib/tufkeeper-probe/results.json":               {Home: "/root", StateHome: "/root/.local/state", Root: true},
		"/var/lib/tufkeeper-probe/results.json ":              {StateDirectory: "/var/lib/tufkeeper"},
		"/home/ada/.local/state/tufkeeper/probe/results.json": ada,
		"": {},
	} {
		if got := config.Default(env).Clients.ProbeResults; got != strings.TrimSpace(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPackagesOfAHomeAreOnlyLookedForWithAHome(t *testing.T) {
	system, all := config.Default(config.Env{Root: true}).Clients.Packages, config.Default(config.Env{Home: "/home/a*a"}).Clients.Packages
	if len(system) == 0 || len(all) <= len(system) || !strings.HasPrefix(all[len(system)].String(), `/home/a\*a/`) {
		t.Errorf("got %q without a home and %q with one", system, all)
	}
	for _, g := range all {
		if _, err := config.ParseGlob(g.String()); err != nil || !strings.HasPrefix(g.String(), "/") {
			t.Errorf("%q: %v", g, err)
		}
	}
}

func TestAUserWithoutAHomeIsToldWhatToSet(t *testing.T) {
	_, err := config.Load("", config.Env{})
	if got := reason(err); got != "state_dir is not set, and no home directory is known" {
		t.Errorf("got %v", err)
	}
	if _, err := config.Parse([]byte(`state_dir = "~/x"`), "", config.Env{}); !strings.Contains(reason(err), "no home directory is known") {
		t.Errorf("got %v", err)
	}
}

func TestOSEnv(t *testing.T) {
	for name, value := range map[string]string{
		"HOME": "/", "XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": "/s/", "XDG_RUNTIME_DIR": "",
		"TUF_ROOT": "relative", "STATE_DIRECTORY": "/var/lib/a:/var/lib/b",
	} {
		t.Setenv(name, value)
	}
	e := config.OSEnv()
	if e.Home != "" || e.ConfigHome != "" || e.StateHome != "/s" || e.RuntimeDir != "" || e.TUFRoot != "" || e.StateDirectory != "/var/lib/a" {
		t.Errorf("got %+v", e)
	}
	if e.Root != (os.Geteuid() == 0) {
		t.Errorf("Root is %t for uid %d", e.Root, os.Geteuid())
	}
}

func reason(err error) string {
	if e, ok := errors.AsType[*config.Error](err); ok {
		return e.Problems[0].Text
	}
	return ""
}

func file(mode fs.FileMode) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	}
}

func link(mode fs.FileMode) func(string) error {
	return func(path string) error {
		return errors.Join(file(mode)(path+".real"), os.Symlink(path+".real", path))
	}
}

func size(n int) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte("#"+strings.Repeat("x", n-1)), 0o644) }
}
