// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/schedule"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Event names of this file (docs/events.md).
const (
	evRefreshFailed = "refresh failed"
	evRefreshNoted  = "refresh noted"
)

// startSpread bounds how long a restarted agent that holds a set waits before
// its first refresh, so that a fleet that comes up at once does not ask at once.
const startSpread = 30 * time.Second

// A keeper keeps one mirror fresh. Its fields are owned by one goroutine at a
// time: the one that runs refresh.
type keeper struct {
	cfg     config.Mirror
	plan    schedule.Plan
	spread  time.Duration // this host's wait before the first refresh after a restart
	initial []byte
	mirror  *mirror.Mirror
	store   *store.Store
	refresh *refresh.Refresher
	log     hclog.Logger
	facts   health.MirrorFacts
	// stateDir is where the store is; store is nil while it cannot be opened.
	stateDir string
	// firstSeen is when the current set was first had; it soaks from then on.
	firstSeen time.Time
	checked   time.Time
}

// result is what a keeper tells the agent after each refresh.
type result struct {
	name      string
	facts     health.MirrorFacts
	firstSeen time.Time
	checked   time.Time
	clock     health.ClockFacts
	fresh     bool // a new set was committed
}

// newKeeper prepares everything of a mirror that needs no store: what can be
// wrong with its settings is wrong here.
func newKeeper(m config.Mirror, common config.Schedule, o Options) (*keeper, error) {
	initial, err := initialRoot(m)
	if err != nil {
		return nil, fmt.Errorf("mirror %q: %w", m.Name, err)
	}
	plan, err := planOf(m, common, o.MachineID)
	if err != nil {
		return nil, fmt.Errorf("mirror %q: %w", m.Name, err)
	}
	urls := []string{m.URL.String()}
	for _, u := range m.FallbackURLs {
		urls = append(urls, u.String())
	}
	mir, err := mirror.New(mirror.Options{
		Name: m.Name, URLs: urls,
		FileTimeout: m.FileTimeout, Attempts: m.Attempts,
		ForbiddenEndsChain: m.ForbiddenEndsChain,
		AllowHTTP:          m.AllowHTTP,
		Proxy:              m.Proxy,
		CAFile:             m.CAFile,
		ClientCertFile:     m.ClientCertFile,
		ClientKeyFile:      m.ClientKeyFile,
		HeadersFile:        m.HeadersFile,
		UserAgent:          "tufkeeper/" + o.Version,
		Transport:          o.Transport,
	}, o.Log.Named("mirror"))
	if err != nil {
		return nil, fmt.Errorf("mirror %q: %w", m.Name, err)
	}
	return &keeper{
		cfg: m, plan: plan, initial: initial, mirror: mir,
		spread: schedule.Offset(o.MachineID, "start "+m.Name, startSpread),
		log:    o.Log,
		facts: health.MirrorFacts{
			Name: m.Name, URL: m.URL.String(), Preview: m.Preview, Interval: intervalOf(scheduleOf(m, common)),
		},
	}, nil
}

// scheduleOf is a mirror's own schedule, or the common one.
func scheduleOf(m config.Mirror, common config.Schedule) config.Schedule {
	if m.Schedule != nil {
		return *m.Schedule
	}
	return common
}

// intervalOf is the time between two refreshes of a schedule.
func intervalOf(s config.Schedule) time.Duration {
	return schedule.Plan{Every: s.Every, Cron: s.Cron}.Interval(time.Now())
}

// planOf is when a mirror is refreshed. With an interval a fleet spreads over all
// of it; with a cron expression over the jitter, behind the instants it names.
func planOf(m config.Mirror, common config.Schedule, machineID string) (schedule.Plan, error) {
	s := scheduleOf(m, common)
	spread := s.Every
	if s.Cron != "" {
		spread = s.Jitter
	}
	p := schedule.Plan{
		Every: s.Every, Cron: s.Cron, Jitter: s.Jitter,
		Offset:   schedule.Offset(machineID, m.Name, spread),
		RetryMin: s.RetryMin, RetryMax: s.RetryMax, Lead: s.Lead,
	}
	return p, p.Validate()
}

// initialRoot returns the root a mirror's trust starts from: one that is built
// in, or the operator's file, held against its pin.
func initialRoot(m config.Mirror) ([]byte, error) {
	if name, ok := strings.CutPrefix(m.InitialRoot, "builtin:"); ok {
		return trust.Initial(name)
	}
	data, err := readRegular(m.InitialRoot, trust.MaxRoot)
	if err != nil {
		return nil, fmt.Errorf("reading initial root: %w", err)
	}
	if pin := m.InitialRootSHA256; pin != "" {
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, pin) {
			return nil, fmt.Errorf("initial root %q has sha256 %s, the config pins %s", m.InitialRoot, got, pin)
		}
	}
	if _, err := trust.Peek(trust.Root, data); err != nil {
		return nil, fmt.Errorf("reading initial root %q: %w", m.InitialRoot, err)
	}
	return data, nil
}

// open takes the mirror's store under stateDir and loads the last good set.
func (k *keeper) open(stateDir string) error {
	k.stateDir = stateDir
	s, err := store.Open(storeDir(stateDir, k.cfg.Name), k.log.Named("store"))
	if err != nil {
		return fmt.Errorf("opening the store of mirror %q: %w", k.cfg.Name, err)
	}
	r, err := refresh.New(refresh.Options{
		Name: k.cfg.Name, Mirror: k.mirror, Store: s, Initial: k.initial,
		Wanted:  k.wanted,
		Timeout: k.cfg.RefreshTimeout,
		Log:     k.log.Named("refresh"),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("loading the store of mirror %q: %w", k.cfg.Name, err), s.Close())
	}
	k.store, k.refresh = s, r
	if set := r.Current(); set != nil {
		k.facts.Set = set
		k.firstSeen = set.VerifiedAt()
		k.facts.LastSuccess = set.VerifiedAt()
	}
	k.facts.Damaged = s.Damaged()
	return nil
}

