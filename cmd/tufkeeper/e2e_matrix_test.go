// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// word is how a client got on by itself.
func (h *hurt) word() string {
	switch {
	case h.alone[1].code != 0:
		return "permanent"
	case h.alone[0].code != 0:
		return "heals after an error"
	}
	return "heals"
}

// judge holds a cell against what is known and promised.
func (m *matrix) judge(t *testing.T, h *hurt) {
	t.Helper()
	name := h.file + ", " + h.blow.name
	stays := isLasting(lasting[m.c.kind], h.blow.name, h.file)
	if got := h.alone[1].code != 0; got != stays {
		t.Errorf("%s: by itself its client fails: %t, known is %t; it says: %s", name, got, stays, h.alone[1].said())
	}
	i := slices.IndexFunc(h.found.Damage, func(d damage) bool { return d.File == m.c.called(h.file) })
	why := otherwise(m.c, h)
	switch {
	case stays && (i < 0 || h.found.Damage[i].Heals) && why == "":
		t.Errorf("%s: does not heal, and tufkeeper says %s: %s %v", name, h.found.State, h.found.Detail, h.found.Damage)
	case stays && h.found.State != stateOf(h.blow.name) && why == "":
		t.Errorf("%s: does not heal, and the state is %s: %s; want %s", name, h.found.State, h.found.Detail, stateOf(h.blow.name))
	case stays && h.found.Consequence == "":
		t.Errorf("%s: does not heal, and no consequence is told", name)
	case !stays && i >= 0 && !h.found.Damage[i].Heals && why == "":
		t.Errorf("%s: heals, and tufkeeper says that it does not: %v", name, h.found.Damage)
	}
	if m.isOwners(h) { // only its owner can act: told what to type, which helps
		if h.after.State == "fresh" || !strings.Contains(h.after.Remedy, "cosign initialize") || h.mended.code == 0 {
			t.Errorf("%s: %s, and to type is %q; its client ends with %d", name, h.after.State, h.after.Remedy, h.mended.code)
		}
		if r := m.types(t, h.after.Remedy, h.base, m.c.cosign); r.code != 0 {
			t.Errorf("%s: typing %s: %s", name, h.after.Remedy, r.said())
		}
		h.typed = m.c.run(t, h.base)
		if h.typed.code != 0 {
			t.Errorf("%s: after %s: %s", name, h.after.Remedy, h.typed.said())
		}
		return
	}
	if h.mended.code != 0 {
		t.Errorf("%s: after tufkeeper: %s\nit had said %s: %s", name, h.mended.said(), h.found.State, h.found.Detail)
	}
	gone := h.file == "." && h.after.State == "" // set aside: there is no cache until its client makes one
	if h.after.State != "fresh" && !gone {
		t.Errorf("%s: after tufkeeper: %s: %s %v", name, h.after.State, h.after.Detail, h.after.Damage)
	}
	if h.odd != "" {
		t.Errorf("%s: after tufkeeper: %s", name, h.odd)
	}
}

// stateOf is the state of a cache that something breaks: what the file holds, or what
// it is.
func stateOf(blow string) string {
	if slices.Contains([]string{"directory", "mode 000", "file in its place"}, blow) {
		return "unusable"
	}
	return "damaged"
}

// isOwners are what tufkeeper must not mend: where a client starts is its owner's.
func (m *matrix) isOwners(h *hurt) bool {
	return h.file == "remote.json" || h.file == "." && h.blow.name == "file in its place" && m.c.kind == "cached root" && m.c.begin != nil
}

// otherwise says why tufkeeper says something else than what this client meets.
func otherwise(c reads, h *hurt) string {
	switch {
	case h.blow.name == "dangling link":
		return "the client works, and may write through the link"
	case h.file == "root.json" && strings.HasSuffix(c.name, "TUF_ROOT_JSON"):
		return "nothing in the cache says that this client is given its root"
	}
	return ""
}

// said is the last line of what a program said.
func (r result) said() string {
	lines := strings.Split(strings.TrimSpace(r.out+r.errors), "\n")
	return lines[len(lines)-1]
}

// table has a row a blow and a column a file.
func (m *matrix) table() string {
	var columns []string
	for _, h := range m.cells {
		if !slices.Contains(columns, h.file) {
			columns = append(columns, h.file)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n|---|%s\n", m.c.name, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, blow := range blows() {
		row := []string{blow.name}
		for _, file := range columns {
			i := slices.IndexFunc(m.cells, func(h *hurt) bool { return h.blow.name == blow.name && h.file == file })
			if i < 0 {
				row = append(row, "")
				continue
			}
			row = append(row, m.cells[i].both())
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

func (h *hurt) both() string {
	with := "works"
	switch {
	case h.mended.code != 0 && h.typed.code == 0:
		with = "told what to type, then works"
	case h.mended.code != 0:
		with = "fails"
	}
	return h.word() + " / " + with
}
