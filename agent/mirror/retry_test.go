// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// inBubble runs f with a repository and a mirror of it, inside a synctest bubble.
func inBubble(t *testing.T, o mirror.Options, f func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		repo, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o.URLs, o.AllowHTTP, o.Transport = []string{repo.URL()}, true, repo.Transport()
		f(t, repo, newMirror(t, o))
	})
}

func TestRetries(t *testing.T) {
	status := func(code int) sandbox.Fault { return sandbox.Fault{Status: code} }
	for _, c := range []struct {
		name  string
		fault sandbox.Fault
		down  bool
		want  int64 // requests, of at most 3
	}{
		{name: "a file that is there", want: 1},
		{name: "404 is an answer", fault: status(404), want: 1},
		{name: "403 is an answer", fault: status(403), want: 1},
		{name: "410 is an answer", fault: status(410), want: 1},
		{name: "206 is an answer", fault: status(206), want: 1},
		{name: "429 is worth a retry", fault: status(429), want: 3},
		{name: "500 is worth a retry", fault: status(500), want: 3},
		{name: "503 is worth a retry", fault: status(503), want: 3},
		{name: "a refused connection is worth a retry", down: true, want: 3},
		{name: "a body cut off is worth a retry", fault: sandbox.Fault{Truncate: 10}, want: 3},
		{name: "a stall is worth a retry", fault: sandbox.Fault{Stall: time.Hour}, want: 3},
		{name: "a refused redirect is not", fault: sandbox.Fault{Redirect: "https://elsewhere.example/"}, want: 1},
		{name: "a refused encoding is not", fault: sandbox.Fault{Gzip: true}, want: 1},
		{name: "a web page is not", fault: sandbox.Fault{Body: []byte("<html>")}, want: 1},
		{name: "a file that is too large is not", fault: sandbox.Fault{Endless: true}, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, mirror.Options{Attempts: 3}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
				repo.SetFault("", c.fault)
				repo.Down(c.down)
				_, err := fetch(t, m, "timestamp.json")
				if got := m.Stats().Requests; got != c.want {
					t.Errorf("got %d requests, want %d (%v)", got, c.want, err)
				}
				if (err == nil) != (c.name == "a file that is there") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestARetryCanSucceed(t *testing.T) {
	inBubble(t, mirror.Options{Attempts: 3, RetryMin: time.Second, RetryMax: time.Minute}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.Down(true)
		time.AfterFunc(time.Millisecond, func() { repo.Down(false) })
		if _, err := fetch(t, m, "timestamp.json"); err != nil {
			t.Error(err)
		}
		if got := m.Stats().Requests; got != 2 {
			t.Errorf("got %d requests, want 2", got)
		}
	})
}

func TestOneAttemptIsOneRequest(t *testing.T) {
	inBubble(t, mirror.Options{Attempts: 1}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.SetFault("", sandbox.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}})
		start := time.Now()
		_, err := fetch(t, m, "timestamp.json")
		var status *mirror.StatusError
		if !errors.As(err, &status) || status.RetryAfter != time.Second || len(repo.Requests()) != 1 || time.Since(start) != 0 {
			t.Errorf("got %v, %d requests, %s", err, len(repo.Requests()), time.Since(start))
		}
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	const least, most = 2 * time.Second, 20 * time.Second
	for _, c := range []struct {
		name, value string
		from, to    time.Duration // how long the one retry waits
	}{
		{"nothing", "", least, 2 * least},
		{"seconds", "10", 10 * time.Second, 10*time.Second + least},
		{"less than our floor", "1", least, 2 * least},
		{"zero", "0", least, 2 * least},
		{"negative", "-5", least, 2 * least},
		{"ten years", "315360000", most, most},
		{"beyond all durations", "9223372036854775807", most, most},
		{"beyond all integers", "99999999999999999999", least, 2 * least},
		{"a date ahead", "+10s", 10 * time.Second, 10*time.Second + least},
		{"a date in ten years", "+87600h", most, most},
		{"a date past", "-1h", least, 2 * least},
		{"garbage", "soon", least, 2 * least},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, mirror.Options{Attempts: 2, RetryMin: least, RetryMax: most}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
				value := c.value
				if d, err := time.ParseDuration(value); err == nil && strings.HasPrefix(c.name, "a date") {
					value = time.Now().Add(d).UTC().Format(http.TimeFormat)
				}
				repo.SetFault("", sandbox.Fault{Status: 429, Header: http.Header{"Retry-After": {value}}})
				start := time.Now()
				_, err := fetch(t, m, "timestamp.json")
				if waited := time.Since(start); waited < c.from || waited > c.to {
					t.Errorf("waited %s, want %s to %s (%v)", waited, c.from, c.to, err)
				}
			})
		})
	}
}

