// SPDX-License-Identifier: Apache-2.0

package alert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/alert"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

var at = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)

// alerts are as many raised problems, numbered.
func alerts(from, to int) []alert.Alert {
	var out []alert.Alert
	for i := from; i <= to; i++ {
		out = append(out, alert.Alert{Kind: "raised", At: at, Problem: health.Problem{Code: fmt.Sprint("c", i), Severity: health.Warning, Since: at}})
	}
	return out
}

// sink does what send says and notes what it took.
type sink struct {
	send func(ctx context.Context, a alert.Alert) error
	mu   sync.Mutex
	took []string
}

func (s *sink) Send(ctx context.Context, a alert.Alert) error {
	if s.send != nil {
		if err := s.send(ctx, a); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, a.Problem.Code)
	return nil
}

func (s *sink) want(t *testing.T, codes ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.took, codes) {
		t.Errorf("got %q, want %q", s.took, codes)
	}
}

func TestEverySinkGetsEveryAlertInOrder(t *testing.T) {
	a, b := &sink{}, &sink{}
	c := alert.NewCaller(map[string]alert.Sink{"a": a, "b": b}, hclog.NewNullLogger())
	if errs := c.Call(t.Context(), alerts(1, 3)); len(errs) != 0 {
		t.Errorf("got %v", errs)
	}
	a.want(t, "c1", "c2", "c3")
	b.want(t, "c1", "c2", "c3")
}

func TestASinkThatFailsGetsTheAlertAgainBeforeNewerOnes(t *testing.T) {
	down := true
	broken, fine := &sink{}, &sink{}
	broken.send = func(_ context.Context, a alert.Alert) error {
		if down && a.Problem.Code == "c2" {
			return errors.New("connection refused")
		}
		return nil
	}
	c := alert.NewCaller(map[string]alert.Sink{"broken": broken, "fine": fine}, hclog.NewNullLogger())
	errs := c.Call(t.Context(), alerts(1, 3))
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "sending alerts to broken: connection refused (2 waiting)") {
		t.Errorf("got %v", errs)
	}
	broken.want(t, "c1")
	fine.want(t, "c1", "c2", "c3")

	// It is still down: nothing overtakes what waits.
	c.Call(t.Context(), alerts(4, 4))
	broken.want(t, "c1")
	if got := c.Waiting("broken"); got != 3 {
		t.Errorf("got %d waiting, want 3", got)
	}

	down = false
	if errs := c.Call(t.Context(), nil); len(errs) != 0 {
		t.Errorf("got %v", errs)
	}
	broken.want(t, "c1", "c2", "c3", "c4")
	fine.want(t, "c1", "c2", "c3", "c4") // nothing twice
}

func TestASinkThatPanicsHurtsNobody(t *testing.T) {
	wild, fine := &sink{send: func(context.Context, alert.Alert) error { panic("at the\ndisco") }}, &sink{}
	c := alert.NewCaller(map[string]alert.Sink{"wild": wild, "fine": fine}, hclog.NewNullLogger())
	errs := c.Call(t.Context(), alerts(1, 2))
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "the sink panicked: at the disco") {
		t.Errorf("got %v", errs)
	}
	fine.want(t, "c1", "c2")
}

func TestASlowSinkIsGivenUpAtTheTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &sink{send: func(ctx context.Context, _ alert.Alert) error { <-ctx.Done(); return ctx.Err() }}
		fine := &sink{}
		c := alert.NewCaller(map[string]alert.Sink{"slow": slow, "fine": fine}, hclog.NewNullLogger())
		start := time.Now()
		errs := c.Call(t.Context(), alerts(1, 5))
		if took := time.Since(start); took != alert.TimeLimit {
			t.Errorf("got %s, want %s for all the alerts together", took, alert.TimeLimit)
		}
		if len(errs) != 1 {
			t.Errorf("got %v", errs)
		}
		fine.want(t, "c1", "c2", "c3", "c4", "c5")
	})
}

func TestASinkThatIgnoresItsTimeLimitIsLeftAloneUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		deaf := &sink{send: func(context.Context, alert.Alert) error {
			calls.Add(1)
			time.Sleep(time.Hour)
			return nil
		}}
		c := alert.NewCaller(map[string]alert.Sink{"deaf": deaf}, hclog.NewNullLogger())
		start := time.Now()
		c.Call(t.Context(), alerts(1, 1))
		if took, most := time.Since(start), alert.TimeLimit+time.Second; took > most {
			t.Errorf("got %s, want at most %s", took, most)
		}
		errs := c.Call(t.Context(), alerts(2, 2))
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "still busy") || calls.Load() != 1 {
			t.Errorf("while it is busy: got %v after %d calls", errs, calls.Load())
		}
		time.Sleep(2 * time.Hour)
		deaf.want(t, "c1")
		c.Call(t.Context(), nil)
		time.Sleep(2 * time.Hour)
		deaf.want(t, "c1", "c2") // each once, though the first came late
	})
}

