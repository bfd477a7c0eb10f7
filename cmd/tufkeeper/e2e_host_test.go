// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A host is one user's machine: a home, the real cosigns, and tufkeeper.
type host struct {
	home string
	env  []string             // of every program that runs on it
	as   *syscall.SysProcAttr // the user they run as; nil for ours
}

func newHost(t *testing.T) *host {
	t.Helper()
	home := t.TempDir()
	return &host{home: home, env: []string{
		"HOME=" + home, "PATH=/usr/bin:/bin", "COSIGN_PASSWORD=", "XDG_RUNTIME_DIR=" + home,
		// What would leave this machine is refused on it. Loopback needs no proxy.
		"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1",
	}}
}

// path is a path in the host's home.
func (h *host) path(elem ...string) string {
	return filepath.Join(append([]string{h.home}, elem...)...)
}

func (h *host) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := h.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// A result is how a program ended.
type result struct {
	code        int
	out, errors string // standard output and error
	took        time.Duration
}

// run runs a program to its end in the host's home, with env added.
func (h *host) run(t *testing.T, env []string, name string, args ...string) result {
	t.Helper()
	r, err := h.start(t.Context(), env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start is run for goroutines.
func (h *host) start(ctx context.Context, env []string, name string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = h.home, slices.Concat(h.env, env), h.as
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, fmt.Errorf("running %s: %w", name, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String(), time.Since(begun)}, nil
}

// cache is the folder, outside the tree, that programs are built into.
func cache(t *testing.T) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Or(os.Getenv("TUFKEEPER_CACHE"), filepath.Join(user, "tufkeeper"))
}

// cosign returns the real cosign of that release, built from the module proxy once.
func cosign(t *testing.T, version string) string {
	t.Helper()
	module := "github.com/sigstore/cosign"
	if major := version[:2]; major != "v1" {
		module += "/" + major
	}
	return built(t, "cosign-"+version, module, version, "cmd/cosign")
}

// built returns a program of that module at that version, built once into a
// folder of the cache. `go install` is not used: it asks for the list of versions,
// which the proxy refuses for cosign 1.x. So a module of our own requires it.
func built(t *testing.T, name, module, version, command string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(cache(t), "bin", name)
	file := filepath.Join(dir, path.Base(command))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	t.Logf("building %s %s into %s: minutes, once", module, version, dir)
	begun := time.Now()
	work := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": fmt.Sprintf("module e2e.invalid/build\n\ngo 1.26\n\nrequire %s %s\n", module, version),
		"use.go": fmt.Sprintf("//go:build use\n\npackage build\n\nimport _ %q\n", module+"/"+command),
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := slices.Concat([]string{"build", "-mod=mod"}, flags, []string{"-o", file, module + "/" + command})
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	t.Logf("built %s %s in %s", module, version, time.Since(begun).Round(time.Second))
	return file
}

// tufkeeper is the binary that `make build` leaves.
func tufkeeper(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs("../../bin/tufkeeper")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return file
}

// An event is one line of tufkeeper's log.
type event struct {
	name   string
	values map[string]any
	at     time.Time // when it was read
}

// str is a value as text.
func (e event) str(key string) string {
	if e.values[key] == nil {
		return ""
	}
	return fmt.Sprint(e.values[key])
}

// An agent is a running `tufkeeper run` and its log.
type agent struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu     sync.Mutex
	events []event
	raw    bytes.Buffer
	grown  chan struct{} // closed and replaced with every line
}

// agent starts tufkeeper with that config. The caller stops it.
func (h *host) agent(t *testing.T, config string) *agent {
	t.Helper()
	a := &agent{done: make(chan struct{}), grown: make(chan struct{})}
	a.cmd = exec.Command(h.tufkeeper(t), "run", "--config", config) // outlives a subtest's context
	a.cmd.Dir, a.cmd.Env, a.cmd.SysProcAttr = h.home, h.env, h.as
	pipe, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go a.read(pipe)
	return a
}

func (a *agent) read(pipe io.Reader) {
	defer close(a.done)
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e := event{at: time.Now()}
		if json.Unmarshal(lines.Bytes(), &e.values) == nil {
			e.name, _ = e.values["@message"].(string)
		}
		a.mu.Lock()
		a.raw.Write(lines.Bytes())
		a.raw.WriteByte('\n')
		a.events = append(a.events, e)
		close(a.grown)
		a.grown = make(chan struct{})
		a.mu.Unlock()
	}
	_ = a.cmd.Wait() // how it ended is asked of ProcessState
}

// wake makes the agent refresh now.
func (a *agent) wake(t *testing.T) {
	if err := a.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
}

// stop ends the agent as a service manager does.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
		return
	default:
	}
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-a.done:
		if code := a.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("tufkeeper ended with %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("tufkeeper does not end on SIGTERM")
		_ = a.cmd.Process.Kill() // ours, by its handle
		<-a.done
	}
}

// mark is a place in the log: what comes later is new.
func (a *agent) mark() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// since returns the events after a mark that match.
func (a *agent) since(mark int, match func(event) bool) []event {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []event
	for _, e := range a.events[mark:] {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// wait returns the first event after a mark that matches.
func (a *agent) wait(t *testing.T, what string, mark int, limit time.Duration, match func(event) bool) event {
	t.Helper()
	return a.waitN(t, what, mark, 1, limit, match)[0]
}

// waitN returns the events after a mark that match, once there are n.
func (a *agent) waitN(t *testing.T, what string, mark, n int, limit time.Duration, match func(event) bool) []event {
	t.Helper()
	late := time.After(limit)
	for {
		a.mu.Lock()
		grown := a.grown
		a.mu.Unlock()
		if found := a.since(mark, match); len(found) >= n {
			return found
		}
		select {
		case <-grown:
		case <-a.done:
			if found := a.since(mark, match); len(found) >= n {
				return found
			}
			t.Fatalf("tufkeeper ended while %s was waited for; its log:\n%s", what, a.log())
		case <-late:
			t.Fatalf("%s did not come within %s; the log:\n%s", what, limit, a.log())
		}
	}
}

func (a *agent) log() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	const most = 16 << 10
	b := a.raw.Bytes()
	return string(b[max(0, len(b)-most):])
}

// named matches events by name, and by pairs of key and value.
func named(name string, pairs ...string) func(event) bool {
	return func(e event) bool {
		if e.name != name {
			return false
		}
		for i := 0; i < len(pairs); i += 2 {
			if e.str(pairs[i]) != pairs[i+1] {
				return false
			}
		}
		return true
	}
}
