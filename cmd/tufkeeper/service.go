// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/systemd"
)

const (
	serviceName = "tufkeeper"
	systemdHere = "linux-systemd" // kardianos' name for it
	packageUnit = "/usr/lib/systemd/system/tufkeeper.service"
)

func (p *program) serviceCommand() *cobra.Command {
	var user bool
	c := &cobra.Command{
		Use:   "service",
		Short: "Installs and steers tufkeeper as a service of the host or the user",
		Long: `service registers "tufkeeper run" with this host's service manager (systemd, or
what else is there) and steers it. As root it is a service of the host, otherwise,
or with --user, one of this user.`,
		Example: `  tufkeeper service install && tufkeeper service start
  tufkeeper service install --user --config ~/.config/tufkeeper/config.hcl
  tufkeeper service status`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.PersistentFlags().BoolVar(&user, "user", os.Geteuid() != 0, "a service of this user instead of the host")
	for _, verb := range []struct {
		name, short, done string
		do                func(s service.Service, user bool) error
	}{
		{"install", "Registers the service; it starts with the next boot or with start", "installed", p.install},
		{"uninstall", "Takes the service away again; state and config stay", "uninstalled", plain(service.Service.Uninstall)},
		{"start", "Starts the service", "started", plain(service.Service.Start)},
		{"stop", "Stops the service", "stopped", plain(service.Service.Stop)},
		{"restart", "Stops and starts the service", "restarted", plain(service.Service.Restart)},
	} {
		c.AddCommand(&cobra.Command{
			Use: verb.name, Short: verb.short, Example: "  tufkeeper service " + verb.name + "\n  tufkeeper service " + verb.name + " --user", Args: usageArgs(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				s, err := p.service(user)
				if err != nil {
					return err
				}
				if err := verb.do(s, user); err != nil {
					if _, state := s.Status(); verb.name != "install" && errors.Is(state, service.ErrNotInstalled) {
						err = state // the manager's own words are an exit status
					}
					return serviceError(s.Platform(), verb.name, user, err)
				}
				_, err = fmt.Fprintf(p.stdout, "service %s (%s)\n", verb.done, s.Platform())
				return err
			},
		})
	}
	c.AddCommand(&cobra.Command{
		Use: "status", Short: "Says whether the service runs: 0 running, 1 not", Example: "  tufkeeper service status", Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := p.service(user)
			if err != nil {
				return err
			}
			return p.serviceStatus(s, user)
		},
	})
	return c
}

// service is the registration of `tufkeeper run` with this host's service manager.
func (p *program) service(user bool) (service.Service, error) {
	if service.ChosenSystem() == nil {
		return nil, errors.New("finding a service manager: there is none on this host that tufkeeper knows")
	}
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	args := []string{"run"}
	if p.configPath != "" {
		path, err := filepath.Abs(p.configPath)
		if err != nil {
			return nil, fmt.Errorf("resolving the config path: %w", err)
		}
		args = append(args, "--config", path)
	}
	text := systemd.System
	if user {
		text = systemd.User
	}
	unit, err := text(append([]string{exe}, args...)...)
	if err != nil {
		return nil, err
	}
	// kardianos wants a program to run; ours runs itself, as the unit says.
	return service.New(nothing{}, &service.Config{
		Name:        serviceName,
		DisplayName: serviceName,
		Description: "Keeps Sigstore's TUF trust material fresh",
		Executable:  exe,
		Arguments:   args,
		Option:      service.KeyValue{"SystemdScript": unit, "UserService": user},
	})
}

// install refuses what could not start: a package's unit would be shadowed, a
// wrong config would end the first run.
func (p *program) install(s service.Service, user bool) error {
	if _, err := os.Stat(packageUnit); err == nil && s.Platform() == systemdHere {
		return &hinted{
			fmt.Errorf("a package owns %s already", packageUnit),
			"systemctl enable --now tufkeeper",
		}
	}
	exe, err := executable()
	if err != nil {
		return err
	}
	if !user && s.Platform() == systemdHere && (strings.HasPrefix(exe, p.env.Home+"/") || strings.HasPrefix(exe, "/home/")) {
		return &hinted{
			fmt.Errorf("the host's service cannot start %q: homes are closed to it", exe),
			"install -m 0755 " + exe + " /usr/local/bin/ && /usr/local/bin/tufkeeper service install",
		}
	}
	cfg, err := p.config()
	if err == nil {
		err = agent.CheckConfig(cfg)
	}
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	return s.Install()
}

func (p *program) serviceStatus(s service.Service, user bool) error {
	state, err := s.Status()
	if err != nil {
		return serviceError(s.Platform(), "status", user, err)
	}
	word := map[service.Status]string{
		service.StatusRunning: "running", service.StatusStopped: "stopped", service.StatusUnknown: "unknown",
	}[state]
	if state == service.StatusRunning && s.Platform() == systemdHere && !active(user) {
		word, state = "starting, or starting again after a failure", service.StatusUnknown
	}
	if _, err := fmt.Fprintf(p.stdout, "service %s (%s)\n", word, s.Platform()); err != nil {
		return err
	}
	if state != service.StatusRunning {
		return &exitError{code: exitFailed}
	}
	return nil
}

// active says whether systemd calls the unit active: to kardianos one that is
// started again and again runs, too.
func active(user bool) bool {
	args := []string{"is-active", "--quiet", serviceName}
	if user {
		args = append(args, "--user")
	}
	return exec.Command("systemctl", args...).Run() == nil
}

func serviceError(platform, verb string, user bool, err error) error {
	flag := ""
	if user {
		flag = " --user"
	}
	switch {
	case errors.Is(err, exec.ErrNotFound), strings.Contains(err.Error(), "executable file not found"): // kardianos keeps no chain
		return &hinted{
			fmt.Errorf("service %s: this host runs no service manager that tufkeeper knows", verb),
			"keep it running by other means: tufkeeper run, or tufkeeper run --once from a timer",
		}
	case strings.Contains(err.Error(), "not supported"):
		return &hinted{
			fmt.Errorf("service %s: this host's service manager has no services of users", verb),
			"as root, a service of the host: tufkeeper service " + verb + "; or run it yourself: tufkeeper run",
		}
	case errors.Is(err, service.ErrNotInstalled):
		return &hinted{fmt.Errorf("service %s: it is not installed", verb), "tufkeeper service install" + flag}
	case !user && os.Geteuid() != 0:
		return &hinted{fmt.Errorf("service %s: %w", verb, err), "a service of the host is root's: use sudo, or --user"}
	}
	err = fmt.Errorf("service %s: %w", verb, err)
	if verb == "install" && strings.Contains(err.Error(), "already exists") { // kardianos has no sentinel for it
		return &hinted{err, "to replace it: tufkeeper service uninstall" + flag + " && tufkeeper service install" + flag}
	}
	switch {
	case verb == "install":
		return err
	case platform == systemdHere:
		return &hinted{err, "the reason: systemctl" + flag + " status tufkeeper; journalctl" + flag + " -u tufkeeper; is the config right? tufkeeper config check"}
	}
	return &hinted{err, "is it installed? tufkeeper service install" + flag}
}

// executable is this binary's own path, links resolved: a unit must not follow
// a link that someone else may turn.
func executable() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("finding this program's own path: %w", err)
	}
	return exe, nil
}

// plain is a verb that is the same for the host and for a user.
func plain(do func(service.Service) error) func(service.Service, bool) error {
	return func(s service.Service, _ bool) error { return do(s) }
}

type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }
