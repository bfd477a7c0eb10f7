// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Look looks at this host now without an agent, or beside one: the sets that
// the stores hold, the caches, the clients. It refreshes nothing, writes
// nothing and takes no lock. Problems that must hold for a while before an
// agent raises them are told at once.
func Look(ctx context.Context, cfg config.Config, env config.Env, about status.About) (status.Report, error) {
	model, err := table(cfg)
	if err != nil {
		return status.Report{}, err
	}
	now := time.Now()
	f := health.Facts{At: now}
	var mirrors []cache.Mirror
	for _, m := range cfg.Mirrors {
		facts := health.MirrorFacts{Name: m.Name, URL: m.URL.String(), Preview: m.Preview, Interval: intervalOf(scheduleOf(m, cfg.Schedule))}
		highest, err := store.ReadHighestTime(storeDir(cfg.StateDir, m.Name))
		if err != nil {
			f.Unseen = append(f.Unseen, fmt.Sprintf("the newest time that mirror %q was seen: %v", m.Name, err))
		}
		f.Clock = laterClock(f.Clock, health.ClockFacts{HighestSeen: highest})
		set, err := lastGoodSet(cfg.StateDir, m)
		switch {
		case err != nil:
			f.Unseen = append(f.Unseen, fmt.Sprintf("the store of mirror %q: %v", m.Name, err))
		case set != nil:
			facts.Set, facts.LastSuccess = set, set.VerifiedAt()
			if told := lastReported(cfg, m); told != nil {
				told.fill(&facts)
			} else {
				f.Unseen = append(f.Unseen, fmt.Sprintf("whether mirror %q answers: tufkeeper refresh asks it", m.Name))
			}
		default:
			f.Unseen = append(f.Unseen, fmt.Sprintf("mirror %q: nothing was refreshed here yet: tufkeeper refresh does", m.Name))
			if told := lastReported(cfg, m); told != nil && told.FailureKind == health.FailKeyType {
				told.fill(&facts) // it offers what nobody is known to read
			}
		}
		f.Mirrors = append(f.Mirrors, facts)
		mirrors = append(mirrors, cacheMirror(m, set))
	}
	var unseen []string
	f.Caches, f.Collisions, unseen = checkup.Caches(placesOf(cfg).checked(env), mirrors, now)
	f.Unseen = append(f.Unseen, unseen...)
	f.Clients, unseen = checkup.Clients(ctx, findOptions(cfg, nil, model), homes(env))
	f.Unseen = append(f.Unseen, unseen...)
	here := distribution()
	f.Unseen = append(f.Unseen, checkup.Packages(ctx, here, f.Clients)...)
	f.Host, unseen = checkup.Host(ctx, here, homes(env))
	f.Unseen = append(f.Unseen, unseen...)
	f.Probes, unseen = probed(cfg)
	f.Unseen = append(f.Unseen, unseen...)
	measure := measureOf(cfg, model, f.Host)
	f.Unseen = append(f.Unseen, unmatched(measure, f.Clients)...)
	judged := judgeClients(measure, f)
	problems := health.Problems(now, health.Judge(f, limits(cfg), judged))
	in := tableOf(cfg, model)
	about.Table = &in
	return status.Build(f, judged, problems, about), nil
}

// reported is what the last report of an agent, or of one cycle, says of a mirror.
type reported status.Mirror

// lastReported returns it, or nil: a look asks no mirror, but what was seen when
// one was asked is worth more than nothing.
func lastReported(cfg config.Config, m config.Mirror) *reported {
	r, err := status.Read(cfg.StatusFile)
	if err != nil {
		return nil // the look goes on without it, and says so
	}
	for _, was := range r.Mirrors {
		if was.Name == m.Name && was.URL == m.URL.String() {
			return (*reported)(&was)
		}
	}
	return nil
}

func (r *reported) fill(f *health.MirrorFacts) {
	f.Forbidden = r.Forbidden
	if r.LastAttempt != nil {
		f.LastAttempt = *r.LastAttempt
	}
	if r.LastSuccess != nil {
		f.LastSuccess = *r.LastSuccess
	}
	if r.LastError != nil {
		f.LastError, f.Kind, f.Failures = *r.LastError, r.FailureKind, r.Failures
	}
	if k := r.Unread; k != nil {
		f.Unread = trust.KeyForm{KeyType: k.KeyType, Scheme: k.Scheme}
	}
}
