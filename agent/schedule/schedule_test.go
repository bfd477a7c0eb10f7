// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/schedule"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	// every is a plan whose instants are at 00:30, 04:30, 08:30 … UTC.
	every   = schedule.Plan{Every: 4 * hour, Offset: 30 * minute, RetryMin: minute, RetryMax: hour, Lead: day}
	nightly = schedule.Plan{Cron: "30 3 * * *", RetryMin: minute, RetryMax: hour, Lead: day}
)

func TestWait(t *testing.T) {
	with := func(p schedule.Plan, edit func(*schedule.Plan)) schedule.Plan {
		edit(&p)
		return p
	}
	tests := []struct {
		name     string
		plan     schedule.Plan
		now      time.Time
		expiry   time.Time
		failures int
		want     time.Duration
	}{
		{"an interval comes due at this host's offset", every, noon, time.Time{}, 0, 30 * minute},
		{"just after a refresh the wait is nearly the interval", every, noon.Add(30*minute + 10*time.Second), time.Time{}, 0, 4*hour - 10*time.Second},
		{"a timer that fires a little early does not fire twice", every, noon.Add(30*minute - 100*time.Millisecond), time.Time{}, 0, 4*hour + 100*time.Millisecond},
		{"a short interval is kept", schedule.Plan{Every: time.Second, RetryMin: time.Second, RetryMax: time.Second}, noon.Add(100 * time.Millisecond), time.Time{}, 0, 900 * time.Millisecond},
		{"the zone does not matter to an interval", every, noon.In(time.FixedZone("", 5*3600)), time.Time{}, 0, 30 * minute},
		{"an instant before 1970", every, time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC), time.Time{}, 0, 90 * minute},

		{"a cron expression comes due", nightly, noon, time.Time{}, 0, 15*hour + 30*minute},
		{"a cron expression counts in the zone of now", nightly, noon.In(time.FixedZone("", -3600)), time.Time{}, 0, 16*hour + 30*minute},
		{"a cron expression met a little early waits for the next", nightly, noon.Add(15*hour + 30*minute - 100*time.Millisecond), time.Time{}, 0, day + 100*time.Millisecond},
		{"a cron expression with an offset", with(nightly, func(p *schedule.Plan) { p.Offset = 10 * minute }), noon, time.Time{}, 0, 15*hour + 40*minute},
		{"between a cron instant and its offset", with(nightly, func(p *schedule.Plan) { p.Offset = 10 * minute }), noon.Add(15*hour + 35*minute), time.Time{}, 0, 5 * minute},
		{"a descriptor", with(nightly, func(p *schedule.Plan) { p.Cron = "@daily" }), noon, time.Time{}, 0, 12 * hour},

		{"an expiry far off changes nothing", every, noon, noon.Add(7 * day), 0, 30 * minute},
		{"an expiry inside the interval plus lead", every, noon, noon.Add(day + 10*minute), 0, 10 * minute},
		{"an expiry within the lead: every RetryMax until something newer is there", nightly, noon, noon.Add(5 * hour), 0, hour},
		{"an expiry long past does not make a busy loop", nightly, noon, noon.Add(-300 * day), 0, hour},
		{"a lead that begins in a second does not make a busy loop", nightly, noon, noon.Add(day + time.Second), 0, minute},
		{"an interval shorter than RetryMax is kept within the lead", every, noon, noon.Add(hour), 0, 30 * minute},
		{"an expiry in the year 9999", every, noon, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 0, 30 * minute},
		{"an expiry in the year 1", nightly, noon, time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), 0, hour},

		{"one failure", every, noon, time.Time{}, 1, minute},
		{"two failures", every, noon, time.Time{}, 2, 2 * minute},
		{"six failures", every, noon, time.Time{}, 6, 32 * minute},
		{"seven failures reach the longest retry", every, noon, time.Time{}, 7, hour},
		{"a million failures", every, noon, time.Time{}, 1_000_000, hour},
		{"a failure counts more than an expiry", nightly, noon, noon.Add(time.Second), 2, 2 * minute},
		{"longest and first retry are the same", with(every, func(p *schedule.Plan) { p.RetryMax = minute }), noon, time.Time{}, 5, minute},
		{"retries that would overflow", with(every, func(p *schedule.Plan) { p.RetryMax = 1<<63 - 1 }), noon, time.Time{}, 100, 1<<63 - 1},

		{"a plan that was never validated waits all the same", schedule.Plan{}, noon, time.Time{}, 0, hour},
		{"a cron expression that cannot be read waits RetryMax", schedule.Plan{Cron: "?!", RetryMax: minute}, noon, time.Time{}, 0, minute},
		{"a cron expression that never comes due waits RetryMax", schedule.Plan{Cron: "0 0 30 2 *", RetryMax: minute}, noon, time.Time{}, 0, minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.plan.Wait(tt.now, tt.expiry, tt.failures)
			if got != tt.want {
				t.Errorf("waits %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWaitIsAlwaysPositive(t *testing.T) {
	plans := []schedule.Plan{every, nightly, {}, {Every: 1, RetryMin: 1, RetryMax: 1}, {Every: 4 * hour, Jitter: hour, RetryMin: minute, RetryMax: hour}}
	for _, p := range plans {
		for i := range 500 {
			now := noon.Add(time.Duration(i) * 997 * time.Millisecond)
			for _, expiry := range []time.Time{{}, now, now.Add(p.Lead), now.Add(p.Lead + 1), now.Add(-hour)} {
				for _, failures := range []int{-1, 0, 1, 5, 100} {
					if got := p.Wait(now, expiry, failures); got <= 0 && p != (schedule.Plan{}) {
						t.Fatalf("%+v: at %s, expiry %s, %d failures: waits %s", p, now, expiry, failures, got)
					}
				}
			}
		}
	}
}

func TestARunningPlanKeepsItsInterval(t *testing.T) {
	p := every
	p.Jitter = 5 * minute
	now, first := noon, noon
	for range 100 {
		now = now.Add(p.Wait(now, time.Time{}, 0)).Add(3 * time.Second) // a refresh takes a while
	}
	// It neither drifts nor skips: a hundred instants of the plan have passed.
	if got, want := now.Sub(first), 30*minute+99*4*hour; got < want || got > want+p.Jitter+3*time.Second {
		t.Errorf("a hundred refreshes took %s, want %s", got, want)
	}
}

func TestJitterDelaysWithinBoundsAndDiffers(t *testing.T) {
	p := every
	p.Jitter = 10 * minute
	seen := map[time.Duration]bool{}
	for i := range 100 {
		now := noon.Add(time.Duration(i))
		extra := p.Wait(now, time.Time{}, 0) - every.Wait(now, time.Time{}, 0)
		if extra < 0 || extra >= p.Jitter {
			t.Fatalf("jitter of %s, want less than %s", extra, p.Jitter)
		}
		seen[extra.Truncate(minute)] = true
		if again := p.Wait(now, time.Time{}, 0) - every.Wait(now, time.Time{}, 0); again != extra {
			t.Fatal("the same arguments give another wait")
		}
		if retry := p.Wait(now, time.Time{}, 1); retry < minute || retry >= minute+minute/4 {
			t.Fatalf("the first retry comes after %s", retry)
		}
	}
	if len(seen) < 8 {
		t.Errorf("a hundred jitters fall in %d of ten minutes", len(seen))
	}
}

func TestOffsetSpreadsAFleet(t *testing.T) {
	const spread = 4 * hour
	var buckets [8]int
	for i := range 8000 {
		id := strings.Repeat("0", 28) + string(rune('a'+i%16)) + string(rune('a'+i/16%16)) + string(rune('a'+i/256%16)) + string(rune('a'+i/4096))
		o := schedule.Offset(id, "sigstore", spread)
		if o < 0 || o >= spread {
			t.Fatalf("offset %s is not within %s", o, spread)
		}
		buckets[o*8/spread]++
	}
	for i, n := range buckets {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 8000 hosts fall in eighth %d", n, i)
		}
	}
	a := schedule.Offset("id", "sigstore", spread)
	if schedule.Offset("id", "sigstore", spread) != a {
		t.Error("a host's offset changes")
	}
	if schedule.Offset("id", "sigstage", spread) == a || schedule.Offset("other", "sigstore", spread) == a {
		t.Error("another mirror or host has the same offset")
	}
	for _, spread := range []time.Duration{0, -hour, 1} {
		if got := schedule.Offset("id", "sigstore", spread); got != 0 {
			t.Errorf("spread %s: offset %s", spread, got)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan schedule.Plan
		want time.Duration
	}{
		{"of an interval", every, 4 * hour},
		{"of a nightly expression", nightly, day},
		{"of an expression that is not regular", schedule.Plan{Cron: "0 3,4 * * *"}, hour},
	} {
		if got := tt.plan.Interval(noon); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestValidate(t *testing.T) {
	good := schedule.Plan{Every: hour, RetryMin: minute, RetryMax: hour}
	for _, tt := range []struct {
		name string
		edit func(*schedule.Plan)
		want string // in the error; "" for none
	}{
		{"an interval", func(*schedule.Plan) {}, ""},
		{"a cron expression", func(p *schedule.Plan) { p.Every, p.Cron = 0, "0 */4 * * *" }, ""},
		{"neither", func(p *schedule.Plan) { p.Every = 0 }, "neither"},
		{"both", func(p *schedule.Plan) { p.Cron = "@daily" }, "both"},
		{"a negative interval", func(p *schedule.Plan) { p.Every = -hour }, "neither"},
		{"a cron expression of three fields", func(p *schedule.Plan) { p.Every, p.Cron = 0, "* * *" }, "reading cron"},
		{"a cron expression with a minute 61", func(p *schedule.Plan) { p.Every, p.Cron = 0, "61 * * * *" }, "reading cron"},
		{"a cron expression for 30 February", func(p *schedule.Plan) { p.Every, p.Cron = 0, "0 0 30 2 *" }, "never comes due"},
		{"hostile text in a cron expression", func(p *schedule.Plan) { p.Every, p.Cron = 0, "\x1b[31m\n" }, "reading cron"},
		{"no first retry", func(p *schedule.Plan) { p.RetryMin = 0 }, "first retry"},
		{"a longest retry shorter than the first", func(p *schedule.Plan) { p.RetryMax = time.Second }, "shorter"},
		{"a negative jitter", func(p *schedule.Plan) { p.Jitter = -1 }, "jitter"},
		{"a negative lead", func(p *schedule.Plan) { p.Lead = -1 }, "lead"},
		{"a negative offset", func(p *schedule.Plan) { p.Offset = -1 }, "offset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := good
			tt.edit(&p)
			err := p.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("unquoted text in %q", err)
			}
		})
	}
}
