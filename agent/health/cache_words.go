// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

const mendNow = "tufkeeper caches --mend"

// ToDo is what to type about a cache; "" when nothing is to be done, or its client
// or the agent does it.
func (c CacheFacts) ToDo() string {
	in := c.Inspection
	mends := c.Policy == "mend" || c.Policy == ""
	switch {
	case in.State == cache.Ahead: // what is newer protects its client: nobody is told to remove it
		return "ask its mirror again: tufkeeper refresh; if it stays ahead, the mirror went back or the cache was filled from elsewhere: ask its owner before anything is removed"
	case in.Remedy != "":
		return in.Remedy
	case in.State == cache.Damaged, in.State == cache.Unusable && singleFiles(in.Damage):
		switch {
		case mends:
			return mendNow
		case healsAlone(in.Damage), c.NoRule:
			return ""
		}
		return "to have it mended, " + c.rule("mend")
	case in.State == cache.Behind && (mends || c.Policy == "publish"):
		return mendNow
	case in.State == cache.Behind && c.Policy == "report" && !c.NoRule:
		return "nothing: its client brings it forward by itself; to have it done here, " + c.rule("mend")
	case in.State == cache.Expired && c.Cache.Mirror != "":
		return "tufkeeper refresh"
	case in.State == cache.Foreign && len(in.Versions) > 0:
		return c.known()
	}
	return ""
}

// rule says which rule to write, and where: of several that match, the first counts.
func (c CacheFacts) rule(policy string) string {
	return fmt.Sprintf("write rule %s { policy = %q } before the other rules of the caches block in %s, then: %s",
		globOf(c.Cache.Path), policy, c.config(), mendNow)
}

// known says what makes a cache comparable that is well, as far as can be told.
func (c CacheFacts) known() string {
	if c.Cache.Mirror != "" {
		if c.Unrefreshed {
			return "tufkeeper refresh"
		}
		return ""
	}
	u, err := url.Parse(c.Cache.URL)
	sane := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		len(c.Cache.URL) <= 200 && strings.Trim(strings.ToLower(c.Cache.URL), "abcdefghijklmnopqrstuvwxyz0123456789./:_~-") == ""
	if !sane {
		return ""
	}
	return fmt.Sprintf("to have it compared, add a block mirror %q to %s, with url = %q and, as initial_root, the root that its clients were given",
		u.Hostname(), c.config(), c.Cache.URL)
}

// config is the file that a setting belongs into.
func (c CacheFacts) config() string {
	if c.ConfigFile == "" {
		return "the configuration"
	}
	return Typed(c.ConfigFile)
}

// singleFiles says whether all that is wrong are files in the cache's directory, or
// what stands in its place, and not the directory itself.
func singleFiles(damage []cache.Damage) bool {
	for _, d := range damage {
		if d.File == "." && d.What != "not a directory" {
			return false
		}
	}
	return len(damage) > 0
}

// globOf is a path as the label of a rule, which is a glob.
func globOf(path string) string {
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune(`*?[]{}\`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	// Neither a template of the configuration nor, should it be pasted there, of a shell.
	return strings.NewReplacer("$", `\u0024`, "`", `\u0060`, "!", `\u0021`).Replace(strconv.QuoteToGraphic(b.String()))
}
