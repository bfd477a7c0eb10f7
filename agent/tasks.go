// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

// evTaskLeft is the event of a task that did not end (docs/events.md).
const evTaskLeft = "task left"

// farewell is how long a task is waited for that writes or watches caches: a file
// system that hangs lets go of nobody.
const farewell = 10 * time.Second

// tasks are the goroutines that run beside the loop for one config: a keeper
// for each mirror, so that one that hangs holds up no other, the watcher, and the mender
// that answers it.
type tasks struct {
	watcher *watch.Watcher
	mender  *mender
	results chan result
	failed  chan error // at most one value: why a task could not go on
	wakes   []chan struct{}
	cancel  context.CancelFunc
	group   *errgroup.Group
}

// start runs the tasks of the config in force until stop.
func (a *Agent) start(ctx context.Context) *tasks {
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	t := &tasks{
		watcher: watch.New(watch.Options{
			Debounce: a.cfg.Caches.Debounce,
			Scan:     a.cfg.Caches.Scan,
			Log:      a.o.Log.Named("watch"),
		}),
		results: make(chan result),
		failed:  make(chan error, 1),
		cancel:  cancel,
		group:   group,
	}
	t.mender = newMender(a.publisher, t.watcher)
	a.watcher, a.mender = t.watcher, t.mender
	t.watcher.Watch(a.watched())
	group.Go(func() error {
		return a.bounded(ctx, "watch", nil, func() error {
			err := t.watcher.Run(ctx)
			if err != nil {
				t.failed <- err
			}
			return err
		})
	})
	group.Go(func() error {
		return a.bounded(ctx, "mend", t.mender.hung, func() error {
			t.mender.run(ctx)
			return nil
		})
	})
	for _, k := range a.keepers {
		wake := make(chan struct{}, 1)
		t.wakes = append(t.wakes, wake)
		group.Go(func() error {
			k.run(ctx, wake, t.results)
			return nil
		})
	}
	return t
}

// bounded does a task until it ends, and for no longer than farewell after ctx has: then
// it is left behind, and told with what it is at.
func (a *Agent) bounded(ctx context.Context, task string, on func() []string, do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(farewell):
		var hung []string
		if on != nil {
			hung = on()
		}
		a.log.Warn(evTaskLeft, "task", task, "path", fmt.Sprintf("%q", hung), "error", context.DeadlineExceeded)
		return nil
	}
}

// wake asks every keeper to refresh now.
func (t *tasks) wake() {
	for _, w := range t.wakes {
		select {
		case w <- struct{}{}:
		default: // it has been asked already
		}
	}
}

// stop ends the tasks and waits for them. Stopping twice is harmless.
func (t *tasks) stop() {
	t.cancel()
	_ = t.group.Wait() // its only error has gone to failed
}
