// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/alert"
	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// publish carries the last good sets into the caches. What must wait (a set
// that soaks, a cache in use) says until when.
func (a *Agent) publish(ctx context.Context, now time.Time) {
	a.retry = time.Time{}
	a.lookAround()
	found, _ := cache.Find(a.places.Load().list, a.cacheMirrors()) // what cannot be found is told by look
	sources := make(map[string]publish.Source, len(a.keepers))
	for _, k := range a.keepers {
		r := a.mirrors[k.cfg.Name]
		if r.facts.Set == nil || r.facts.Preview {
			continue
		}
		sources[k.cfg.Name] = publish.Source{
			Set: r.facts.Set, FirstSeen: r.firstSeen, Checked: r.checked, Soak: k.cfg.Soak,
		}
	}
	if a.mender != nil {
		a.mender.learn(known{a.places.Load().list, a.cacheMirrors(), sources})
		defer expect(a.watcher, found)()
	}
	a.failed, a.inUse = map[string]string{}, map[string]string{}
	for until := time.Now().Add(patience); len(found) > 0; now = time.Now() {
		var busy []cache.Cache
		wait := time.Duration(0)
		for _, out := range a.publisher.Publish(ctx, found, sources, now) {
			if out.RetryAfter > 0 {
				a.wantBy(now.Add(out.RetryAfter))
			}
			if out.Err != nil && !errors.Is(out.Err, cache.ErrBusy) {
				a.failed[out.Cache.Key()] = out.Err.Error()
			}
			if out.Busy {
				busy, wait = append(busy, out.Cache), max(wait, out.RetryAfter)
			}
		}
		if found = busy; a.running || len(found) == 0 {
			return // a running agent comes back
		}
		if time.Now().Add(wait).After(until) || !sleep(ctx, max(wait, shortest)) {
			a.leave(found, wait)
			return
		}
	}
}

// leave tells of caches that were in use for as long as they were waited for.
func (a *Agent) leave(found []cache.Cache, wait time.Duration) {
	again := max(wait, time.Second).Round(time.Second)
	for _, c := range found {
		a.inUse[c.Key()] = fmt.Sprintf("in use; run again in %s", health.Span(again))
		a.log.Warn(evCacheLeft, "path", health.Plain(c.Path), "mirror", c.Mirror, "error", cache.ErrBusy, "next", again.String())
	}
}

// look gathers what is known of this host now. Binaries are read again only
// when a scan is due: reading is the costly part, and unchanged files are cached.
func (a *Agent) look(ctx context.Context, now time.Time) health.Facts {
	f := health.Facts{At: now, ConfigError: a.cfgError, StateError: a.stateErr, AlertError: a.alertErr}
	for _, k := range a.keepers {
		r := a.mirrors[k.cfg.Name]
		f.Mirrors = append(f.Mirrors, r.facts)
		f.Clock = laterClock(f.Clock, r.clock)
	}
	if a.watcher != nil {
		f.WatchDegraded = a.watcher.Degraded()
	}
	f.Caches, f.Collisions, f.Unseen = checkup.Caches(a.places.Load().checked(a.o.Env), a.cacheMirrors(), now)
	for i := range f.Caches {
		f.Caches[i].Failed = a.failed[f.Caches[i].Cache.Key()]
		f.Caches[i].Left = a.inUse[f.Caches[i].Cache.Key()]
		f.Caches[i].Compared = compared(f.Caches[i].Cache, a.watcher)
	}
	if a.clientsAt.IsZero() || now.Sub(a.clientsAt) >= a.cfg.Clients.Scan {
		a.clients, a.unseen = checkup.Clients(ctx, findOptions(a.cfg, a.scans, a.model), homes(a.o.Env))
		a.unseen = append(a.unseen, checkup.Packages(ctx, a.distro, a.clients)...)
		a.clientsAt = now
	}
	f.Clients = a.clients
	f.Unseen = append(f.Unseen, a.unseen...)
	f.Unseen = append(f.Unseen, unmatched(measureOf(a.cfg, a.model, f.Host), f.Clients)...)
	var unseen []string
	f.Host, unseen = checkup.Host(ctx, a.distro, homes(a.o.Env))
	f.Unseen = append(f.Unseen, unseen...)
	f.Probes, unseen = probed(a.cfg)
	f.Unseen = append(f.Unseen, unseen...)
	return f
}

// judge holds the clients against the repositories and the facts against the
// limits, and says what holds now and what has changed.
func (a *Agent) judge(f health.Facts) ([]health.Problem, []health.Change) {
	a.judged = judgeClients(measureOf(a.cfg, a.model, f.Host), f)
	findings := health.Judge(f, limits(a.cfg), a.judged)
	problems, changes := a.tracker.Update(f.At, findings, a.cfg.Alerts.Reminder)
	a.stateErr = a.memory.save(a.cfg.StateDir, a.tracker)
	return problems, changes
}

