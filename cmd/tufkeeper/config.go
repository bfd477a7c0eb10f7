// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
)

func (p *program) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Checks and shows the configuration",
		Example: "  tufkeeper config check\n  tufkeeper config show",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	check := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Says whether a config file is right, and where it is not",
		Long: `check reads the config as the agent would, with everything it names: initial roots
and their pins, certificates, schedules. It starts nothing. Exit 2 when something
is wrong, with file, line and column. What is only likely to be a mistake is a
warning, and no failure.`,
		Example: "  tufkeeper config check\n  tufkeeper config check /etc/tufkeeper/config.hcl",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				p.configPath = args[0]
			}
			cfg, err := p.config()
			if err == nil {
				err = agent.CheckConfig(cfg)
			}
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			from := cfg.Path
			if from == "" {
				from = "no file: the defaults"
			}
			for _, doubt := range agent.DoubtConfig(cfg) {
				fmt.Fprintf(p.stderr, "tufkeeper: warning: %s\n", doubt)
			}
			_, err = fmt.Fprintf(p.stdout, "config is right (%s)\n", from)
			return err
		},
	}
	show := &cobra.Command{
		Use:     "show",
		Short:   "Prints the effective configuration as HCL, secrets redacted",
		Example: "  tufkeeper config show",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := p.config()
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(cfg.HCL())
			return err
		},
	}
	c.AddCommand(check, show)
	return c
}
