// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A reads is one real client as it reads a cache: what it is started with, and
// where it keeps what.
type reads struct {
	name string
	kind string // of lasting
	// run runs it once, on the caches below base.
	run func(t *testing.T, base string) result
	// begin makes what must be there before its first run; nil for nothing.
	begin func(t *testing.T, base string)
	// dir is the directory of our mirror below base, and beside what lies next to it.
	dir    string
	beside []string
	cosign string // the program, where it is one
	target string // the file of the target that it reads, below dir
	// mirror and place are the configuration by which tufkeeper finds it.
	mirror            string
	places            func(bases []string) string
	dirMode, fileMode string
}

// file is where that file of a cache is.
func (c reads) file(base, name string) string { return filepath.Join(base, c.dir, c.called(name)) }

// called is what tufkeeper calls that file.
func (c reads) called(name string) string {
	switch {
	case name == target:
		return c.target
	case slices.Contains(c.beside, name):
		return "../" + name
	}
	return name
}

// target stands for the target file in tables.
const target = "target file"

// A reading is a world, a host with an ordinary user in it, and real clients.
type reading struct {
	*host
	world *world
	root  string // the file of root 1
	now   string // the file of the newest root
	blob  []string
}

func newReading(t *testing.T, w *world) *reading {
	t.Helper()
	r := &reading{host: newUserHost(t), world: w}
	r.root = r.write(t, "root1.json", w.repo.InitialRoot())
	r.rooted(t)
	blob := []byte("what is verified\n")
	signed := w.logged(t, blob)
	r.blob = []string{"verify-blob", "--key", r.write(t, "blob.pub", signed.public), "--bundle", r.write(t, "blob.bundle", signed.bundle), r.write(t, "blob", blob)}
	return r
}

// rooted gives the host the newest root.
func (r *reading) rooted(t *testing.T) {
	t.Helper()
	r.now = r.write(t, "root-now.json", r.world.repo.RootJSON(r.world.repo.Versions()["root"]))
}

// private is the configuration of the mirror as one of the host's own.
func (r *reading) private() string {
	return fmt.Sprintf("mirror \"private\" {\n  url = %q\n  initial_root = %q\n  soak = \"0s\"\n}\n", r.world.mirrorURL, r.root)
}

// anchored is cosign at a mirror it was initialized with: it starts from the cached
// root.json.
func (r *reading) anchored(t *testing.T, version string) reads {
	file := r.bring(t, cosign(t, version))
	dir := mirrorDir(r.world.mirrorURL)
	return reads{
		name: "cosign " + version, kind: "cached root", cosign: file,
		begin: func(t *testing.T, base string) {
			want(t, r.host.run(t, []string{"TUF_ROOT=" + base}, file, "initialize", "--mirror", r.world.mirrorURL, "--root", r.root), 0, "")
		},
		run: func(t *testing.T, base string) result {
			return r.host.run(t, []string{"TUF_ROOT=" + base}, file, r.blob...)
		},
		dir: dir, beside: []string{dir + ".json", "remote.json"}, target: "targets/trusted_root.json",
		mirror: r.private(), places: cosignPlaces, dirMode: "700", fileMode: "644",
	}
}

// given is cosign with mirror and root handed to it.
func (r *reading) given(t *testing.T, version string) reads {
	c := r.anchored(t, version)
	file := r.bring(t, cosign(t, version))
	c.name, c.kind = c.name+", TUF_ROOT_JSON", "own root"
	c.begin, c.beside = nil, c.beside[:1]
	c.run = func(t *testing.T, base string) result {
		return r.host.run(t, []string{"TUF_ROOT=" + base, "TUF_MIRROR=" + r.world.mirrorURL, "TUF_ROOT_JSON=" + r.now}, file, r.blob...)
	}
	return c
}

// embedded is a program on sigstore-go that carries its root in itself and reads the
// public mirror, with more options.
func (r *reading) embedded(t *testing.T, p public, options ...string) reads {
	file := r.bring(t, reader(t))
	ca := r.write(t, "ca.pem", p.ca)
	dir := strings.TrimPrefix(publicURL, "https://")
	return reads{
		name: "program on sigstore-go", kind: "own root",
		run: func(t *testing.T, base string) result {
			// Both variables count: the later wins over the host's own.
			env := []string{"HTTPS_PROXY=" + p.proxy, "SSL_CERT_FILE=" + ca}
			return r.host.run(t, env, file, append([]string{"-base", base, "-root", r.now}, options...)...)
		},
		dir: dir, beside: []string{dir + ".json"}, target: "targets/trusted_root.json",
		mirror: fmt.Sprintf("mirror \"sigstore\" {\n  initial_root = %q\n  proxy = %q\n  ca_file = %q\n  soak = \"0s\"\n}\n", r.root, p.proxy, ca),
		places: cosignPlaces, dirMode: "700", fileMode: "644",
	}
}

// node is @sigstore/tuf, with more options.
func (r *reading) node(t *testing.T, client string, more map[string]any) reads {
	command, env := r.nodeReader(t)
	u, err := url.Parse(r.world.mirrorURL)
	must(t, err)
	return reads{
		name: "@sigstore/tuf", kind: "sigstore-js",
		run: func(t *testing.T, base string) result {
			return r.host.run(t, env, command[0], append(command[1:], nodeOptions(t, base, r.world.mirrorURL, r.now, more))...)
		},
		dir: url.QueryEscape(u.Host), target: "targets/trusted_root.json",
		mirror: r.private(), dirMode: "755", fileMode: "644",
		places: func(bases []string) (text string) {
			for _, base := range bases {
				text += fmt.Sprintf("  place %q { client = %q }\n", base, client)
			}
			return text
		},
	}
}

func nodeOptions(t *testing.T, base, mirror, root string, more map[string]any) string {
	t.Helper()
	o := map[string]any{"cachePath": base, "mirrorURL": mirror, "rootPath": root}
	for k, v := range more {
		o[k] = v
	}
	data, err := json.Marshal(o)
	must(t, err)
	return string(data)
}

func cosignPlaces(bases []string) string {
	return fmt.Sprintf("  paths = [\"%s\"]\n", strings.Join(bases, `", "`))
}

// config is tufkeeper's for those caches, with more of its block of caches.
func (r *reading) config(t *testing.T, name string, c reads, bases []string, more string) string {
	t.Helper()
	return r.write(t, name+".hcl", fmt.Appendf(nil, `
state_dir   = %q
status_file = %q
%s
caches {
  rule "%s/**" { policy = "mend" } # also what is only reported on by default
%s%s}
clients {
  search_path = false
  packages    = []
  globs       = []
}
schedule {
  interval = "1h"
  jitter   = "0s"
}
log { format = "json" }
`, r.dir(t, name+"-state"), r.path(name+"-state", "status.json"), c.mirror, r.home, c.places(bases), more))
}

// types types what tufkeeper said is to type, as it stands, with that cosign.
func (r *reading) types(t *testing.T, remedy, base, cosign string) result {
	t.Helper()
	_, after, found := strings.Cut(remedy, ": ") // "with cosign 2.5.1 or newer: …"
	if !found {
		after = remedy
	}
	line := strings.ReplaceAll(after, "FILE", r.root)
	return r.host.run(t, []string{"TUF_ROOT=" + base, "PATH=" + filepath.Dir(cosign) + ":/usr/bin:/bin"}, "/bin/sh", "-c", line)
}
