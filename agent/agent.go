// SPDX-License-Identifier: Apache-2.0

// Package agent is the whole job: it wires the parts from the config, runs the
// tasks, and holds the one cycle: refresh, publish, look, judge, tell, call out.
//
// The daemon, `refresh` and `run --once` run this same cycle; `status --now`
// and the listing commands run the parts of it that change nothing (see Look).
// One agent owns one state directory; a second one is refused.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/alert"
	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/distro"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// Event names of this package (docs/events.md).
const (
	evStarted      = "agent started"
	evStopped      = "agent stopped"
	evConfigLoaded = "config loaded"
	evConfigFailed = "config refused"
	evCycle        = "cycle finished"
	evCacheLeft    = "cache left"
	evStatusFailed = "status write failed"
	evCloseFailed  = "store close failed"
)

// Options is what an agent is made of besides its config.
type Options struct {
	Config config.Config
	// Env is where the user's own places are: it tells a home from a system path.
	Env config.Env
	// Reload reads the config again; nil when there is nothing to read again.
	Reload func() (config.Config, error)
	// Wake asks for a refresh now, Reloads for a reload. Nil channels never do.
	Wake, Reloads <-chan struct{}
	// Notify tells the service manager how it goes ("READY=1", "STATUS=…"); nil for nobody.
	Notify func(state string)
	// Sinks carry alerts, by name; the log sink is always there.
	Sinks     map[string]alert.Sink
	Host      string // this host's name, for alerts and the report
	MachineID string // spreads a fleet's refreshes; never leaves the host
	Version   string
	// Transport carries the requests to the mirrors; nil for one made from the config.
	Transport http.RoundTripper
	Log       hclog.Logger
}

// Agent does the whole job for one state directory. Run, or Once as often as
// wanted, is called from one goroutine; then Close.
type Agent struct {
	o       Options
	cfg     config.Config
	log     hclog.Logger
	lock    *store.Lock
	model   *client.Model
	caller  *alert.Caller
	tracker *health.Tracker
	started time.Time
	running bool // Run was called, not Once

	keepers   []*keeper
	mirrors   map[string]result      // the last result of each keeper
	places    atomic.Pointer[places] // as the last cycle found them
	publisher *publish.Publisher
	scans     *client.ScanCache
	distro    *distro.Distro // nil when it cannot be opened
	watcher   *watch.Watcher // nil when nothing is watched (Once)
	mender    *mender        // nil with it

	clients   []health.ClientFacts
	unseen    []string // of the last client scan
	clientsAt time.Time
	judged    []health.ClientJudgement
	cfgError  string
	stateErr  string
	retry     time.Time // when a cache wants to be published to again
	ended     time.Time // the last cycle, which
	took      time.Duration
	alertErr  string
	failed    map[string]string // why a cache could not be written, by its key
	inUse     map[string]string // what to do about one that was in use all the time, by its key
	memory    memory
}

// New takes the state directory, opens the stores and loads the last good sets.
// An error means that nothing was started: *store.LockedError names the agent
// that has the directory already.
func New(o Options) (*Agent, error) {
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	a := &Agent{o: o, log: o.Log, started: time.Now(), distro: distribution()}
	next, err := a.prepare(o.Config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Config.StateDir, 0o755); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(o.Config.StatusFile), 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of the status file: %w", err)
	}
	if a.lock, err = store.LockDir(o.Config.StateDir); err != nil {
		return nil, err
	}
	for _, k := range next.keepers {
		// A store that cannot be opened is its mirror's trouble alone; it is tried
		// again with each refresh.
		if err := k.open(o.Config.StateDir); err != nil {
			k.failed(err)
		}
	}
	a.adopt(next)
	sinks := map[string]alert.Sink{"log": alert.NewLog(o.Log.Named("alert"))}
	for name, s := range o.Sinks {
		sinks[name] = s
	}
	a.caller = alert.NewCaller(sinks, o.Log.Named("alert"))
	a.tracker = a.memory.load(o.Config.StateDir, a.log)
	return a, nil
}

// Close lets go of the stores and of the state directory.
func (a *Agent) Close() error {
	var errs []error
	for _, k := range a.keepers {
		errs = append(errs, k.close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Release())
	}
	return errors.Join(errs...)
}

// prepared is a config with what it asks for.
type prepared struct {
	cfg     config.Config
	model   *client.Model
	keepers []*keeper
}

