// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"
)

// Env is what the defaults and a leading "~/" depend on. Directories are
// absolute, or "" when there is none.
type Env struct {
	Home       string
	ConfigHome string // XDG_CONFIG_HOME, or ~/.config
	StateHome  string // XDG_STATE_HOME, or ~/.local/state
	DataHome   string // XDG_DATA_HOME, or ~/.local/share
	CacheHome  string // XDG_CACHE_HOME, or ~/.cache
	RuntimeDir string // XDG_RUNTIME_DIR
	TUFRoot    string // TUF_ROOT: where cosign keeps its cache instead of ~/.sigstore/root
	NPMCache   string // npm_config_cache: where npm keeps its cache instead of ~/.npm
	Root       bool   // started by the system's administrator: system paths, strict files

	// The directories that systemd gives a service; they go before the others.
	StateDirectory, RuntimeDirectory, ConfigurationDirectory string

	// CheckCron says what is wrong with a cron expression; nil accepts any.
	CheckCron func(expression string) error
}

// OSEnv reads Env from this process: its user and its environment. CheckCron
// is left nil.
func OSEnv() Env {
	home := absolute(os.Getenv("HOME"))
	if home == "" {
		if u, err := user.Current(); err == nil { // without a home, ~/ is refused and defaults have no caches
			home = absolute(u.HomeDir)
		}
	}
	if home == "/" { // what users without a home have
		home = ""
	}
	return Env{
		Home:       home,
		ConfigHome: firstOf(absolute(os.Getenv("XDG_CONFIG_HOME")), under(home, ".config")),
		StateHome:  firstOf(absolute(os.Getenv("XDG_STATE_HOME")), under(home, ".local/state")),
		DataHome:   firstOf(absolute(os.Getenv("XDG_DATA_HOME")), under(home, ".local/share")),
		CacheHome:  firstOf(absolute(os.Getenv("XDG_CACHE_HOME")), under(home, ".cache")),
		RuntimeDir: absolute(os.Getenv("XDG_RUNTIME_DIR")),
		TUFRoot:    absolute(os.Getenv("TUF_ROOT")),
		NPMCache:   firstOf(absolute(os.Getenv("npm_config_cache")), absolute(os.Getenv("NPM_CONFIG_CACHE"))),
		Root:       os.Geteuid() == 0,

		StateDirectory:         fromSystemd("STATE_DIRECTORY"),
		RuntimeDirectory:       fromSystemd("RUNTIME_DIRECTORY"),
		ConfigurationDirectory: fromSystemd("CONFIGURATION_DIRECTORY"),
	}
}

// fromSystemd reads a variable that may list several directories; the first is
// the service's own.
func fromSystemd(name string) string {
	first, _, _ := strings.Cut(os.Getenv(name), ":")
	return absolute(first)
}

// DefaultPath is where Load looks when it is given no path; "" when a user has
// no home.
func DefaultPath(env Env) string {
	switch {
	case env.ConfigurationDirectory != "":
		return under(env.ConfigurationDirectory, "config.hcl")
	case env.Root:
		return "/etc/tufkeeper/config.hcl"
	}
	return under(env.ConfigHome, "tufkeeper/config.hcl")
}

