// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

func TestMistakes(t *testing.T) {
	corp := func(body string) string {
		return "mirror \"corp\" {\n  initial_root = \"/etc/root.json\"\n  " + body + "\n}"
	}
	caches := func(body string) string { return "caches {\n  " + body + "\n}" }
	for name, tc := range map[string]struct{ src, at, text, hint string }{
		"an unknown setting":                   {"schedule {\n  intervall = \"1h\"\n}", "2:3", `unknown setting "intervall" in a schedule block`, `did you mean "interval"?`},
		"an unknown block":                     {"mirorr \"x\" {\n}", "1:1", `unknown block "mirorr" in the file`, `did you mean "mirror"?`},
		"a setting in the wrong place":         {`interval = "1h"`, "1:1", `unknown setting "interval" in the file`, `"interval" belongs into a schedule block`},
		"a block written as a setting":         {`log = "debug"`, "1:1", `unknown setting "log" in the file`, "it is a block: write log { … }"},
		"a setting written as a block":         {"state_dir {\n}", "1:1", `unknown block "state_dir" in the file`, "it is a setting: write state_dir = …"},
		"a block that wants a name":            {"mirror {\n}", "1:1", "a mirror block has one name", `write mirror "NAME" { … }`},
		"a block that wants none":              {"log \"x\" {\n}", "1:5", "a log block has no name", "write log { … }"},
		"a second block":                       {"log {\n}\nlog {\n}", "3:1", "there is a second log block", ""},
		"a second mirror of one name":          {"mirror \"sigstore\" {\n}\nmirror \"sigstore\" {\n}", "3:1", `there is a second mirror "sigstore"`, ""},
		"a setting twice":                      {"state_dir = \"/a\"\nstate_dir = \"/b\"", "2:1", "Attribute redefined", ""},
		"a text without quotes":                {"caches {\n  policy = mend\n}", "2:12", "policy takes a text in quotes", `write "mend"`},
		"a number where a text is due":         {"schedule {\n  interval = 4\n}", "2:14", "interval takes a text in quotes", ""},
		"a text where a flag is due":           {corp("url = \"https://tuf.corp\"\n  preview = \"yes\""), "4:13", "preview takes true or false", ""},
		"null":                                 {"state_dir = null", "1:13", "state_dir takes a text in quotes", ""},
		"a text where a list is due":           {"caches {\n  paths = \"/a\"\n}", "2:11", "paths takes a list", `write ["…", "…"]`},
		"a number in a list":                   {"caches {\n  paths = [\"/a\", 7]\n}", "2:18", "an element of paths takes a text in quotes", ""},
		"an element twice":                     {"caches {\n  paths = [\"~/a\", \"/home/ada/a/\"]\n}", "2:19", `"/home/ada/a/" is listed twice`, ""},
		"a duration without unit":              {"schedule {\n  interval = \"4\"\n}", "2:14", `"4" is not a duration`, `write a number and a unit: "90s", "10m", "4h", "15d", "2w"`},
		"a negative duration":                  {"caches {\n  quiet = \"1d-2h\"\n}", "2:11", `"1d-2h" is not a duration`, `write a number and a unit: "90s", "10m", "4h", "15d", "2w"`},
		"a duration out of bounds":             {"schedule {\n  interval = \"0s\"\n}", "2:14", `interval cannot be "0s"`, "between 1s and 28d"},
		"a size without sense":                 {"clients {\n  max_file_size = \"big\"\n}", "2:19", `"big" is not a size`, `write a number and a unit: "512KiB", "200MiB", "1GiB"`},
		"an open bracket in a glob":            {"clients {\n  exclude = [\"/a[\"]\n}", "2:14", `"/a[" is not a glob`, `"*" matches within a name, "**" across directories; brackets and braces must be closed`},
		"a glob that matches no absolute path": {"clients {\n  globs = [\"bin/*\"]\n}", "2:12", `glob "bin/*" cannot match an absolute path`, `start it with "/", "~/" or "**/"`},
		"a relative path":                      {`state_dir = "state"`, "1:13", `path "state" is not absolute`, `did you mean "/etc/tufkeeper/state" or "~/state"?`},
		"an unknown policy":                    {"caches {\n  policy = \"publsh\"\n}", "2:12", `policy cannot be "publsh"`, `did you mean "publish"?`},
		"an unknown level":                     {"log {\n  level = \"loud\"\n}", "2:11", `level cannot be "loud"`, "one of trace, debug, info, warn, error"},
		"an unknown role":                      {"threshold \"timestmp\" {\n}", "1:11", `there is no role "timestmp"`, `did you mean "timestamp"?`},
		"a warning after the critical":         {"threshold \"root\" {\n  warning = \"1d\"\n}", "2:13", "warning (1d) must be longer than critical (5d)", "it is counted back from the expiry"},
		"an interval and a cron expression":    {"schedule {\n  interval = \"1h\"\n  cron = \"1 * * * *\"\n}", "3:10", "interval and cron exclude each other", "take one of them out"},
		"a cron expression that is none":       {"schedule {\n  cron = \"bad\"\n}", "2:10", `"bad" is not a cron expression: no such cron`, `"0 */4 * * *" is every four hours`},
		"a retry that shrinks":                 {"schedule {\n  retry_min = \"2h\"\n}", "2:15", "retry_min (2h) is longer than retry_max (1h)", ""},
		"more jitter than interval":            {"schedule {\n  interval = \"1m\"\n}", "2:14", "jitter (15m) is longer than interval (1m)", ""},
		"a mirror without a url":               {corp(""), "1:1", `mirror "corp" has no url`, `write url = "https://…"`},
		"a mirror without an initial root":     {"mirror \"corp\" {\n  url = \"https://tuf.corp\"\n}", "1:1", `mirror "corp" has no initial_root`, `write initial_root = "/path/to/root.json", a file from the people who run the mirror`},
		"a mirror that is no file name":        {"mirror \"../x\" {\n  url = \"https://x\"\n  initial_root = \"/r\"\n}", "1:8", `a mirror cannot be named "../x"`, `use lower-case letters, digits, "-", "_" and ".", such as "corp"`},
		"plain http":                           {corp(`url = "http://tuf.corp"`), "3:9", `URL "http://tuf.corp" is plain http`, "use https, or set allow_http = true"},
		"plain http in a fallback":             {corp("url = \"https://a.corp\"\n  fallback_urls = [\"http://b.corp\"]"), "4:19", `URL "http://b.corp" is plain http`, "use https, or set allow_http = true"},
		"a password in a url":                  {corp(`url = "https://ada:secret@tuf.corp"`), "3:9", `URL "https://ada:xxxxx@tuf.corp" holds a user name or password`, "put credentials into headers_file"},
		"a query in a url":                     {corp(`url = "https://tuf.corp/?x=1"`), "3:9", `URL "https://tuf.corp/?x=1" has a query or a fragment`, "file names are appended to a mirror's URL"},
		"an unknown scheme":                    {corp(`url = "ftp://tuf.corp"`), "3:9", `URL "ftp://tuf.corp" has scheme "ftp"`, "a mirror is reached by https, http or file"},
		"a file url of another host":           {corp(`url = "file://srv/tuf"`), "3:9", `URL "file://srv/tuf" names no absolute path of this host`, "write file:///srv/tuf"},
		"a proxy that is none":                 {corp("url = \"https://tuf.corp\"\n  proxy = \"ftp://u:secret@p\""), "4:11", `proxy "ftp://u:xxxxx@p" is not reached by http, https or socks5`, `write "none", "environment", or a URL such as "http://proxy.example:3128"`},
		"a certificate without a key":          {corp("url = \"https://tuf.corp\"\n  client_cert_file = \"/c\""), "1:1", "client_cert_file and client_key_file go together", ""},
		"a pin that is no digest":              {corp("url = \"https://tuf.corp\"\n  initial_root_sha256 = \"abc\""), "4:25", `"abc" is not a SHA-256 digest`, "64 hexadecimal digits, as sha256sum prints them"},
		"an initial root that is not built in": {"mirror \"sigstore\" {\n  initial_root = \"builtin:sigstor\"\n}", "2:18", `there is no initial root "builtin:sigstor"`, `did you mean "builtin:sigstore"?`},
		"no attempt at all":                    {corp("url = \"https://tuf.corp\"\n  attempts = 0"), "4:14", "attempts cannot be 0", "between 1 and 20"},
		"half an attempt":                      {corp("url = \"https://tuf.corp\"\n  attempts = 1.5"), "4:14", "attempts cannot be 1.5", "between 1 and 20"},
		"mirrors that share a cache directory": {"mirror \"sigstore\" {\n}\n" + corp(`url = "file:///x"`) + "\nmirror \"two\" {\n  url = \"HTTPS://TUF-repo-cdn.sigstore.dev\"\n  initial_root = \"/r\"\n}", "7:1", `mirror "two" and mirror "sigstore" share the cache directory "tuf-repo-cdn.sigstore.dev" of Sigstore clients`, "keep one of them"},
		"a path and a name that look alike":    {corp("url = \"https://x/a/b\"") + "\nmirror \"two\" {\n  url = \"https://x-a:b\"\n  initial_root = \"/r\"\n}", "6:9", "not a URL", ""},
		"a state directory inside a cache":     {`state_dir = "/home/ada/.sigstore/root/state"`, "1:13", `state_dir "/home/ada/.sigstore/root/state" lies in the cache "/home/ada/.sigstore/root"`, "its client may remove everything there"},
		"a rule without a policy":              {"caches {\n  rule \"/x\" {\n  }\n}", "2:3", `rule "/x" has no policy`, `write policy = "report"`},
		"two rules for the same glob":          {"caches {\n  rule \"/home/ada/x\" {\n    policy = \"mend\"\n  }\n  rule \"~/x\" {\n    policy = \"mend\"\n  }\n}", "5:3", `there is a second rule "~/x"`, ""},
		"a minimum without a version":          {"clients {\n  minimum \"cosign\" {\n  }\n}", "2:3", `minimum "cosign" has no version`, `write version = "2.6.3"`},
		"a minimum that is no version":         {"clients {\n  minimum \"cosign\" {\n    version = \"latest\"\n  }\n}", "3:15", `"latest" is not a version`, `write it as releases are named: "2.6.3"`},
		"a minimum without a name":             {"clients {\n  minimum {\n  }\n}", "2:3", "a minimum block has one name", `write minimum "NAME" { … }`},
		"a minimum of no client":               {"clients {\n  minimum \"two words\" {\n    version = \"1.0\"\n  }\n}", "2:11", `a client cannot be named "two words"`, `a name as "tufkeeper clients" prints it, such as "cosign"`},
		"two minimums for one client":          {"clients {\n  minimum \"gh\" {\n    version = \"2.50\"\n  }\n  minimum \"gh\" {\n    version = \"2.51\"\n  }\n}", "5:3", `there is a second minimum "gh"`, ""},
		"a model that is no path":              {"clients {\n  model = \"compat.json\"\n}", "2:11", `path "compat.json" is not absolute`, `did you mean "/etc/tufkeeper/compat.json" or "~/compat.json"?`},
		"a place without a client":             {caches("place \"/x\" {\n  }"), "2:3", `place "/x" has no client`, `write client = "npm", or one of cosign, gh, sigstore-js, npm, sigstore-python, sigstore-ruby, sigstore-java`},
		"a place of no known client":           {caches("place \"/x\" {\n    client = \"sigstore-pyhton\"\n  }"), "3:14", `client cannot be "sigstore-pyhton"`, `did you mean "sigstore-python"?`},
		"a place of something else":            {caches("place \"/x\" {\n    client = \"podman\"\n  }"), "3:14", `client cannot be "podman"`, "one of cosign, gh, sigstore-js, npm, sigstore-python, sigstore-ruby, sigstore-java"},
		"a place without a name":               {caches("place {\n    client = \"npm\"\n  }"), "2:3", "a place block has one name", `write place "PATH" { … }`},
		"a place that is not absolute":         {caches("place \".npm/_tuf\" {\n    client = \"npm\"\n  }"), "2:9", `path ".npm/_tuf" is not absolute`, `did you mean "/etc/tufkeeper/.npm/_tuf" or "~/.npm/_tuf"?`},
		"a place named twice":                  {caches("place \"/home/ada/x\" {\n    client = \"npm\"\n  }\n  place \"~/x/\" {\n    client = \"gh\"\n  }"), "5:3", `there is a second place "~/x/"`, ""},
		"a place named twice to the letter":    {caches("place \"/x\" {\n    client = \"npm\"\n  }\n  place \"/x\" {\n    client = \"gh\"\n  }"), "5:3", `there is a second place "/x"`, ""},
		"a place in paths":                     {caches("place \"/x\" {\n    client = \"gh\"\n  }\n  paths = [\"/x\"]"), "2:3", `place "/x" is in paths, too`, "paths are those of cosign: take it out of one of the two"},
		"a place in the usual paths":           {caches("place \"~/.sigstore/root\" {\n    client = \"cosign\"\n  }"), "2:3", `place "/home/ada/.sigstore/root" is in paths, too`, "paths are those of cosign: take it out of one of the two"},
		"a place in a place":                   {caches("place \"/x\" {\n    client = \"npm\"\n  }\n  place \"/x/y\" {\n    client = \"sigstore-java\"\n  }"), "5:3", `place "/x/y" lies in the place "/x"`, "name each client's own directory"},
		"a place that holds one of paths":      {caches("place \"~/.sigstore\" {\n    client = \"gh\"\n  }"), "2:3", `place "/home/ada/.sigstore" holds the place "/home/ada/.sigstore/root"`, "name each client's own directory"},
		"targets of a client that has none":    {caches("place \"/x\" {\n    client  = \"npm\"\n    targets = \"/y\"\n  }"), "4:15", "npm keeps target files in the cache itself", "take it out"},
		"no targets of a client that has some": {caches("place \"/x\" {\n    client = \"sigstore-ruby\"\n  }"), "2:3", `sigstore-ruby keeps target files apart, and place "/x" does not say where`, `write targets = "/path", the directory that corresponds to "/x"`},
		"a url of a client that needs none":    {caches("place \"/x\" {\n    client = \"gh\"\n    url    = \"https://a.example\"\n  }"), "4:14", "the directories of gh say which mirror they are of", "take it out"},
		"a state directory in a place":         {"state_dir = \"/x/state\"\n" + caches("place \"/x\" {\n    client = \"npm\"\n  }"), "1:13", `state_dir "/x/state" lies in the cache "/x"`, "its client may remove everything there"},
		"metadata dropped too soon":            {caches(`drop_ahead = "10m"`), "2:16", `drop_ahead cannot be "10m": a client may be the first to ask`, `"0s" for never, or at least 1d`},
		"an expression":                        {"state_dir = (1)", "1:13", `"(" starts an expression, and a setting takes a plain value`, ""},
		"an interpolation":                     {`state_dir = "/x/${home}"`, "1:17", `"${" starts an expression, and a setting takes a plain value`, `write "$${" for a literal "${"`},
		"brackets without end":                 {"state_dir = " + strings.Repeat("[", 50_000), "1:21", "nested more than 8 deep", ""},
		"a file without end":                   {strings.Repeat("\n", 100_001), "100001:1", "more than 100000 words", ""},
		"a number without end":                 {"state_dir = " + strings.Repeat("9", 1000), "1:13", `"` + strings.Repeat("9", 120) + `"… is too long for a number`, ""},
		"a block that is not closed":           {"log {\n", "1:5", "Unclosed configuration block", ""},
		"bytes that are not text":              {"\xffstate_dir = \"/x\"", "1:1", "Invalid character encoding", ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := ada
			env.CheckCron = func(s string) error {
				if s == "bad" {
					return errors.New("no such cron")
				}
				return nil
			}
			c, err := config.Parse([]byte(tc.src), "/etc/tufkeeper/config.hcl", env)
			e, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("got error %v, want a *config.Error", err)
			}
			if !reflect.ValueOf(c).IsZero() {
				t.Errorf("got a Config beside the error: %+v", c)
			}
			p := e.Problems[0]
			if at := fmt.Sprintf("%d:%d", p.Line, p.Column); at != tc.at || !strings.HasPrefix(p.Text, tc.text) || p.Hint != tc.hint {
				t.Errorf("got  %s %s (%s)\nwant %s %s (%s)", at, p.Text, p.Hint, tc.at, tc.text, tc.hint)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is in the error: %v", err)
			}
		})
	}
}

