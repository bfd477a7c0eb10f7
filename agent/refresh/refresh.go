// SPDX-License-Identifier: Apache-2.0

// Package refresh runs the TUF client workflow for one mirror into its store.
//
// What is accepted is persisted step by step, as the specification asks (5.3 to
// 5.6); a set is committed only when it is complete, so a failure never leaves
// less than before. A refresh with nothing new costs two requests and no write.
// It runs in the goroutine of its caller and ends soon after its context does.
//
// Every byte, from the mirror or from our own disk, passes the strict pre-check
// of package trust before go-tuf sees it, and a panic in a parser is a failed
// refresh. Trust starts from the initial root that the caller hands in, never
// from a file that we wrote. What the store remembers can only make a refresh
// refuse more: versions and times that were seen do not go back, unless the keys
// of timestamp or snapshot have changed (spec 5.3.11).
//
// How files are fetched, and where bytes are kept, is for packages mirror and
// store; when to refresh is for the caller.
package refresh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const (
	evFinished = "refresh finished"
	evUpdated  = "role updated"
	evRollback = "rollback refused"

	// defaultTimeout bounds a refresh where Options.Timeout is zero.
	defaultTimeout = 5 * time.Minute
	// clockTolerance is how far the clock may be set back before we stop: small
	// corrections are everyday work of NTP.
	clockTolerance = 5 * time.Minute
)

// Options are what a Refresher works with. Mirror, Store and Initial are needed.
type Options struct {
	Name   string // of the mirror, for the log
	Mirror *mirror.Mirror
	Store  *store.Store
	// Initial is the initial root.
	Initial []byte
	// Wanted says which target files a set holds. When it is nil, a set holds no
	// target file and no delegated role.
	Wanted func(path string) bool
	// TargetsURL is the base URL of target files; "" means "targets/" below the
	// URL of the metadata.
	TargetsURL string
	// Timeout bounds a whole refresh, fallbacks included; 0 means five minutes.
	Timeout time.Duration
	Log     hclog.Logger // nil for none
}

// A Refresher refreshes one mirror. It is not safe for concurrent use.
type Refresher struct {
	o       Options
	current *trust.Set
	last    *session // of the last refresh that succeeded
}

// Result is what one refresh did. After an error, Requests, Writes, Took and
// Notes tell what was done up to it, and Set is what it was before.
type Result struct {
	Set      *trust.Set // the last good set
	New      bool       // it was committed by this refresh
	Updates  []Update   // the roles in which it differs from the set before
	Requests int64      // HTTP requests
	Writes   int64      // changes made in the store
	Origin   string     // the base URL that served it
	Took     time.Duration
	Notes    []string // what an operator may want to know, and need not act on
}

// Update is one role that has a new version. Previous is 0 for a new role.
type Update struct {
	Role              string
	Previous, Version int64
	Expires           time.Time
}

// New checks the initial root, and loads the last good set from the store.
func New(o Options) (*Refresher, error) {
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	// Any time will do: an initial root may have expired.
	if _, err := trust.Begin(o.Initial, time.Now()); err != nil {
		return nil, err
	}
	r := &Refresher{o: o}
	set, err := o.Store.Load(o.Initial)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &StoreError{err}
	}
	r.current = set
	return r, nil
}

// Current returns the last good set; nil before the first.
func (r *Refresher) Current() *trust.Set { return r.current }

// Refresh runs the whole workflow, expiry being judged at now. The mirror's base
// URLs are tried in order: the next one only when one cannot be reached. An error
// of the mirror's content is final, lest another origin be used to hide it.
func (r *Refresher) Refresh(ctx context.Context, now time.Time) (Result, error) {
	start, requests, writes := time.Now(), r.o.Mirror.Stats().Requests, r.o.Store.Writes()
	res := Result{Set: r.current}
	err := r.refresh(ctx, now, &res)
	res.Requests = r.o.Mirror.Stats().Requests - requests
	res.Writes = r.o.Store.Writes() - writes
	res.Took = time.Since(start)
	r.report(res, err)
	return res, err
}

