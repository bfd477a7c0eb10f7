// SPDX-License-Identifier: Apache-2.0

// Package publish carries the last good set of each mirror into the caches of
// Sigstore clients.
//
// It decides when and whether: a set is brought forward only after it has soaked,
// because metadata newer than what a client's mirror answers is fatal for that
// client; a cache whose client is at work is left alone until later; each cache has
// its policy. How a cache is written is for package cache, what may be trusted for
// package trust.
package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Events. docs/events.md lists them.
const (
	evPublished = "cache published"
	evMended    = "cache mended"
	evSkipped   = "cache skipped"
)

// Options of a Publisher.
type Options struct {
	// Policy says what may be done to a cache, and why, in a clause.
	Policy func(c cache.Cache) (p config.Policy, why string)
	// Quiet is how long a cache must have been left alone before it is written.
	Quiet time.Duration
	// DropAhead is how long metadata newer than its mirror's is left in a cache, while
	// the mirror goes on answering without it; 0 is for ever.
	DropAhead time.Duration
	Log       hclog.Logger
}

// Source is the last good set of one mirror, and how well it is established.
type Source struct {
	Set *trust.Set
	// FirstSeen is when this set was first got; the soak begins there.
	FirstSeen time.Time
	// Checked is when the mirror last answered with it; zero when not known.
	Checked time.Time
	// Soak is how long the mirror may still answer with something older elsewhere:
	// its caches' lifetime. 0 for a mirror without a CDN.
	Soak time.Duration
}

// settles is how long after now the set has soaked; 0 when it has.
func (s Source) settles(now time.Time) time.Duration {
	return max(0, s.FirstSeen.Add(s.Soak).Sub(now))
}

// Outcome is what happened to one cache.
type Outcome struct {
	Cache  cache.Cache
	Change cache.Change
	Err    error // nil where there was nothing to do, or nothing may be done
	// Skipped says in one line why a cache was not brought forward; "" when it was,
	// or needed nothing.
	Skipped string
	// Busy says that its client is at work in it.
	Busy bool
	// RetryAfter is when to come back, for what only has to wait; 0 for not.
	RetryAfter time.Duration
	Took       time.Duration
}

// A Publisher writes caches, one after the other. It remembers the newest set of
// each mirror that has soaked, to mend with while a newer one soaks. Its methods
// may be called from any goroutine; two that come to the same cache write it one
// after the other.
type Publisher struct {
	o Options

	mu      sync.Mutex
	settled map[string]Source
	seen    map[string]int64       // the newest timestamp of any set, by mirror
	failed  map[string]string      // the last error by cache.Key: it is told once
	at      map[string]*sync.Mutex // held while a cache of that path is written: two layouts there, one after the other
}

// New returns a Publisher.
func New(o Options) *Publisher {
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	return &Publisher{o: o, settled: map[string]Source{}, seen: map[string]int64{}, failed: map[string]string{}, at: map[string]*sync.Mutex{}}
}

// Publish brings every cache forward to the set of its mirror and mends it, as far
// as its policy allows, and returns one outcome for each. Sources are by mirror name.
// A cache without a source is at most freed of what stands in its client's way. It
// stops between two caches when ctx ends; what was not reached is not in the answer.
func (p *Publisher) Publish(ctx context.Context, caches []cache.Cache, sources map[string]Source, now time.Time) []Outcome {
	p.mu.Lock()
	for name, s := range sources {
		if s.Set != nil && s.settles(now) == 0 {
			p.settled[name] = s
		}
		if s.Set != nil {
			p.seen[name] = max(p.seen[name], timestampOf(s.Set))
		}
	}
	p.mu.Unlock()
	var outcomes []Outcome
	for _, c := range caches {
		if ctx.Err() != nil {
			break
		}
		out := p.one(c, sources[c.Mirror], now)
		p.tell(out)
		outcomes = append(outcomes, out)
	}
	return outcomes
}

// alone waits until nobody else of this program writes the cache at path.
func (p *Publisher) alone(path string) (done func()) {
	p.mu.Lock()
	at, ok := p.at[path]
	if !ok {
		at = &sync.Mutex{}
		p.at[path] = at
	}
	p.mu.Unlock()
	at.Lock()
	return at.Unlock
}

// newest says whether a set is as new as any that was verified of its mirror.
func (p *Publisher) newest(mirror string, set *trust.Set) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return set != nil && timestampOf(set) >= p.seen[mirror]
}

func timestampOf(set *trust.Set) int64 {
	role, _ := set.Role(trust.Timestamp)
	return role.Version
}

// one does one cache.
func (p *Publisher) one(c cache.Cache, s Source, now time.Time) Outcome {
	out := Outcome{Cache: c}
	began := time.Now()
	o := cache.WriteOptions{Quiet: p.o.Quiet}
	switch policy, why := p.o.Policy(c); policy {
	case config.PolicyMend:
		o.Mend, o.Publish = true, true
	case config.PolicyPublish:
		o.Publish = true
	default:
		out.Skipped = why
		return out
	}
	defer p.alone(c.Path)()
	set := s.Set
	if wait := s.settles(now); set != nil && wait > 0 {
		p.mu.Lock()
		old, ok := p.settled[c.Mirror]
		p.mu.Unlock()
		if ok && len(old.Set.Expired(now)) == 0 {
			set = old.Set // what every edge of the mirror answers with, at least
			s.Checked = old.Checked
		} else {
			o.Unsettled = true
		}
		switch c.Inspect(s.Set, now).State {
		case cache.Behind:
			out.Skipped, out.RetryAfter = fmt.Sprintf("the set is new, and soaks for another %s", wait.Round(time.Second)), wait
		case cache.Damaged:
			out.RetryAfter = wait // mended now, brought forward then
		}
	}
	o.Checked = s.Checked
	if p.newest(c.Mirror, set) { // what a newer one brought may be what the cache has
		o.DropAhead = p.o.DropAhead
	}
	out.Change, out.Err = c.Replace(set, now, o)
	out.Took = time.Since(began)

	var busy *cache.BusyError
	var others *cache.UnusableError
	switch {
	case errors.As(out.Err, &busy):
		out.Busy, out.Skipped, out.RetryAfter = true, busy.Error(), busy.RetryAfter
	case errors.Is(out.Err, cache.ErrAhead), errors.Is(out.Err, cache.ErrLegacy),
		errors.Is(out.Err, cache.ErrExpired), errors.Is(out.Err, cache.ErrForeign):
		out.Skipped = out.Err.Error()
	case errors.As(out.Err, &others) && others.Left != "":
		out.Skipped, out.Err = others.Reason, nil
	}
	if out.Skipped != "" {
		out.Err = expected(out.Err)
	}
	return out
}
