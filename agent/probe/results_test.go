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
	for name, path := range map[string]string{
		"writable by its group": write("group", 0o664),
		"writable by all":       write("all", 0o646),
		"a link":                link,
		"a FIFO":                fifo,
		"a directory":           dir,
	} {
		before, _ := os.ReadFile(filepath.Join(dir, "good"))
		if got, err := probe.ReadResults(path); err == nil {
			t.Errorf("%s: read %v", name, got)
		}
		if err := probe.WriteResults(path, nil); err == nil {
			t.Errorf("%s: written over", name)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, "good")); string(after) != string(before) {
			t.Errorf("%s: what it leads to has changed", name)
		}
	}
	if _, err := probe.ReadResults(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
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
