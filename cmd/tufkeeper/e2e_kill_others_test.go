// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux && amd64

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	caches "github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// otherScenes are the caches of clients that are not written in Go, brought forward
// with a root; and the one of most steps mended.
func otherScenes() (all []scene) {
	for _, reader := range []caches.Reader{caches.SigstoreJS, caches.SigstorePython, caches.SigstoreRuby, caches.SigstoreJava} {
		all = append(all, scene{name: string(reader) + ", a rotated set", newer: rotated, reader: reader})
	}
	return append(all, scene{name: "sigstore-python, a directory for the snapshot", newer: rotated, reader: caches.SigstorePython,
		hit: directory("snapshot.json"), broken: true})
}

// layouts are those of the readers here; the names they give directories are held
// against the clients' own in agent/cache.
var layouts = map[caches.Reader]caches.Layout{caches.SigstoreJS: caches.LayoutSigstoreJS, caches.SigstorePython: caches.LayoutSigstorePython,
	caches.SigstoreRuby: caches.LayoutSigstoreRuby, caches.SigstoreJava: caches.LayoutSigstoreJava}

func otherName(reader caches.Reader, url string) string { return layouts[reader].DirName(url) }

// placed is what the config says of the place of the cache.
func (p *play) placed(base, url string) string {
	if p.reader == caches.Cosign {
		return fmt.Sprintf("paths = [%q]", base)
	}
	more := ""
	switch p.reader {
	case caches.SigstorePython, caches.SigstoreRuby:
		more = fmt.Sprintf("targets = %q", filepath.Join(base, "apart"))
	case caches.SigstoreJava:
		more = fmt.Sprintf("url = %q", url)
	}
	return fmt.Sprintf("rule %q {\n    policy = \"mend\"\n  }\n  place %q {\n    client = %q\n    %s\n  }", base+"**", base, p.reader, more)
}

// files is where the target files of the cache below base lie.
func (p *play) files(base string) string {
	name := otherName(p.reader, p.mirror)
	if p.reader == caches.SigstorePython || p.reader == caches.SigstoreRuby {
		return filepath.Join(base, "apart", name)
	}
	return filepath.Join(base, name, "targets")
}

// fillOther writes the cache as its client does on a run that goes well.
func (p *play) fillOther(t *testing.T) {
	t.Helper()
	files, version := p.repo.Files(), p.repo.Versions()["root"]
	must(t, os.MkdirAll(p.cache, 0o700))
	must(t, os.MkdirAll(p.files(p.base), 0o700))
	root := "root.json"
	if p.reader == caches.SigstorePython {
		root = "root_history/" + strconv.FormatInt(version, 10) + ".root.json"
		must(t, os.Mkdir(filepath.Join(p.cache, "root_history"), 0o700))
		must(t, os.Symlink(root, filepath.Join(p.cache, "root.json")))
	}
	for name, data := range map[string][]byte{root: p.repo.RootJSON(version),
		"timestamp.json": files.Timestamp, "snapshot.json": files.Snapshot, "targets.json": files.Targets} {
		must(t, os.WriteFile(filepath.Join(p.cache, name), data, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(p.files(p.base), "hello.txt"), files.Artifacts["hello.txt"], 0o644))
}

var errStops = errors.New("its client stops at it")

// judgeOther holds a copy of the cache against the rules of its client: it has a root
// of the chain to start from, and every other file that is there is signed, or is
// got over by the client itself.
func (p *play) judgeOther(t *testing.T) error {
	t.Helper()
	copied := filepath.Join(p.dir, "copy")
	sh(t, "rm", "-rf", copied)
	if err := exec.CommandContext(t.Context(), "cp", "-a", p.base, copied).Run(); err != nil {
		return err
	}
	sh(t, "chown", "-R", strconv.Itoa(os.Geteuid()), copied) // who looks
	set, err := trust.Verify(p.repo.Files(), time.Now())
	must(t, err)
	root, err := os.ReadFile(filepath.Join(copied, filepath.Base(p.cache), "root.json"))
	if p.cache == p.base {
		root, err = os.ReadFile(filepath.Join(copied, "root.json"))
	}
	if err != nil {
		return err
	}
	if _, ok := set.RootVersion(root); !ok {
		return fmt.Errorf("root.json: %w", errStops)
	}
	place := caches.Place{Base: copied, Reader: p.reader, URL: p.mirror}
	if p.files(copied) != filepath.Join(copied, otherName(p.reader, p.mirror), "targets") {
		place.Targets = filepath.Join(copied, "apart")
	}
	found, errs := caches.Find([]caches.Place{place}, []caches.Mirror{{Name: "test", URL: p.mirror}})
	if len(found) != 1 || len(errs) > 0 || found[0].Mirror != "test" {
		return fmt.Errorf("found %+v, %w", found, errors.Join(errs...))
	}
	in := found[0].Inspect(set, time.Now().Add(time.Minute))
	for _, d := range in.Damage {
		// An older target file beside newer targets is what every client leaves between
		// two of its own downloads.
		if !d.Heals && !strings.HasSuffix(d.File, "hello.txt") {
			return fmt.Errorf("%s: %s: %w", d.File, d.What, errStops)
		}
	}
	if text, _ := json.Marshal(in.Damage); in.State == caches.Unusable {
		return fmt.Errorf("%s: %w", text, errStops)
	}
	return nil
}