func (r *Refresher) refresh(ctx context.Context, now time.Time, res *Result) error {
	if highest := r.o.Store.HighestTime(); now.Before(highest.Add(-clockTolerance)) {
		return &ClockError{Now: now, Highest: highest}
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	s, err := r.tryOrigins(ctx, now, res)
	if err != nil {
		return err
	}
	if s.set != r.current {
		if err := r.o.Store.Commit(s.set); err != nil {
			return &StoreError{err}
		}
		res.New, res.Updates = true, updates(r.current, s.set)
		r.current = s.set
	}
	res.Set, r.last = r.current, s
	return s.remember(now)
}

// tryOrigins runs the workflow against one base URL after the other.
func (r *Refresher) tryOrigins(ctx context.Context, now time.Time, res *Result) (*session, error) {
	origins := r.o.Mirror.Origins()
	var unreachable error
	for i, origin := range origins {
		s, err := r.tryOrigin(ctx, origin, len(origins)-i, now)
		res.Notes = append(res.Notes, s.notes...)
		var rollback *RollbackError
		switch {
		case err == nil:
			res.Origin = origin
			return s, nil
		case ctx.Err() != nil || !reachedNot(err):
			if i > 0 && errors.As(err, &rollback) {
				// What a fallback lags behind with is no attack.
				err = &InconsistentError{name(rollback.Role), err}
			}
			return nil, join(unreachable, err)
		}
		unreachable = join(unreachable, err)
		if i+1 < len(origins) {
			res.Notes = append(res.Notes, fmt.Sprintf("tried the next URL: %v", err))
		}
	}
	return nil, unreachable
}

// tryOrigin gives one base URL an equal share of the time that is left.
func (r *Refresher) tryOrigin(ctx context.Context, origin string, left int, now time.Time) (*session, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	s := &session{o: r.o, origin: origin, now: now, current: r.current}
	err := trust.Guard("refreshing", func() error { return s.run(ctx) })
	if err != nil {
		// What was accepted so far is on disk; remember its versions too.
		err = join(err, s.remember(time.Time{}))
	}
	return s, err
}

// join is errors.Join on one line.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return fmt.Errorf("%w; %w", a, b)
}

// reachedNot says whether another base URL may be tried.
func reachedNot(err error) bool {
	return mirror.Unreachable(err) || errors.Is(err, context.DeadlineExceeded)
}

func (r *Refresher) report(res Result, err error) {
	var rollback *RollbackError
	if errors.As(err, &rollback) {
		r.o.Log.Warn(evRollback, "mirror", r.o.Name, "role", rollback.Role,
			"version", rollback.Offered, "previous", rollback.Trusted)
	}
	if err != nil {
		return // told by the caller, who knows what follows
	}
	for _, u := range res.Updates {
		r.o.Log.Info(evUpdated, "mirror", r.o.Name, "role", u.Role, "version", u.Version,
			"previous", u.Previous, "expires", u.Expires.UTC().Format(time.RFC3339))
	}
	level := hclog.Debug
	if res.New {
		level = hclog.Info
	}
	r.o.Log.Log(level, evFinished, "mirror", r.o.Name, "requests", res.Requests, "writes", res.Writes, "took", res.Took.Round(time.Millisecond).String())
}

func updates(before, after *trust.Set) []Update {
	var all []Update
	for _, role := range after.Roles() {
		var previous trust.Role
		if before != nil {
			previous, _ = before.Role(role.Name)
		}
		if previous.Version != role.Version {
			all = append(all, Update{role.Name, previous.Version, role.Version, role.Expires})
		}
	}
	return all
}

// Lookup finds a target file in the metadata of the last refresh, and refreshes
// first if there was none. Delegated roles on the way are fetched as needed.
func (r *Refresher) Lookup(ctx context.Context, now time.Time, path string) (trust.Target, error) {
	if r.last == nil {
		if _, err := r.Refresh(ctx, now); err != nil {
			return trust.Target{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	var t trust.Target
	err := trust.Guard("looking up a target", func() (err error) {
		t, err = r.last.lookup(ctx, path)
		return err
	})
	return t, err
}

// Download gets a target file that Lookup found, and verifies it.
func (r *Refresher) Download(ctx context.Context, t trust.Target) ([]byte, error) {
	if r.last == nil {
		return nil, errors.New("downloading a target file before a refresh")
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	return r.last.download(ctx, t)
}
