// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// A remedy is typed into a shell: the shell must see the very name, on one line.
func TestQuotedNamesReachTheShellUnchanged(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		bash = "" // then only the lines are counted
	}
	for _, name := range []string{
		"/home/ada/.sigstore/root", "", "a b", "it's", `back\slash "quoted"`, "$(id) `id`", "new\nline", "tab\t", "é", "\x1b[31m", "\xff", "-rf",
		"'; touch /tmp/x #", "\u202e", "!!",
	} {
		quoted := cache.Quote(name)
		if strings.ContainsAny(quoted, "\n\x1b") {
			t.Errorf("Quote(%q) = %q", name, quoted)
		}
		if bash == "" || name == "" {
			continue
		}
		out, err := exec.CommandContext(t.Context(), bash, "-c", "LC_ALL=C.UTF-8; printf %s "+quoted).Output()
		if name == "-rf" {
			continue // an option wherever it is typed; paths of ours begin with a slash
		}
		if err != nil || string(out) != name {
			t.Errorf("the shell makes %q of %s (%v), want %q", out, quoted, err, name)
		}
	}
}
