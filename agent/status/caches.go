// SPDX-License-Identifier: Apache-2.0

package status

import (
	"maps"
	"slices"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// maxOwned is how many caches of one owner are shown: whoever fills a home with
// directories hides no other's.
const maxOwned = 50

// caches lists the caches; whole tells all of each, not only what is wrong.
func (p *page) caches(ill, well int, whole bool) {
	p.section("Caches")
	if len(p.r.Caches) == 0 {
		p.line(indent, "none found")
	}
	owners := 0
	for _, c := range p.r.Caches {
		owners = max(owners, len([]rune(health.Plain(c.Owner))))
	}
	owners = min(owners, p.width()/5)
	list := folded(p.r.Caches, Cache.tone, ill, well)
	shown, more := map[string]int{}, map[string]int{} // by owner
	for _, c := range list.shown {
		if shown[c.Owner]++; whole && shown[c.Owner] > maxOwned {
			more[c.Owner]++
			continue
		}
		t, owner, path := c.tone(), cut(health.Plain(c.Owner), owners), health.Plain(c.Path)
		room := max(deepPath, p.width()-14-owners)
		state := p.mark(t) + " " + p.paint(t, pad(cut(health.Plain(c.State), 9), 10))
		if whole && len([]rune(path)) > room { // who asks for the caches wants to type their names
			p.line(state, p.paint(dim, owner))
			p.para(bold, "", path)
		} else {
			p.line(state, pad(cutMiddle(path, room), room), "  ", p.paint(dim, owner))
		}
		text := joined("; ", c.Detail, c.Consequence)
		switch {
		case whole:
			p.para(dim, "", c.whose())
			p.para(plain, "", text)
			if c.Compared != "" {
				p.para(dim, "", "changes are found by comparing it "+health.Line(c.Compared))
			}
		case t != good && text != "":
			p.line(indent, cut(health.Line(text), p.width()-len(indent)))
		}
		if whole && c.Remedy != "" {
			p.todo(c.Remedy)
		}
	}
	p.more(list.ill, "in trouble", "tufkeeper caches")
	p.more(list.well, "fresh", "tufkeeper caches")
	for _, owner := range slices.Sorted(maps.Keys(more)) {
		p.more(more[owner], "of "+cut(health.Plain(owner), p.width()/3), "tufkeeper caches --json")
	}
}

// NeedsAttention says whether its client fails with it, or may: one that is behind is
// brought forward by its client alone.
func (c Cache) NeedsAttention() bool {
	switch cache.State(c.State) {
	case cache.Damaged, cache.Unusable:
		return !c.healsAlone()
	case cache.Ahead:
		return true
	case cache.Expired:
		return c.Mirror != "" // of others, its client gets what is newer
	}
	return false
}

// tone is that of its state, but for damage that its client repairs.
func (c Cache) tone() tone {
	if t := stateTone(c.State); t != bad || !c.healsAlone() || c.State != string(cache.Damaged) {
		return t
	}
	return warn
}

// healsAlone says whether all damage is what its client repairs.
func (c Cache) healsAlone() bool {
	return len(c.Damage) > 0 && !slices.ContainsFunc(c.Damage, func(d Damage) bool { return !d.Heals })
}

// whose says which programs read a cache, of which mirror it is, and why it is not
// written where it is not.
func (c Cache) whose() string {
	text := "read by " + c.ReadBy
	if c.ReadBy == "" {
		text = c.Layout
	}
	if c.Mirror != "" {
		text += "; of mirror " + health.Plain(c.Mirror)
	}
	switch c.Policy {
	case "mend", "":
		return text
	case "publish":
		return text + "; brought forward, and not mended"
	}
	if stateTone(c.State) == good || stateTone(c.State) == note {
		return text + "; only reported on" // why that is so matters where something is wrong
	}
	return joined(": ", text+"; only reported on", c.PolicyWhy)
}
