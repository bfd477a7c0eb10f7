// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// tellProbes writes a report of probes.
func (p *program) tellProbes(r agent.ProbeReport, asJSON bool) error {
	if asJSON {
		return p.writeJSON(struct {
			Schema int `json:"schema"`
			agent.ProbeReport
		}{1, r})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(r.Probes) > 0 {
		fmt.Fprintln(w, "CLIENT\tMIRROR\tSAID\tPROBED\t\tPATH")
	}
	for _, one := range r.Probes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", health.Plain(strings.TrimSpace(one.Name+" "+one.Version)), health.Plain(one.Mirror),
			one.Verdict, one.Outcome, cmp.Or(one.Agreement, "-"), health.Plain(one.Path))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, one := range r.Probes {
		if one.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s, started from %s (%s):\n  %s\n", health.Plain(one.Path), health.Line(one.Start), health.Plain(one.Mirror), health.Line(one.Error))
		if one.Rule != "" {
			fmt.Fprintf(&b, "  %s: %s\n", one.Rule, health.Line(one.Explanation))
		}
	}
	if len(r.Probes)+len(r.Skipped) == 0 {
		fmt.Fprintln(&b, "no client found")
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "not probed: %s (%s): %s\n", health.Plain(s.Path), health.Plain(s.Name), s.Reason)
	}
	for _, text := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", health.Line(text))
	}
	for _, text := range r.Unseen {
		fmt.Fprintf(&b, "not seen: %s\n", health.Line(text))
	}
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}