// prepare builds what a config asks for, and touches nothing of what is running.
func (a *Agent) prepare(cfg config.Config) (prepared, error) {
	model, err := table(cfg)
	if err != nil {
		return prepared{}, err
	}
	p := prepared{cfg: cfg, model: model}
	for _, m := range cfg.Mirrors {
		k, err := newKeeper(m, cfg.Schedule, a.o)
		if err != nil {
			return prepared{}, err
		}
		p.keepers = append(p.keepers, k)
	}
	return p, nil
}

// adopt puts a prepared config with opened keepers in force.
func (a *Agent) adopt(p prepared) {
	cfg, keepers := p.cfg, p.keepers
	for _, k := range keepers {
		if told := lastReported(cfg, k.cfg); told != nil { // a restart makes no mirror whole
			told.fill(&k.facts)
		}
	}
	old := a.mirrors
	a.cfg, a.keepers = cfg, keepers
	// What a file was found to be depends on the table.
	a.model, a.scans = p.model, client.NewScanCache()
	a.mirrors = make(map[string]result, len(keepers))
	for _, k := range keepers {
		if was, ok := old[k.cfg.Name]; ok {
			k.inherit(was)
		}
		a.mirrors[k.cfg.Name] = k.result(false)
	}
	a.lookAround()
	a.publisher = publish.New(publish.Options{
		Policy:    func(c cache.Cache) (config.Policy, string) { return a.places.Load().policy(c) },
		Quiet:     cfg.Caches.Quiet,
		DropAhead: cfg.Caches.DropAhead,
		Log:       a.o.Log.Named("publish"),
	})
	a.clientsAt = time.Time{}
	a.log.Info(evConfigLoaded, "path", orDefaults(cfg.Path), "mirrors", len(cfg.Mirrors))
}

// Once runs one whole cycle, every mirror refreshed now, and returns the report. A
// cache that is in use is waited for, for a while: no later cycle comes back to it.
// A mirror that could not be refreshed is in the report, and is no error.
func (a *Agent) Once(ctx context.Context) (status.Report, error) {
	var wg sync.WaitGroup
	results := make(chan result, len(a.keepers))
	for _, k := range a.keepers {
		wg.Go(func() { results <- k.once(ctx) })
	}
	wg.Wait()
	close(results)
	for r := range results {
		a.mirrors[r.name] = r
	}
	if err := ctx.Err(); err != nil {
		return status.Report{}, err
	}
	return a.cycle(ctx), nil
}

// Run keeps doing the job until ctx ends, which is no error.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.running = true
	a.log.Info(evStarted, "version", a.o.Version, "pid", os.Getpid(), "state", a.cfg.StateDir)
	a.o.Notify("READY=1")
	err := a.loop(ctx)
	a.o.Notify("STOPPING=1")
	a.log.Info(evStopped)
	return err
}

// loop waits for what happens and runs a cycle for it. One goroutine: whatever
// it owns needs no lock.
func (a *Agent) loop(ctx context.Context) error {
	tasks := a.start(ctx)
	defer func() { tasks.stop() }()
	a.cycle(ctx) // what is known before the first refresh
	for {
		timer := time.NewTimer(a.untilNext())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case err := <-tasks.failed:
			timer.Stop()
			return err
		case r := <-tasks.results:
			a.mirrors[r.name] = r
			if r.fresh {
				a.clientsAt = time.Time{} // a new root is judged against what is installed now
				tasks.watcher.Watch(a.watched())
			}
		case <-tasks.mender.seen: // what could be mended is mended
			if next := a.rest(); time.Until(next) > 0 {
				timer.Stop()
				a.wantBy(next)
				continue
			}
		case <-timer.C:
		case <-a.o.Wake:
			timer.Stop()
			a.clientsAt = time.Time{} // who asks wants to see all there is
			tasks.wake()
			continue
		case <-a.o.Reloads:
			timer.Stop()
			a.o.Notify("RELOADING=1")
			if next, ok := a.reload(); ok {
				tasks.stop()
				a.replace(next)
				tasks = a.start(ctx)
			}
			a.o.Notify("READY=1")
		}
		timer.Stop()
		a.cycle(ctx)
	}
}

// cycle is the sentence: (refreshed,) publish, look, judge, tell, call out.
func (a *Agent) cycle(ctx context.Context) status.Report {
	start := time.Now()
	a.publish(ctx, start)
	facts := a.look(ctx, time.Now()) // writing takes its time, and so does waiting for clients
	problems, changes := a.judge(facts)
	report := a.tell(facts, problems)
	a.callOut(ctx, changes)
	a.ended = time.Now()
	a.took = a.ended.Sub(start)
	a.log.Debug(evCycle, "took", a.took.Round(time.Millisecond).String(), "problems", len(problems))
	return report
}
