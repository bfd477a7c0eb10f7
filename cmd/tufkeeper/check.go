// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func (p *program) checkCommand() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Answers monitoring systems: 0 ok, 1 warning, 2 critical, 3 unknown",
		Long: `check prints one line "OK|WARNING|CRITICAL|UNKNOWN - ..." with performance data
behind "|", then a line for each problem, and exits 0, 1, 2 or 3.

It reads the report of the running agent; one older than three refresh intervals
is UNKNOWN. Without an agent, or with --now, it looks at this host itself and
lists what it could not see.`,
		Example: "  tufkeeper check\n  tufkeeper check --now --config /etc/tufkeeper/config.hcl",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.config()
			if err == nil { // what the agent refuses, the agent's last report does not excuse
				err = agent.CheckTable(cfg)
			}
			if err != nil {
				return err
			}
			r, err := p.report(cmd.Context(), cfg, now)
			if err != nil {
				return err
			}
			if code := status.Check(p.stdout, r, time.Now()); code != exitDone {
				return &exitError{code: code}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&now, "now", false, "look at this host now instead of reading the agent's report")
	return c
}

// checkFailed answers for a check that was not made, or passes its verdict on.
func (p *program) checkFailed(err error) int {
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return exit.code
	}
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(p.stderr, "hint: %s\n", hint)
	}
	return status.CheckFailed(p.stdout, err)
}
