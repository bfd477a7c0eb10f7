// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/term"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

// logger is the one logger of the process; packages get it by injection.
func (p *program) logger(c config.Log) hclog.Logger {
	o := &hclog.LoggerOptions{
		Name:       "tufkeeper",
		Level:      hclog.LevelFromString(c.Level),
		Output:     p.stderr,
		JSONFormat: c.Format == "json",
		TimeFormat: "2006-01-02T15:04:05.000Z",
		TimeFn:     nowUTC,
		// journald has the time of each line already.
		DisableTime: os.Getenv("JOURNAL_STREAM") != "" && c.Format != "json",
	}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && !strings.EqualFold(os.Getenv("TERM"), "dumb") {
		o.Color = hclog.AutoColor
		o.ColorHeaderAndFields = true
	}
	return hclog.New(o)
}