// Default is the configuration of an empty file. It is the only place where
// defaults are written.
func Default(env Env) Config {
	return Config{
		StateDir:   defaultStateDir(env),
		StatusFile: defaultStatusFile(env, defaultStateDir(env)),
		Mirrors:    []Mirror{defaultMirror("sigstore")},
		Schedule: Schedule{
			Every:    4 * time.Hour,
			Jitter:   15 * time.Minute,
			RetryMin: time.Minute,
			RetryMax: time.Hour,
			Lead:     2 * day,
		},
		Caches: Caches{
			Paths:    defaultCaches(env),
			Places:   defaultPlaces(env),
			Policy:   PolicyMend,
			Debounce: 2 * time.Second,
			Quiet:    2 * time.Second,
			Scan:     5 * time.Minute,
		},
		Clients: Clients{
			SearchPath:  true,
			Globs:       defaultClients(env),
			Packages:    defaultPackages(env),
			Scan:        15 * time.Minute,
			MaxFileSize: 512 * MiB,

			ProbeResults: defaultProbeResults(env),
		},
		Thresholds: map[string]Threshold{
			"timestamp": {Warning: 48 * time.Hour, Critical: 12 * time.Hour},
			"root":      {Warning: 15 * day, Critical: 5 * day},
			"snapshot":  {Warning: 15 * day, Critical: 5 * day},
			"targets":   {Warning: 15 * day, Critical: 5 * day},
		},
		Alerts: Alerts{Reminder: day},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// defaultMirror is what a mirror block starts from. The mirrors whose initial
// root is built in are known by name; the others have no URL and no root yet.
func defaultMirror(name string) Mirror {
	m := Mirror{
		Name:           name,
		Targets:        []Glob{"**"},
		Soak:           10 * time.Minute, // longer than the Cache-Control of Sigstore's CDN
		FileTimeout:    30 * time.Second,
		RefreshTimeout: 5 * time.Minute,
		Attempts:       3,
	}
	switch name {
	case "sigstore":
		m.URL = &url.URL{Scheme: "https", Host: "tuf-repo-cdn.sigstore.dev"}
		m.InitialRoot = BuiltinSigstore
	case "sigstage":
		m.URL = &url.URL{Scheme: "https", Host: "tuf-repo-cdn.sigstage.dev"}
		m.InitialRoot = BuiltinSigstage
	}
	return m
}

func defaultStateDir(env Env) string {
	switch {
	case env.StateDirectory != "":
		return env.StateDirectory
	case env.Root:
		return "/var/lib/tufkeeper"
	}
	return under(env.StateHome, "tufkeeper")
}

// defaultStatusFile follows the state directory where there is no runtime
// directory to put it in.
func defaultStatusFile(env Env, stateDir string) string {
	switch {
	case env.RuntimeDirectory != "":
		return under(env.RuntimeDirectory, "status.json")
	case env.Root:
		return "/run/tufkeeper/status.json"
	case env.RuntimeDir != "":
		return under(env.RuntimeDir, "tufkeeper/status.json")
	}
	return under(stateDir, "status.json")
}

// defaultProbeResults is where the probe's own unit writes; a user's probes have
// a place of their own.
func defaultProbeResults(env Env) string {
	if env.Root || env.StateDirectory != "" {
		return "/var/lib/tufkeeper-probe/results.json"
	}
	return under(env.StateHome, "tufkeeper/probe/results.json")
}

func defaultCaches(env Env) []string {
	var paths []string
	if p := under(env.Home, ".sigstore/root"); p != "" {
		paths = append(paths, p)
	}
	if p := absolute(env.TUFRoot); p != "" && (len(paths) == 0 || p != paths[0]) {
		paths = append(paths, p)
	}
	return paths
}

func defaultClients(env Env) []Glob {
	globs := []Glob{"/usr/local/bin", "/opt/*/bin", "/usr/{lib,libexec,local/lib,local/libexec}/docker/cli-plugins"}
	if env.Home != "" {
		home := literal(env.Home)
		for _, dir := range []Glob{"go/bin", ".local/bin", "bin", ".docker/cli-plugins", ".config/notation/plugins/*", ".local/share/gh/extensions/*"} {
			globs = append(globs, home+"/"+dir)
		}
	}
	return globs
}

// under joins dir and name; without a dir there is no path.
func under(dir, name string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// absolute cleans an absolute path, and drops any other: a path relative to
// wherever the agent was started means nothing to it.
func absolute(path string) string {
	if !filepath.IsAbs(path) {
		return ""
	}
	return filepath.Clean(path)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
