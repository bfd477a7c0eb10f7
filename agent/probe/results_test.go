// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/probe"
)

func facts(path, mirror string, at time.Time) health.ProbeFacts {
	return health.ProbeFacts{
		Path: path, File: client.FileID{Device: 1, Inode: 2, Size: 3, ModifiedNano: 4, ChangedNano: 5, Owner: 6}, Mirror: mirror, Root: 2, Targets: 1,
		Start: "initial root 1", At: at, Outcome: probe.Failed, Error: "invalid key",
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func TestResultsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probe", "results.json")
	old, at := facts("/usr/bin/cosign", "sigstore", now().Add(-time.Hour)), now()
	other := facts("/usr/bin/gitsign", "sigstore", now().Add(-time.Minute))
	if err := probe.WriteResults(path, []health.ProbeFacts{old, other}); err != nil {
		t.Fatal(err)
	}
	again := facts("/usr/bin/cosign", "sigstore", at)
	again.Outcome, again.Error = probe.OK, ""
	if err := probe.WriteResults(path, []health.ProbeFacts{again}); err != nil {
		t.Fatal(err)
	}
	got, err := probe.ReadResults(path)
	if want := []health.ProbeFacts{again, other}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestFilesThatAreNotBelieved(t *testing.T) {
	good, err := json.Marshal(map[string]any{"schema": 1, "probes": []health.ProbeFacts{facts("/usr/bin/cosign", "sigstore", now())}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := probe.ParseResults(good, now()); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("there is no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":             "",
		"no probes":           `{"schema":1}`,
		"another schema":      edit(`"schema":1`, `"schema":2`),
		"an unknown field":    edit(`"schema":1`, `"schema":1,"x":1`),
		"an unknown fact":     edit(`"path"`, `"x":1,"path"`),
		"more behind it":      string(good) + "{}",
		"a relative path":     edit(`/usr/bin/cosign`, `cosign`),
		"an unknown outcome":  edit(`"failed"`, `"fine"`),
		"ok with an error":    edit(`"failed"`, `"ok"`),
		"failed without one":  edit(`invalid key`, ``),
		"a long error":        edit(`invalid key`, strings.Repeat("x", 501)),
		"no root":             edit(`"root":2`, `"root":0`),
		"an empty file":       edit(`"size":3`, `"size":0`),
		"from the future":     edit(now().Format("2006-01-02T"), "2999-01-01T"),
		"from before probing": edit(now().Format("2006-01-02T"), "2020-01-01T"),
		"too many":            `{"schema":1,"probes":[` + strings.TrimSuffix(strings.Repeat(`{},`, 1001), ",") + `]}`,
		"too large":           string(good) + strings.Repeat(" ", 4<<20),
	} {
		if got, err := probe.ParseResults([]byte(text), now()); err == nil || got != nil {
			t.Errorf("%s: %v, %v, want an error", name, got, err)
		}
	}
}

func TestPlacesThatAreNotRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := probe.WriteResults(path, []health.ProbeFacts{facts("/usr/bin/cosign", "sigstore", now())}); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := probe.ReadResults(write("good", 0o644)); err != nil {
		t.Fatal(err)
	}
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink("good", link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	garbage, sub := filepath.Join(dir, "garbage"), filepath.Join(dir, "sub")
	if err := os.WriteFile(garbage, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"writable by its group": write("group", 0o664),
		"writable by all":       write("all", 0o646),
		"no results":            garbage,
		"a link":                link,
		"a FIFO":                fifo,
		"a directory":           sub,
	} {
		before, _ := os.ReadFile(filepath.Join(dir, "good"))
		was, _ := os.Lstat(path)
		if got, err := probe.ReadResults(path); err == nil {
			t.Errorf("%s: read %v", name, got)
		}
		err := probe.WriteResults(path, []health.ProbeFacts{facts("/usr/bin/cosign", "sigstore", now())})
		if path == sub {
			if err == nil {
				t.Errorf("%s: set aside", name)
			}
			continue
		}
		got, readErr := probe.ReadResults(path)
		if err != nil || readErr != nil || len(got) != 1 {
			t.Errorf("%s: it is in the way still: %v, %v, %v", name, err, readErr, got)
		}
		if is, err := os.Lstat(path + ".refused"); err != nil || !os.SameFile(is, was) {
			t.Errorf("%s: it was not kept: %v", name, err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, "good")); string(after) != string(before) {
			t.Errorf("%s: what it leads to has changed", name)
		}
	}
	if _, err := probe.ReadResults(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestResultsOfAnotherUserAreNotBelieved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root can give files away")
	}
	for name, c := range map[string]struct {
		dirMode              os.FileMode
		dirOwner, owner      int
		believed, rootWrites bool
	}{
		"root's":                               {0o755, 0, 0, true, true},
		"of the owner of the directory":        {0o755, 4321, 4321, true, false},
		"root's, in another one's directory":   {0o755, 4321, 0, true, false},
		"another one's, in root's":             {0o755, 0, 4321, false, true},
		"another one's, in a directory of all": {0o1777, 0, 4321, false, true},
		"its owner's, in a directory of all":   {0o777, 4321, 4321, false, false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "results.json")
		one := []health.ProbeFacts{facts("/usr/bin/cosign", "sigstore", now())}
		if err := probe.WriteResults(path, one); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chown(path, c.owner, c.owner), os.Chown(dir, c.dirOwner, c.dirOwner), os.Chmod(dir, c.dirMode)); err != nil {
			t.Fatal(err)
		}
		if c.dirMode&0o1000 != 0 {
			if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
				t.Fatal(err)
			}
		}
		got, err := probe.ReadResults(path)
		if (err == nil) != c.believed || (got != nil) != c.believed {
			t.Errorf("%s: %v, %v, want it believed: %v", name, got, err, c.believed)
		}
		if err := probe.WriteResults(path, one); (err == nil) != c.rootWrites {
			t.Errorf("%s: writing as root: %v, want it done: %v", name, err, c.rootWrites)
		}
		if err := probe.WriteResults(filepath.Join(dir, "new", "results.json"), one); (err == nil) != c.rootWrites {
			t.Errorf("%s: making a directory as root: %v, want it done: %v", name, err, c.rootWrites)
		}
	}
}

func FuzzParseResults(f *testing.F) {
	good, err := json.Marshal(map[string]any{"schema": 1, "probes": []health.ProbeFacts{facts("/usr/bin/cosign", "sigstore", now())}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schema":1,"probes":[]}`))
	at := now()
	f.Fuzz(func(t *testing.T, data []byte) {
		probes, err := probe.ParseResults(data, at)
		if err != nil {
			if probes != nil {
				t.Error("an error with a value")
			}
			return
		}
		again, err := json.Marshal(map[string]any{"schema": 1, "probes": probes})
		if err != nil {
			t.Fatal(err)
		}
		same, err := probe.ParseResults(again, at)
		if err != nil || len(same) != len(probes) {
			t.Errorf("what was read is refused when written again: %v", err)
		}
	})
}
