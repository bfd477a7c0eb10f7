// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func TestMendingSaysWhatWasDone(t *testing.T) {
	var m status.Mending
	c := cache.Cache{Path: "/c", Layout: cache.LayoutSigstoreGo, Owner: "ada"}
	m.Add(c, "mend", cache.Change{
		Written: []string{"timestamp.json", "snapshot.json", "targets/x", "root_history/2.root.json"},
		Removed: []string{"targets.json", "tuf_tmp1"},
		Aside:   []string{"snapshot.json.broken-20261122T100000Z", "../c.broken-20261122T100000Z"},
		Fixed:   []string{"targets/y"},
		Mended: []cache.Damage{
			{File: ".", What: "not a directory"},
			{File: "snapshot.json", What: "directory"}, {File: "targets.json", What: "truncated"}, {File: "targets/y", What: "unreadable"},
			{File: "targets/x", What: "symbolic link"}, {File: "tuf_tmp1", What: "left by a client that did not end well"},
		},
		Updates: []cache.Update{
			{Role: "timestamp", File: "timestamp.json", Previous: 3, Version: 4}, {Role: "root", File: "root_history/2.root.json", Version: 2},
		},
	}, nil, "")
	m.Add(c, "mend", cache.Change{}, errors.New("no room"), "in use")
	want := []string{
		"moved . (not a directory) aside, to ../c.broken-20261122T100000Z",
		"moved snapshot.json (directory) aside, to snapshot.json.broken-20261122T100000Z",
		"removed targets.json (truncated): its client downloads it anew",
		"made targets/y readable again (unreadable)",
		"mended targets/x (symbolic link)",
		"removed tuf_tmp1 (left by a client that did not end well)",
		"brought timestamp forward, from version 3 to 4",
		"wrote root_history/2.root.json, version 2",
	}
	if !slices.Equal(m.Done, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(m.Done, "\n"), strings.Join(want, "\n"))
	}
	if m.Error != "no room" || m.Left != "in use" || m.Path != "/c" || m.Owner != "ada" {
		t.Errorf("%+v", m)
	}
}

func TestMendingFails(t *testing.T) {
	broken := []status.Damage{{File: "timestamp.json", What: "empty"}}
	healing := []status.Damage{{File: "root.json", What: "empty", Heals: true}}
	for name, tc := range map[string]struct {
		policy string
		err    error
		state  cache.State
		damage []status.Damage
		want   bool
	}{
		"whole again":                             {"mend", nil, cache.Fresh, nil, false},
		"still damaged":                           {"mend", nil, cache.Damaged, broken, true},
		"what its client repairs":                 {"mend", nil, cache.Damaged, healing, false},
		"unusable":                                {"mend", nil, cache.Unusable, broken, true},
		"an error, of one to be brought forward":  {"publish", errors.New("x"), cache.Behind, nil, true},
		"damaged, where that is left alone":       {"publish", nil, cache.Damaged, broken, false},
		"damaged, where we only report":           {"report", nil, cache.Damaged, broken, false},
		"unusable, where we only report":          {"report", nil, cache.Unusable, broken, false},
		"ahead: that is not ours to take back":    {"mend", nil, cache.Ahead, nil, false},
		"behind, because its set has not settled": {"mend", nil, cache.Behind, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			ms := make([]status.Mending, 1)
			ms[0].Add(cache.Cache{Path: "/c", Layout: cache.LayoutSigstoreGo}, tc.policy, cache.Change{}, tc.err, "")
			status.Settle(ms, []status.Cache{
				{Path: "/c", Layout: "legacy", State: "foreign"}, {Path: "/c", Layout: "sigstore-go", State: string(tc.state), Damage: tc.damage},
			})
			if ms[0].State != string(tc.state) || ms[0].Failed() != tc.want {
				t.Errorf("%s: failed is %v, want %v", ms[0].State, ms[0].Failed(), tc.want)
			}
		})
	}
}

func TestMendingsText(t *testing.T) {
	ms := make([]status.Mending, 7)
	settled := make([]status.Cache, 7)
	for i, tc := range []struct {
		path, policy, left string
		done               cache.Change
		err                error
		state              cache.State
	}{
		{"/home/ada/.sigstore/root/tuf-repo-cdn.sigstore.dev", "mend", "", cache.Change{
			Written: []string{"timestamp.json"}, Mended: []cache.Damage{{File: "timestamp.json", What: "truncated"}},
			Updates: []cache.Update{{Role: "snapshot", File: "snapshot.json", Previous: 2, Version: 3}},
		}, nil, cache.Fresh},
		{"/home/ada/.sigstore/root/well", "mend", "", cache.Change{}, nil, cache.Fresh},
		{"/home/ada/.npm/_tuf/" + evil, "report", "its mirror is not configured", cache.Change{}, nil, cache.Damaged},
		{"/home/ada/.sigstore/root/roots", "mend", "", cache.Change{}, errors.New(`"/home/ada" belongs to root, not to ada`), cache.Unusable},
		{"/home/ada/.sigstore/root/new", "mend", "the set is new, and soaks for another 6m0s", cache.Change{}, nil, cache.Behind},
		{"/home/ada/.sigstore/root/never", "mend", "", cache.Change{}, nil, cache.Damaged},
		{"/home/ada/.sigstore/root/forward", "publish", "", cache.Change{}, nil, cache.Damaged},
	} {
		c := cache.Cache{Path: tc.path, Layout: cache.LayoutSigstoreGo, Owner: "ada"}
		ms[i].Add(c, tc.policy, tc.done, tc.err, tc.left)
		settled[i] = status.Cache{Path: tc.path, Layout: string(c.Layout), State: string(tc.state), Damage: []status.Damage{{What: "x"}}}
	}
	status.Settle(ms, settled)
	text := func(ms []status.Mending, s status.Style) string {
		var b strings.Builder
		if err := status.MendingsText(&b, ms, s); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	golden(t, "mendings-80", text(ms, status.Style{Width: 80}))
	golden(t, "mendings-none-80", text(ms[1:2], status.Style{Width: 80}))
	for _, r := range text(ms, status.Style{Width: 48}) {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Errorf("a text holds %q", r)
		}
	}
	if err := status.MendingsText(broken{}, ms, status.Style{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
