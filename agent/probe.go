// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/probe"
	"github.com/tufkeeper/tufkeeper/agent/replica"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// ProbeOptions says what Probe runs.
type ProbeOptions struct {
	Files   []string // these clients instead of those the config finds
	Mirror  string   // the name of one mirror; "" for all but previews
	Timeout time.Duration
}

// ProbeReport is what came of probes.
type ProbeReport struct {
	Probes []Probed `json:"probes"`
	// Skipped are clients that no way to probe is known of.
	Skipped []SkippedProbe `json:"skipped"`
	// Isolation says how clients were kept apart from the host; Notes what of it
	// could not be had.
	Isolation string   `json:"isolation"`
	Notes     []string `json:"notes"`
	Unseen    []string `json:"unseen"`
}

// Probed is one client run against one mirror.
type Probed struct {
	health.ProbeFacts
	Name    string `json:"name"`
	Version string `json:"version"`
	// Verdict is what is said of the client without the probe, and Rules what for.
	Verdict health.Verdict `json:"verdict"`
	Rules   []string       `json:"rules"`
	// Rule is the rule that the client's error speaks of; "" when none is known to.
	Rule        string `json:"rule,omitempty"`
	Explanation string `json:"explanation,omitempty"`
	// Agreement is "agrees", "disagrees", "decides" where the table had no answer,
	// or "" where the probe has none.
	Agreement string `json:"agreement"`
}

