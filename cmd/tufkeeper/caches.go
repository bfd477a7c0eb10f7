// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func (p *program) cachesCommand() *cobra.Command {
	var asJSON, mend bool
	var failOn []string
	c := &cobra.Command{
		Use:   "caches",
		Short: "Lists the TUF caches of Sigstore clients, their state, and what it means",
		Long: `caches looks at every cache now: whose it is, what state it is in, and what its
client will experience. States: fresh, behind, ahead, damaged, expired, unusable,
foreign.`,
		Example: `  tufkeeper caches
  tufkeeper caches --mend                      mend and bring forward now
  tufkeeper caches --json --fail-on damaged    1 when a cache is damaged`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("--fail-on", failOn, "fresh", "behind", "ahead", "damaged", "expired", "unusable", "foreign"); err != nil {
				return err
			}
			cfg, err := p.config()
			if err != nil {
				return err
			}
			if mend {
				if err := agent.Mend(cmd.Context(), cfg, p.logger(cfg.Log)); err != nil {
					return err
				}
			}
			r, err := p.report(cmd.Context(), cfg, true)
			if err != nil {
				return err
			}
			if asJSON {
				err = p.writeJSON(struct {
					Schema int            `json:"schema"`
					Caches []status.Cache `json:"caches"`
				}{1, r.Caches})
			} else {
				s := p.style(p.stdout)
				s.Now = time.Now()
				err = status.CachesText(p.stdout, r, s)
			}
			if err != nil {
				return err
			}
			for _, cache := range r.Caches {
				if slices.Contains(failOn, string(cache.State)) {
					return &exitError{code: exitFailed}
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON document")
	c.Flags().BoolVar(&mend, "mend", false, "first mend and bring forward what policy allows")
	c.Flags().StringSliceVar(&failOn, "fail-on", nil, "exit 1 when a cache is in this `state`; may be repeated")
	return c
}

// oneOf refuses a flag's value that is none of the known ones.
func oneOf(flag string, values []string, known ...string) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return &usageError{err: fmt.Errorf("%s: unknown value %q", flag, v), hint: fmt.Sprintf("one of %v", known)}
		}
	}
	return nil
}
