// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A watchdog cancels a request that makes too little progress.
type watchdog struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	moved int // bytes since the window began
	timer *time.Timer
	done  bool
}

func startWatchdog(cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(progressWindow, w.look)
	return w
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.done:
	case w.moved < minProgress:
		w.cancel(fmt.Errorf("%w: only %d bytes moved within %s", errTimeout, w.moved, progressWindow))
	default:
		w.moved = 0
		w.timer.Reset(progressWindow)
	}
}

func (w *watchdog) progress(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved += n
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.timer.Stop()
}

// watched reports what is read to a watchdog.
type watched struct {
	r io.Reader
	w *watchdog
}

func (r watched) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.w.progress(n)
	return n, err
}
