// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// holding is a finding of a condition with that hold time.
func holding(hold time.Duration) health.Finding {
	return health.Finding{
		Code: health.CacheDamaged, Severity: health.Warning, Hold: hold,
		Subject: health.Subject{Kind: "cache", ID: "/home/ada"}, Summary: "damaged", Remedy: "mend it",
	}
}

func severe(f health.Finding, s health.Severity) health.Finding {
	f.Severity = s
	return f
}

func coded(code string, s health.Severity) health.Finding {
	f := severe(holding(0), s)
	f.Code = code
	return f
}

// look is one Update: at a time after the start, with findings, and what is to
// come of it: changes as "kind severity", and how many problems hold then.
type look struct {
	after    time.Duration
	findings []health.Finding
	changes  []string
	problems int
	restart  bool // the tracker is written and read before this look
}

func TestTracker(t *testing.T) {
	atOnce, later := holding(0), holding(10*time.Minute)
	one := func(f health.Finding) []health.Finding { return []health.Finding{f} }
	for _, c := range []struct {
		name     string
		reminder time.Duration
		looks    []look
	}{
		{"a condition that cannot wait is raised at once, and once", 0, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{time.Minute, one(atOnce), nil, 1, false},
		}},
		{"and cleared at once, and once", 0, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{time.Minute, nil, []string{"cleared warning"}, 0, false},
			{2 * time.Minute, nil, nil, 0, false},
		}},
		{"a flapping condition is held back until it has lasted", 0, []look{
			{0, one(later), nil, 0, false},
			{10*time.Minute - 1, one(later), nil, 0, false},
			{10 * time.Minute, one(later), []string{"raised warning"}, 1, false},
		}},
		{"one that goes away before that is never heard of", 0, []look{
			{0, one(later), nil, 0, false},
			{9 * time.Minute, nil, nil, 0, false},
			{11 * time.Minute, one(later), nil, 0, false},
			{20 * time.Minute, one(later), nil, 0, false},
			{21 * time.Minute, one(later), []string{"raised warning"}, 1, false},
		}},
		{"what is over is cleared at once, and must last again to be raised again", 0, []look{
			{0, one(later), nil, 0, false},
			{10 * time.Minute, one(later), []string{"raised warning"}, 1, false},
			{11 * time.Minute, nil, []string{"cleared warning"}, 0, false},
			{12 * time.Minute, one(later), nil, 0, false},
			{21 * time.Minute, one(later), nil, 0, false},
			{22 * time.Minute, one(later), []string{"raised warning"}, 1, false},
		}},
		{"a change of severity raises it again, up and down", 0, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{time.Minute, one(severe(atOnce, health.Critical)), []string{"raised critical"}, 1, false},
			{2 * time.Minute, one(severe(atOnce, health.Critical)), nil, 1, false},
			{3 * time.Minute, one(atOnce), []string{"raised warning"}, 1, false},
		}},
		{"one that gets worse while it waits is raised once, at its worst", 0, []look{
			{0, one(later), nil, 0, false},
			{time.Minute, one(severe(later, health.Critical)), nil, 0, false},
			{10 * time.Minute, one(severe(later, health.Critical)), []string{"raised critical"}, 1, false},
		}},
		{"a problem that lasts is told again at the interval", time.Hour, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{time.Hour - 1, one(atOnce), nil, 1, false},
			{time.Hour, one(atOnce), []string{"reminded warning"}, 1, false},
			{90 * time.Minute, one(atOnce), nil, 1, false},
			{2 * time.Hour, one(atOnce), []string{"reminded warning"}, 1, false},
		}},
		{"without an interval nobody is reminded", 0, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{1000 * time.Hour, one(atOnce), nil, 1, false},
		}},
		{"a restart raises nothing a second time", time.Hour, []look{
			{0, one(atOnce), []string{"raised warning"}, 1, false},
			{time.Minute, one(atOnce), nil, 1, true},
			{2 * time.Minute, nil, []string{"cleared warning"}, 0, true},
		}},
		{"a restart forgets neither a hold nor a reminder", time.Hour, []look{
			{0, one(later), nil, 0, false},
			{10 * time.Minute, one(later), []string{"raised warning"}, 1, true},
			{69 * time.Minute, one(later), nil, 1, true},
			{70 * time.Minute, one(later), []string{"reminded warning"}, 1, true},
		}},
		{"findings of one name are one problem, the worst of them", 0, []look{
			{0, []health.Finding{atOnce, severe(atOnce, health.Critical)}, []string{"raised critical"}, 1, false},
		}},
		{"an expiry that cannot be judged is not gone", 0, []look{
			{0, one(coded(health.MetadataExpired, health.Critical)), []string{"raised critical"}, 1, false},
			{time.Minute, one(coded(health.ClockSkewed, health.Critical)), []string{"raised critical"}, 2, false},
			{2 * time.Minute, one(coded(health.MetadataExpired, health.Critical)), []string{"cleared critical"}, 1, false},
			{3 * time.Minute, one(coded(health.ClockSkewed, health.Warning)), []string{"cleared critical", "raised warning"}, 1, false},
		}},
		{"a clock that goes back holds nothing for ever", 0, []look{
			{0, one(later), nil, 0, false},
			{-100 * time.Hour, one(later), nil, 0, false},
			{-100*time.Hour + 10*time.Minute, one(later), []string{"raised warning"}, 1, false},
			{-200 * time.Hour, nil, []string{"cleared warning"}, 0, false},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracker := health.NewTracker()
			for i, l := range c.looks {
				if l.restart {
					tracker = restarted(t, tracker)
				}
				problems, changes := tracker.Update(signed.Add(l.after), l.findings, c.reminder)
				var got []string
				for _, c := range changes {
					got = append(got, fmt.Sprintf("%s %s", c.Kind, c.Problem.Severity))
				}
				if !slices.Equal(got, l.changes) || len(problems) != l.problems {
					t.Fatalf("look %d, after %s: got changes %v and %d problems, want %v and %d", i+1, l.after, got, len(problems), l.changes, l.problems)
				}
			}
		})
	}
}