// failed notes that the store cannot be used, and when to try again.
func (k *keeper) failed(err error) {
	f := &k.facts
	f.Failures++
	f.LastError, f.Kind = err.Error(), health.FailStore
	now := time.Now()
	f.NextAttempt = now.Add(k.plan.Wait(now, time.Time{}, f.Failures))
	k.log.Warn(evRefreshFailed, "mirror", f.Name, "attempt", f.Failures,
		"next", f.NextAttempt.UTC().Format(time.RFC3339), "error", err)
}

// close lets go of the store. Nothing is lost by closing twice.
func (k *keeper) close() error {
	if k.store == nil {
		return nil
	}
	err := k.store.Close()
	k.store = nil
	return err
}

func (k *keeper) wanted(path string) bool {
	for _, g := range k.cfg.Targets {
		if g.Match(path) {
			return true
		}
	}
	return false
}

// run refreshes whenever it is due, or woken, until ctx ends.
func (k *keeper) run(ctx context.Context, wake <-chan struct{}, results chan<- result) {
	wait := time.Duration(0)
	if k.facts.Set != nil {
		wait = min(k.spread, k.plan.Jitter)
	}
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-wake:
			timer.Stop()
		case <-timer.C:
		}
		r := k.once(ctx)
		if ctx.Err() != nil {
			return
		}
		wait = time.Until(r.facts.NextAttempt)
		select {
		case results <- r:
		case <-ctx.Done():
			return
		}
	}
}

// once refreshes now and says how it went. It never fails: a failure is a fact.
func (k *keeper) once(ctx context.Context) result {
	now := time.Now()
	f := &k.facts
	f.LastAttempt = now
	if k.store == nil {
		if err := k.open(k.stateDir); err != nil {
			k.failed(err)
			return k.result(false)
		}
	}
	res, err := k.refresh.Refresh(ctx, now)
	if err == nil {
		f.LastSuccess, f.LastError, f.Kind, f.Failures = now, "", health.FailNone, 0
		f.Rollback, f.Unread = health.Rollback{}, trust.KeyForm{}
		k.checked = now
		f.Set = res.Set
		if res.New {
			k.firstSeen = now
		}
	} else {
		f.Failures++
		f.LastError, f.Kind = err.Error(), refresh.Kind(err)
		f.Rollback, f.Unread = rollbackOf(err), unreadOf(err)
		f.Set = k.refresh.Current()
	}
	for _, note := range res.Notes { // it went on; somebody may want to know how
		k.log.Warn(evRefreshNoted, "mirror", f.Name, "note", note)
	}
	f.Damaged = k.store.Damaged()
	if err == nil || k.mirror.Stats().Forbidden { // a refresh that got nowhere knows nothing new
		f.Forbidden = k.mirror.Stats().Forbidden
	}
	end := time.Now()
	f.NextAttempt = end.Add(k.plan.Wait(end, firstExpiry(f.Set), f.Failures))
	if err != nil && ctx.Err() == nil {
		k.log.Warn(evRefreshFailed, "mirror", f.Name, "attempt", f.Failures,
			"next", f.NextAttempt.UTC().Format(time.RFC3339), "error", err)
	}
	return k.result(res.New)
}

// result describes the mirror as it stands.
func (k *keeper) result(fresh bool) result {
	st := k.mirror.Stats()
	r := result{
		name: k.cfg.Name, facts: k.facts, firstSeen: k.firstSeen, checked: k.checked, fresh: fresh,
		clock: health.ClockFacts{MirrorDate: st.Date, MirrorSeen: st.Seen},
	}
	if k.store != nil {
		r.clock.HighestSeen = k.store.HighestTime()
	}
	return r
}

// rollbackOf is what an older repository offered, if that is what went wrong.
func rollbackOf(err error) health.Rollback {
	var r *refresh.RollbackError
	if errors.As(err, &r) {
		return health.Rollback{Role: r.Role, Trusted: r.Trusted, Offered: r.Offered}
	}
	return health.Rollback{}
}

// unreadOf is the key that this agent cannot read, if that is what went wrong.
func unreadOf(err error) trust.KeyForm {
	var k *trust.UnknownKeyError
	if errors.As(err, &k) {
		return trust.KeyForm{Roles: []string{k.Role}, KeyType: k.KeyType, Scheme: k.Scheme}
	}
	return trust.KeyForm{}
}

// firstExpiry is when the first of a set's top-level roles expires; zero for none.
func firstExpiry(set *trust.Set) time.Time {
	var first time.Time
	if set == nil {
		return first
	}
	for _, name := range []string{trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets} {
		if r, ok := set.Role(name); ok && (first.IsZero() || r.Expires.Before(first)) {
			first = r.Expires
		}
	}
	return first
}

func storeDir(stateDir, mirrorName string) string {
	return filepath.Join(stateDir, "mirrors", mirrorName)
}

// lastGoodSet reads a mirror's set without owning its store; nil when there is none.
func lastGoodSet(stateDir string, m config.Mirror) (*trust.Set, error) {
	initial, err := initialRoot(m)
	if err != nil {
		return nil, err
	}
	set, err := store.LoadSet(storeDir(stateDir, m.Name), initial)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return set, err
}