func TestAllMistakesAreReportedInOrder(t *testing.T) {
	_, err := config.Parse([]byte(`mirror "sigstore" {
  intervall = "3h"
  schedule {
    every = "1h"
  }
}
log {
  level = "loud"
}
schedule {
  interval = "never"
}
state_dir = "x"
`), "/etc/tufkeeper/config.hcl", ada)
	want := strings.TrimSpace(`
reading config /etc/tufkeeper/config.hcl:2:3: unknown setting "intervall" in a mirror block (and 4 more)
/etc/tufkeeper/config.hcl:4:5: unknown setting "every" in a schedule block (one of interval, cron, jitter, retry_min, retry_max, lead)
/etc/tufkeeper/config.hcl:8:11: level cannot be "loud" (one of trace, debug, info, warn, error)
/etc/tufkeeper/config.hcl:11:14: "never" is not a duration (write a number and a unit: "90s", "10m", "4h", "15d", "2w")
/etc/tufkeeper/config.hcl:13:13: path "x" is not absolute (did you mean "/etc/tufkeeper/x" or "~/x"?)`)
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestWhatComesFromTheFileIsQuoted(t *testing.T) {
	_, err := config.Parse([]byte("log {\n  level = \"\\u001b[31m\\n\"\n}"), "bad\x1bname", ada)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q, want no control characters", err)
	}
}

