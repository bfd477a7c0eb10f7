// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// clientsFlags are the flags of clients.
type clientsFlags struct {
	json    bool
	failOn  []string
	assume  []string
	all     bool
	against string
	start   string
	at      string
}

func (p *program) clientsCommand() *cobra.Command {
	var f clientsFlags
	c := &cobra.Command{
		Use:   "clients [PATH...]",
		Short: "Lists the Sigstore clients, and whether they can read the root",
		Long: `clients reads the Sigstore clients on this host, or those at PATH, without running
them, and holds each against every configured mirror. PATH is a program, or what
clients lists for a package of another language. Verdicts, worst first:
outdated (cannot read what is in force, or is older than your minimum), unknown,
endangered (cannot read a preview), vulnerable (has a known advisory), ok.

With --assume it judges a release that is not installed, for planning an upgrade. It
is described like upstream's: what a distribution builds of it may read more or less.
With --all-releases it says which releases of cosign read one root or mirror, and
which of these are free of known advisories.

Exit codes: 0 a report was made, whatever the verdicts; 1 --fail-on met, or a PATH
is no client that can be read (the others are reported); 2 usage.`,
		Example: `  tufkeeper clients
  tufkeeper clients /usr/local/bin/cosign
  tufkeeper clients --assume cosign@v2.0.1
  tufkeeper clients --assume cosign@2.2.4 --against ./root_history --json
  tufkeeper clients --all-releases --against ./15.root.json
  tufkeeper clients --fail-on outdated`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return p.clients(cmd.Context(), paths, f)
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.json, "json", false, "one JSON document")
	fl.StringSliceVar(&f.failOn, "fail-on", nil, "exit 1 when a client has this `verdict`; may be repeated")
	fl.StringArrayVar(&f.assume, "assume", nil, "judge this `release` instead: cosign@v2.0.1, or go-tuf=v0.5.2,sigstore=v1.6.1; may be repeated")
	fl.BoolVar(&f.all, "all-releases", false, "judge every known release of cosign instead, as a table")
	fl.StringVar(&f.against, "against", "", "judge against `where` instead of the store: a mirror URL, a directory of N.root.json, or one root file")
	fl.StringVar(&f.start, "start", "", "the `root` a client starts from: embedded, newest, or a root file (default: where it does start; embedded for an assumed release)")
	fl.StringVar(&f.at, "at", "", "judge expiry at this `time` (RFC 3339); without it an assumed release is not judged by expiry")
	return c
}

func (p *program) clients(ctx context.Context, paths []string, f clientsFlags) error {
	if err := oneOf("--fail-on", f.failOn, "outdated", "unknown", "endangered", "vulnerable", "ok"); err != nil {
		return err
	}
	if f.all && (len(f.assume) > 0 || len(paths) > 0) {
		return &usageError{err: fmt.Errorf("--all-releases judges every known release: name no other"), hint: "see: tufkeeper clients --help"}
	}
	if len(f.assume) > 0 && len(paths) > 0 {
		return &usageError{err: fmt.Errorf("--assume judges a release, PATH a file: name one of them"), hint: "see: tufkeeper clients --help"}
	}
	var at time.Time
	if f.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return &usageError{err: fmt.Errorf("--at: %q is no time in RFC 3339", f.at), hint: "for example --at 2026-11-20T00:00:00Z"}
		}
	}
	paths, err := absolute(paths)
	if err != nil {
		return err
	}
	cfg, err := p.config()
	if err != nil {
		return err
	}
	done := p.progress("reading clients")
	r, err := agent.Clients(ctx, cfg, p.env, agent.ClientsOptions{
		Files: paths, Assume: f.assume, AllReleases: f.all, Against: f.against, Start: f.start, At: at,
	})
	done()
	var wrong *agent.AskError
	if errors.As(err, &wrong) {
		return &usageError{err: err, hint: wrong.Hint()}
	}
	var unread *agent.UnreadError
	if err != nil && !errors.As(err, &unread) {
		return err
	}
	switch {
	case f.all && !f.json:
		var dates map[string]string
		if dates, err = agent.ReleaseDates(cfg); err == nil {
			err = status.ReleasesText(p.stdout, r, dates, p.tableStyle(p.stdout))
		}
	default:
		err = p.tellClients(r, f.json)
	}
	if err != nil {
		return err
	}
	if unread != nil { // an answer to what was not asked would do for an answer
		return unread
	}
	for _, c := range r.Clients {
		if slices.Contains(f.failOn, string(c.Verdict)) {
			return &exitError{code: exitFailed}
		}
	}
	return nil
}

func (p *program) tellClients(r status.Report, asJSON bool) error {
	if asJSON {
		return p.writeJSON(struct {
			Schema  int             `json:"schema"`
			Table   *status.Table   `json:"table"`
			Clients []status.Client `json:"clients"`
			Unseen  []string        `json:"unseen"`
		}{1, r.Table, r.Clients, r.Unseen})
	}
	s := p.style(p.stdout)
	s.Now = time.Now()
	return status.ClientsText(p.stdout, r, s)
}

// absolute returns the paths as they are from anywhere: clients are told by them.
func absolute(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		all = append(all, abs)
	}
	return all, nil
}
