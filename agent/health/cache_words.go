// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
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
		return "tufkeeper refresh; if it stays, the mirror went back or the cache was filled from elsewhere: ask its owner before anything is removed"
	case in.Remedy != "":
		return in.Remedy
	case in.State == cache.Damaged, in.State == cache.Unusable && singleFiles(in.Damage):
		switch {
		case mends:
			return mendNow
		case healsAlone(in.Damage):
			return ""
		}
		return fmt.Sprintf("to have it mended, write rule %s { policy = \"mend\" } into the block caches of the configuration, then: %s", globOf(c.Cache.Path), mendNow)
	case in.State == cache.Behind && (mends || c.Policy == "publish"):
		return mendNow
	case in.State == cache.Expired && c.Cache.Mirror != "":
		return "tufkeeper refresh"
	}
	return ""
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
