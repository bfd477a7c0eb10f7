// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// config decodes a whole file into c, which holds the defaults.
func (d *decoder) config(b *hclsyntax.Body, c *Config) {
	var mirrors, others []child
	positions := map[string]hcl.Range{}
	first := true
	mirrors = []child{{"mirror", "NAME", func(b *hclsyntax.Block) {
		if first {
			c.Mirrors, first = nil, false
		}
		positions[b.Labels[0]] = b.DefRange()
		c.Mirrors = append(c.Mirrors, d.mirrorBlock(b, c.Schedule))
	}}}
	others = []child{
		{"schedule", "", func(b *hclsyntax.Block) { d.scheduleBlock(b, &c.Schedule) }},
		{"caches", "", func(b *hclsyntax.Block) { d.cachesBlock(b, &c.Caches) }},
		{"clients", "", func(b *hclsyntax.Block) { d.clientsBlock(b, &c.Clients) }},
		{"threshold", "ROLE", func(b *hclsyntax.Block) { d.thresholdBlock(b, c.Thresholds) }},
		{"alerts", "", func(b *hclsyntax.Block) { d.body(b.Body, "an alerts block", d.reader.alerts(&c.Alerts), nil) }},
		{"log", "", func(b *hclsyntax.Block) { d.body(b.Body, "a log block", d.reader.log(&c.Log), nil) }},
	}
	// A mirror's own schedule starts from the common one, wherever that stands.
	slices.SortStableFunc(b.Blocks, func(x, y *hclsyntax.Block) int {
		return rank(x.Type) - rank(y.Type)
	})
	given := d.body(b, "the file", d.reader.top(c), append(mirrors, others...))
	if _, ok := given["status_file"]; !ok {
		c.StatusFile = defaultStatusFile(d.env, c.StateDir)
	}
	d.directories(c, given)
	d.collisions(c.Mirrors, positions)
}

func rank(block string) int {
	if block == "mirror" {
		return 1
	}
	return 0
}

func (d *decoder) mirrorBlock(b *hclsyntax.Block, common Schedule) Mirror {
	m := defaultMirror(b.Labels[0])
	if !mirrorName(m.Name) {
		d.problem(b.LabelRanges[0], `use lower-case letters, digits, "-", "_" and ".", such as "corp"`, "a mirror cannot be named %s", quoted(m.Name))
	}
	given := d.body(b.Body, "a mirror block", d.reader.mirror(&m), []child{
		{"schedule", "", func(b *hclsyntax.Block) {
			s := common
			d.scheduleBlock(b, &s)
			m.Schedule = &s
		}},
	})
	at := func(setting string) hcl.Range {
		if r, ok := given[setting]; ok {
			return r
		}
		return b.DefRange()
	}
	if m.URL == nil && !d.broken && !has(given, "url") {
		d.problem(b.DefRange(), `write url = "https://…"`, "mirror %s has no url", quoted(m.Name))
	}
	if m.InitialRoot == "" && !d.broken && !has(given, "initial_root") {
		d.problem(b.DefRange(), `write initial_root = "/path/to/root.json", a file from the people who run the mirror`, "mirror %s has no initial_root", quoted(m.Name))
	}
	if !m.AllowHTTP {
		d.plainHTTP(m.URL, at("url"))
		for _, u := range m.FallbackURLs {
			d.plainHTTP(u, at("fallback_urls"))
		}
	}
	if slices.ContainsFunc(m.FallbackURLs, func(u *url.URL) bool { return m.URL != nil && u.String() == m.URL.String() }) {
		d.problem(at("fallback_urls"), "", "the url itself is listed as a fallback")
	}
	if (m.ClientCertFile == "") != (m.ClientKeyFile == "") && has(given, "client_cert_file") != has(given, "client_key_file") {
		d.problem(b.DefRange(), "", "client_cert_file and client_key_file go together")
	}
	if m.FileTimeout > m.RefreshTimeout {
		d.problem(at("file_timeout"), "", "file_timeout is longer than refresh_timeout (%s)", FormatDuration(m.RefreshTimeout))
	}
	return m
}

func (d *decoder) plainHTTP(u *url.URL, at hcl.Range) {
	if u != nil && u.Scheme == "http" && !loopback(u) {
		d.problem(at, "use https, or set allow_http = true", "URL %s is plain http", quoted(u.String()))
	}
}

// mirrorName reports whether a name can be a directory, a metric label and a
// word on the command line.
func mirrorName(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	return s != "" && len(s) <= 64 && strings.Trim(s, allowed) == "" && !strings.ContainsRune("-_.", rune(s[0]))
}

func (d *decoder) scheduleBlock(b *hclsyntax.Block, s *Schedule) {
	given := d.body(b.Body, "a schedule block", d.reader.schedule(s), nil)
	if has(given, "interval") && has(given, "cron") {
		d.problem(given["cron"], "take one of them out", "interval and cron exclude each other")
	}
	if s.RetryMin > s.RetryMax {
		d.problem(place(given, b, "retry_min", "retry_max"), "", "retry_min (%s) is longer than retry_max (%s)", FormatDuration(s.RetryMin), FormatDuration(s.RetryMax))
	}
	if s.Every > 0 && s.Jitter > s.Every {
		d.problem(place(given, b, "jitter", "interval"), "", "jitter (%s) is longer than interval (%s)", FormatDuration(s.Jitter), FormatDuration(s.Every))
	}
}

