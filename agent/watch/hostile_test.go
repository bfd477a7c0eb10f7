// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

func TestAHostileTreeIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 400 {
		if err := os.MkdirAll(fmt.Sprintf("%s/d%d", dir, i), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("/", dir+"/slash"), os.Symlink("loop", dir+"/loop"), syscall.Mkfifo(dir+"/pipe", 0o644)); err != nil {
		t.Fatal(err)
	}
	var adds atomic.Int64
	l := look(t, watch.Options{}, func() (watch.Notifier, error) {
		n, err := watch.Open()
		return counting{n, &adds}, err
	}, dir, dir+"/loop")
	l.want(dir)
	l.still()
	if n := adds.Load(); n > 3*260 {
		t.Errorf("%d watches were set, want them bounded", n)
	}
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: %s", got)
	}
}

type counting struct {
	watch.Notifier
	adds *atomic.Int64
}

func (c counting) Add(dir string) error {
	c.adds.Add(1)
	return c.Notifier.Add(dir)
}
