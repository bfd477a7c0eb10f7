// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/store"
)

func (p *program) refreshCommand() *cobra.Command {
	var timeout time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "refresh",
		Short: "Refreshes every mirror now, and brings the caches forward",
		Long: `refresh wakes the running agent and waits for its next report; without an agent it
runs one cycle itself, in which a cache in use is waited for, for 15 s at most. A
cache that still needs attention is told. It exits 1 when a mirror could not be refreshed.`,
		Example: "  tufkeeper refresh\n  tufkeeper refresh --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.config()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			r, err := p.refreshed(ctx, cfg)
			if err != nil {
				return err
			}
			if asJSON {
				if err := p.writeJSON(r); err != nil {
					return err
				}
			} else {
				p.tellRefresh(r)
			}
			for _, m := range r.Mirrors {
				if m.LastError != nil {
					return &exitError{code: exitFailed}
				}
			}
			return nil
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "give up after this `long`")
	c.Flags().BoolVar(&asJSON, "json", false, "the report as one JSON document")
	return c
}

// refreshed has every mirror refreshed by whoever owns the state directory.
func (p *program) refreshed(ctx context.Context, cfg config.Config) (status.Report, error) {
	pid, running, err := store.ReadLock(cfg.StateDir)
	if err != nil {
		return status.Report{}, err
	}
	done := p.progress("refreshing " + mirrorNames(cfg))
	defer done()
	if running {
		return wakeAndWait(ctx, cfg, pid)
	}
	return p.cycle(ctx, cfg, hclog.NewNullLogger())
}

// cycle runs one cycle in this process.
func (p *program) cycle(ctx context.Context, cfg config.Config, log hclog.Logger) (status.Report, error) {
	if err := becomeOwner(cfg.StateDir); err != nil {
		return status.Report{}, err
	}
	a, err := agent.New(p.options(cfg, log))
	if err != nil {
		return status.Report{}, err
	}
	r, err := a.Once(ctx)
	return r, errors.Join(err, a.Close())
}

// once is `run --once`: a cycle with its log.
func (p *program) once(ctx context.Context, cfg config.Config, log hclog.Logger) error {
	r, err := p.cycle(ctx, cfg, log)
	if err != nil {
		return err
	}
	var failed []string
	for _, m := range r.Mirrors {
		if m.LastError != nil {
			failed = append(failed, fmt.Sprintf("mirror %q was not refreshed: %s", m.Name, health.Line(*m.LastError)))
		}
	}
	if len(failed) > 0 { // the log has said it, and much after it
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

// wakeAndWait signals the agent and waits until its report tells of a refresh
// of every mirror that began after the signal.
func wakeAndWait(ctx context.Context, cfg config.Config, pid int) (status.Report, error) {
	asked := time.Now()
	if err := wake(pid, cfg.StateDir); err != nil {
		return status.Report{}, err
	}
	for {
		r, err := status.Read(cfg.StatusFile)
		if err == nil && refreshedSince(r, asked) {
			return r, nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return status.Report{}, fmt.Errorf("waiting for the agent with pid %d to report in %s: %w", pid, cfg.StatusFile, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func refreshedSince(r status.Report, t time.Time) bool {
	for _, m := range r.Mirrors {
		if m.LastAttempt == nil || m.LastAttempt.Before(t.Truncate(time.Millisecond)) {
			return false
		}
	}
	return true
}

// tellRefresh says in a line per mirror how it went.
func (p *program) tellRefresh(r status.Report) {
	for _, m := range r.Mirrors {
		if m.LastError != nil {
			fmt.Fprintf(p.stdout, "%s: %s\n", m.Name, *m.LastError)
			continue
		}
		var roles []string
		for _, name := range []string{"root", "timestamp", "snapshot", "targets"} {
			if role, ok := m.Roles[name]; ok {
				roles = append(roles, fmt.Sprintf("%s %d", name, role.Version))
			}
		}
		fmt.Fprintf(p.stdout, "%s: fresh: %s\n", m.Name, strings.Join(roles, ", "))
	}
	for _, c := range r.Caches {
		if c.Left != "" || c.NeedsAttention() {
			fmt.Fprintf(p.stdout, "cache %s: %s: %s\n", health.Plain(c.Path), c.State, health.Line(cmp.Or(c.Left, c.Detail)))
		}
	}
	for _, pr := range r.Problems {
		fmt.Fprintf(p.stdout, "%s: %s: %s\n", pr.Severity, pr.Code, pr.Summary)
	}
}

// progress shows on a terminal that something takes its time; done takes it away.
func (p *program) progress(what string) (done func()) {
	if !p.terminal() {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	start := time.Now()
	go func() {
		defer close(stopped)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(p.stderr, "\r\x1b[K")
				return
			case <-t.C:
				fmt.Fprintf(p.stderr, "\r\x1b[K%s … %.0f s", what, time.Since(start).Seconds())
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

func mirrorNames(cfg config.Config) string {
	var names []string
	for _, m := range cfg.Mirrors {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}
