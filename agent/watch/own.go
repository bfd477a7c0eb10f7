// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	ownPrefix   = ".tufkeeper-" // temporary files of this agent: durable.TempPrefix
	goTUFPrefix = "tuf_tmp"     // temporary files of go-tuf's clients
)

// tail is how long after done the kernel's notifications of the agent's own
// writes may still arrive.
const tail = time.Second

// ignored reports whether a name is that of a temporary file. What matters is
// the rename that ends it, which carries the new name.
func ignored(name string) bool {
	return strings.HasPrefix(name, ownPrefix) || strings.HasPrefix(name, goTUFPrefix)
}

// A window is the time in which the agent writes below a directory.
type window struct {
	dir     string
	open    int       // how often Expect was called without its done
	until   time.Time // when it ends, once that is 0
	renames map[string]int
}

// own reports whether a notification is that of the agent's own write. The
// kernel tells of a rename twice: the old name goes, then the new one comes.
// So in a window, each of our temporary names that goes accounts for one name
// that comes in the same directory, and for nothing else. If a client renames
// at the same moment, one too many comes, and the directory is reported.
func (w *Watcher) own(e fsnotify.Event, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closeWindows(now)
	dir := filepath.Dir(e.Name)
	for _, o := range w.windows {
		if !within(dir, o.dir) {
			continue
		}
		switch {
		case e.Op == fsnotify.Rename && strings.HasPrefix(filepath.Base(e.Name), ownPrefix):
			if o.renames == nil {
				o.renames = map[string]int{}
			}
			o.renames[dir]++
			return true
		case e.Op == fsnotify.Create && o.renames[dir] > 0 && !ignored(filepath.Base(e.Name)):
			o.renames[dir]--
			return true
		}
	}
	return false
}

// closeWindows drops the windows that are over. w.mu is held.
func (w *Watcher) closeWindows(now time.Time) {
	w.windows = slices.DeleteFunc(w.windows, func(o *window) bool {
		return o.open == 0 && now.After(o.until)
	})
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
