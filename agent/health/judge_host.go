// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// cache judges one cache. A fresh one is fine; an expired one is the mirror's
// problem and said there; a foreign one is not ours to judge.
func (j *judge) cache(c CacheFacts, outdated map[string]bool) {
	if c.Policy == "ignore" {
		return
	}
	in := c.Inspection
	f := finding{
		subject: Subject{Kind: "cache", ID: c.Cache.Path}, severity: Warning, remedy: c.ToDo(),
		values: values{
			"path": Plain(c.Cache.Path), "typed": Typed(c.Cache.Path), "owner": Plain(cmp.Or(c.Cache.Owner, "unknown owner")), "mirror": Plain(cmp.Or(c.Cache.Mirror, c.Cache.URL)),
			"detail": Line(cmp.Or(in.Detail, "no detail")), "consequence": "",
		},
		fields: []any{"path", c.Cache.Path, "owner", c.Cache.Owner, "mirror", c.Cache.Mirror},
	}
	if in.Consequence != "" {
		f.values["consequence"] = "; " + Line(in.Consequence)
	}
	kept := c.Policy != "report"
	if c.Failed != "" {
		f.values["detail"] += "; writing it failed: " + Line(c.Failed)
		f.fields = append(f.fields, "error", Line(c.Failed))
	}
	if c.Cache.Layout == cache.LayoutLegacy && (c.Cache.Reader == cache.Cosign || c.Cache.Reader == "") { // nothing reads one elsewhere
		j.legacy(c, f, outdated)
	}
	switch in.State {
	case cache.Damaged:
		f.code = CacheDamaged
		if healsAlone(in.Damage) {
			if !kept {
				return // its client repairs it, and nobody said that we would
			}
			f.remedy = cmp.Or(f.remedy, "nothing: its client repairs it on its next run")
		}
		if c.System && !healsAlone(in.Damage) {
			f.severity = Critical
		}
	case cache.Unusable:
		f.code = CacheUnwritable
		if c.System {
			f.severity = Critical
		}
	case cache.Behind:
		// Its client brings it forward by itself; only where we said we would, it is late.
		if !kept || c.Cache.Layout == cache.LayoutLegacy {
			return
		}
		f.code = CacheBehind
	case cache.Ahead:
		f.code, f.longer = CacheAhead, j.interval(c.Cache.Mirror)
	default:
		return
	}
	j.add(f)
}

// legacy reports a cache in the legacy layout, which is never written, when a
// client that was found depends on it and is not to be replaced anyway.
func (j *judge) legacy(c CacheFacts, f finding, outdated map[string]bool) {
	for _, found := range j.facts.Clients {
		l := found.Client.Linked
		if (l.LegacyTUF || l.SigstoreTUF || l.CosignTUF) && !l.SigstoreGo && !outdated[found.Client.Path] {
			f.code, f.remedy = CacheLegacy, ""
			f.values["client"] = Plain(clientName(found.Client)) + " at " + Plain(found.Client.Path)
			j.add(f)
			return
		}
	}
}

func healsAlone(damage []cache.Damage) bool {
	for _, d := range damage {
		if !d.Heals {
			return false
		}
	}
	return len(damage) > 0
}

func (j *judge) interval(mirror string) time.Duration {
	for _, m := range j.facts.Mirrors {
		if m.Name == mirror {
			return m.Interval
		}
	}
	return 0
}