// tell writes the report that status, check and the service manager read.
func (a *Agent) tell(f health.Facts, problems []health.Problem) status.Report {
	report := status.Build(f, a.judged, problems, a.about())
	if err := status.Write(a.cfg.StatusFile, report); err != nil {
		a.log.Warn(evStatusFailed, "path", a.cfg.StatusFile, "error", err)
	}
	a.o.Notify("STATUS=" + report.Headline())
	return report
}

// callOut hands the changes to the sinks. What a sink did not take waits for the
// next cycle; that it waits is a problem of its own.
func (a *Agent) callOut(ctx context.Context, changes []health.Change) {
	a.alertErr = ""
	if err := errors.Join(a.caller.Call(ctx, alert.New(a.o.Host, time.Now(), changes))...); err != nil {
		a.alertErr = err.Error()
	}
}

// untilNext is how long the loop may sleep when nothing happens.
func (a *Agent) untilNext() time.Duration {
	wait := a.cfg.Caches.Scan
	if c := time.Until(a.clientsAt.Add(a.cfg.Clients.Scan)); c < wait {
		wait = c
	}
	if !a.retry.IsZero() {
		wait = min(wait, time.Until(a.retry))
	}
	if at, ok := a.tracker.Next(); ok {
		wait = min(wait, time.Until(at))
	}
	return max(wait, 10*time.Millisecond)
}

// rest is when the next cycle may begin that only tells what changed on disk: who
// changes caches all the time does not keep this host busy.
func (a *Agent) rest() time.Time { return a.ended.Add(min(10*a.took, 5*time.Second)) }

// wantBy asks for a cycle at t at the latest.
func (a *Agent) wantBy(t time.Time) {
	if a.retry.IsZero() || t.Before(a.retry) {
		a.retry = t
	}
}

// about says who reports. One cycle alone is no agent that somebody could wake.
func (a *Agent) about() status.About {
	in := tableOf(a.cfg, a.model)
	about := status.About{Version: a.o.Version, Host: a.o.Host, Table: &in}
	if a.running {
		about.Started, about.PID = a.started, a.lock.PID()
	}
	return about
}

// cacheMirrors are the mirrors whose caches may be written: previews are for judging only.
func (a *Agent) cacheMirrors() []cache.Mirror {
	var ms []cache.Mirror
	for _, k := range a.keepers {
		ms = append(ms, cacheMirror(k.cfg, a.mirrors[k.cfg.Name].facts.Set))
	}
	return ms
}

// watched are the directories whose change is worth a cycle.
func (a *Agent) watched() []string { return a.places.Load().watched(a.cacheMirrors()) }

// lookAround finds out anew which places there are: a link may have been turned.
func (a *Agent) lookAround() {
	ps := placesOf(a.cfg)
	a.places.Store(&ps)
}

func (a *Agent) closeKeepers() {
	for _, k := range a.keepers {
		if err := k.close(); err != nil {
			a.log.Warn(evCloseFailed, "mirror", k.cfg.Name, "error", err)
		}
	}
}

// headline is an error in one line, also where a config has many faults.
func headline(err error) string {
	var c *config.Error
	if errors.As(err, &c) {
		return c.Headline()
	}
	return err.Error()
}

// reload reads and prepares a new config. One that cannot be used is refused:
// what is in force stays in force.
func (a *Agent) reload() (prepared, bool) {
	cfg, err := a.o.Reload()
	var next prepared
	if err == nil {
		next, err = a.prepare(cfg)
	}
	if err == nil && cfg.StateDir != a.cfg.StateDir {
		err = fmt.Errorf("state_dir changed from %q to %q: that needs a restart", a.cfg.StateDir, cfg.StateDir)
	}
	if err != nil {
		a.refuse(err)
		return prepared{}, false
	}
	return next, true
}

// refuse tells that a config was not taken; it is a problem until one is.
func (a *Agent) refuse(err error) {
	a.cfgError = headline(err)
	a.log.Error(evConfigFailed, "path", a.cfg.Path, "error", a.cfgError)
}

// replace puts a prepared config in force in place of the one that is. When one
// of its stores cannot be opened the old one stays.
func (a *Agent) replace(next prepared) {
	was := prepared{cfg: a.cfg, model: a.model, keepers: a.keepers}
	a.closeKeepers()
	var err error
	for _, k := range next.keepers {
		if err = k.open(next.cfg.StateDir); err != nil {
			break
		}
	}
	if err == nil {
		a.cfgError = ""
		a.adopt(next)
		return
	}
	a.keepers = next.keepers // those that were opened
	a.closeKeepers()
	a.refuse(err)
	for _, k := range was.keepers {
		if err := k.open(was.cfg.StateDir); err != nil {
			k.failed(err)
		}
	}
	a.adopt(was)
}
