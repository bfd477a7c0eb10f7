// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// cacheCommand writes the files of a client's cache of the script's mirror, as they
// are there now: cache READER BASE [TARGETS]. $CACHE is its directory.
func cacheCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: cache READER BASE [TARGETS]")
	}
	s := ts.Value("mirror").(*scripted)
	reader, dir := cache.Reader(args[0]), ts.MkAbs(args[1])
	name := ""
	if reader != cache.SigstoreJava {
		name = map[cache.Reader]cache.Layout{
			cache.Cosign: cache.LayoutSigstoreGo, cache.GH: cache.LayoutSigstoreGo,
			cache.NPM: cache.LayoutSigstoreJS, cache.SigstoreJS: cache.LayoutSigstoreJS,
			cache.SigstorePython: cache.LayoutSigstorePython, cache.SigstoreRuby: cache.LayoutSigstoreRuby,
		}[reader].DirName(s.server.URL)
	}
	targets := filepath.Join(dir, name, "targets")
	if len(args) > 2 {
		targets = filepath.Join(ts.MkAbs(args[2]), name)
	}
	dir = filepath.Join(dir, name)
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.MkdirAll(targets, 0o700))
	files := s.repo.Files()
	newest := s.repo.RootJSON(s.repo.Versions()["root"])
	for file, data := range map[string][]byte{
		"timestamp.json": files.Timestamp, "snapshot.json": files.Snapshot, "targets.json": files.Targets,
	} {
		ts.Check(os.WriteFile(filepath.Join(dir, file), data, 0o644))
	}
	if reader == cache.SigstorePython {
		version := strconv.FormatInt(s.repo.Versions()["root"], 10)
		ts.Check(os.MkdirAll(filepath.Join(dir, "root_history"), 0o700))
		ts.Check(os.WriteFile(filepath.Join(dir, "root_history", version+".root.json"), newest, 0o600))
		_ = os.Remove(filepath.Join(dir, "root.json")) // of the cache as it was before
		ts.Check(os.Symlink("root_history/"+version+".root.json", filepath.Join(dir, "root.json")))
	} else {
		ts.Check(os.WriteFile(filepath.Join(dir, "root.json"), newest, 0o644))
	}
	for path, data := range files.Artifacts {
		ts.Check(os.WriteFile(filepath.Join(targets, url.PathEscape(path)), data, 0o644))
	}
	ts.Setenv("CACHE", dir)
}

// toldCommand finds a cache in the JSON that the last command printed, and compares
// some of it: told READER FIELD=TEXT...; the text need only be a part of the field.
// Negated, there is no such cache.
func toldCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: told READER [FIELD=TEXT...]")
	}
	var doc struct{ Caches []json.RawMessage }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	var seen []string
	for _, raw := range doc.Caches {
		var c status.Cache
		var fields map[string]any
		ts.Check(json.Unmarshal(raw, &c))
		ts.Check(json.Unmarshal(raw, &fields))
		fits := c.Reader == args[0]
		for _, arg := range args[1:] {
			field, want, _ := strings.Cut(arg, "=")
			got, _ := json.Marshal(fields[field])
			if s, ok := fields[field].(string); ok {
				got = []byte(s)
			}
			fits = fits && strings.Contains(string(got), want)
		}
		if fits {
			if neg {
				ts.Fatalf("there is one: %s", raw)
			}
			return
		}
		seen = append(seen, string(raw))
	}
	if !neg {
		ts.Fatalf("no cache with %q among\n%s", args, strings.Join(seen, "\n"))
	}
}

// fifoCommand puts a named pipe at PATH, in place of what is there.
func fifoCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fifo PATH")
	}
	path := ts.MkAbs(args[0])
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	ts.Check(syscall.Mkfifo(path, 0o600))
}
