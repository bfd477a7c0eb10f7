// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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
		Short:   "Says which tufkeeper this is, and which libraries read the metadata",
		Example: "  tufkeeper version\n  tufkeeper version --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Schema    int               `json:"schema"`
				Version   string            `json:"version"`
				Go        string            `json:"go"`
				Platform  string            `json:"platform"`
				Libraries map[string]string `json:"libraries"`
			}{1, versionOf(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, libraries()}
			if asJSON {
				return p.writeJSON(v)
			}
			_, err := fmt.Fprintf(p.stdout, "tufkeeper %s (%s, %s)\n  go-tuf      %s\n  sigstore-go %s\n",
				v.Version, v.Go, v.Platform, v.Libraries["go-tuf/v2"], v.Libraries["sigstore-go"])
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON document")
	return c
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
