// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxText bounds one text of a file: no path, URL or glob is longer.
const maxText = 4096

// kind is how a setting is written in the file.
type kind int

const (
	text kind = iota
	number
	flag
	list // of texts
)

// A setting binds a name in the file to a place in a Config, both ways. The
// tables below are the schema: what they do not name does not exist.
type setting struct {
	name string
	kind kind
	set  func(s string) error // called once; for a list once for each element
	get  func() []string      // what set was given; nil: nothing to print
	none func()               // a list is given: forget the defaults
}

// scalar binds a setting of one value. An empty text is not printed.
func scalar[T any](name string, k kind, p *T, parse func(string) (T, error), print func(T) string) setting {
	return setting{
		name: name,
		kind: k,
		set: func(s string) error {
			v, err := parse(s)
			if err == nil {
				*p = v
			}
			return err
		},
		get: func() []string {
			if s := print(*p); s != "" {
				return []string{s}
			}
			return nil
		},
	}
}

// several binds a setting that holds a list.
func several[T any](name string, p *[]T, parse func(string) (T, error), print func(T) string) setting {
	return setting{
		name: name,
		kind: list,
		none: func() { *p = nil },
		set: func(s string) error {
			v, err := parse(s)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(*p, func(o T) bool { return print(o) == print(v) }) {
				return wrong("", "%s is listed twice", quoted(s))
			}
			*p = append(*p, v)
			return nil
		},
		get: func() []string {
			var texts []string
			for _, v := range *p {
				texts = append(texts, print(v))
			}
			return texts
		},
	}
}

func same(s string) string { return s }

// words is a text that must be one of a few.
func words[T ~string](name string, p *T, choice ...T) setting {
	names := make([]string, len(choice))
	for i, c := range choice {
		names[i] = string(c)
	}
	parse := func(s string) (T, error) {
		if slices.Contains(names, s) {
			return T(s), nil
		}
		hint := DidYouMean(s, names)
		if hint == "" {
			hint = oneOf(names)
		}
		return "", wrong(hint, "%s cannot be %s", name, quoted(s))
	}
	return scalar(name, text, p, parse, func(v T) string { return string(v) })
}

// duration is a text within bounds, both included.
func duration(name string, p *time.Duration, least, most time.Duration) setting {
	parse := func(s string) (time.Duration, error) {
		d, err := ParseDuration(s)
		if err == nil && (d < least || d > most) {
			err = wrong(fmt.Sprintf("between %s and %s", FormatDuration(least), FormatDuration(most)), "%s cannot be %s", name, quoted(s))
		}
		return d, err
	}
	return scalar(name, text, p, parse, FormatDuration)
}

func integer(name string, p *int, least, most int) setting {
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, wrong(fmt.Sprintf("between %d and %d", least, most), "%s cannot be %s", name, s)
		}
		return n, nil
	}
	return scalar(name, number, p, parse, strconv.Itoa)
}

func boolean(name string, p *bool) setting {
	return scalar(name, flag, p, strconv.ParseBool, strconv.FormatBool)
}

// A reader knows what a text of the file may lean on.
type reader struct {
	env Env
	dir string // where the file lies, for hints; "" when that is not known
}

// path reads an absolute path, or one below the home.
func (r reader) path(s string) (string, error) {
	switch {
	case s == "" || len(s) > maxText || strings.ContainsRune(s, 0):
		return "", wrong("", "%s is not a path", quoted(s))
	case s == "~" || strings.HasPrefix(s, "~/"):
		if r.env.Home == "" {
			return "", wrong("write the whole path", "path %s cannot be found: no home directory is known", quoted(s))
		}
		return filepath.Join(r.env.Home, s[1:]), nil
	case !filepath.IsAbs(s):
		hint := `start it with "/" or "~/"`
		if filepath.IsAbs(r.dir) {
			hint = fmt.Sprintf("did you mean %q", filepath.Join(r.dir, s))
			if clean := filepath.Clean(s); r.env.Home != "" && !strings.HasPrefix(clean, "..") {
				hint += fmt.Sprintf(" or %q", "~/"+clean)
			}
			hint += "?"
		}
		return "", wrong(hint, "path %s is not absolute", quoted(s))
	}
	return filepath.Clean(s), nil
}

