// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package probe

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"
)

type run struct {
	program  *os.File
	handler  http.Handler
	files    map[string][]byte
	commands func(url, home string) [][]string
	timeout  time.Duration
}

type outcome struct {
	output   []byte
	exit     int
	signal   string
	timedOut bool
	notRun   string
}

// confined refuses: only Linux has what is needed.
func (r *Runner) confined(context.Context, run) (outcome, error) {
	return outcome{}, &RefusedError{Namespaces: errors.ErrUnsupported}
}

// Inside is never started here.
func Inside([]string) int { return 2 }

// Notes are none.
func (r *Runner) Notes() []string { return nil }
