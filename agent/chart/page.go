// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// Page writes the tables as Markdown. The picture is named picture there.
func Page(m *client.Model, picture string) ([]byte, error) {
	t, err := tabulate(m)
	if err != nil {
		return nil, err
	}
	p := &page{t: t, m: m}
	p.intro(picture)
	p.releases()
	p.others()
	p.rules()
	p.capabilities()
	p.advisories()
	p.roots()
	p.distributions()
	p.limits()
	return p.out.Bytes(), nil
}

type page struct {
	t   table
	m   *client.Model
	out bytes.Buffer
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

func (p *page) head(title string, columns ...string) {
	if title != "" {
		p.say("\n## %s\n\n", title)
	}
	p.say("| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

// line writes one line of a table; what is in it cannot end the line or the cell.
func (p *page) line(cells ...string) {
	for i, c := range cells {
		c = strings.Join(strings.Fields(c), " ")
		cells[i] = strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(c)
		if strings.HasPrefix(c, "<a id=") || strings.Contains(c, "](") || strings.HasPrefix(c, "`") {
			cells[i] = strings.ReplaceAll(c, "|", `\|`) // our own markup, and code, in which < is itself
		}
	}
	p.say("| %s |\n", strings.Join(cells, " | "))
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

func anchor(id string) string {
	return fmt.Sprintf("<a id=%q></a>%s", strings.ToLower(id), id)
}

func link(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("[%s](#%s)", id, strings.ToLower(id))
}

func plain(version string) string { return strings.TrimPrefix(version, "v") }

func (p *page) intro(picture string) {
	p.say("<!-- Written by agent/chart from agent/client/compat.json: go test ./agent/chart -update renews it. -->\n\n")
	p.say("# Compatibility\n\nWhich release of cosign, and of other Sigstore clients, can read which root of Sigstore's\npublic instance, and why not. Known as of **%s**. tufkeeper judges the clients on a host\nby the same table and the same code.\n\n", p.m.KnownAsOf)
	newest := p.m.Roots[len(p.m.Roots)-1]
	p.say("![Every release of cosign against every public root](%s)\n\n", picture)
	if i := p.t.incident; i >= 0 {
		root := p.m.Roots[i]
		p.say("On **%s** root %d brought keys of the type `%s`. Every cosign that was built with go-tuf\nbefore 0.6.0 has failed since then, at the latest when the timestamp in its cache expired:\n[R2](#r2).\n\n", root.Published, root.Version, root.KeyType)
	}
	p.say(`How to read it:

- A release starts from the root that is compiled into it and walks every root after
  that one. One key that it cannot read, in any of them, makes it refuse the whole root.
- *Reads* is the newest public root (of %d) that it gets to. *Fails by* is the
  [rule](#rules) that it meets first after that, with the day since when. Another root to
  start from, or a mirror other than the public one, may meet other rules:
  `+"`tufkeeper clients --assume cosign@VERSION --start newest`"+` asks that.
- What counts is what is compiled in. A distribution that builds a release with newer
  libraries makes another client of it; tufkeeper reads the binary, and `+"`tufkeeper clients`"+`
  shows what it found.
- *Measured*: a client of these libraries ran against the metadata. *Documented*: the
  module, an announcement or an advisory says so.
- Not judged here: expiry. The newest known root expires at %s.
- A newer table can be dropped in: setting `+"`clients { model = \"FILE\" }`"+`.
`, newest.Version, newest.Expires.UTC().Format(time.DateOnly))
}

var releaseColumns = []string{"date", "go-tuf", "go-tuf/v2", "sigstore", "sigstore-go", "starts from", "client", "reads", "fails by", "since", "what it prints", "evidence"}

func (p *page) release(r row, first ...string) {
	rule, _ := p.m.Rule(r.fails)
	newest, by := fmt.Sprint("root ", r.newest), "nothing"
	if r.newest == 0 {
		newest = "none"
	}
	if r.release.Client == "none" {
		newest, by = "none: no TUF client", "" // R17 is of cosign, and says so
		if r.name == "cosign" {
			rule, _ = p.m.Rule("R17")
			by = link("R17")
		}
	}
	if r.fails != "" {
		by = link(r.fails)
	}
	libraries := r.release.Libraries
	p.line(append(first, r.release.Date,
		plain(libraries[client.GoTUF]), plain(libraries[client.GoTUFv2]), plain(libraries[client.Sigstore]), plain(libraries[client.SigstoreGo]),
		embedded(r), r.release.Client, newest, by, r.since, code(rule.Symptom), r.release.Evidence)...)
}

func embedded(r row) string {
	var roots []string
	for _, impl := range []client.Implementation{client.Legacy, client.V2} {
		if v, ok := r.release.EmbeddedRoots[impl]; ok && !slices.Contains(roots, fmt.Sprint("root ", v)) {
			roots = append(roots, fmt.Sprint("root ", v))
		}
	}
	if len(roots) == 0 {
		return strings.Join(r.starts, ", ") // those that its libraries carry
	}
	return strings.Join(roots, ", ")
}

func (p *page) releases() {
	p.head("Releases of cosign", append([]string{"cosign"}, releaseColumns...)...)
	for _, r := range p.t.rows {
		p.release(r, "<a id=\"cosign-"+plain(r.release.Version)+"\"></a>"+plain(r.release.Version))
	}
	p.say("\nWhere two embedded roots are named, the first is the legacy client's and the second that\nof sigstore-go. *client* is the code that `initialize` and `verify` use by default.\n")
}

func (p *page) others() {
	p.head("Releases of other clients", append([]string{"client", "version"}, releaseColumns...)...)
	for _, r := range p.t.others {
		p.release(r, r.name, plain(r.release.Version))
	}
	p.say("\nThe libraries are those of the module's `go.mod`. Where *client* is `unknown`, which of them\nare linked is not known, and the release is judged by all of them. `tufkeeper clients` tells\nit of a binary.\n")
}

func (p *page) rules() {
	p.head("Rules", "rule", "when", "effect", "public instance", "lacks", "what the client prints", "what to do", "evidence")
	for _, r := range p.m.Rules {
		p.line(anchor(r.ID), r.Summary, r.Effect, r.PublicGood, link(r.Capability), symptoms(r), r.Remedy, proof(r.Status, r.Source))
	}
}

func symptoms(r client.Rule) string {
	if r.SymptomV2 == "" {
		return code(r.Symptom)
	}
	return code(r.Symptom) + " or " + code(r.SymptomV2)
}

func proof(evidence, source string) string {
	if source == "" {
		return evidence
	}
	return evidence + ": " + source
}

func (p *page) capabilities() {
	p.head("Capabilities", "capability", "what", "who has it", "never", "not known", "evidence")
	for _, c := range p.m.Capability {
		p.line(anchor(c.ID), c.Text, conditions(c.Have), strings.Join(c.Never, ", "), conditions(c.Unknown), proof(c.Evidence, c.Source))
	}
	p.say("\nRanges are of module versions: a pseudo-version or pre-release of X sorts before X.\n")
}

func conditions(all []client.Condition) string {
	var parts []string
	for _, h := range all {
		parts = append(parts, code(condition(h)))
	}
	return strings.Join(parts, " or ")
}

// condition writes one way to have a capability: "go-tuf >=v0.6.1, with hex_verifier".
func condition(h client.Condition) string {
	var parts []string
	for _, name := range sortedKeys(h.Versions) {
		parts = append(parts, name+" "+h.Versions[name].String())
	}
	for _, l := range h.Linked {
		parts = append(parts, "with "+l)
	}
	for _, l := range h.NotLinked {
		parts = append(parts, "without "+l)
	}
	return strings.Join(parts, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (p *page) advisories() {
	p.head("Advisories", "advisory", "CVE", "of", "affected", "fixed in", "severity", "what", "known as of", "evidence")
	for _, a := range p.m.Advisories {
		var affected []string
		for _, r := range a.Affected {
			affected = append(affected, code(r.String()))
		}
		id := anchor(a.ID)
		if strings.HasPrefix(a.ID, "GHSA-") {
			id = fmt.Sprintf("<a id=%q></a>[%s](https://github.com/advisories/%s)", strings.ToLower(a.ID), a.ID, a.ID)
		}
		p.line(id, a.CVE, a.Of, strings.Join(affected, " or "), strings.Join(a.Fixed, ", "), a.Severity, a.Summary, a.KnownAsOf, proof(a.Evidence, a.Source))
	}
	p.say("\nWhether the flaw can be reached in a client that has the library was not examined.\n")
}

func (p *page) roots() {
	p.head("Roots of the public instance", "root", "published", "expires", "key type", "keys as", "timestamp and snapshot keys since", "sha256", "evidence")
	for _, r := range p.m.Roots {
		p.line(fmt.Sprint(r.Version), r.Published, r.Expires.UTC().Format(time.DateTime), code(r.KeyType), r.Encoding, fmt.Sprint("root ", r.OnlineKeysSince), code(r.SHA256), proof(r.Evidence, r.Source))
	}
	p.say("\nTheir targets:\n\n")
	p.head("", "targets", "published", "under root", "hashes", "keys of logs in trusted_root.json", "signing configs")
	for _, t := range p.m.Targets {
		p.line(fmt.Sprint(t.Version), t.Published, fmt.Sprint(t.Root), strings.Join(t.Hashes, ", "), strings.Join(t.LogKeyTypes, ", "), strings.Join(t.SigningConfigs, ", "))
	}
}

func (p *page) distributions() {
	if len(p.m.Distributions) == 0 {
		return
	}
	p.head("Packages of distributions", "distribution", "release", "client", "package", "version", "known as of", "evidence")
	for _, d := range p.m.Distributions {
		release, version := d.Release, d.Version
		if release == "" {
			release = "rolling"
		}
		if version == "" {
			version = "none"
		}
		p.line(d.ID, release, d.Client, d.Package, version, d.KnownAsOf, d.Evidence)
	}
}

func (p *page) limits() {
	p.say(`
## What the table does not tell

- An empty signature in a root: go-tuf 0.5.0 and its versions before 0.5.2 refuse one
  (measured). The public roots 12 to 14 have them, and those clients fail there anyway.
- The scheme of a key: clients of the Go libraries do not look at it where the type is
  ` + "`ecdsa`" + ` and the signature fits (measured). tufkeeper warns of an unknown one all the same.
- cosign 2.4.0 cannot parse trusted_root.json since it lists an Ed25519 log
  ([R12](#r12)): what fails is ` + "`--new-bundle-format` and `--trusted-root`" + `, not its default.
- What a mirror answers for a root that it does not have, other than 404 and 403: every
  client that was measured fails then.
- What each root demands of clients in other languages is judged by their packages'
  versions, where [capabilities](#capabilities) name those; they have no lines here.
`)
}