// glob reads a pattern for absolute paths, or for paths below the home.
func (r reader) glob(s string) (Glob, error) {
	if strings.HasPrefix(s, "~/") {
		if r.env.Home == "" {
			return "", wrong("write the whole path", "glob %s cannot be matched: no home directory is known", quoted(s))
		}
		s = string(literal(r.env.Home)) + s[1:]
	}
	g, err := ParseGlob(s)
	if err == nil && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "**/") {
		err = wrong(`start it with "/", "~/" or "**/"`, "glob %s cannot match an absolute path", quoted(s))
	}
	return g, err
}

func (r reader) initialRoot(s string) (string, error) {
	if known := []string{BuiltinSigstore, BuiltinSigstage}; strings.HasPrefix(s, "builtin:") {
		if slices.Contains(known, s) {
			return s, nil
		}
		return "", wrong(firstOf(DidYouMean(s, known), oneOf(known)), "there is no initial root %s", quoted(s))
	}
	return r.path(s)
}

func sha256Hex(s string) (string, error) {
	s = strings.ToLower(s)
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", wrong("64 hexadecimal digits, as sha256sum prints them", "%s is not a SHA-256 digest", quoted(s))
	}
	return s, nil
}

// cron checks an expression with what the caller gave us for that.
func (r reader) cron(s string) (string, error) {
	if s == "" || len(s) > 256 {
		return "", wrong(`"0 */4 * * *" is every four hours`, "%s is not a cron expression", quoted(s))
	}
	if r.env.CheckCron != nil {
		if err := r.env.CheckCron(s); err != nil {
			return "", wrong(`"0 */4 * * *" is every four hours`, "%s is not a cron expression: %s", quoted(s), shown(err.Error()))
		}
	}
	return s, nil
}

func (r reader) top(c *Config) []setting {
	return []setting{
		scalar("state_dir", text, &c.StateDir, r.path, same),
		scalar("status_file", text, &c.StatusFile, r.path, same),
	}
}

func (r reader) mirror(m *Mirror) []setting {
	return []setting{
		scalar("url", text, &m.URL, parseMirrorURL, urlText),
		several("fallback_urls", &m.FallbackURLs, parseMirrorURL, urlText),
		scalar("initial_root", text, &m.InitialRoot, r.initialRoot, same),
		scalar("initial_root_sha256", text, &m.InitialRootSHA256, sha256Hex, same),
		boolean("preview", &m.Preview),
		several("targets", &m.Targets, ParseGlob, Glob.String),
		boolean("forbidden_ends_chain", &m.ForbiddenEndsChain),
		boolean("allow_http", &m.AllowHTTP),
		duration("soak", &m.Soak, 0, week),
		duration("file_timeout", &m.FileTimeout, 100*time.Millisecond, time.Hour),
		duration("refresh_timeout", &m.RefreshTimeout, 100*time.Millisecond, day),
		integer("attempts", &m.Attempts, 1, 20),
		scalar("proxy", text, &m.Proxy, parseProxy, redactProxy),
		scalar("ca_file", text, &m.CAFile, r.path, same),
		scalar("client_cert_file", text, &m.ClientCertFile, r.path, same),
		scalar("client_key_file", text, &m.ClientKeyFile, r.path, same),
		scalar("headers_file", text, &m.HeadersFile, r.path, same),
	}
}

