// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// demoAgent is the real agent as a child process, watched through its log.
type demoAgent struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	events []event
	taken  int // events that wait has gone past
	came   chan struct{}
	ended  chan struct{}
}

// event is one line of the agent's log.
type event struct {
	at     time.Time
	name   string
	fields map[string]any
}

// startAgent runs this very program as the agent of the demo's directory.
func (d *demo) startAgent() error {
	root := filepath.Join(d.dir, "root.json")
	if err := os.WriteFile(root, d.repo.InitialRoot(), 0o600); err != nil {
		return err
	}
	cfg := fmt.Sprintf(`state_dir   = %q
status_file = %q
mirror "demo" {
  url          = %q
  initial_root = %q
  soak         = "0s"
  attempts     = 1
}
caches {
  paths    = [%q]
  debounce = "500ms"
  quiet    = "0s"
}
clients {
  search_path = false
  packages    = []
  globs       = [%q]
}
log { format = "json" }
`, filepath.Join(d.dir, "state"), d.statusFile(), d.url, root, d.cacheBase(), d.old)
	path := filepath.Join(d.dir, "config.hcl")
	if err := os.WriteFile(path, []byte(cfg), 0o600); err != nil {
		return err
	}
	exe, err := executable()
	if err != nil {
		return err
	}
	a := &demoAgent{cmd: exec.Command(exe, "run", "--config", path), came: make(chan struct{}, 1), ended: make(chan struct{})}
	a.cmd.Env = append(os.Environ(), "JOURNAL_STREAM=", "NOTIFY_SOCKET=")
	log, err := a.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := a.cmd.Start(); err != nil {
		return err
	}
	d.agent = a
	go func() {
		defer close(a.ended)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			a.add(lines.Bytes())
		}
	}()
	return nil
}

func (a *demoAgent) add(line []byte) {
	e := event{at: time.Now()}
	if json.Unmarshal(line, &e.fields) != nil {
		e.name = string(line) // a panic, say: wait shows it
	} else {
		e.name, _ = e.fields["@message"].(string)
	}
	a.mu.Lock()
	a.events = append(a.events, e)
	a.mu.Unlock()
	select {
	case a.came <- struct{}{}:
	default:
	}
}

// wait returns the next event of that name with those fields; what came before
// it is gone past.
func (a *demoAgent) wait(ctx context.Context, name string, fields map[string]any) (event, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if e, ok := a.next(name, fields); ok {
			return e, nil
		}
		select {
		case <-a.came:
		case <-a.ended:
			if e, ok := a.next(name, fields); ok {
				return e, nil
			}
			return event{}, fmt.Errorf("the agent ended before it said %q; its last words: %s", name, a.last())
		case <-ctx.Done():
			return event{}, fmt.Errorf("waiting for %q: %w; the agent's last words: %s", name, ctx.Err(), a.last())
		}
	}
}

func (a *demoAgent) next(name string, fields map[string]any) (event, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := a.taken; i < len(a.events); i++ {
		if e := a.events[i]; e.name == name && e.has(fields) {
			a.taken = i + 1
			return e, true
		}
	}
	return event{}, false
}

func (a *demoAgent) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var words []string
	for _, e := range a.events[max(0, len(a.events)-5):] {
		words = append(words, e.name)
		if err, ok := e.fields["error"]; ok {
			words = append(words, fmt.Sprint(err))
		}
	}
	return strings.Join(words, " | ")
}

func (e event) has(fields map[string]any) bool {
	for k, v := range fields {
		if e.fields[k] != v {
			return false
		}
	}
	return true
}

// wake asks the agent to refresh now.
func (a *demoAgent) wake() error { return a.cmd.Process.Signal(syscall.SIGUSR1) }

// stop ends the agent as systemd would, and says when it did not end well.
func (a *demoAgent) stop() error {
	if a == nil {
		return nil
	}
	err := a.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	kill := time.AfterFunc(10*time.Second, func() { _ = a.cmd.Process.Kill() })
	defer kill.Stop()
	<-a.ended
	if werr := a.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("stopping the agent: %w", werr))
	}
	return err
}

// reported waits for a report that is as asked.
func (d *demo) reported(ctx context.Context, as func(status.Report) bool) (status.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		r, err := status.Read(d.statusFile())
		if err == nil && len(r.Mirrors) == 1 && as(r) {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return r, errors.Join(err, fmt.Errorf("waiting for the agent's report: %w", ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// read is the new client: sigstore-go reads the trusted root through its cache.
func (d *demo) read() error {
	_, err := sandbox.Read(d.cacheBase(), d.url, d.repo.InitialRoot(), "trusted_root.json")
	return err
}

// runOld is the old client: it initializes from root 1, or lists the targets.
func (d *demo) runOld(ctx context.Context, initialize bool) (string, error) {
	store := filepath.Join(d.dir, "old.db")
	args := []string{"list", "--store", store, d.url}
	if initialize {
		root := filepath.Join(d.dir, "old-root.json")
		if err := os.WriteFile(root, d.repo.InitialRoot(), 0o600); err != nil {
			return "", err
		}
		args = []string{"init", "--store", store, d.url, root}
	}
	out, err := exec.CommandContext(ctx, d.old, args...).CombinedOutput()
	return string(out), err
}

func (d *demo) cacheBase() string  { return filepath.Join(d.dir, "home", ".sigstore", "root") }
func (d *demo) cacheDir() string   { return filepath.Join(d.cacheBase(), cache.DirName(d.url)) }
func (d *demo) statusFile() string { return filepath.Join(d.dir, "status.json") }

// done tells of something the agent did, with its own log line beneath.
func (d *demo) done(what string, e event) {
	d.say(what)
	words := []string{e.name + ":"}
	for _, k := range []string{"mirror", "code", "path", "file", "role", "version", "previous", "required", "next", "took", "summary", "error"} {
		if v, ok := e.fields[k]; ok && v != "" {
			words = append(words, strings.Fields(fmt.Sprintf("%s=%v", k, v))...)
		}
	}
	for _, line := range d.fold(words) {
		fmt.Fprintf(d.p.stdout, "    %s\n", d.paint("2", line))
	}
}

// say tells of something that the demo saw itself.
func (d *demo) say(what string) {
	lines := d.fold(strings.Fields(what))
	fmt.Fprintf(d.p.stdout, "  %s %s\n", d.paint("32", "✓"), strings.Join(lines, "\n    "))
}

// fold lays words out in lines that fit beside the indent, with the demo's own
// directory as "…", which the first line of the demo names.
func (d *demo) fold(words []string) []string {
	width := max(40, d.p.style(d.p.stdout).Width-6)
	lines := []string{""}
	for _, w := range words {
		w = strings.ReplaceAll(w, d.dir, "…")
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = w
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(w) <= width:
			*last += " " + w
		default:
			lines = append(lines, w)
		}
	}
	return lines
}

func (d *demo) bold(s string) string { return d.paint("1", s) }

func (d *demo) paint(code, s string) string {
	if !d.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