// SkippedProbe is a client that was not run, and why.
type SkippedProbe struct {
	Path   string `json:"path"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Probe runs clients of this host, confined, against replicas of the last good
// sets. It refreshes nothing and writes nothing. What cannot be probed is told in
// the report; it is an error when nothing can, and an *UnreadError, beside the
// report, when a path that was named is no client.
func Probe(ctx context.Context, cfg config.Config, env config.Env, o ProbeOptions) (ProbeReport, error) {
	r := ProbeReport{Probes: []Probed{}, Skipped: []SkippedProbe{}, Notes: []string{}, Unseen: []string{}}
	model, err := table(cfg)
	if err != nil {
		return r, err
	}
	sets, unseen, err := setsToServe(cfg, o.Mirror)
	r.Unseen = append(r.Unseen, unseen...)
	if err != nil {
		return r, err
	}
	f, notRead, err := clientsSeen(ctx, cfg, env, model, ClientsOptions{Files: o.Files})
	r.Unseen = append(r.Unseen, f.Unseen...)
	if err != nil {
		return r, err
	}
	runner := &probe.Runner{Timeout: o.Timeout}
	for _, c := range f.Clients {
		if !probe.Known(c.Client) {
			r.Skipped = append(r.Skipped, SkippedProbe{c.Client.Path, c.Client.Name, "no way to probe is known"})
			continue
		}
		for _, s := range sets {
			p, err := s.run(ctx, runner, model, c.Client)
			if err != nil {
				return r, err
			}
			r.Probes = append(r.Probes, p)
		}
	}
	r.Isolation, r.Notes = runner.Isolation(), append(r.Notes, runner.Notes()...)
	return r, unread(notRead)
}

// A served set is a last good set that clients are run against.
type served struct {
	set    *trust.Set
	judged health.Repository
	mirror probe.Mirror
}

// setsToServe are the last good sets of the mirrors that are asked for.
func setsToServe(cfg config.Config, only string) ([]served, []string, error) {
	var sets []served
	var unseen []string
	known := false
	for _, m := range cfg.Mirrors {
		if only == "" && m.Preview || only != "" && m.Name != only {
			continue
		}
		known = true
		set, err := lastGoodSet(cfg.StateDir, m)
		switch {
		case err != nil:
			unseen = append(unseen, fmt.Sprintf("the store of mirror %q: %v", m.Name, err))
			continue
		case set == nil:
			unseen = append(unseen, fmt.Sprintf("mirror %q: nothing was refreshed here yet: tufkeeper refresh", m.Name))
			continue
		}
		sets = append(sets, serve(m, set))
	}
	switch {
	case !known:
		return nil, unseen, fmt.Errorf("there is no mirror %q in the config", only)
	case len(sets) == 0:
		return nil, nil, errors.New(strings.Join(unseen, "; "))
	}
	return sets, unseen, nil
}

func serve(m config.Mirror, set *trust.Set) served {
	r := replica.New(set, trust.Former(set.Files().Initial)...)
	version := func(role string) int64 {
		known, _ := set.Role(role) // every set has the top-level roles
		return known.Version
	}
	return served{
		set:    set,
		judged: health.Repository{Mirror: m.Name, Preview: m.Preview, Requirements: set.Requirements()},
		mirror: probe.Mirror{
			Name: m.Name, Root: version(trust.Root), Targets: version(trust.Targets), FirstRoot: r.FirstRoot(), Handler: r,
		},
	}
}

// run probes one client, and holds what it did against what is said of it.
func (s served) run(ctx context.Context, runner *probe.Runner, model *client.Model, c client.Client) (Probed, error) {
	said := health.JudgeClient(model, c, s.judged)
	p := Probed{Name: c.Name, Version: c.Version, Verdict: said.Verdict, Rules: []string{}}
	for _, reason := range said.Reasons {
		p.Rules = append(p.Rules, reason.Rule)
	}
	from := s.start(model, c)
	if expired := s.set.Expired(time.Now()); len(expired) > 0 {
		// Every client would refuse it: that is the mirror's trouble.
		p.ProbeFacts = health.ProbeFacts{
			Path: c.Path, File: c.File, Mirror: s.mirror.Name, Root: s.mirror.Root, Targets: s.mirror.Targets, Start: from.Words,
			At: time.Now().UTC().Truncate(time.Second), Outcome: probe.Unclear,
			Error: fmt.Sprintf("not run: the %s of the last good set expired at %s", expired[0].Name, health.Instant(expired[0].Expires)),
		}
		return p, nil
	}
	var err error
	if p.ProbeFacts, err = runner.Run(ctx, c, s.mirror, from); err != nil {
		return p, err
	}
	if p.Outcome == probe.Failed {
		rule, _ := health.Explained(model, p.Error, p.Rules) // none explains nothing
		p.Rule, p.Explanation = rule.ID, rule.Summary
	}
	p.Agreement = s.agreement(model, c, said, p.ProbeFacts)
	return p, nil
}

// start is where a client starts from in an empty home.
func (s served) start(model *client.Model, c client.Client) probe.Start {
	if words, root, ok := health.EmbeddedStart(model, c, s.judged); ok {
		// A client of the new kind takes no root of its own for a mirror of another
		// URL, such as our replica: it is given the same bytes.
		own := slices.Equal(model.Uses(c), []client.Implementation{client.Legacy})
		return probe.Start{Words: words, Version: root.Version, Raw: root.Raw, Own: own}
	}
	files, n := s.set.Files(), len(s.set.Files().Roots)
	words, version, raw := "initial root", s.mirror.Root-int64(n), files.Initial
	if s.judged.Preview && n > 0 {
		words, version, raw = "newest root", s.mirror.Root, files.Roots[n-1]
	}
	return probe.Start{Words: fmt.Sprintf("%s %d", words, version), Version: version, Raw: raw}
}

// agreement holds what was said of a client against what it did.
func (s served) agreement(model *client.Model, c client.Client, said health.Judgement, did health.ProbeFacts) string {
	judged := s.judged
	judged.Probes = []health.ProbeFacts{did}
	switch {
	case did.Outcome == probe.Unclear:
		return ""
	case health.JudgeClient(model, c, judged).Disagreement != "":
		return "disagrees"
	case said.Verdict == health.Unknown:
		return "decides"
	}
	return "agrees"
}
