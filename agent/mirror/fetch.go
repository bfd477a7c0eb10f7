// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const evRetried = "request retried"

// Fetch gets the file at path below origin: one of Origins, or another base URL
// that New would take. The two are joined as they are: what is escaped in path
// stays so, and what no URL can hold is escaped, but "?", "#" and "%" must come
// escaped. The whole body is returned, at most limit bytes, or an error and no
// body.
func (m *Mirror) Fetch(ctx context.Context, origin, path string, limit int64) ([]byte, error) {
	return m.fetch(ctx, origin, path, limit)
}

// FetchRoot is Fetch for the next root of a chain: where ForbiddenEndsChain is
// set, a 403 is ErrMissing.
func (m *Mirror) FetchRoot(ctx context.Context, origin, path string, limit int64) ([]byte, error) {
	data, err := m.fetch(ctx, origin, path, limit)
	var status *StatusError
	forbidden := errors.As(err, &status) && status.Code == http.StatusForbidden
	m.answered(forbidden)
	if forbidden && m.o.ForbiddenEndsChain {
		return nil, fmt.Errorf("getting %s: %w", path, ErrMissing)
	}
	return data, err
}

func (m *Mirror) fetch(ctx context.Context, origin, name string, limit int64) ([]byte, error) {
	base, u, err := m.parseBase(origin)
	if err != nil {
		return nil, err
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		data, err := m.readFile(u.Path, name, limit)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", plain(base+name), err)
		}
		return data, nil
	}
	full, err := url.Parse(base + escapeRest(name))
	if err != nil {
		return nil, fmt.Errorf("asking for file %q: its name is not a URL path", cut(name))
	}
	data, err := m.getWithRetries(ctx, full, limit)
	if err != nil {
		return nil, fmt.Errorf("getting %s: %w", redact(full), err)
	}
	return data, nil
}

// checkName refuses a name that would not stay below the base URL, or would not
// be a path. Roles and targets with odd names arrive escaped.
func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "?#\\") ||
		slices.Contains(strings.Split(name, "/"), "..") || path.Clean(name) == "." {
		return fmt.Errorf("asking for file %q: its name is not a path below the mirror", cut(name))
	}
	return nil
}

// escapeRest escapes what a URL's path cannot hold, and nothing else: net/url
// would decode and encode the whole path anew, "%2F" included, were one such
// byte left.
func escapeRest(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (m *Mirror) getWithRetries(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		data, err := m.getInTurn(ctx, u, limit)
		if err == nil || attempt >= m.o.Attempts || !worthRetrying(err) {
			return data, err
		}
		wait := m.wait(attempt, err)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return nil, err // the wait would outlast the refresh: say what went wrong, not that time ran out
		}
		m.log.Debug(evRetried, "mirror", m.o.Name, "url", redact(u), "attempt", attempt, "next", wait.String(), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("waiting to ask again: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func (m *Mirror) getInTurn(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another request to end: %w", ctx.Err())
	}
	defer func() { <-m.turn }()
	return m.get(ctx, u, limit)
}

func worthRetrying(err error) bool {
	var u *UnreachableError
	if errors.As(err, &u) && u.final {
		return false
	}
	return Unreachable(err)
}

// wait is what passes before the next attempt: what the server asked for, or an
// exponential back-off; with jitter, so that a fleet that failed together does
// not return together; never outside [RetryMin, RetryMax].
func (m *Mirror) wait(attempt int, err error) time.Duration {
	least, most := m.o.RetryMin, m.o.RetryMax
	var status *StatusError
	if errors.As(err, &status) && status.RetryAfter > 0 {
		return min(max(min(status.RetryAfter, most), least)+rand.N(least), most)
	}
	ceiling := least
	for range attempt {
		ceiling = min(2*ceiling, most)
	}
	return least + rand.N(ceiling-least+1)
}
