// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/distro"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/probe"
)

func findOptions(cfg config.Config, scans *client.ScanCache, model *client.Model) client.FindOptions {
	o := client.FindOptions{Cache: scans, Model: model, MaxFileSize: int64(cfg.Clients.MaxFileSize)}
	if cfg.Clients.SearchPath {
		o.Dirs = filepath.SplitList(os.Getenv("PATH"))
	}
	for _, g := range cfg.Clients.Globs {
		o.Globs = append(o.Globs, g.String())
	}
	for _, g := range cfg.Clients.Packages {
		o.Packages = append(o.Packages, g.String())
	}
	for _, g := range cfg.Clients.Exclude {
		o.Exclude = append(o.Exclude, g.String())
	}
	// This program links a TUF client, too: what it cannot read is agent-outdated.
	if exe, err := os.Executable(); err == nil {
		o.Exclude = append(o.Exclude, literal(exe))
	}
	return o
}

// distribution is this host's; nil when it cannot be opened, and then no file is
// known to be owned by a package.
func distribution() *distro.Distro {
	d, err := distro.Open("/")
	if err != nil {
		return nil // there is no root directory: what else is wrong is told elsewhere
	}
	return d
}

// literal is the pattern that matches this path alone.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`).Replace(path)
}

// homes are the places whose clients are their owner's affair.
func homes(env config.Env) []string {
	dirs := []string{"/home", "/root"}
	if env.Home != "" && env.Home != "/" {
		dirs = append(dirs, env.Home)
	}
	return dirs
}

func limits(cfg config.Config) health.Limits {
	l := health.Limits{Thresholds: make(map[string]health.Threshold, len(cfg.Thresholds))}
	for role, t := range cfg.Thresholds {
		l.Thresholds[role] = health.Threshold{Warning: t.Warning, Critical: t.Critical}
	}
	return l
}

// measureOf is what clients are judged by on this host.
func measureOf(cfg config.Config, model *client.Model, host health.HostFacts) health.Measure {
	m := health.Measure{Model: model, Host: host}
	for _, w := range cfg.Clients.Minimums {
		m.Minimums = append(m.Minimums, health.Minimum{Client: w.Client, Version: w.Version})
	}
	return m
}

// unmatched says which minimums are for clients that nobody knows.
func unmatched(m health.Measure, found []health.ClientFacts) []string {
	var lines []string
	for _, w := range m.Unmatched(found) {
		lines = append(lines, fmt.Sprintf("minimum %q: no client of that name is known, and none was found", w.Client))
	}
	return lines
}

// probed is what clients did when they were run; nothing where none was. What
// cannot be believed is told and counts for nothing.
func probed(cfg config.Config) ([]health.ProbeFacts, []string) {
	if cfg.Clients.ProbeResults == "" {
		return nil, nil
	}
	probes, err := probe.ReadResults(cfg.Clients.ProbeResults)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []string{err.Error()}
	}
	return probes, nil
}

// judgeClients holds every client against every mirror of which a set is known, or
// of which it is known that we cannot read what it offers.
// Expiry is not judged here: expired metadata is a problem of the mirror, not of
// every client.
func judgeClients(m health.Measure, f health.Facts) []health.ClientJudgement {
	var repos []health.Repository
	for _, k := range f.Mirrors {
		r := health.Repository{
			Mirror: k.Name, Preview: k.Preview, Caches: cachesOf(f.Caches, k.Name),
			Forbidden: k.Forbidden, Refused: k.Unreadable(), Probes: f.Probes,
		}
		switch {
		case k.Set != nil:
			r.Requirements = k.Set.Requirements()
		case r.Refused == nil:
			continue
		}
		repos = append(repos, r)
	}
	return m.Clients(f.Clients, repos, f.At)
}

// cachesOf are the caches of one mirror.
func cachesOf(all []health.CacheFacts, mirror string) []health.CacheFacts {
	var its []health.CacheFacts
	for _, c := range all {
		if c.Cache.Mirror == mirror {
			its = append(its, c)
		}
	}
	return its
}

// laterClock joins what two mirrors know of time: the later highest time, the later answer.
func laterClock(a, b health.ClockFacts) health.ClockFacts {
	if b.HighestSeen.After(a.HighestSeen) {
		a.HighestSeen = b.HighestSeen
	}
	if b.MirrorSeen.After(a.MirrorSeen) {
		a.MirrorDate, a.MirrorSeen = b.MirrorDate, b.MirrorSeen
	}
	return a
}

// inherit takes over from the keeper of the same name that ran before a reload.
func (k *keeper) inherit(was result) {
	if was.facts.URL != k.facts.URL {
		return
	}
	set, damaged := k.facts.Set, k.facts.Damaged
	interval, preview := k.facts.Interval, k.facts.Preview
	k.facts = was.facts
	k.facts.Set, k.facts.Damaged, k.facts.Interval, k.facts.Preview = set, damaged, interval, preview
	k.firstSeen, k.checked = was.firstSeen, was.checked
}

func orDefaults(path string) string {
	if path == "" {
		return "(defaults)"
	}
	return path
}

// readRegular reads a regular file of at most limit bytes; a FIFO or a device
// is refused without blocking on it.
func readRegular(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%q is larger than %d bytes", path, limit)
	}
	return data, nil
}