func TestAnEndedContextKeepsTheAlerts(t *testing.T) {
	s := &sink{}
	c := alert.NewCaller(map[string]alert.Sink{"s": s}, hclog.NewNullLogger())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if errs := c.Call(ctx, alerts(1, 1)); len(errs) != 1 || c.Waiting("s") != 1 {
		t.Errorf("got %v and %d waiting", errs, c.Waiting("s"))
	}
	c.Call(t.Context(), nil)
	s.want(t, "c1")
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var log bytes.Buffer
	s := &sink{send: func(context.Context, alert.Alert) error { return errors.New("down") }}
	c := alert.NewCaller(map[string]alert.Sink{"s": s}, hclog.New(&hclog.LoggerOptions{Output: &log}))
	c.Call(t.Context(), alerts(1, alert.MaxWaiting+5))
	if got := c.Waiting("s"); got != alert.MaxWaiting {
		t.Errorf("got %d waiting, want %d", got, alert.MaxWaiting)
	}
	if !strings.Contains(log.String(), "alert dropped: sink=s count=5") {
		t.Errorf("the log does not say it: %s", log.String())
	}
	s.send = nil
	c.Call(t.Context(), nil)
	s.want(t, codes(6, alert.MaxWaiting+5)...)
}

func codes(from, to int) []string {
	var out []string
	for _, a := range alerts(from, to) {
		out = append(out, a.Problem.Code)
	}
	return out
}

func TestNewMakesAlertsOfChanges(t *testing.T) {
	got := alert.New("build-07", at, []health.Change{{Kind: health.Raised, Problem: health.Problem{Code: "a"}}, {Kind: health.Cleared, Problem: health.Problem{Code: "b"}}})
	if len(got) != 2 || got[0].Kind != "raised" || got[1].Kind != "cleared" || got[1].Problem.Code != "b" || got[0].Host != "build-07" || !got[0].At.Equal(at) {
		t.Errorf("got %+v", got)
	}
}

func TestTheLog(t *testing.T) {
	problem := health.Problem{
		Code: "cosign-outdated", Severity: health.Critical, Since: at.Add(-2 * time.Hour), Detail: "sigstore",
		Subject: health.Subject{Kind: "client", ID: "/usr/bin/cosign"}, Summary: "cosign v2.0.1 is too old", Remedy: "install cosign 2.2.0",
		Fields: []any{"error", "what\x1b[2J", "path", "/usr/bin/cosign", "cosign", "v2.0.1", "required", "cosign 2.2.0", "odd one out"},
	}
	mild := problem
	mild.Severity, mild.Fields, mild.Detail = health.Warning, nil, ""
	const common = `code=cosign-outdated severity=critical subject="client /usr/bin/cosign" summary="cosign v2.0.1 is too old" ` +
		`remedy="install cosign 2.2.0" since=2026-08-21T10:00:00Z detail=sigstore path=/usr/bin/cosign cosign=v2.0.1 required="cosign 2.2.0" error=what\x1b[2J`
	for _, c := range []struct {
		name, kind string
		problem    health.Problem
		want       string
	}{
		{"a critical problem is an error", "raised", problem, "[ERROR] problem raised: " + common},
		{"a reminder of it too", "reminded", problem, "[ERROR] problem reminded: " + common},
		{"another problem is a warning", "raised", mild, `[WARN]  problem raised: code=cosign-outdated severity=warning subject="client /usr/bin/cosign" summary="cosign v2.0.1 is too old" remedy="install cosign 2.2.0" since=2026-08-21T10:00:00Z`},
		{"what is over is information", "cleared", problem, `[INFO]  problem cleared: code=cosign-outdated severity=critical subject="client /usr/bin/cosign" summary="cosign v2.0.1 is too old" lasted=2h0m0s`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			s := alert.NewLog(hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true}))
			if err := s.Send(t.Context(), alert.Alert{Kind: c.kind, At: at, Problem: c.problem}); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(log.String()); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	if err := alert.NewLog(hclog.NewNullLogger()).Send(t.Context(), alert.Alert{Kind: "sung"}); err == nil {
		t.Error("an unknown kind: got no error")
	}
}
