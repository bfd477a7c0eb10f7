// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// version is set by the linker from the tag; a `go install` build says its own.
var version string

func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func (p *program) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Says which tufkeeper this is, and what libraries read the metadata",
		Example: "  tufkeeper version\n  tufkeeper version --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			table, err := p.table()
			if err != nil {
				return err
			}
			v := struct {
				Schema    int               `json:"schema"`
				Version   string            `json:"version"`
				Go        string            `json:"go"`
				Platform  string            `json:"platform"`
				Libraries map[string]string `json:"libraries"`
				Table     status.Table      `json:"table"`
			}{1, versionOf(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, libraries(), table}
			if asJSON {
				return p.writeJSON(v)
			}
			_, err = fmt.Fprintf(p.stdout, "tufkeeper %s (%s, %s)\n  go-tuf      %s\n  sigstore-go %s\ncompatibility table: %s (%s)\n",
				v.Version, v.Go, v.Platform, v.Libraries["go-tuf/v2"], v.Libraries["sigstore-go"],
				table.KnownAsOf, health.Plain(cmp.Or(table.Path, "built in")))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON document")
	return c
}

// table is the compatibility table in force; the one built in where the config
// says nothing that can be read, for which version is not the one to complain.
func (p *program) table() (status.Table, error) {
	if cfg, err := p.config(); err == nil {
		if t, err := agent.Table(cfg); err == nil {
			return t, nil
		}
	}
	return agent.Table(config.Config{})
}

// libraries are the versions of the libraries that decide what we can read.
func libraries() map[string]string {
	libs := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return libs
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/theupdateframework/go-tuf/v2":
			libs["go-tuf/v2"] = d.Version
		case "github.com/sigstore/sigstore-go":
			libs["sigstore-go"] = d.Version
		}
	}
	return libs
}