func (d *decoder) cachesBlock(b *hclsyntax.Block, c *Caches) {
	written := map[string]hcl.Range{}
	d.body(b.Body, "a caches block", d.reader.caches(c), []child{
		{"place", "PATH", func(b *hclsyntax.Block) {
			if len(written) == 0 {
				c.Places = nil // as with mirrors, only those that are written are there
			}
			n := len(c.Places)
			d.placeBlock(b, c)
			if len(c.Places) > n {
				written[c.Places[n].Path] = b.DefRange()
			}
		}},
		{"rule", "GLOB", func(b *hclsyntax.Block) {
			r := CacheRule{Policy: c.Policy}
			g, err := d.glob(b.Labels[0])
			if err != nil {
				d.mistake(b.LabelRanges[0], err)
			}
			r.Path = g
			given := d.body(b.Body, "a rule block", d.reader.rule(&r), nil)
			if !has(given, "policy") && !d.broken {
				d.problem(b.DefRange(), `write policy = "report"`, "rule %s has no policy", quoted(b.Labels[0]))
			}
			if slices.ContainsFunc(c.Overrides, func(o CacheRule) bool { return o.Path == r.Path }) {
				d.problem(b.DefRange(), "", "there is a second rule %s", quoted(b.Labels[0]))
			}
			c.Overrides = append(c.Overrides, r)
		}},
	})
	d.placesApart(c, written)
}

func (d *decoder) clientsBlock(b *hclsyntax.Block, c *Clients) {
	d.body(b.Body, "a clients block", d.reader.clients(c), []child{
		{"minimum", "NAME", func(b *hclsyntax.Block) {
			m := Minimum{Client: b.Labels[0]}
			if !clientName(m.Client) {
				d.problem(b.LabelRanges[0], `a name as "tufkeeper clients" prints it, such as "cosign"`, "a client cannot be named %s", quoted(m.Client))
			}
			given := d.body(b.Body, "a minimum block", d.reader.minimum(&m), nil)
			if !has(given, "version") && !d.broken {
				d.problem(b.DefRange(), `write version = "2.6.3"`, "minimum %s has no version", quoted(m.Client))
			}
			c.Minimums = append(c.Minimums, m)
		}},
	})
}

// clientName reports whether a client may be called that: a word or a module path.
func clientName(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (d *decoder) thresholdBlock(b *hclsyntax.Block, all map[string]Threshold) {
	role := b.Labels[0]
	t, ok := all[role]
	if !ok {
		roles := slices.Sorted(maps.Keys(all))
		d.problem(b.LabelRanges[0], firstOf(DidYouMean(role, roles), oneOf(roles)), "there is no role %s", quoted(role))
		return
	}
	given := d.body(b.Body, "a threshold block", d.reader.threshold(&t), nil)
	if t.Critical >= t.Warning {
		d.problem(place(given, b, "warning", "critical"), "it is counted back from the expiry",
			"warning (%s) must be longer than critical (%s)", FormatDuration(t.Warning), FormatDuration(t.Critical))
	}
	all[role] = t
}

// directories checks that the agent's own files have a place, outside of the
// caches: a client may remove its cache, with everything in it.
func (d *decoder) directories(c *Config, given map[string]hcl.Range) {
	for _, own := range []struct{ name, path string }{{"state_dir", c.StateDir}, {"status_file", c.StatusFile}} {
		at, set := given[own.name]
		if !set {
			at = hcl.Range{} // the file as a whole
		}
		if own.path == "" && !set && !d.broken {
			d.problem(at, fmt.Sprintf("write %s = \"/path\"", own.name), "%s is not set, and no home directory is known", own.name)
		}
		for _, cache := range c.Caches.bases() {
			if own.path == cache || inside(own.path, cache) {
				d.problem(at, "its client may remove everything there", "%s %s lies in the cache %s", own.name, quoted(own.path), quoted(cache))
			}
		}
	}
}

// collisions refuses two mirrors that clients keep in one directory.
func (d *decoder) collisions(mirrors []Mirror, positions map[string]hcl.Range) {
	first := map[string]string{}
	for _, m := range mirrors {
		if m.URL == nil {
			continue
		}
		dir := clientDirectory(m.URL)
		if other, taken := first[dir]; taken {
			d.problem(positions[m.Name], "keep one of them", "mirror %s and mirror %s share the cache directory %s of Sigstore clients", quoted(m.Name), quoted(other), quoted(dir))
			continue
		}
		first[dir] = m.Name
	}
}

func has(given map[string]hcl.Range, name string) bool {
	_, ok := given[name]
	return ok
}

// place is where the first of these settings stands, or else the block itself.
func place(given map[string]hcl.Range, b *hclsyntax.Block, names ...string) hcl.Range {
	for _, n := range names {
		if r, ok := given[n]; ok {
			return r
		}
	}
	return b.DefRange()
}
