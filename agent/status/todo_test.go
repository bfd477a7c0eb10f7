// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// printed is what the page of caches tells to type, and of problems, each as it is
// copied: without what stands before the first line.
func printed(t *testing.T, todo string, width int) []string {
	t.Helper()
	r := status.Report{
		Caches:   []status.Cache{{Path: "/c", State: "damaged", Owner: "ada", Remedy: todo}},
		Problems: []health.Problem{{Code: "cache_damaged", Summary: "x", Remedy: todo}},
	}
	var all []string
	for _, write := range []func(b *strings.Builder) error{
		func(b *strings.Builder) error {
			return status.CachesText(b, r, status.Style{Width: width, Now: reader})
		},
		func(b *strings.Builder) error { return status.Text(b, r, status.Style{Width: width, Now: reader}) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		_, after, ok := strings.Cut(b.String(), "→ ")
		if !ok {
			t.Fatalf("nothing to type in\n%s", b.String())
		}
		var lines []string
		for i, l := range strings.Split(after, "\n") {
			if i > 0 && !strings.HasPrefix(l, "      ") {
				break
			}
			lines = append(lines, l)
		}
		all = append(all, strings.Join(lines, "\n"))
	}
	return all
}

// hostile is what somebody may call a directory or a mirror, so that a line of what is
// printed would be a command of his.
func hostileNames() []string {
	names := []string{
		"/tmp/x/p, aaaa.sh", "/tmp/x/p; aaaa.sh", "/tmp/x/p: aaaa.sh", "/tmp/x/p,", "/tmp/x/p;", "/tmp/x/p:", "=ls", "~", "~root", "/tmp/a=b",
		"/tmp/it's, aaaa.sh", `/tmp/\', aaaa.sh`, "/tmp/\x01', aaaa.sh", "/tmp/\x01\\', aaaa.sh", "/tmp/\xff it's; $(touch owned) `touch owned`",
		"/tmp/\n touch owned", "!!", "# x", "/tmp/ü ö, aaaa.sh", "/tmp/\u202e, aaaa.sh", `/tmp/"a, b`, `/tmp/a\ b, c`, "/tmp/a | touch owned", "/tmp/a && touch owned",
		strings.Repeat("/tmp/x/p, aaaa.sh ", 200),
	}
	for n := 0; n < 60; n += 6 { // a break at many a column
		names = append(names, "/tmp/x/"+strings.Repeat("p", n)+", aaaa.sh", "/"+strings.Repeat("a ", n)+"touch owned", "/\x01"+strings.Repeat("'", n)+" touch owned")
	}
	return names
}

// Whatever a directory is called, what is printed is one command, and that name its argument.
func TestAPrintedCommandIsThatCommand(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	for _, stub := range []string{"chmod", "aaaa.sh"} { // tells its arguments, each by its end
		if err := os.WriteFile(filepath.Join(dir, stub), []byte("#!"+bash+"\nprintf '%s\\0' \"${0##*/}\" \"$@\" >&3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range hostileNames() {
		for _, width := range []int{40, 60 + i%20, 120} {
			texts := slices.Compact(printed(t, "chmod u+rwx "+health.Typed(name), width))
			if len(texts) != 1 {
				t.Fatalf("the pages differ: %q", texts)
			}
			cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", "exec 3>&1 >&2\n"+texts[0])
			cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/home/ada"}
			out, err := cmd.Output()
			if want := "chmod\x00u+rwx\x00" + name + "\x00"; err != nil || string(out) != want {
				t.Errorf("width %d: pasted (%v)\n%s\nit runs %q, want %q", width, err, texts[0], out, want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "owned")); len(left) > 0 {
				t.Fatalf("somebody else's command was run: %s", texts[0])
			}
		}
	}
}

// The same for what is in a cache, through the inspection of it: no command holds what
// remote.json says instead of a URL.
func TestNoCommandHoldsWhatIsNoURL(t *testing.T) {
	for _, name := range hostileNames() {
		if len(name) > 250 {
			continue // names no directory, of whatever mirror
		}
		base := t.TempDir()
		doc := fmt.Sprintf(`{"mirror": %q}`, strings.ToValidUTF8(strings.ReplaceAll(name, "\x01", ""), ""))
		if err := os.WriteFile(filepath.Join(base, "remote.json"), []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _ := cache.Find([]cache.Place{{Base: base, Reader: cache.Cosign}}, nil)
		for _, c := range found {
			in := c.Inspect(nil, time.Now())
			want := "mv " + base + "/remote.json " + base + "/remote.json.broken"
			if in.Remedy != want || !strings.Contains(in.Detail, "remote.json") {
				t.Errorf("%s: %q, remedy %q; want %q", doc, in.Detail, in.Remedy, want)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: nothing found", doc)
		}
	}
}

// Prose is no command, and none of its lines begins with a name from outside.
func TestProseIsNoCommand(t *testing.T) {
	for _, name := range hostileNames() {
		word := health.Typed(name)
		for _, todo := range []string{
			"tufkeeper probe " + word + "; if it stays, report it to the makers of tufkeeper: the compatibility table is wrong about this build",
			"install the newest cosign in place of " + word, "replace the link by a directory of its own: rm " + word,
			"tufkeeper refresh; if that brings nothing newer, ask whoever runs " + word + " to sign the root role again",
		} {
			if health.IsCommand(todo) {
				t.Errorf("taken for a command: %s", todo)
			}
			for _, width := range []int{48, 63, 80, 120} {
				for _, text := range printed(t, todo, width) {
					lines := strings.Split(text, "\n")
					for _, l := range lines[1:] {
						if l = strings.TrimSpace(l); strings.ContainsAny(l[:1], `/'"$~=#!\`) || strings.Contains(l, "aaaa.sh") && !strings.Contains(l, word) {
							t.Errorf("width %d: a line begins with %q", width, l)
						}
					}
				}
			}
		}
	}
}
