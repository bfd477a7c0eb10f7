// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const historyDir = "root_history"

// history is the directory of every root that a client has seen, and the roots of the
// verified chain in it: python-tuf from 6 on makes root.json a link to one of them.
type history struct {
	branch
	files []file // ascending
}

func (l *look) openHistory() (err error) {
	if !l.rules.history {
		return nil
	}
	h := &l.history
	h.parent, h.base, h.name = l.dir, historyDir, historyDir
	h.seen = readFile(l.dir, historyDir, 0)
	if h.kind == directory {
		h.dir, err = openIn(l.dir, filepath.Join(l.cache.Path, historyDir))
	}
	return err
}

func historyName(version int64) string { return strconv.FormatInt(version, 10) + ".root.json" }

// linkTo is what root.json says of a version.
func linkTo(version int64) string { return historyDir + "/" + historyName(version) }

// throughHistory reads root.json through its link, which is followed in the one form
// that its client gives it. Any other link stays a symbolic link to the judge.
func (l *look) throughHistory(f *file) {
	if f.kind != symlink || l.history.dir == nil {
		return
	}
	to, err := l.dir.Readlink(rootFile)
	if err != nil {
		return
	}
	number := strings.TrimSuffix(strings.TrimPrefix(to, historyDir+"/"), ".root.json")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || version < 1 || linkTo(version) != to {
		return
	}
	there := readFile(l.history.dir, historyName(version), trust.MaxRoot)
	if there.kind != regular {
		return // it leads nowhere, or to what is judged as part of the history
	}
	f.link, f.data, f.kind = to, there.data, there.kind
}

// lookAtHistory judges the roots in the history: its client tries each before it asks
// its mirror, downloads what is not valid, and fails only on what it cannot replace.
func (l *look) lookAtHistory() {
	h := &l.history
	if h.dir == nil || l.set == nil {
		return
	}
	for version, ours := range l.set.Chain() {
		base := historyName(version)
		f := file{dir: h.dir, base: base, name: filepath.Join(historyDir, base), ours: ours, perm: l.rules.rolePerm}
		f.seen = readFile(f.dir, base, trust.MaxRoot)
		f.held.Version = version
		switch {
		case f.kind == absent:
		case f.obstructed(l.rules.roleHeals):
		case bytes.Equal(f.data, ours):
			f.grade = equal
		default:
			if v, ok := l.set.RootVersion(f.data); ok && v == version {
				f.grade = equal
				break
			}
			f.breaks(fmt.Sprintf("not root %d", version), l.rules.roleHeals&unsigned != 0)
		}
		f.data = nil
		h.files = append(h.files, f)
	}
}

// lacks lists the roots that the history needs for root.json to be brought forward:
// each from the cached one to the newest, where there is none.
func (l *look) lacks() []*file {
	var fs []*file
	for i := range l.history.files {
		f := &l.history.files[i]
		if f.grade == missing && f.held.Version >= l.root.held.Version {
			fs = append(fs, f)
		}
	}
	if l.root.held.Version == 0 && len(fs) > 0 { // what was cached is not known
		fs = fs[len(fs)-1:]
	}
	return fs
}

// linked says whether root.json is, or was, a link into the history. Where it is
// no file beside roots of this chain, its client was stopped between two steps, or it
// was damaged later.
func (l *look) linked() bool {
	if !l.rules.history || l.history.dir == nil {
		return false
	}
	return l.root.link != "" || l.root.kind == symlink || l.root.kind != regular && l.remembers()
}

// remembers says whether the history holds, or held before it was damaged, any root of
// the verified chain.
func (l *look) remembers() bool {
	return slices.ContainsFunc(l.history.files, func(f file) bool { return f.grade == equal || f.grade == broken })
}

// reanchor leads root.json to the file of the root that it holds, before that root is
// written over where root.json leads to now: mending lowers nobody's root. Where that
// cannot be, nothing is mended.
func (l *look) reanchor(repair []step, settled bool) []step {
	if l.root.grade == broken {
		return repair // no root to lose
	}
	i := slices.IndexFunc(l.history.files, func(f file) bool { return f.held.Version == l.root.held.Version })
	if !settled || i < 0 || l.root.grade != equal && l.root.grade != older {
		return nil
	}
	var steps []step
	switch own := &l.history.files[i]; own.grade {
	case equal:
	case missing:
		steps = append(steps, step{act: write, f: own, data: own.ours})
	default:
		return nil // which is mended first
	}
	steps = append(steps, step{act: relink, f: &l.root, to: linkTo(l.root.held.Version)})
	return append(steps, repair...)
}

// reanchored says whether steps lead root.json elsewhere already.
func reanchored(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.act == relink })
}
