// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

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
		err := t.watcher.Run(ctx)
		if err != nil {
			t.failed <- err
		}
		return err
	})
	group.Go(func() error {
		t.mender.run(ctx)
		return nil
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
