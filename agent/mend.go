// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// patience is how long Mend waits for caches that are in use.
const patience = 15 * time.Second

// Mend mends the caches now and brings them forward, as policy allows, from the
// sets that the stores hold, and says what it did to each. It may run beside an
// agent: the write protocol stands a second writer. A cache in use is waited for, for
// a while. The error is about what could not be looked at; what could not be mended
// is in the answer.
func Mend(ctx context.Context, cfg config.Config, log hclog.Logger) ([]status.Mending, error) {
	var mirrors []cache.Mirror
	var errs []error
	sources := map[string]publish.Source{}
	for _, m := range cfg.Mirrors {
		if m.Preview {
			mirrors = append(mirrors, cacheMirror(m, nil))
			continue
		}
		set, err := lastGoodSet(cfg.StateDir, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("loading the store of mirror %q: %w", m.Name, err))
		}
		mirrors = append(mirrors, cacheMirror(m, set))
		if set != nil {
			sources[m.Name] = publish.Source{Set: set, FirstSeen: set.VerifiedAt(), Checked: lastChecked(cfg, m, set), Soak: m.Soak}
		}
	}
	ps := placesOf(cfg)
	p := publish.New(publish.Options{Policy: ps.policy, DropAhead: cfg.Caches.DropAhead, Log: log.Named("publish")})
	found, unseen := cache.Find(ps.list, mirrors)
	found = slices.DeleteFunc(found, func(c cache.Cache) bool {
		policy, _ := ps.policy(c)
		return policy == config.PolicyIgnore
	})
	mendings := make([]status.Mending, len(found))
	at := make(map[string]int, len(found))
	for i, c := range found {
		at[c.Key()] = i
	}
	for until := time.Now().Add(patience); len(found) > 0; {
		var busy []cache.Cache
		wait := time.Duration(0)
		for _, out := range p.Publish(ctx, found, sources, time.Now()) {
			policy, _ := ps.policy(out.Cache)
			mendings[at[out.Cache.Key()]].Add(out.Cache, string(policy), out.Change, out.Err, out.Skipped)
			if out.Busy {
				busy, wait = append(busy, out.Cache), max(wait, out.RetryAfter)
			}
		}
		if found = busy; len(found) == 0 || time.Now().Add(wait).After(until) || !sleep(ctx, wait) {
			break
		}
	}
	if ctx.Err() != nil { // the rest was not reached
		mendings = slices.DeleteFunc(mendings, func(m status.Mending) bool { return m.Path == "" })
	}
	return mendings, errors.Join(append(errs, unseen...)...)
}

// sleep waits, and says whether it was let.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// lastChecked is when the agent that keeps this store last heard from the mirror; zero
// where it reported on other metadata than this set.
func lastChecked(cfg config.Config, m config.Mirror, set *trust.Set) time.Time {
	told := lastReported(cfg, m)
	if told == nil || told.LastSuccess == nil {
		return time.Time{}
	}
	for name, role := range told.Roles {
		if ours, ok := set.Role(name); !ok || ours.Version != role.Version {
			return time.Time{}
		}
	}
	return *told.LastSuccess
}

// CheckConfig says what of a config can only be seen wrong by building from it:
// the compatibility table, initial roots and their pins, certificates, schedules.
func CheckConfig(cfg config.Config) error {
	var errs []error
	if _, err := table(cfg); err != nil {
		errs = append(errs, err)
	}
	for _, m := range cfg.Mirrors {
		if _, err := newKeeper(m, cfg.Schedule, Options{Log: hclog.NewNullLogger()}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DoubtConfig says what of a config may be right, and is more likely a mistake.
func DoubtConfig(cfg config.Config) []string {
	model, err := table(cfg)
	if err != nil {
		return nil // CheckConfig says it
	}
	var doubts []string
	for _, w := range cfg.Clients.Minimums {
		if slices.Contains(model.Names(), w.Client) || strings.Contains(w.Client, "/") { // a module is the name of a client that has no other
			continue
		}
		doubt := fmt.Sprintf("minimum %q: no client of that name is known", w.Client)
		if near := config.DidYouMean(w.Client, model.Names()); near != "" {
			doubt += " (" + near + ")"
		}
		doubts = append(doubts, doubt)
	}
	for _, p := range placesOf(cfg).list {
		for _, dir := range []string{p.Base, p.Targets} {
			if _, err := os.Lstat(dir); err != nil && strings.ContainsAny(dir, "*?[{") {
				doubts = append(doubts, fmt.Sprintf("%s: a place is one directory, not a pattern, and there is none of that name", health.Plain(dir)))
			}
		}
	}
	return doubts
}
