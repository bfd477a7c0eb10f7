// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// ClientsOptions narrows or changes what Clients judges.
type ClientsOptions struct {
	Files  []string // these files instead of what the config finds
	Assume []string // these releases, which are not installed
	// AllReleases judges every known release of cosign; beside Assume it is not allowed.
	AllReleases bool
	Against     string // a mirror URL, a directory of N.root.json, or one root file; "" for the stores
	Start       string // "embedded", "newest" or a root file; "" for where a client does start
	At          time.Time
}

// assumed says whether nothing that is installed is judged.
func (o ClientsOptions) assumed() bool { return o.AllReleases || len(o.Assume) > 0 }

// ReleaseDates returns when each known release of cosign was made, by its version.
func ReleaseDates(cfg config.Config) (map[string]string, error) {
	model, err := table(cfg)
	if err != nil {
		return nil, err
	}
	dates := map[string]string{}
	for _, r := range model.Releases {
		dates[r.Version] = r.Date
	}
	return dates, nil
}

// An UnreadError says that some of the paths that were named are no client that can
// be judged. Beside it there is a report: of the others, with a line for each of these.
type UnreadError struct {
	First string // what is wrong with the first of them
	More  int
}

func (e *UnreadError) Error() string {
	if e.More == 0 {
		return e.First
	}
	return fmt.Sprintf("%s; and %d more of what was named could not be read", e.First, e.More)
}

// unread is what Unseen says of paths that were named; nil when nothing.
func unread(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	return &UnreadError{First: lines[0], More: len(lines) - 1}
}

// Clients judges clients by themselves: a report with nothing but clients, and
// what could not be seen. It refreshes nothing and writes nothing. An *UnreadError
// comes with a report.
func Clients(ctx context.Context, cfg config.Config, env config.Env, o ClientsOptions) (status.Report, error) {
	model, err := table(cfg)
	if err != nil {
		return status.Report{}, err
	}
	f, notRead, err := clientsSeen(ctx, cfg, env, model, o)
	if err != nil {
		return status.Report{}, err
	}
	repos, unseen, err := repositories(ctx, cfg, env, o)
	if err != nil {
		return status.Report{}, err
	}
	f.Unseen = append(f.Unseen, unseen...)
	measure := measureOf(cfg, model, f.Host)
	if !o.assumed() {
		f.Unseen = append(f.Unseen, unmatched(measure, f.Clients)...)
	}
	in := tableOf(cfg, model)
	return status.Build(f, measure.Clients(f.Clients, repos, f.At), nil, status.About{Table: &in}), unread(notRead)
}

// clientsSeen are the clients asked for: assumed, named, or found. The second
// result names the paths that were named and are no client that can be read.
func clientsSeen(ctx context.Context, cfg config.Config, env config.Env, model *client.Model, o ClientsOptions) (health.Facts, []string, error) {
	f := health.Facts{At: time.Now()}
	here := distribution()
	f.Host, f.Unseen = checkup.Host(ctx, here, homes(env))
	specs := o.Assume
	if o.AllReleases {
		for _, r := range model.Releases {
			specs = append(specs, "cosign@"+r.Version)
		}
	}
	for _, spec := range specs {
		c, err := assumed(model, spec)
		if err != nil {
			return f, nil, err
		}
		f.Clients = append(f.Clients, health.ClientFacts{Client: c})
	}
	if o.assumed() {
		return f, nil, nil
	}
	find := findOptions(cfg, nil, model)
	if len(o.Files) > 0 {
		find = client.FindOptions{Files: o.Files, Model: model, MaxFileSize: find.MaxFileSize}
	}
	var unseen, notRead []string
	f.Clients, unseen = checkup.Clients(ctx, find, homes(env))
	if len(o.Files) > 0 {
		notRead = unseen
	}
	f.Unseen = append(append(f.Unseen, unseen...), checkup.Packages(ctx, here, f.Clients)...)
	return f, notRead, ctx.Err()
}

// repositories are what the clients are held against.
func repositories(ctx context.Context, cfg config.Config, env config.Env, o ClientsOptions) ([]health.Repository, []string, error) {
	start, err := startOf(o.Start)
	if err != nil {
		return nil, nil, err
	}
	if o.Against != "" {
		r, err := readWhere(ctx, o.Against)
		r.At, r.Start, r.StartRoot = o.At, start.name, start.root
		return []health.Repository{r}, nil, err
	}
	var repos []health.Repository
	var unseen []string
	var mirrors []cache.Mirror
	for _, m := range cfg.Mirrors {
		set, err := lastGoodSet(cfg.StateDir, m)
		mirrors = append(mirrors, cacheMirror(m, set))
		r := health.Repository{
			Mirror: m.Name, Preview: m.Preview, At: o.At, Start: start.name, StartRoot: start.root,
		}
		if told := lastReported(cfg, m); told != nil {
			var last health.MirrorFacts
			told.fill(&last)
			r.Forbidden, r.Refused = last.Forbidden, last.Unreadable()
		}
		switch {
		case err != nil:
			unseen = append(unseen, fmt.Sprintf("the store of mirror %q: %v", m.Name, err))
			continue
		case set != nil:
			r.Requirements = set.Requirements()
		default:
			unseen = append(unseen, fmt.Sprintf("mirror %q: nothing was refreshed here yet: tufkeeper refresh", m.Name))
			if r.Refused == nil {
				continue
			}
		}
		repos = append(repos, r)
	}
	if !o.assumed() { // an assumed release has no cache here
		facts, _, _ := checkup.Caches(placesOf(cfg).checked(env), mirrors, time.Now()) // a cache that cannot be seen is no start
		probes, said := probed(cfg)
		unseen = append(unseen, said...)
		for i := range repos {
			repos[i].Caches, repos[i].Probes = cachesOf(facts, repos[i].Mirror), probes
		}
	}
	return repos, unseen, nil
}

type start struct {
	name string
	root *trust.RootForm
}

// startOf reads --start: a word, or a root file.
func startOf(s string) (start, error) {
	if s == "" || s == "embedded" || s == "newest" {
		return start{name: s}, nil
	}
	const hint = "give embedded, newest, or the file of a root, as in --start ./5.root.json"
	data, err := readRegular(s, trust.MaxRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return start{}, wrongAsk(hint, "the starting root %q is neither a known word nor a file", s)
	}
	if err != nil {
		return start{}, wrongAsk(hint, "reading the starting root: %w", err)
	}
	form, err := trust.FormOf(data)
	if err != nil {
		return start{}, wrongAsk(hint, "reading the starting root %q: %w", s, err)
	}
	return start{root: &form}, nil
}
