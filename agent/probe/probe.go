// SPDX-License-Identifier: Apache-2.0

// Package probe runs one client of this host against a replica of a mirror, and
// says what it did: the truth by experiment.
//
// The client is the very file that was read and recognised; it is executed through
// the descriptor by which it was opened. It starts from the root that it starts
// from in an empty home. Around it there is nothing: a network of its own with
// loopback only, a file system of its own with an empty home in memory, no other
// process, no capability, no terminal, no environment, one user who is never root,
// limits, and an end. Where the kernel forbids such namespaces it is run only in a
// network that has loopback only already. Otherwise it is not run.
//
// What is served to the client, and what its outcome means for a verdict, is for
// others. Nothing is probed that nobody asked for.
package probe

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

// DefaultTimeout is how long one client may take when nothing else is said.
const DefaultTimeout = 30 * time.Second

// The outcomes.
const (
	OK      = "ok"      // it read the mirror
	Failed  = "failed"  // it ran, and refused
	Unclear = "unclear" // nothing is said of the mirror
)

// How clients are kept apart from the host.
const (
	isolationNamespaces = "namespaces"
	isolationLoopback   = "loopback-only network"
)

// A Runner runs clients, one at a time. The zero value is ready; it is not safe
// for concurrent use.
type Runner struct {
	Timeout   time.Duration // of one client; 0 means DefaultTimeout
	isolation string
	left      []string // what could not be removed after a client
}

// Isolation says how clients were kept apart from the host; "" before one was run.
func (r *Runner) Isolation() string { return r.isolation }

// A RefusedError says that clients cannot be kept apart from the host here.
type RefusedError struct {
	Namespaces error    // why there are none
	Interfaces []string // that lead out of this network
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("confining clients: this host does not let us make namespaces (%v)", e.Namespaces)
	if len(e.Interfaces) == 0 {
		return text + ", and without them it takes Landlock and a filter of system calls, which are not both here"
	}
	return fmt.Sprintf("%s, and this network leads out of the host by %.200q", text, e.Interfaces)
}

func (e *RefusedError) Unwrap() error { return e.Namespaces }

// Hint says where it would work.
func (e *RefusedError) Hint() string {
	return "run it where the network is loopback only already: systemctl start tufkeeper-probe"
}

// Mirror is what a client is run against.
type Mirror struct {
	Name          string
	Root, Targets int64 // the versions that are served
	FirstRoot     int64 // the oldest root that is served
	Handler       http.Handler
}

// Start is the root that a client starts from.
type Start struct {
	Words   string // "embedded root 2"
	Version int64
	Raw     []byte
	// Own says that the client takes it from itself, whatever mirror it is pointed at.
	Own bool
}

// Run probes one client, as client.Read has described it. The error is that of
// the surroundings, and is the same for every client; what came of this client is
// in the facts.
func (r *Runner) Run(ctx context.Context, c client.Client, m Mirror, from Start) (health.ProbeFacts, error) {
	f := health.ProbeFacts{
		Path: c.Path, File: c.File, Mirror: m.Name, Root: m.Root, Targets: m.Targets,
		Start: from.Words, At: time.Now().UTC().Truncate(time.Second), Outcome: Unclear,
	}
	way, ok := wayOf(c)
	switch {
	case !ok:
		f.Error = "no way to probe is known"
		return f, nil
	case from.Version+1 < m.FirstRoot:
		f.Error = fmt.Sprintf("it starts from root %d, and the roots before %d are not known here", from.Version, m.FirstRoot)
		return f, nil
	}
	program, err := open(c)
	if err != nil {
		f.Error = clip(plainLine(err.Error()))
		return f, nil
	}
	defer program.Close() // opened for reading: nothing can be lost
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	served := &witness{handler: m.Handler}
	o, err := r.confined(ctx, run{
		program: program, handler: served, timeout: timeout,
		files:    map[string][]byte{rootFile: from.Raw},
		commands: func(url, home string) [][]string { return way(url, home, from.Own) },
	})
	if err != nil {
		return f, err
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	f.Outcome, f.Error = o.says(served, timeout)
	return f, nil
}

// says tells the outcome from what came of a run.
func (o outcome) says(served *witness, timeout time.Duration) (outcome, text string) {
	line := errorLine(o.output)
	switch {
	case o.notRun != "":
		return Unclear, clip(plainLine(o.notRun))
	case o.timedOut:
		return Unclear, fmt.Sprintf("it did not end within %s", timeout)
	case o.signal != "":
		return Unclear, clip(plainLine(fmt.Sprintf("it was ended by a signal (%s): %s", o.signal, line)))
	case o.exit == 0 && !served.timestamp.Load():
		return Unclear, "it ended well, and never asked the mirror for its timestamp"
	case o.exit == 0:
		return OK, ""
	case line == "":
		return Unclear, fmt.Sprintf("it ended with exit code %d and said nothing", o.exit)
	case notOfMetadata(line):
		return Unclear, line
	}
	return Failed, line
}

// notOfMetadata says whether an error is one of our surroundings or of the command
// line, and so says nothing about the mirror.
func notOfMetadata(line string) bool {
	for _, sign := range []string{
		"unknown command", "unknown flag", "unknown shorthand", "flag provided but not defined",
		"operation not permitted", "permission denied", "no space left on device", "too many open files",
		"cannot allocate memory", "out of memory", "resource temporarily unavailable", "failed to create new OS thread",
		"error while loading shared libraries", "connection refused", "network is unreachable", "address family not supported",
	} {
		if strings.Contains(strings.ToLower(line), strings.ToLower(sign)) {
			return true
		}
	}
	return false
}

// witness remembers whether a client has come as far as the timestamp.
type witness struct {
	handler   http.Handler
	timestamp atomic.Bool
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	if strings.HasSuffix(req.URL.Path, "/timestamp.json") {
		w.timestamp.Store(true)
	}
	w.handler.ServeHTTP(rw, req)
}

// open opens the file that was read: the same one, in the same state. Links on
// the way are followed, as they were when it was read.
func open(c client.Client) (*os.File, error) {
	path, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the client: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the client: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !c.File.Is(info):
		err = fmt.Errorf("opening the client: %q is not the file any more that was read", path)
	case os.Geteuid() == 0 && info.Mode().Perm()&0o005 != 0o005:
		err = fmt.Errorf("opening the client: root runs clients as nobody, who may not execute %q: its owner can probe it", path)
	case info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		err = fmt.Errorf("opening the client: %q runs with the rights of another user", path)
	}
	if err != nil {
		_ = f.Close() // opened for reading: nothing can be lost
		return nil, err
	}
	return f, nil
}
