// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log" //nolint:depguard // net/http writes to it: what it says is led into ours
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/config"
)

func (p *program) runCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Keeps trust material fresh until it is stopped",
		Long: `run is the agent. It refreshes the mirrors on their schedule, watches and mends
the caches, judges the clients, and writes what it does to its log (stderr).

SIGHUP reads the config again (a bad one is refused, the old one stays in force).
SIGUSR1 refreshes now. SIGTERM and Ctrl-C stop it.`,
		Example: `  tufkeeper run
  tufkeeper run --config /etc/tufkeeper/config.hcl
  tufkeeper run --once            one cycle, then exit: for cron or a job`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.config()
			if err != nil {
				return err
			}
			if once {
				return p.once(cmd.Context(), cfg, p.logger(cfg.Log))
			}
			return p.keep(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "run one cycle and exit; 1 when a mirror could not be refreshed")
	return c
}

// keep runs the agent until ctx ends.
func (p *program) keep(ctx context.Context, cfg config.Config) error {
	if owner, other := foreign(cfg.StateDir); other {
		return &hinted{
			fmt.Errorf("the state directory %q belongs to uid %d: it is another's", cfg.StateDir, owner),
			"tufkeeper service start, if it is the service's; or set another state_dir",
		}
	}
	wake, stopWake := ticks(syscall.SIGUSR1)
	defer stopWake()
	reloads, stopReloads := ticks(syscall.SIGHUP)
	defer stopReloads()
	logger := p.logger(cfg.Log)
	// net/http says some things to the standard log: they belong into ours.
	log.SetOutput(logger.StandardWriter(&hclog.StandardLoggerOptions{InferLevels: true}))
	log.SetFlags(0)
	o := p.options(cfg, logger)
	o.Wake, o.Reloads = wake, reloads
	o.Reload = p.config
	o.Notify = notify
	a, err := agent.New(o)
	if err != nil {
		return err
	}
	return errors.Join(a.Run(ctx), a.Close())
}

// options are what an agent of this program is made of.
func (p *program) options(cfg config.Config, logger hclog.Logger) agent.Options {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return agent.Options{
		Config: cfg, Env: p.env, Host: host, MachineID: machineID(host), Version: versionOf(), Log: logger,
	}
}

// machineID tells this host from the others of a fleet; its name where it has no id.
func machineID(host string) string {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil || strings.TrimSpace(string(id)) == "" {
		return host
	}
	return strings.TrimSpace(string(id))
}

// ticks turns a signal into values on a channel; signals that come faster than
// they are taken are one.
func ticks(sig os.Signal) (<-chan struct{}, func()) {
	in := make(chan os.Signal, 1)
	out := make(chan struct{}, 1)
	done := make(chan struct{})
	signal.Notify(in, sig)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-in:
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out, func() { signal.Stop(in); close(done) }
}

// notify tells systemd, if it is there, how it goes. RELOADING must carry the
// monotonic time (sd_notify(3), since systemd 253).
func notify(state string) {
	if state == "RELOADING=1" {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err == nil {
			state = fmt.Sprintf("%s\nMONOTONIC_USEC=%d", state, ts.Nano()/1000)
		}
	}
	// Nobody listening is the normal case outside systemd.
	_, _ = daemon.SdNotify(false, state)
}
