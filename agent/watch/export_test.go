// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"hash/maphash"
	"io/fs"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Notifier and the rest let the tests put limits and overflows where the
// kernel would, without lowering anything for the whole system.
type Notifier = notifier

func Open() (Notifier, error) { return openInotify() }

func NewWith(o Options, open func() (Notifier, error)) *Watcher { return newWatcher(o, open) }

// Real is the kernel's notifier, to be wrapped.
type Real struct{ *fsnotify.Watcher }

// Debounce runs a debouncer alone.
func Debounce(ctx context.Context, wait time.Duration, out chan<- Change) (in chan<- Change, run func()) {
	d := newDebouncer(wait, out)
	return d.in, func() { d.run(ctx) }
}

// Find lists the directories that are watched for one.
func Find(dir string) []string { return find(dir).tree }

// Names says how many names are read to find them.
func Names(dir string) int {
	n := 0
	walk(dir, func(string, fs.DirEntry) { n++ })
	return n
}

// Fingerprint compares a directory with nothing.
func Fingerprint(dir string) uint64 { return fingerprint(maphash.MakeSeed(), dir) }