func TestBackOffGrowsWithJitter(t *testing.T) {
	const least, most = time.Second, 8 * time.Second
	seen := map[time.Duration]bool{}
	inBubble(t, mirror.Options{Attempts: 6, RetryMin: least, RetryMax: most}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.Down(true)
		for range 20 {
			start := time.Now()
			_, _ = fetch(t, m, "timestamp.json")
			waited := time.Since(start)
			if upper := 2*least + 4*least + 3*most; waited < 5*least || waited > upper {
				t.Errorf("five waits took %s, want %s to %s", waited, 5*least, upper)
			}
			seen[waited] = true
		}
	})
	if len(seen) < 15 {
		t.Errorf("20 fetches waited only %d different times", len(seen))
	}
}

func TestAStalledAnswerEndsByItsDeadline(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   sandbox.Fault
		timeout time.Duration
		want    time.Duration
		says    string
	}{
		{"headers that never come", sandbox.Fault{Delay: 1e6 * time.Second}, 10 * time.Second, 10 * time.Second, "within 10s"},
		{"a body that stops half way", sandbox.Fault{Stall: 1e6 * time.Second}, 10 * time.Second, 10 * time.Second, "within 10s"},
		{"headers that never come, and a generous deadline", sandbox.Fault{Delay: 1e6 * time.Second}, time.Hour, 30 * time.Second, "0 bytes moved within 30s"},
		{"a body that stops half way, and a generous deadline", sandbox.Fault{Stall: 1e6 * time.Second}, time.Hour, time.Minute, "bytes moved within 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, mirror.Options{FileTimeout: c.timeout}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
				repo.SetFault("", c.fault)
				start := time.Now()
				_, err := fetch(t, m, "timestamp.json")
				wantError(t, err, "time ran out", c.says)
				if took := time.Since(start); took != c.want {
					t.Errorf("took %s, want %s", took, c.want)
				}
				var u *mirror.UnreachableError
				if !errors.As(err, &u) || !u.Timeout() || !mirror.Unreachable(err) {
					t.Errorf("%v does not count as a time-out", err)
				}
			})
		})
	}
}

// dripper answers with one byte of its body a second.
type dripper struct{ bytes int }

func (d dripper) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, ProtoMajor: 1, ContentLength: int64(d.bytes), Request: r, Body: &drip{ctx: r.Context(), left: d.bytes}}, nil
}

type drip struct {
	ctx  context.Context
	left int
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, errors.New("read past the end")
	}
	select {
	case <-time.After(time.Second):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	d.left--
	p[0] = '{'
	return 1, nil
}

func (*drip) Close() error { return nil }

func TestOneByteASecondIsNotProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMirror(t, mirror.Options{URLs: []string{"https://tuf.example"}, FileTimeout: 24 * time.Hour, Transport: dripper{bytes: 100_000}})
		start := time.Now()
		_, err := m.Fetch(t.Context(), m.Origins()[0], "x", 1<<20)
		wantError(t, err, "bytes moved within 30s")
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

func TestNoWaitOutlastsTheRefresh(t *testing.T) {
	inBubble(t, mirror.Options{Attempts: 9, RetryMin: time.Minute, RetryMax: time.Hour}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.SetFault("", sandbox.Fault{Status: 503})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		_, err := m.Fetch(ctx, m.Origins()[0], "timestamp.json", 1000)
		wantError(t, err, "503")
		if time.Since(start) != 0 {
			t.Errorf("waited %s for nothing", time.Since(start))
		}
	})
}

func TestCancellingEndsAWaitAtOnce(t *testing.T) {
	inBubble(t, mirror.Options{Attempts: 9, RetryMin: time.Minute, RetryMax: time.Hour}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.SetFault("", sandbox.Fault{Status: 503})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := m.Fetch(ctx, m.Origins()[0], "timestamp.json", 1000)
		if !errors.Is(err, context.Canceled) || mirror.Unreachable(err) || time.Since(start) != time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestTheCallersDeadlineCountsAsUnreachable(t *testing.T) {
	inBubble(t, mirror.Options{}, func(t *testing.T, repo *sandbox.Repo, m *mirror.Mirror) {
		repo.SetFault("", sandbox.Fault{Stall: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Fetch(ctx, m.Origins()[0], "timestamp.json", 1000)
		wantError(t, err, "the refresh ran out of time")
		if !errors.Is(err, context.DeadlineExceeded) || !mirror.Unreachable(err) {
			t.Errorf("got %v", err)
		}
	})
}
