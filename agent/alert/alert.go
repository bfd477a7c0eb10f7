// SPDX-License-Identifier: Apache-2.0

// Package alert calls out: it carries what changed in the problems of this host
// to sinks.
//
// Every sink is on its own: one that is slow, broken or that panics holds up
// neither the others nor the agent for longer than the time limit. A sink gets
// its alerts in order, and one that was not delivered is offered again in the
// next cycle, before anything newer. What waits is kept in memory and bounded;
// after a restart the reminder of a problem that lasts takes its place. Whether
// there is something to tell is decided in package health.
package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Defaults of a Caller.
const (
	// TimeLimit bounds one call to one sink.
	TimeLimit = 10 * time.Second
	// MaxWaiting bounds the alerts that wait for one sink; the oldest give way.
	MaxWaiting = 200

	// grace is how long a sink may take to notice that its time is over.
	grace = time.Second
)

// Events of this package.
const (
	evSent    = "alert sent"
	evFailed  = "alert failed"
	evDropped = "alert dropped"
)

// Alert is one change of one problem.
type Alert struct {
	Kind    string         `json:"kind"` // "raised", "cleared" or "reminded"
	At      time.Time      `json:"at"`
	Host    string         `json:"host,omitempty"`
	Problem health.Problem `json:"problem"`
}

// New makes alerts of what changed, in its order.
func New(host string, at time.Time, changes []health.Change) []Alert {
	alerts := make([]Alert, 0, len(changes))
	for _, c := range changes {
		alerts = append(alerts, Alert{Kind: string(c.Kind), At: at.UTC(), Host: host, Problem: c.Problem})
	}
	return alerts
}

// A Sink carries alerts off this host. Send returns soon after ctx ends; an
// alert that was not delivered is offered again in the next cycle. It is never
// called twice at the same time.
type Sink interface {
	Send(ctx context.Context, a Alert) error
}

// Caller calls sinks. It is safe for concurrent use.
type Caller struct {
	log   hclog.Logger
	lines map[string]*line
	names []string // sorted
}

// line is one sink with what waits for it.
type line struct {
	name string
	sink Sink
	log  hclog.Logger

	mu      sync.Mutex
	waiting []queued
	next    uint64 // number of the next alert
	busy    bool   // a call is under way, perhaps one that outlived its time limit
}

// queued is one alert that waits, with the number that tells it apart.
type queued struct {
	Alert
	number uint64
}

// NewCaller calls the sinks of that map, each under its name.
func NewCaller(sinks map[string]Sink, log hclog.Logger) *Caller {
	c := &Caller{log: log, lines: map[string]*line{}, names: slices.Sorted(maps.Keys(sinks))}
	for name, s := range sinks {
		c.lines[name] = &line{name: name, sink: s, log: log}
	}
	return c
}

// Call offers every sink what still waits for it and then these alerts, and
// returns one error per sink that did not take them all, in the order of their
// names. It takes little longer than the time limit: sinks are called side by side.
func (c *Caller) Call(ctx context.Context, alerts []Alert) []error {
	errs := make([]error, len(c.names))
	var wait sync.WaitGroup
	for i, name := range c.names {
		wait.Go(func() { errs[i] = c.lines[name].call(ctx, alerts) })
	}
	wait.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// Waiting returns how many alerts wait for the sink of that name.
func (c *Caller) Waiting(name string) int {
	l, ok := c.lines[name]
	if !ok {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

var errBusy = errors.New("still busy with the alert before")

// call queues the alerts and gives the sink its time limit to take the queue. A
// sink that does not return in time is left alone until it does.
func (l *line) call(ctx context.Context, alerts []Alert) error {
	l.mu.Lock()
	l.queue(alerts)
	n := len(l.waiting)
	if n == 0 {
		l.mu.Unlock()
		return nil
	}
	err := ctx.Err()
	if l.busy {
		err = errBusy
	}
	if err != nil {
		l.mu.Unlock()
		return l.failed(err, n)
	}
	l.busy = true
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, TimeLimit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.drain(ctx) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(grace):
			err = ctx.Err()
		}
	}
	if err == nil {
		return nil
	}
	l.mu.Lock()
	n = len(l.waiting)
	l.mu.Unlock()
	return l.failed(err, n)
}

// failed says that alerts wait. The log is told as well as the caller: the
// caller counts, the log is where a person looks.
func (l *line) failed(err error, waiting int) error {
	err = fmt.Errorf("sending alerts to %s: %s (%d waiting)", health.Plain(l.name), health.Line(err.Error()), waiting)
	l.log.Warn(evFailed, "sink", l.name, "waiting", waiting, "error", err)
	return err
}

// queue adds alerts behind those that wait. The caller holds the lock.
func (l *line) queue(alerts []Alert) {
	for _, a := range alerts {
		l.waiting = append(l.waiting, queued{a, l.next})
		l.next++
	}
	if n := len(l.waiting) - MaxWaiting; n > 0 {
		l.log.Warn(evDropped, "sink", l.name, "count", n)
		l.waiting = slices.Clone(l.waiting[n:])
	}
}

// drain sends in order, and stops at the first that is not taken.
func (l *line) drain(ctx context.Context) error {
	defer func() {
		l.mu.Lock()
		l.busy = false
		l.mu.Unlock()
	}()
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.mu.Unlock()
			return nil
		}
		a := l.waiting[0]
		l.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := send(ctx, l.sink, a.Alert); err != nil {
			return err
		}
		l.log.Debug(evSent, "sink", l.name, "kind", a.Kind, "code", a.Problem.Code)
		l.mu.Lock()
		// It may have given way to newer ones meanwhile.
		if len(l.waiting) > 0 && l.waiting[0].number == a.number {
			l.waiting = l.waiting[1:]
		}
		l.mu.Unlock()
	}
}

// send makes an error of a panic: a sink of ours must not take the agent down.
func send(ctx context.Context, s Sink, a Alert) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the sink panicked: %v", v)
		}
	}()
	return s.Send(ctx, a)
}
