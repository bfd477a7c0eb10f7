// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func (p *program) statusCommand() *cobra.Command {
	var now, asJSON, watching bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Shows what the agent knows: mirrors, caches, clients, problems",
		Long: `status shows the report of the running agent. Without an agent, or with --now, it
looks at this host itself: at the sets that were refreshed before, at the caches
and at the clients. It asks no mirror and changes nothing.`,
		Example: "  tufkeeper status\n  tufkeeper status --watch\n  tufkeeper status --json | jq .problems",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watching && asJSON {
				return &usageError{err: errors.New("--watch draws a page, --json is one document: name one of them"), hint: "see: tufkeeper status --help"}
			}
			cfg, err := p.config()
			if err != nil {
				return p.lastStatus(err)
			}
			if watching {
				return p.watchStatus(cmd.Context(), cfg, now)
			}
			r, err := p.report(cmd.Context(), cfg, now)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(r)
			}
			s := p.style(p.stdout)
			s.Now = time.Now()
			return status.Text(p.stdout, r, s)
		},
	}
	c.Flags().BoolVar(&now, "now", false, "look at this host now instead of reading the agent's report")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON document (docs/status.md)")
	c.Flags().BoolVar(&watching, "watch", false, "show it again every two seconds, until Ctrl-C")
	return c
}

// lastStatus answers for a config that cannot be read: an agent that runs has
// another one in force, and what it told at the usual place is shown. The error
// stays an error.
func (p *program) lastStatus(err error) error {
	r, rerr := status.Read(config.Default(p.env).StatusFile)
	if rerr != nil || r.Agent == nil {
		return err
	}
	s := p.style(p.stdout)
	s.Now = time.Now()
	return errors.Join(err, status.Text(p.stdout, r, s))
}

// report is the agent's, or one made by looking when there is none or now is set.
func (p *program) report(ctx context.Context, cfg config.Config, now bool) (status.Report, error) {
	if !now {
		r, err := status.Read(cfg.StatusFile)
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
	}
	host, _ := os.Hostname() // "" is shown as unknown
	return agent.Look(ctx, cfg, p.env, status.About{Version: versionOf(), Host: host})
}

// watchStatus draws the status again and again, each time whole, so that the
// terminal never shows half of it.
func (p *program) watchStatus(ctx context.Context, cfg config.Config, now bool) error {
	for {
		var page bytes.Buffer
		r, err := p.report(ctx, cfg, now)
		if err == nil {
			s := p.style(p.stdout)
			s.Now = time.Now()
			err = status.Text(&page, r, s)
		}
		if err != nil {
			fmt.Fprintf(&page, "tufkeeper: %v\n", err)
		}
		if p.style(p.stdout).Color {
			fmt.Fprint(p.stdout, "\x1b[H\x1b[2J")
		}
		if _, err := page.WriteTo(p.stdout); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}
