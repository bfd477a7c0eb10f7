// SPDX-License-Identifier: Apache-2.0

// Package schedule says when the next refresh is due.
//
// Everything here is computed from its arguments: no clock is read, nothing is
// remembered, equal arguments give equal answers. Whoever waits does so elsewhere.
// A plan never asks for a busy loop, whatever expires or fails.
package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	cron "github.com/netresearch/go-cron"
)

// A Plan says how often to refresh. Either Every or Cron is set.
type Plan struct {
	// Every is the interval. Refreshes fall on Offset + n*Every since 1970, so a
	// restart does not move them, and hosts with different offsets spread.
	Every time.Duration
	// Cron is a cron expression of five fields or a descriptor such as "@daily", in
	// the zone of the time that Wait is given. Refreshes fall Offset after its
	// instants.
	Cron string
	// Offset is this host's share of a spread: see the function Offset.
	Offset time.Duration
	// Jitter bounds a delay, different each time, that is added to every wait.
	Jitter time.Duration
	// RetryMin is the wait after the first failure; each further failure doubles it,
	// up to RetryMax.
	RetryMin, RetryMax time.Duration
	// Lead is how long before an expiry a refresh is due, whatever the interval.
	// From then on until something newer is there, and also when it has expired,
	// refreshes come at least every RetryMax.
	Lead time.Duration
}

// slack is how close to now an instant of the plan counts as the one just met: a
// timer may fire a little early by the wall clock.
const slack = time.Second

// Validate says whether the plan can be followed.
func (p Plan) Validate() error {
	switch {
	case p.Cron == "" && p.Every <= 0:
		return errors.New("neither an interval nor a cron expression is set")
	case p.Cron != "" && p.Every != 0:
		return errors.New("both an interval and a cron expression are set")
	case p.RetryMin <= 0:
		return fmt.Errorf("the first retry after %s: must be positive", p.RetryMin)
	case p.RetryMax < p.RetryMin:
		return fmt.Errorf("the longest retry of %s is shorter than the first of %s", p.RetryMax, p.RetryMin)
	case p.Jitter < 0:
		return fmt.Errorf("jitter of %s: must not be negative", p.Jitter)
	case p.Lead < 0:
		return fmt.Errorf("lead of %s: must not be negative", p.Lead)
	case p.Offset < 0:
		return fmt.Errorf("offset of %s: must not be negative", p.Offset)
	}
	if p.Cron == "" {
		return nil
	}
	return CheckCron(p.Cron)
}

// CheckCron says whether a cron expression can be read, and ever comes due.
func CheckCron(expression string) error {
	c, err := parse(expression)
	if err != nil {
		return err
	}
	if c.Next(time.Unix(0, 0)).IsZero() {
		return fmt.Errorf("cron expression %q never comes due", expression)
	}
	return nil
}

// Wait returns how long after now the next refresh is due, when the last failures
// refreshes failed in a row and the first of the roles expires at expiry (zero: not
// known). It is always positive. A plan that Validate refuses waits RetryMax, or an
// hour.
func (p Plan) Wait(now, expiry time.Time, failures int) time.Duration {
	if failures > 0 {
		wait := p.backoff(failures)
		return wait + jitter(now, min(p.Jitter, wait/4))
	}
	wait := p.next(now).Sub(now) + jitter(now, p.Jitter)
	if expiry.IsZero() {
		return wait
	}
	early := expiry.Add(-p.Lead).Sub(now)
	if early <= 0 {
		early = p.RetryMax // we looked already: whoever signs is late, and haste does not help
	}
	return min(wait, max(early, p.RetryMin))
}

// Interval is the time between two refreshes that succeed: Every, or the gap between
// the next two instants of the cron expression after now.
func (p Plan) Interval(now time.Time) time.Duration {
	if p.Cron == "" {
		return p.Every
	}
	first := p.next(now)
	return p.next(first).Sub(first)
}

// backoff doubles without overflowing.
func (p Plan) backoff(failures int) time.Duration {
	wait := p.RetryMin
	for range failures - 1 {
		if wait >= p.RetryMax/2 {
			return p.RetryMax
		}
		wait *= 2
	}
	return min(wait, p.RetryMax)
}

// next is the first instant of the plan after now.
func (p Plan) next(now time.Time) time.Time {
	if p.Cron != "" {
		if c, err := parse(p.Cron); err == nil {
			if t := c.Next(now.Add(slack - p.Offset)); !t.IsZero() {
				return t.Add(p.Offset)
			}
		}
	} else if p.Every > 0 {
		// Durations since 1970 fit: they reach the year 2262.
		after := now.Add(min(slack, p.Every/2))
		since := time.Duration(after.UnixNano()) - p.Offset
		behind := (since%p.Every + p.Every) % p.Every
		return after.Add(p.Every - behind)
	}
	if p.RetryMax > 0 {
		return now.Add(p.RetryMax)
	}
	return now.Add(time.Hour)
}

func parse(expression string) (cron.Schedule, error) {
	// The parser's errors repeat the expression as it is.
	if strings.ContainsFunc(expression, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, fmt.Errorf("reading cron expression %q: not printable", expression)
	}
	p, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	if err != nil {
		return nil, fmt.Errorf("reading cron expression %q: %w", expression, err)
	}
	c, err := p.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("reading cron expression %q: %w", expression, err)
	}
	return c, nil
}

// Offset returns the share of this machine in a spread: always the same for a
// machine and a name, different from one machine to the next, in [0, spread). With
// an interval the spread is the interval. The machine id is only used hashed, so
// that what others see of the timing does not tell it.
func Offset(machineID, name string, spread time.Duration) time.Duration {
	return share(spread, fmt.Sprintf("tufkeeper offset %q %q", machineID, name))
}

// jitter is a share of most that looks random: from now's nanoseconds, so that Wait
// stays a function of its arguments.
func jitter(now time.Time, most time.Duration) time.Duration {
	return share(most, fmt.Sprintf("tufkeeper jitter %d", now.UnixNano()))
}

func share(of time.Duration, seed string) time.Duration {
	if of <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(seed))
	return time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(of))
}
