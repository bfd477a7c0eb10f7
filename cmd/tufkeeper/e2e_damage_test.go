// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A hurt is one cell of the matrix: one file of one client's cache, hurt one way.
type hurt struct {
	blow  blow
	file  string
	alone [2]result // the client by itself, twice
	base  string    // the cache that tufkeeper mends
	// What tufkeeper says before and after it mended, what is odd about the files
	// then, and how the client gets on; and after what its owner was told to type.
	found, after foundCache
	odd          string
	mended       result
	typed        result
}

// foundCache is what `caches --json` says of one cache.
type foundCache struct {
	Path, Layout, State, Detail, Consequence, Remedy string
	Damage                                           []damage
}

type damage struct {
	File, What string
	Heals      bool
}

// TestE2EDamage produces every row of the damage matrix in caches that real clients
// made, watches them alone, and watches them after tufkeeper mended.
func TestE2EDamage(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	clients := []reads{
		r.anchored(t, newRelease),
		r.given(t, newRelease),
		r.embedded(t, w.public(t)),
		r.node(t, "sigstore-js", nil),
	}
	// Two caches of each: as it is, and as it was before the mirror changed.
	was, is := map[string]string{}, map[string]string{}
	for i, c := range clients {
		was[c.name], is[c.name] = r.dir(t, fmt.Sprintf("was-%d", i)), r.path(fmt.Sprintf("is-%d", i))
		if c.begin != nil {
			c.begin(t, was[c.name])
		}
		ok(t, c.run(t, was[c.name]))
	}
	must(t, w.repo.RotateRoot(sandbox.Rotation{}))
	r.rooted(t)
	must(t, w.repo.Publish("trusted_root.json", append(w.repo.Files().Artifacts["trusted_root.json"], '\n')))
	var tables strings.Builder
	for i, c := range clients {
		copyTree(t, was[c.name], is[c.name])
		ok(t, c.run(t, is[c.name]))
		t.Run(c.name, func(t *testing.T) {
			m := &matrix{reading: r, c: c, name: fmt.Sprintf("matrix-%d", i), was: was[c.name], is: is[c.name]}
			m.run(t)
			fmt.Fprintf(&tables, "\n%s\n", m.table())
		})
	}
	t.Logf("client alone / with tufkeeper\n%s", tables.String())
	if file := os.Getenv("TUFKEEPER_E2E_DAMAGE"); file != "" {
		must(t, os.WriteFile(file, []byte(tables.String()), 0o644))
	}
}

// A matrix is one client's part.
type matrix struct {
	*reading
	c       reads
	name    string
	was, is string
	cells   []*hurt
}

func (m *matrix) run(t *testing.T) {
	m.dir(t, m.name)
	var bases []string
	for _, b := range blows() {
		for _, file := range b.on(m.c) {
			base := m.path(m.name, fmt.Sprintf("with-%d", len(m.cells)))
			m.cells, bases = append(m.cells, &hurt{blow: b, file: file, base: base}), append(bases, base)
		}
	}
	config := m.config(t, m.name, m.c, bases, "")
	want(t, m.keeper(t, config, "refresh"), 0, "") // before there is a cache: a refresh publishes
	for i, h := range m.cells {
		m.hurt(t, h, h.base)
		m.hurt(t, h, m.path(m.name, fmt.Sprintf("alone-%d", i)))
	}
	m.each(func(i int, h *hurt) {
		for run := range h.alone {
			h.alone[run] = m.c.run(t, m.path(m.name, fmt.Sprintf("alone-%d", i)))
		}
	})
	m.look(t, config, func(h *hurt, f foundCache) { h.found = f })
	r := m.keeper(t, config, "caches", "--mend")
	t.Logf("%d caches looked at and mended in %s", len(m.cells), r.took.Round(time.Millisecond))
	m.look(t, config, func(h *hurt, f foundCache) { h.after = f })
	m.each(func(_ int, h *hurt) {
		h.odd = m.odd(h)
		h.mended = m.c.run(t, h.base)
	})
	for _, h := range m.cells {
		m.judge(t, h)
	}
}

// hurt makes a copy of the client's cache and hurts a file in it.
func (m *matrix) hurt(t *testing.T, h *hurt, base string) {
	t.Helper()
	copyTree(t, m.is, base)
	h.blow.hit(t, m.c.file(base, h.file), m.c.file(m.was, h.file))
	m.own(t, base)
	aged(t, base, time.Minute)
}

// aged makes what is younger than that just so old: nobody is at work there.
func aged(t *testing.T, base string, age time.Duration) {
	t.Helper()
	ago := time.Now().Add(-age)
	must(t, filepath.WalkDir(base, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		if info, err := d.Info(); err != nil || info.ModTime().Before(ago) {
			return err
		}
		return os.Chtimes(file, ago, ago)
	}))
}

// each does all cells, two at a time.
func (m *matrix) each(do func(int, *hurt)) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 2)
	for i, h := range m.cells {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			do(i, h)
		})
	}
	wg.Wait()
}

// look asks tufkeeper about every cache.
func (m *matrix) look(t *testing.T, config string, each func(*hurt, foundCache)) {
	t.Helper()
	r := m.keeper(t, config, "caches", "--json")
	want(t, r, 0, "")
	var report struct{ Caches []foundCache }
	decode(t, r.out, &report)
	for _, h := range m.cells {
		for _, f := range report.Caches {
			if f.Path == h.base || strings.HasPrefix(f.Path, h.base+"/") {
				each(h, f)
			}
		}
	}
}

// odd is what is not as its client leaves it: owners, modes, temporary files of ours.
func (m *matrix) odd(h *hurt) string {
	var all []string
	err := filepath.WalkDir(h.base, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(h.base, file)
		if err != nil {
			return err
		}
		if owner := ownerOf(info); owner != m.uid() {
			all = append(all, fmt.Sprintf("%s belongs to %d", rel, owner))
		}
		if strings.HasPrefix(d.Name(), ".tufkeeper-") {
			all = append(all, rel+" was left")
		}
		wanted := m.c.fileMode
		switch {
		case rel == ".", strings.Contains(rel, ".broken-"), strings.HasPrefix(d.Name(), "tuf_tmp"):
			return nil // the host's, the user's, a client's
		case slices.Contains(m.c.beside, h.file) && strings.HasPrefix(rel, h.file), m.c.kind == "own root" && d.Name() == "root.json":
			return nil // no client minds, or only its owner can act
		case d.IsDir():
			wanted = m.c.dirMode
		case !strings.Contains(rel, "/"):
			wanted = "600"
		}
		if mode := fmt.Sprintf("%o", info.Mode().Perm()); mode != wanted {
			all = append(all, rel+" has mode "+mode)
		}
		return nil
	})
	if err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, ", ")
}

func ok(t *testing.T, r result) {
	t.Helper()
	want(t, r, 0, "")
}
