// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// cacheStates are the states with what they mean, in the order of the help.
func cacheStates() [][2]string {
	return [][2]string{
		{string(cache.Fresh), "what its mirror has"},
		{string(cache.Behind), "older than what its mirror has"},
		{string(cache.Ahead), "newer than what its mirror has: its client fails until the mirror\nhas that, too"},
		{string(cache.Damaged), "a file that its client cannot read, or should not believe"},
		{string(cache.Expired), "past its expiry, and nothing newer is known"},
		{string(cache.Unusable), "owner, mode or kind of a file or directory: its client cannot\nwork with it"},
		{string(cache.Foreign), "not understood, another user's, or there is nothing to compare it\nwith: left alone"},
	}
}

func (p *program) cachesCommand() *cobra.Command {
	var asJSON, mend bool
	var failOn []string
	var states []string
	help := ""
	for _, s := range cacheStates() {
		states = append(states, s[0])
		help += fmt.Sprintf("  %-10s %s\n", s[0], strings.ReplaceAll(s[1], "\n", "\n"+strings.Repeat(" ", 13)))
	}
	c := &cobra.Command{
		Use:   "caches",
		Short: "Lists the caches of Sigstore clients, and what their state means",
		Long: `caches looks at every cache now: who reads it, what state it is in, what its
client will experience, and what to type. The states:

` + help + `
With --mend it first repairs what is damaged and brings forward what is behind, as
far as the configuration lets it (policy), and says what it did to each cache. It may
run beside the agent. Only caches of the user who runs it are written.

Exit codes: 0 a report was made, whatever the states; 1 --fail-on met, or --mend left
a cache that needed mending and that policy lets it mend; 2 usage.`,
		Example: `  tufkeeper caches
  tufkeeper caches --mend                      mend and bring forward now
  tufkeeper caches --json --fail-on damaged    1 when a cache is damaged`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("--fail-on", failOn, states...); err != nil {
				return err
			}
			cfg, err := p.config()
			if err != nil {
				return err
			}
			var mended []status.Mending
			var mendErr error
			if mend {
				mended, mendErr = agent.Mend(cmd.Context(), cfg, hclog.NewNullLogger()) // it is told below
			}
			cfg.Clients = config.Clients{} // they take their time, and are not asked for
			r, err := p.report(cmd.Context(), cfg, true)
			if err != nil {
				return errors.Join(mendErr, err)
			}
			status.Settle(mended, r.Caches)
			if err := p.tellCaches(r, mend, mended, asJSON); err != nil {
				return err
			}
			if mendErr != nil {
				return mendErr
			}
			if slices.ContainsFunc(mended, status.Mending.Failed) ||
				slices.ContainsFunc(r.Caches, func(c status.Cache) bool { return slices.Contains(failOn, c.State) }) {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON document (docs/status.md)")
	c.Flags().BoolVar(&mend, "mend", false, "first mend and bring forward what policy allows")
	c.Flags().StringSliceVar(&failOn, "fail-on", nil, "exit 1 when a cache is in this `state`; may be repeated")
	return c
}

// tellCaches prints the caches, after what was done to them.
func (p *program) tellCaches(r status.Report, mend bool, mended []status.Mending, asJSON bool) error {
	if asJSON {
		doc := struct {
			Schema int               `json:"schema"`
			Mended *[]status.Mending `json:"mended,omitempty"`
			Caches []status.Cache    `json:"caches"`
			Unseen []string          `json:"unseen"`
		}{Schema: 1, Caches: r.Caches, Unseen: r.Unseen}
		if mend {
			doc.Mended = &mended
		}
		return p.writeJSON(doc)
	}
	s := p.style(p.stdout)
	s.Now = time.Now()
	if mend {
		if err := status.MendingsText(p.stdout, mended, s); err != nil {
			return err
		}
	}
	return status.CachesText(p.stdout, r, s)
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