func (r reader) schedule(s *Schedule) []setting {
	interval := duration("interval", &s.Every, time.Second, 4*week)
	setInterval := interval.set
	interval.set = func(t string) error { s.Cron = ""; return setInterval(t) }
	interval.get = func() []string {
		if s.Cron != "" {
			return nil
		}
		return []string{FormatDuration(s.Every)}
	}
	cron := scalar("cron", text, &s.Cron, r.cron, same)
	setCron := cron.set
	cron.set = func(t string) error { s.Every = 0; return setCron(t) }
	return []setting{
		interval,
		cron,
		duration("jitter", &s.Jitter, 0, day),
		duration("retry_min", &s.RetryMin, 100*time.Millisecond, day),
		duration("retry_max", &s.RetryMax, 100*time.Millisecond, week),
		duration("lead", &s.Lead, 0, 52*week),
	}
}

func (r reader) caches(c *Caches) []setting {
	return []setting{
		several("paths", &c.Paths, r.path, same),
		policy(&c.Policy),
		duration("debounce", &c.Debounce, 10*time.Millisecond, time.Hour),
		duration("quiet", &c.Quiet, 0, time.Hour),
		duration("scan", &c.Scan, time.Second, week),
		dropAhead(&c.DropAhead),
	}
}

// dropAhead is a consent, and not given for a time in which a client may simply
// have been the first to ask.
func dropAhead(p *time.Duration) setting {
	s := duration("drop_ahead", p, 0, 52*week)
	set := s.set
	s.set = func(t string) error {
		if err := set(t); err != nil {
			return err
		}
		if *p > 0 && *p < day {
			return wrong(`"0s" for never, or at least 1d`, "drop_ahead cannot be %s: a client may be the first to ask", quoted(t))
		}
		return nil
	}
	return s
}

func (r reader) rule(c *CacheRule) []setting { return []setting{policy(&c.Policy)} }

func policy(p *Policy) setting {
	return words("policy", p, PolicyMend, PolicyPublish, PolicyReport, PolicyIgnore)
}

func (r reader) clients(c *Clients) []setting {
	return []setting{
		boolean("search_path", &c.SearchPath),
		several("globs", &c.Globs, r.glob, Glob.String),
		several("exclude", &c.Exclude, r.glob, Glob.String),
		several("packages", &c.Packages, r.glob, Glob.String),
		duration("scan", &c.Scan, time.Second, 4*week),
		scalar("max_file_size", text, &c.MaxFileSize, clientSize, Size.String),
		scalar("model", text, &c.Model, r.model, same),
		scalar("probe_results", text, &c.ProbeResults, r.path, same),
	}
}

// model reads the path of a compatibility table; "" is the built-in one.
func (r reader) model(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	return r.path(s)
}

func (r reader) minimum(m *Minimum) []setting {
	return []setting{scalar("version", text, &m.Version, version, same)}
}

// versions are written as a release or as a package of it has them: "v2.6.3",
// "3.0.6-r1". What of it counts is decided where versions are compared.
var versions = regexp.MustCompile(`^(?:[0-9]{1,9}:)?v?[0-9]{1,9}\.[0-9]{1,9}(?:\.[0-9]{1,9})?(?:[-+~._][0-9A-Za-z+~._-]*)?$`)

func version(s string) (string, error) {
	if len(s) > 128 || !versions.MatchString(s) {
		return "", wrong(`write it as releases are named: "2.6.3"`, "%s is not a version", quoted(s))
	}
	return s, nil
}

// clientSize bounds what is read of one file that may be a client.
func clientSize(s string) (Size, error) {
	n, err := ParseSize(s)
	if err == nil && (n < MiB || n > 8*GiB) {
		err = wrong("between 1MiB and 8GiB", "max_file_size cannot be %s", quoted(s))
	}
	return n, err
}

func (r reader) threshold(t *Threshold) []setting {
	return []setting{
		duration("warning", &t.Warning, 0, 520*week),
		duration("critical", &t.Critical, 0, 520*week),
	}
}

func (r reader) alerts(a *Alerts) []setting {
	return []setting{duration("reminder", &a.Reminder, 0, 52*week)}
}

func (r reader) log(l *Log) []setting {
	return []setting{
		words("level", &l.Level, "trace", "debug", "info", "warn", "error"),
		words("format", &l.Format, "text", "json"),
	}
}
