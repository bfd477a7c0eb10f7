// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// CachePlace is where one client keeps its caches, beside those in Caches.Paths.
type CachePlace struct {
	Path    string   // absolute; need not exist
	Client  string   // one of PlaceClients
	Targets string   // absolute; where the client keeps target files apart, else ""
	URL     *url.URL // the mirror, where the client's directories do not say it; nil: the public one
}

// placeClient is a client whose caches are known, and what its directories leave open.
type placeClient struct {
	name  string
	apart bool // target files lie in a directory of their own
	mute  bool // no directory says which mirror it is of
}

func placeClients() []placeClient {
	return []placeClient{
		{name: "cosign"}, {name: "gh"}, {name: "sigstore-js"}, {name: "npm"},
		{name: "sigstore-python", apart: true}, {name: "sigstore-ruby", apart: true}, {name: "sigstore-java", mute: true},
	}
}

// PlaceClients are the names that a place's client can have.
func PlaceClients() []string {
	var names []string
	for _, c := range placeClients() {
		names = append(names, c.name)
	}
	return names
}

// defaultPlaces are where the clients of this user keep their caches by their own
// rules, but for cosign's (see defaultCaches).
func defaultPlaces(env Env) []CachePlace {
	home, data, cache := env.Home, env.DataHome, env.CacheHome
	var places []CachePlace
	for _, p := range []CachePlace{
		{Client: "gh", Path: under(cache, "gh/.sigstore/root")},
		{Client: "sigstore-js", Path: under(data, "sigstore-js")},
		{Client: "npm", Path: under(firstOf(env.NPMCache, under(home, ".npm")), "_tuf")},
		{Client: "sigstore-python", Path: under(data, "sigstore-python/tuf"), Targets: under(cache, "sigstore-python/tuf")},
		{Client: "sigstore-ruby", Path: under(data, "sigstore-ruby/sigstore/tuf"), Targets: under(cache, "sigstore-ruby/sigstore/tuf")},
		{Client: "sigstore-java", Path: under(home, ".sigstore-java/root")},
		{Client: "sigstore-java", Path: under(home, ".sigstore-java/staging/root"), URL: &url.URL{Scheme: "https", Host: "tuf-repo-cdn.sigstage.dev"}},
	} {
		apart := slices.ContainsFunc(placeClients(), func(c placeClient) bool { return c.name == p.Client && c.apart })
		if p.Path != "" && (p.Targets != "" || !apart) {
			places = append(places, p)
		}
	}
	return places
}

// place binds the settings of a place block; its path is the block's label.
func (r reader) place(p *CachePlace) []setting {
	return []setting{
		words("client", &p.Client, PlaceClients()...),
		scalar("targets", text, &p.Targets, r.path, same),
		scalar("url", text, &p.URL, parseMirrorURL, urlText),
	}
}

// placeBlock decodes one place; a second one for the same directory is refused.
func (d *decoder) placeBlock(b *hclsyntax.Block, c *Caches) {
	var p CachePlace
	given := d.body(b.Body, "a place block", d.reader.place(&p), nil)
	at := func(name string) hcl.Range { return place(given, b, name) }
	label := quoted(b.Labels[0])
	path, err := d.path(b.Labels[0])
	if err != nil {
		d.mistake(b.LabelRanges[0], err)
	}
	p.Path = path
	if p.Client == "" && !has(given, "client") && !d.broken {
		d.problem(b.DefRange(), `write client = "npm", or `+oneOf(PlaceClients()), "place %s has no client", label)
	}
	if i := slices.IndexFunc(placeClients(), func(c placeClient) bool { return c.name == p.Client }); i >= 0 {
		client := placeClients()[i]
		switch {
		case has(given, "targets") && !client.apart:
			d.problem(at("targets"), "take it out", "%s keeps target files in the cache itself", client.name)
		case client.apart && p.Targets == "" && !has(given, "targets") && !d.broken:
			d.problem(b.DefRange(), `write targets = "/path", the directory that corresponds to `+quoted(shownPath(p.Path, b.Labels[0])),
				"%s keeps target files apart, and place %s does not say where", client.name, label)
		}
		if has(given, "url") && !client.mute {
			d.problem(at("url"), "take it out", "the directories of %s say which mirror they are of", client.name)
		}
	}
	if path != "" && slices.ContainsFunc(c.Places, func(o CachePlace) bool { return o.Path == path }) {
		d.problem(b.DefRange(), "", "there is a second place %s", label)
		return
	}
	c.Places = append(c.Places, p)
}

func shownPath(path, label string) string { return firstOf(path, label) }

// placesApart refuses a place that is one of paths, or lies in another: two clients
// would be taken for one another there.
func (d *decoder) placesApart(c *Caches, at map[string]hcl.Range) {
	for i, p := range c.Places {
		where, written := at[p.Path]
		if !written {
			continue // a default, which the environment may have moved: told when caches are found
		}
		if slices.Contains(c.Paths, p.Path) {
			d.problem(where, "paths are those of cosign: take it out of one of the two", "place %s is in paths, too", quoted(p.Path))
			continue
		}
		others := slices.Clone(c.Paths)
		for _, o := range c.Places[:i] {
			others = append(others, o.Path)
		}
		for _, o := range others {
			switch {
			case o == "" || p.Path == "":
			case inside(p.Path, o):
				d.problem(where, "name each client's own directory", "place %s lies in the place %s", quoted(p.Path), quoted(o))
			case inside(o, p.Path):
				d.problem(where, "name each client's own directory", "place %s holds the place %s", quoted(p.Path), quoted(o))
			}
		}
	}
}

// bases are all directories in which caches are looked for.
func (c Caches) bases() []string {
	all := slices.Clone(c.Paths)
	for _, p := range c.Places {
		all = append(all, p.Path)
	}
	return all
}

// inside says whether path lies below dir.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}
