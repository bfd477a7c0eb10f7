// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

func TestWhatToTypeAboutACache(t *testing.T) {
	const rule = `write rule "/c/x" { policy = "mend" } before the other rules of the caches block in /etc/t.hcl, then: tufkeeper caches --mend`
	versions := map[string]int64{"root": 1}
	damage := []cache.Damage{{File: "timestamp.json", What: "empty"}}
	at := func(url string) cache.Cache { return cache.Cache{Path: "/c/x", URL: url} }
	known := cache.Inspection{State: cache.Foreign, Versions: versions}
	for name, tc := range map[string]struct {
		facts health.CacheFacts
		want  string
	}{
		"damaged, reported on": {health.CacheFacts{Policy: "report", Inspection: cache.Inspection{State: cache.Damaged, Damage: damage}}, "to have it mended, " + rule},
		"damaged, only brought forward": {health.CacheFacts{Policy: "publish", Inspection: cache.Inspection{State: cache.Damaged, Damage: damage}},
			"to have it mended, " + rule},
		"damaged, where no rule helps": {health.CacheFacts{Policy: "report", NoRule: true, Inspection: cache.Inspection{State: cache.Damaged, Damage: damage}}, ""},
		"behind, reported on": {health.CacheFacts{Policy: "report", Inspection: cache.Inspection{State: cache.Behind}},
			"nothing: its client brings it forward by itself; to have it done here, " + rule},
		"behind, where no rule helps": {health.CacheFacts{Policy: "report", NoRule: true, Inspection: cache.Inspection{State: cache.Behind}}, ""},
		"not refreshed yet":           {health.CacheFacts{Cache: cache.Cache{Mirror: "m", Path: "/c/x"}, Unrefreshed: true, Inspection: known}, "tufkeeper refresh"},
		"not understood":              {health.CacheFacts{Cache: cache.Cache{Mirror: "m"}, Unrefreshed: true, Inspection: cache.Inspection{State: cache.Foreign}}, ""},
		"its mirror is not configured": {health.CacheFacts{Cache: at("https://tuf.example.org:8443/a"), Policy: "report", Inspection: known},
			`to have it compared, add a block mirror "tuf.example.org" to /etc/t.hcl, with url = "https://tuf.example.org:8443/a" and, as initial_root, the root that its clients were given`},
		"no URL":              {health.CacheFacts{Cache: at(""), Inspection: known}, ""},
		"a file":              {health.CacheFacts{Cache: at("file:///etc"), Inspection: known}, ""},
		"a user in it":        {health.CacheFacts{Cache: at("https://a@b.example"), Inspection: known}, ""},
		"more than a URL":     {health.CacheFacts{Cache: at("https://b.example/; rm -r ~"), Inspection: known}, ""},
		"what HCL would read": {health.CacheFacts{Cache: at("https://b.example/${x}"), Inspection: known}, ""},
	} {
		f := tc.facts
		f.ConfigFile = "/etc/t.hcl"
		if f.Cache.Path == "" {
			f.Cache.Path = "/c/x"
		}
		if got := f.ToDo(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
