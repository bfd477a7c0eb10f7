// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/schedule"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/store"
)

// Exit codes that every command shares; check has its own.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// program is what the commands share: where they read and write.
type program struct {
	configPath     string
	env            config.Env
	stdout, stderr io.Writer
}

// run is the whole program: arguments in, an exit code out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{env: config.OSEnv(), stdout: stdout, stderr: stderr}
	p.env.CheckCron = schedule.CheckCron
	root := p.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := codeOf(err)
	if cmd != nil && cmd.CommandPath() == "tufkeeper check" {
		return p.checkFailed(err)
	}
	var silent *exitError
	if !errors.As(err, &silent) || silent.err != nil {
		p.complain(err)
	}
	return code
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tufkeeper",
		Short: "Keeps Sigstore's trust material fresh on this host",
		Long: `tufkeeper keeps Sigstore's trust material fresh on this host.

It refreshes TUF metadata from the configured mirrors on a schedule and verifies
all of it, mends and brings forward the caches of Sigstore clients, and says
which installed client is too old for the current root before it breaks.

With no config file it works for the user who starts it, on Sigstore's public
mirror.`,
		Example: `  tufkeeper demo                  see it at work, on nothing of yours
  tufkeeper run                   keep this user's trust material fresh
  tufkeeper status                what it knows now
  tufkeeper check                 the same for a monitoring system
  tufkeeper clients               which clients are here, and do they still work
  tufkeeper service install       run it as a service`,
		Version:           versionOf(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              usageArgs(cobra.NoArgs),
		CompletionOptions: cobra.CompletionOptions{},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&p.configPath, "config", "",
		"the config `file` (default: "+config.DefaultPath(p.env)+" when it exists)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: "see: " + cmd.CommandPath() + " --help"}
	})
	root.AddCommand(
		p.runCommand(), p.refreshCommand(), p.statusCommand(), p.checkCommand(),
		p.cachesCommand(), p.clientsCommand(), p.probeCommand(), p.configCommand(), p.serviceCommand(),
		p.demoCommand(), p.versionCommand(),
	)
	narrow(root)
	return root
}

// config loads the config that the flags name.
func (p *program) config() (config.Config, error) {
	return config.Load(p.configPath, p.env)
}

// A usageError is a fault in how the command was called: exit 2.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// usageArgs makes the errors of a cobra argument check usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err: err, hint: "see: " + cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

// An exitError ends the program with a code; without err it has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// hinted adds to an error what to do next.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }
func (h *hinted) Hint() string  { return h.hint }

func codeOf(err error) int {
	var exit *exitError
	var usage *usageError
	var cfg *config.Error
	var table *agent.TableError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage), errors.As(err, &cfg), errors.As(err, &table):
		return exitUsage
	default:
		return exitFailed
	}
}

// complain says an error in one line, and what to do in a second one.
func (p *program) complain(err error) {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	fmt.Fprintf(p.stderr, "tufkeeper: %s\n", lines[0])
	if hint := hintFor(err); hint != "" { // it is for the first line
		fmt.Fprintf(p.stderr, "hint: %s\n", hint)
	}
	for _, more := range lines[1:] {
		fmt.Fprintf(p.stderr, "tufkeeper: %s\n", strings.TrimSpace(more))
	}
}

func hintFor(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	var locked *store.LockedError
	switch {
	case errors.As(err, &locked):
		hint := "ask that one: tufkeeper refresh, tufkeeper status"
		if locked.PID > 0 {
			hint += fmt.Sprintf("; or stop it: kill %d", locked.PID)
		}
		return hint
	case errors.Is(err, os.ErrPermission):
		return "run it as the user who owns that path, or name another place in the config"
	}
	return ""
}

// style is how to write for whoever reads w.
func (p *program) style(w io.Writer) status.Style {
	s := status.Style{Width: 100}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = width
	}
	s.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// tableStyle is style for a table: into a pipe a row is a line, however long.
func (p *program) tableStyle(w io.Writer) status.Style {
	s := p.style(w)
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		s.Width = math.MaxInt16
	}
	return s
}

// terminal says whether progress may be shown on stderr.
func (p *program) terminal() bool {
	f, ok := p.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
