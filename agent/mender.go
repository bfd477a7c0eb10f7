// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/publish"
	"github.com/tufkeeper/tufkeeper/agent/watch"
)

const (
	// menders bounds how many directories are mended at once: most of the time goes to
	// the disk, and as long as fewer hang (a dead network file system), they hold up no
	// other.
	menders = 8
	// shortest is the shortest pause before a cache that was in use is tried again.
	shortest = 10 * time.Millisecond
)

// A mender mends what has changed as soon as it has, beside the loop: a cycle
// looks at every cache and sometimes at every client, and whoever damaged a cache
// is not kept waiting for that. It knows nothing that the last cycle did not know,
// and leaves judging and telling to the next one.
type mender struct {
	publisher *publish.Publisher
	watcher   *watch.Watcher
	// seen gets a value when something has changed that a cycle should look at.
	seen chan struct{}

	mu    sync.Mutex
	known known
	again map[string]time.Time // when directories are tried again by themselves
	// running are the places that are being mended, by base. True says that more of it
	// has changed meanwhile.
	running map[string]bool
}

// known is what caches are found and mended with.
type known struct {
	places  []cache.Place
	mirrors []cache.Mirror
	sources map[string]publish.Source
}

func newMender(p *publish.Publisher, w *watch.Watcher) *mender {
	return &mender{publisher: p, watcher: w, seen: make(chan struct{}, 1), again: map[string]time.Time{}, running: map[string]bool{}}
}

// learn takes over what the loop knows now. Nothing of it is changed any more.
func (m *mender) learn(k known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = k
}

// run mends until ctx ends, and then waits for what it has begun. What concerns a
// place is mended in one go after the other: one that hangs takes one of the slots.
func (m *mender) run(ctx context.Context) {
	var begun sync.WaitGroup
	defer begun.Wait()
	slots := make(chan struct{}, menders)
	retry := make(chan string)
	for {
		var dir string
		var tell bool
		select {
		case <-ctx.Done():
			return
		case c := <-m.watcher.Changes():
			if c.Scan { // nothing is known to have changed: the cycle looks at all there is
				m.tell()
				continue
			}
			dir, tell = c.Dir, true
		case dir = <-retry:
		}
		bases := m.concerned(dir)
		if len(bases) == 0 && tell {
			m.tell()
		}
		for _, base := range bases {
			if !m.claim(base) {
				continue // whoever mends it does so again
			}
			select {
			case <-ctx.Done():
				m.release(base)
				return
			case slots <- struct{}{}:
			}
			begun.Go(func() {
				defer func() { <-slots }()
				for dir, tell, again := dir, tell, true; again; dir, tell = base, true {
					did, wait := m.mend(ctx, base, dir)
					if wait > 0 {
						m.later(ctx, dir, wait, retry)
					}
					if tell || did {
						m.tell()
					}
					again = m.release(base)
				}
			})
		}
	}
}

// concerned are the bases of the places that a change of dir concerns.
func (m *mender) concerned(dir string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var bases []string
	for _, p := range m.known.places {
		if p.Concerned(dir) {
			bases = append(bases, p.Base)
		}
	}
	slices.Sort(bases)
	return slices.Compact(bases)
}

// claim says whether nobody mends the place at base yet. Who does will do it again.
func (m *mender) claim(base string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, busy := m.running[base]
	m.running[base] = busy
	return !busy
}

// release ends a claim, unless the place has to be mended again.
func (m *mender) release(base string) (again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running[base] {
		m.running[base] = false
		return true
	}
	delete(m.running, base)
	return false
}

// hung are the places that are being mended.
func (m *mender) hung() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.running))
}

// tell asks for a cycle.
func (m *mender) tell() {
	select {
	case m.seen <- struct{}{}:
	default: // one is asked for already, and will see this too
	}
}

// later has dir tried again, once however often it is asked for, and as soon as any
// of those who asked wanted it: a set that soaks for hours holds up no mending.
func (m *mender) later(ctx context.Context, dir string, wait time.Duration, retry chan<- string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait = max(wait, shortest)
	at := time.Now().Add(wait)
	if due, waits := m.again[dir]; waits && !at.Before(due) {
		return
	}
	m.again[dir] = at
	time.AfterFunc(wait, func() {
		m.mu.Lock()
		due := m.again[dir].Equal(at)
		if due {
			delete(m.again, dir)
		}
		m.mu.Unlock()
		if !due {
			return // it was, or will be, tried sooner
		}
		select {
		case retry <- dir:
		case <-ctx.Done():
		}
	})
}

// mend mends the caches of the place at base that a change of dir concerns, and brings
// them forward, as policy allows. It says whether there was anything to do, and when to
// try again; 0 for not.
func (m *mender) mend(ctx context.Context, base, dir string) (did bool, wait time.Duration) {
	m.mu.Lock()
	k := m.known
	m.mu.Unlock()
	var concerned []cache.Place
	for _, p := range k.places {
		if p.Base == base {
			concerned = append(concerned, p)
		}
	}
	found, _ := cache.Find(concerned, k.mirrors) // what cannot be found is told by look
	found = slices.DeleteFunc(found, func(c cache.Cache) bool { return !c.In(dir) })
	defer expect(m.watcher, found)()
	for _, out := range m.publisher.Publish(ctx, found, k.sources, time.Now()) {
		did = did || !out.Change.Empty() || out.Err != nil
		if out.RetryAfter > 0 && (wait == 0 || out.RetryAfter < wait) {
			wait = out.RetryAfter
		}
	}
	return did, wait
}

// expect tells the watcher that these caches are about to be written.
func expect(w *watch.Watcher, caches []cache.Cache) (done func()) {
	dirs := map[string]bool{}
	for _, c := range caches {
		dirs[c.Base] = true
		if c.Targets != "" {
			dirs[c.Targets] = true
		}
	}
	var all []func()
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		all = append(all, w.Expect(dir))
	}
	return func() {
		for _, done := range all {
			done()
		}
	}
}

// compared is how often, and why, changes in a cache are found by comparing it; "" when
// they are told, and when nobody watches.
func compared(c cache.Cache, w *watch.Watcher) string {
	if w == nil {
		return ""
	}
	for _, by := range w.Compared() {
		if by.Dir == c.Path || by.Dir == c.Base || c.Targets != "" && by.Dir == c.Targets {
			return fmt.Sprintf("every %s: %s", by.Every, by.Why)
		}
	}
	return ""
}
