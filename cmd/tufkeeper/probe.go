// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/probe"
)

// probeFlags are the flags of probe.
type probeFlags struct {
	json    bool
	mirror  string
	timeout time.Duration
	save    bool
	failOn  []string
	inside  bool
}

func (p *program) probeCommand() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "probe [PATH...]",
		Short: "Runs Sigstore clients, confined, to see if they can read the root",
		Long: `probe RUNS programs that are found on this host: the Sigstore clients it knows a
way to probe (cosign, gitsign, tuf-client), or those at PATH. No other command of
tufkeeper does, and the service never does by itself.

Each client initializes itself from the root it really starts from, against a
replica of the last good set on loopback: with an empty home and environment, no
network but that, no right to anything else, limits, an end, and never as root.
Where this host does not let it be confined so, it is not run.

Outcomes: ok, failed (the client ran and refused), unclear (the run says nothing of
the mirror). Signatures are not verified: what only verification needs is not put
to the test.`,
		Example: `  tufkeeper probe
  tufkeeper probe /usr/local/bin/cosign
  tufkeeper probe --mirror sigstore --json
  tufkeeper probe --save             let status and clients take it into account
  tufkeeper probe --fail-on failed,disagrees`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.inside {
				return &exitError{code: probe.Inside(args)}
			}
			return p.probe(cmd.Context(), args, f)
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.json, "json", false, "one JSON document")
	fl.StringVar(&f.mirror, "mirror", "", "against the mirror of this `name` only (default: every one that is no preview)")
	fl.DurationVar(&f.timeout, "timeout", probe.DefaultTimeout, "how long one client may take")
	fl.BoolVar(&f.save, "save", false, "keep the results where status and clients find them (clients.probe_results)")
	fl.StringSliceVar(&f.failOn, "fail-on", nil, "exit 1 when a client has this `outcome`, or disagrees; may be repeated")
	fl.BoolVar(&f.inside, "inside", false, "")
	fl.Lookup("inside").Hidden = true // the process in which a client is run
	return c
}

func (p *program) probe(ctx context.Context, paths []string, f probeFlags) error {
	if err := oneOf("--fail-on", f.failOn, probe.OK, probe.Failed, probe.Unclear, "disagrees"); err != nil {
		return err
	}
	if f.timeout < time.Second || f.timeout > time.Hour {
		return &usageError{err: fmt.Errorf("--timeout: %s is not between a second and an hour", f.timeout), hint: "for example --timeout 1m"}
	}
	named := len(paths) > 0
	paths, err := absolute(paths)
	if err != nil {
		return err
	}
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if f.mirror != "" && !slices.ContainsFunc(cfg.Mirrors, func(m config.Mirror) bool { return m.Name == f.mirror }) {
		return &usageError{err: fmt.Errorf("--mirror: there is no mirror %q in the config", f.mirror), hint: "see: tufkeeper config show"}
	}
	done := p.progress("running clients")
	r, err := agent.Probe(ctx, cfg, p.env, agent.ProbeOptions{Files: paths, Mirror: f.mirror, Timeout: f.timeout})
	done()
	var unread *agent.UnreadError
	if err != nil && !errors.As(err, &unread) {
		return err
	}
	if f.save {
		if err := saveProbes(cfg.Clients.ProbeResults, r); err != nil {
			return err
		}
	}
	if err := p.tellProbes(r, f.json); err != nil {
		return err
	}
	switch i := slices.IndexFunc(r.Probes, func(one agent.Probed) bool { return one.Outcome != probe.Unclear }); {
	case unread != nil:
		return unread
	case i < 0 && len(r.Probes) > 0:
		return fmt.Errorf("no probe came to an outcome: %q: %s", r.Probes[0].Path, health.Line(r.Probes[0].Error))
	case named && len(r.Skipped) > 0:
		return fmt.Errorf("%q was not probed: %s", r.Skipped[0].Path, r.Skipped[0].Reason)
	}
	for _, one := range r.Probes {
		if slices.Contains(f.failOn, one.Outcome) || slices.Contains(f.failOn, one.Agreement) {
			return &exitError{code: exitFailed}
		}
	}
	return nil
}

func saveProbes(path string, r agent.ProbeReport) error {
	if path == "" {
		return &hinted{fmt.Errorf("saving probes: the config keeps no results"), `set probe_results in the block "clients"`}
	}
	facts := make([]health.ProbeFacts, 0, len(r.Probes))
	for _, one := range r.Probes {
		facts = append(facts, one.ProbeFacts)
	}
	// Nothing of root's is left in a directory of another user: what root writes
	// there that one does instead. Nothing is opened after this but the results.
	dir := filepath.Dir(path)
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := becomeOwner(dir); err != nil {
		return fmt.Errorf("saving probes: %w", err)
	}
	return probe.WriteResults(path, facts)
}