func TestAWholeFile(t *testing.T) {
	c := parse(t, `
state_dir = "~/keeper"
mirror "corp" {
  url           = "http://tuf.corp:8080/a%2Fb/"
  fallback_urls = ["file:///srv/tuf", "http://127.0.0.1:1/"]
  allow_http    = true
  initial_root  = "~/root.json"
  initial_root_sha256 = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
  proxy         = "http://ada:secret@proxy:3128"
  targets       = []
  attempts      = 7
  schedule {
    cron = "5 * * * *"
  }
}
mirror "sigstage" {
  preview = true
  schedule {
    retry_max = "1w"
  }
}
schedule {
  interval = "1d12h"
}
caches {
  paths = ["~/x"]
  rule "~/x/**" {
    policy = "ignore"
  }
  rule "/home/**" {
    policy = "report"
  }
}
clients {
  max_file_size = "1GB"
  model         = "~/compat.json"
  packages      = ["~/lib/**/site-packages"]
  probe_results = "~/probed.json"
  minimum "cosign" {
    version = "v2.6.3"
  }
  minimum "github.com/x/y" {
    version = "1:1.0-r1"
  }
}
`, config.Env{Home: "/home/a*a", StateHome: "/home/a*a/.local/state"})
	for _, got := range []struct{ name, got, want string }{
		{"state_dir", c.StateDir, "/home/a*a/keeper"},
		{"status_file without a runtime directory", c.StatusFile, "/home/a*a/keeper/status.json"},
		{"url", c.Mirrors[0].URL.String(), "http://tuf.corp:8080/a%2Fb/"},
		{"fallback", c.Mirrors[0].FallbackURLs[1].String(), "http://127.0.0.1:1/"},
		{"initial_root", c.Mirrors[0].InitialRoot, "/home/a*a/root.json"},
		{"pin", c.Mirrors[0].InitialRootSHA256[:6], "abcdef"},
		{"proxy", c.Mirrors[0].Proxy, "http://ada:secret@proxy:3128"},
		{"known url", c.Mirrors[1].URL.String(), "https://tuf-repo-cdn.sigstage.dev"},
		{"cron", c.Mirrors[0].Schedule.Cron + c.Mirrors[0].Schedule.Every.String(), "5 * * * *0s"},
		{"common interval in a mirror's schedule", c.Mirrors[1].Schedule.Every.String(), "36h0m0s"},
		{"size", c.Clients.MaxFileSize.String(), "1GB"},
		{"model", c.Clients.Model, "/home/a*a/compat.json"},
		{"packages", fmt.Sprint(c.Clients.Packages), `[/home/a\*a/lib/**/site-packages]`},
		{"probe results", c.Clients.ProbeResults, "/home/a*a/probed.json"},
		{"minimums", fmt.Sprint(c.Clients.Minimums), "[{cosign v2.6.3} {github.com/x/y 1:1.0-r1}]"},
		{"policy of the first rule", policyFor(c, "/home/a*a/x/y"), "ignore"},
		{"policy of the second rule", policyFor(c, "/home/aXa/x/y"), "report"},
		{"policy without a rule", policyFor(c, "/root"), "mend"},
	} {
		if got.got != got.want {
			t.Errorf("%s: got %q, want %q", got.name, got.got, got.want)
		}
	}
	if strings.Contains(string(c.HCL()), "secret") {
		t.Errorf("the password is printed:\n%s", c.HCL())
	}
	again := parse(t, string(c.HCL()), config.Env{})
	c.Mirrors[0].Proxy = "http://ada:xxxxx@proxy:3128"
	if !reflect.DeepEqual(again, c) {
		t.Errorf("printed and parsed again, got\n%+v\nwant\n%+v", again, c)
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]string{
		"15d": "15d", "2w": "14d", "1w2d12h": "9d12h", "90s": "1m30s", "48h": "2d", "0s": "0s", "1h0m0s": "1h",
		"1500ms": "1.5s", "10h": "10h", "20m": "20m", "100m": "1h40m", "24h1s": "1d1s",
		"15250w1d": "106751d", // nearly all that fits
	} {
		d, err := config.ParseDuration(in)
		if err != nil || config.FormatDuration(d) != want {
			t.Errorf("%s: got %s, %v, want %s", in, config.FormatDuration(d), err, want)
		}
	}
	for _, in := range []string{"", "d", "1", "1.5d", "-1h", "+1d", "-1d", "1d2w", "1d1d", "15251w", "106752d", "106751d24h", "9999999999w", "1x", "1h d"} {
		if d, err := config.ParseDuration(in); err == nil {
			t.Errorf("%q: got %s, want an error", in, d)
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]string{
		"200MiB": "200MiB", "1024KiB": "1MiB", "1 GB": "1GB", "0B": "0B", "512b": "512B", "1500kB": "1500kB", "8191PiB": "", "1": "", "MiB": "",
		"-1B": "", "1.5GiB": "", "9223372036854775807B": "9223372036854775807B", "9223372036854775808B": "", "8589934592GiB": "",
	} {
		s, err := config.ParseSize(in)
		if (err != nil) != (want == "") || (err == nil && s.String() != want) {
			t.Errorf("%s: got %s, %v, want %q", in, s, err, want)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		glob, path string
		want       bool
	}{
		{"/opt/*/bin", "/opt/x/bin", true},
		{"/opt/*/bin", "/opt/x/y/bin", false},
		{"/home/**", "/home/ada/.sigstore/root", true},
		{"**/cosign{,-*}", "/usr/bin/cosign-v2", true},
		{`/a\*`, "/a*", true},
		{`/a\*`, "/ab", false},
		{"", "", false},
	} {
		if got := config.Glob(tc.glob).Match(tc.path); got != tc.want {
			t.Errorf("%q against %q: got %t, want %t", tc.glob, tc.path, got, tc.want)
		}
	}
}