func restarted(t *testing.T, tracker *health.Tracker) *health.Tracker {
	t.Helper()
	data, err := json.Marshal(tracker)
	if err != nil {
		t.Fatal(err)
	}
	again, err := health.LoadTracker(data)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestSinceIsWhenTheConditionBegan(t *testing.T) {
	tracker := health.NewTracker()
	f := []health.Finding{holding(10 * time.Minute)}
	tracker.Update(signed, f, 0)
	tracker.Update(signed.Add(5*time.Minute), f, 0)
	problems, _ := tracker.Update(signed.Add(20*time.Minute), f, 0)
	if len(problems) != 1 || !problems[0].Since.Equal(signed) {
		t.Errorf("got %+v, want one problem since %s", problems, signed)
	}
}

func TestAProblemSaysWhatTheLastLookFound(t *testing.T) {
	tracker := health.NewTracker()
	f := holding(0)
	tracker.Update(signed, []health.Finding{f}, 0)
	f.Summary = "damaged more"
	problems, _ := tracker.Update(signed.Add(time.Minute), []health.Finding{f}, 0)
	if len(problems) != 1 || problems[0].Summary != "damaged more" {
		t.Errorf("got %+v", problems)
	}
}

func TestNextIsWhenAHoldEnds(t *testing.T) {
	tracker := health.NewTracker()
	want := func(when string, at time.Time, ok bool) {
		t.Helper()
		if got, waits := tracker.Next(); waits != ok || !got.Equal(at) {
			t.Errorf("%s: got %s %v, want %s %v", when, got, waits, at, ok)
		}
	}
	want("with nothing", time.Time{}, false)
	f := []health.Finding{holding(10 * time.Minute)}
	tracker.Update(signed, f, 0)
	want("while it is held back", signed.Add(10*time.Minute), true)
	tracker.Update(signed.Add(10*time.Minute), f, 0)
	want("while it is raised", time.Time{}, false)
	tracker.Update(signed.Add(20*time.Minute), nil, 0)
	want("when it is over", time.Time{}, false)
}

func TestProblemsComeWorstFirst(t *testing.T) {
	mild, grave := holding(0), severe(holding(0), health.Critical)
	grave.Subject.ID = "/srv/ci"
	other := mild
	other.Code = health.CacheBehind
	problems, _ := health.NewTracker().Update(signed, []health.Finding{mild, other, grave}, 0)
	var got []string
	for _, p := range problems {
		got = append(got, p.Code+" "+p.Subject.ID)
	}
	want := []string{"cache-damaged /srv/ci", "cache-behind /home/ada", "cache-damaged /home/ada"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestADamagedStateStartsAfresh(t *testing.T) {
	tracker := health.NewTracker()
	tracker.Update(signed, []health.Finding{holding(0)}, 0)
	whole, err := json.Marshal(tracker)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":                  {},
		"half of it":             whole[:len(whole)/2],
		"null":                   []byte("null"),
		"another schema":         []byte(strings.Replace(string(whole), `"schema":1`, `"schema":2`, 1)),
		"a null entry":           []byte(`{"schema":1,"entries":[null]}`),
		"an entry without time":  []byte(`{"schema":1,"entries":[{"problem":{"code":"x","severity":"warning"},"raised":true}]}`),
		"an unknown severity":    []byte(strings.Replace(string(whole), `"warning"`, `"splendid"`, 1)),
		"a hold before its time": []byte(strings.Replace(string(whole), `"hold":0`, `"hold":-1`, 1)),
		"far too much":           []byte(`{"schema":1,"entries":[` + strings.Repeat(" ", health.MaxTrackerState) + `]}`),
	} {
		t.Run(name, func(t *testing.T) {
			fresh, err := health.LoadTracker(data)
			if err == nil {
				t.Fatal("got no error")
			}
			problems, changes := fresh.Update(signed, []health.Finding{holding(0)}, 0)
			if len(problems) != 1 || len(changes) != 1 || changes[0].Kind != health.Raised {
				t.Errorf("got %v %v, want it raised again", problems, changes)
			}
		})
	}
}

func TestATrackerIsBounded(t *testing.T) {
	var findings []health.Finding
	for i := range 5000 {
		f := holding(0)
		f.Subject.ID = fmt.Sprintf("/home/user%d", i)
		findings = append(findings, f)
	}
	grave := severe(holding(0), health.Critical)
	findings = append(findings, grave)
	tracker := health.NewTracker()
	problems, _ := tracker.Update(signed, findings, 0)
	if len(problems) != 2000 || problems[0].Severity != health.Critical {
		t.Fatalf("got %d problems, the first %q; want 2000, the worst first", len(problems), problems[0].Severity)
	}
	if again := restarted(t, tracker); len(again.Problems()) != 2000 {
		t.Errorf("after a restart: got %d problems", len(again.Problems()))
	}
}

func TestOneLookHoldsNothingBack(t *testing.T) {
	got := health.Problems(signed, []health.Finding{holding(time.Hour), severe(holding(0), health.Critical)})
	if len(got) != 2 || got[0].Severity != health.Critical || !got[1].Since.Equal(signed) {
		t.Errorf("got %+v", got)
	}
}
