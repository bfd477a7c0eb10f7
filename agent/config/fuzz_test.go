// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

// Parse never panics, an error means no Config, and what is printed parses
// back to an equal Config, which prints the same.
func FuzzParse(f *testing.F) {
	src, err := os.ReadFile(examplePath)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Add([]byte(withoutCron(uncommented(string(src)))))
	f.Add(config.Default(ada).HCL())
	for _, s := range []string{
		"mirror \"a\" {\n url = \"http://[::1]:80/%2F\"\n initial_root = \"/\\u0041\\n$${x}%%{y}\"\n proxy = \"socks5://u:p@h\"\n schedule {\n cron = \"\\\"\"\n }\n}",
		"caches {\n paths = [\"~\", \"~/\\\\\"]\n rule \"~/*\" {\n policy = \"ignore\"\n }\n}",
		"caches {\n paths = []\n drop_ahead = \"1w\"\n place \"~/\\u0041$${x}\" {\n client = \"sigstore-ruby\"\n targets = \"~\"\n }\n place \"/\" {\n client = \"sigstore-java\"\n url = \"file:///x\"\n }\n}",
		"clients {\n globs = [\"/{a,b}/[^c]\"]\n max_file_size = \"1048577B\"\n}",
		"clients {\n model = \"\"\n packages = []\n minimum \"a\\\"b/$${c\" {\n version = \"1:v2.0~rc1\"\n }\n}",
		"threshold \"root\" {\n warning = \"1w2d3h4m5s6ms7us8ns\"\n}",
		"state_dir = \"${\"${\"${", "a = [[[[[[[[[", "x = <<E\nE\n", "mirror = {", "\ufeff", "log \"\\u0000\" {}",
		"state_dir = \"/e\\u0301\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse(src, "/f.hcl", ada)
		if err != nil {
			e, ok := errors.AsType[*config.Error](err)
			if !ok || len(e.Problems) == 0 || !reflect.ValueOf(c).IsZero() {
				t.Fatalf("got %+v beside %#v", c, err)
			}
			for _, p := range append(e.Lines(), e.Headline(), e.Hint()) {
				if strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || !unicode.IsPrint(r) && r > 0x7f }) {
					t.Fatalf("an error would write control characters: %q", p)
				}
			}
			return
		}
		printed := c.HCL()
		again, err := config.Parse(printed, "/f.hcl", config.Env{})
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		for i, m := range c.Mirrors {
			if u, err := url.Parse(m.Proxy); err == nil && u.User != nil {
				c.Mirrors[i].Proxy = u.Redacted()
			}
		}
		if !reflect.DeepEqual(again, c) {
			t.Fatalf("got %+v\nwant %+v\n%s", again, c, printed)
		}
		if !bytes.Equal(again.HCL(), printed) {
			t.Fatalf("printed twice:\n%s\nand\n%s", printed, again.HCL())
		}
	})
}
