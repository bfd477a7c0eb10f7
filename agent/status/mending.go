// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Mending is what was done to one cache when it was asked for.
type Mending struct {
	Path   string   `json:"path"`
	Owner  string   `json:"owner"`
	Layout string   `json:"layout"`
	Policy string   `json:"policy"`
	State  string   `json:"state"`          // afterwards
	Done   []string `json:"done"`           // a clause for each thing
	Left   string   `json:"left,omitempty"` // why it was not brought forward, or not written at all
	Error  string   `json:"error,omitempty"`

	heals bool   // what is left of damage its client repairs
	alone string // why it was left alone, where somebody has something to type
}

// Add notes one attempt. What was done adds up; why it went no further is that of the
// last one.
func (m *Mending) Add(c cache.Cache, policy string, done cache.Change, err error, left string) {
	m.Path, m.Owner, m.Layout, m.Policy = c.Path, c.Owner, string(c.Layout), policy
	m.Done = append(list(m.Done), clauses(done)...)
	m.Left, m.Error = left, ""
	if err != nil {
		m.Error = err.Error()
	}
}

// clauses say what a change did, in the order in which it matters.
func clauses(done cache.Change) []string {
	var all, told []string
	say := func(file, format string, args ...any) {
		all, told = append(all, fmt.Sprintf(format, args...)), append(told, file)
	}
	aside := func(file string) string {
		for _, name := range done.Aside {
			if at := strings.LastIndex(name, ".broken-"); at >= 0 && (name[:at] == file || file == "." && strings.HasPrefix(name, "../")) {
				return name
			}
		}
		return ""
	}
	for _, d := range done.Mended {
		file, what := health.Plain(d.File), health.Line(d.What)
		switch name := aside(d.File); {
		case name != "":
			told = append(told, name)
			say(d.File, "moved %s (%s) aside, to %s", file, what, health.Plain(name))
		case slices.Contains(done.Removed, d.File) && strings.HasPrefix(d.What, "left by "):
			say(d.File, "removed %s (%s)", file, what)
		case slices.Contains(done.Removed, d.File):
			say(d.File, "removed %s (%s): its client downloads it anew", file, what)
		case slices.Contains(done.Fixed, d.File):
			say(d.File, "made %s readable again (%s)", file, what)
		default:
			say(d.File, "mended %s (%s)", file, what)
		}
	}
	for _, u := range done.Updates {
		if slices.Contains(told, u.File) {
			continue // mended
		}
		if u.Previous == 0 {
			say(u.File, "wrote %s, version %d", health.Plain(u.File), u.Version)
			continue
		}
		say(u.File, "brought %s forward, from version %d to %d", health.Plain(u.Role), u.Previous, u.Version)
	}
	for _, file := range done.Written {
		if !slices.Contains(told, file) {
			say(file, "wrote %s", health.Plain(file))
		}
	}
	for _, file := range done.Removed {
		if !slices.Contains(told, file) {
			say(file, "removed %s", health.Plain(file))
		}
	}
	return all
}

// Settle fills in the states that a look found afterwards.
func Settle(ms []Mending, caches []Cache) {
	for i := range ms {
		for _, c := range caches {
			if c.Path == ms[i].Path && c.Layout == ms[i].Layout {
				ms[i].State = c.State
				if c.State == string(cache.Foreign) && c.Remedy != "" {
					ms[i].alone = c.Detail
				}
				ms[i].heals = !slices.ContainsFunc(c.Damage, func(d Damage) bool { return !d.Heals })
			}
		}
	}
}

// Failed says that a cache needed mending, that policy allows it, and that it is not
// mended.
func (m Mending) Failed() bool {
	switch {
	case m.Policy != "mend" && m.Policy != "publish":
		return false
	case m.Error != "":
		return true
	}
	return m.Policy == "mend" && (m.State == string(cache.Unusable) || m.State == string(cache.Damaged) && !m.heals)
}

// MendingsText writes what was done, and what was left as it is though it is not well.
func MendingsText(w io.Writer, ms []Mending, s Style) error {
	p := newPage(Report{}, s)
	p.section("Mended")
	nothing := true
	for _, m := range ms {
		well := m.State == string(cache.Fresh) || m.State == string(cache.Foreign) || m.State == ""
		if len(m.Done) == 0 && well && m.Error == "" && m.alone == "" {
			continue
		}
		nothing = false
		t := good
		switch {
		case m.Failed():
			t = bad
		case len(m.Done) == 0:
			t = note
		}
		p.line(p.mark(t), " ", cutMiddle(health.Plain(m.Path), p.width()-2))
		for _, done := range m.Done {
			p.para(plain, "", done)
		}
		switch {
		case m.Error != "":
			p.para(bad, "", "could not be mended: "+m.Error)
		case m.alone != "":
			p.para(plain, "", "left as it is: "+m.alone)
		case m.Left != "" && !well:
			p.para(plain, "", "left as it is: "+m.Left)
		case m.Failed():
			p.para(bad, "", "still "+m.State+": see below")
		case len(m.Done) == 0 && m.Policy == "publish":
			p.para(plain, "", "left as it is: "+m.State+`, and the policy is "publish": nothing is mended`)
		case len(m.Done) == 0:
			p.para(plain, "", "left as it is: "+m.State+", and nothing here mends it")
		}
	}
	if nothing {
		p.line(indent, "nothing: no cache needed it")
	}
	p.line()
	return p.flush(w)
}
