// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A crowd is many processes of one client in one cache.
type crowd struct {
	name      string
	processes int
	runs      int // of each process
	command   []string
	env       []string
	base      string
	// bump is what the mirror does, again and again, with pace between.
	bump func() error
	pace time.Duration
}

// A count is what became of a crowd.
type count struct {
	tally
	bumps, published int
	errors           map[string]int
}

func (c count) rate() float64 { return 100 * float64(c.failed) / float64(max(1, c.runs)) }

func (c count) String() string { return fmt.Sprintf("%d of %d (%.2f %%)", c.failed, c.runs, c.rate()) }

// add lets the crowd run once, with a writer or, where that is nil, without.
func (c *count) add(t *testing.T, w crowd, writer *agent) {
	t.Helper()
	gate, open, err := os.Pipe()
	must(t, err)
	defer gate.Close()
	cmds := make([]*exec.Cmd, w.processes)
	outs := make([]*bufio.Reader, w.processes)
	for i := range cmds {
		cmds[i] = exec.CommandContext(t.Context(), w.command[0], w.command[1:]...)
		cmds[i].Env, cmds[i].Stdin = w.env, gate
		pipe, err := cmds[i].StdoutPipe()
		must(t, err)
		outs[i] = bufio.NewReader(pipe)
		must(t, cmds[i].Start())
	}
	for _, out := range outs {
		if line, err := out.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("a reader says %q, %v", line, err)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	begun, mark := time.Now(), 0
	if writer != nil {
		mark = writer.mark()
	}
	must(t, open.Close()) // they go
	go func() {
		defer close(stopped)
		tick := time.NewTicker(w.pace)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := w.bump(); err != nil {
					t.Error(err)
					return
				}
				c.bumps++
				if writer != nil {
					writer.wake(t)
				}
			}
		}
	}()
	for i, out := range outs {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		seen := 0
		for lines.Scan() {
			c.runs++
			seen++
			if line := lines.Text(); line != "ok" {
				c.failed++
				c.errors[kindOf(line)]++
			}
		}
		_ = cmds[i].Wait() // 1 where its last run failed, which was counted
		if seen != w.runs {
			t.Errorf("a reader ran %d times, want %d", seen, w.runs)
		}
	}
	close(stop)
	<-stopped
	c.spans = append(c.spans, [2]time.Time{begun, time.Now()})
	if writer != nil {
		all := writer.since(mark, func(e event) bool {
			return e.name == "cache published" && strings.HasPrefix(e.str("path"), w.base) && e.str("role") == "timestamp"
		})
		c.published += tally{spans: c.spans[len(c.spans)-1:]}.overlap(all)
	}
}

// kindOf is the part of a client's error that does not change from run to run.
func kindOf(line string) string {
	for _, known := range []string{"failed to persist metadata", "unexpected end of JSON input", "expected targets.json version", "expected snapshot", "must be >=", "there is no network"} {
		if strings.Contains(line, known) {
			return known
		}
	}
	return line[:min(len(line), 120)]
}

// compared is one row: without a writer, and with tufkeeper as one.
type compared struct {
	name          string
	without, with count
}

func (c compared) String() string {
	var errors []string
	for _, m := range []map[string]int{c.without.errors, c.with.errors} {
		var all []string
		for kind, n := range m {
			all = append(all, strconv.Itoa(n)+" "+kind)
		}
		slices.Sort(all)
		errors = append(errors, strings.Join(all, "; "))
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %+.2f | %s | %s |", c.name, c.without, c.with, c.with.published, c.with.rate()-c.without.rate(), errors[0], errors[1])
}

// compare runs the crowd with tufkeeper until it published often enough, and as
// often without it.
func compare(t *testing.T, w crowd, start func() *agent, publishes int) compared {
	t.Helper()
	c := compared{name: w.name, without: count{errors: map[string]int{}}, with: count{errors: map[string]int{}}}
	writer := start()
	for begun := time.Now(); c.with.published < publishes && time.Since(begun) < crowdPatience; {
		c.with.add(t, w, writer)
	}
	writer.stop(t)
	for range c.with.spans {
		c.without.add(t, w, nil)
	}
	t.Logf("%s\n(bumps %d and %d, rounds %d)", c, c.without.bumps, c.with.bumps, len(c.with.spans))
	if c.with.published < publishes {
		t.Errorf("%s: published %d times while readers ran, want %d: this proves too little", w.name, c.with.published, publishes)
	}
	return c
}

const crowdPatience = 90 * time.Second

// TestE2ECrowd lets many readers share a cache whose mirror changes all the time,
// without a writer, and with tufkeeper as one that spares nobody: it publishes
// everything at once.
func TestE2ECrowd(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	r := newReading(t, w)
	p := w.public(t)
	c := r.embedded(t, p)
	program := r.bring(t, reader(t))
	env := slices.Concat(r.env, []string{"HTTPS_PROXY=" + p.proxy, "SSL_CERT_FILE=" + r.path("ca.pem")})
	whole := func() error {
		return w.repo.Publish("trusted_root.json", append(w.repo.Files().Artifacts["trusted_root.json"], '\n'))
	}
	n := 0
	row := func(name string, processes, runs int, bump func() error, options ...string) compared {
		n++
		base := r.dir(t, fmt.Sprintf("crowd-%d", n))
		ok(t, c.run(t, base))
		config := r.config(t, filepath.Base(base)+"-config", c, []string{base}, "  quiet = \"0s\"\n  debounce = \"50ms\"\n")
		distance := envDuration("D", 0)
		pace := envDuration("P", 300*time.Millisecond)
		w.distance.Store(int64(distance))
		defer w.distance.Store(0)
		args := slices.Concat([]string{program, "-wait", "-runs", strconv.Itoa(runs), "-pause", envDuration("Q", 1500*time.Millisecond).String(), "-base", base, "-root", r.now}, options)
		return compare(t, crowd{name: name, processes: processes, runs: runs, command: args, env: env, base: base, bump: bump, pace: pace},
			func() *agent { return r.agent(t, config) }, 50)
	}
	var rows []compared
	switch os.Getenv("ROW") {
	case "ts":
		rows = append(rows, row("100 readers, timestamps", 100, 10, w.repo.BumpTimestamp))
	default:
		rows = append(rows, row("100 readers", 100, 10, whole))
	}
	var b bytes.Buffer
	for _, c := range rows {
		fmt.Fprintln(&b, c)
	}
	t.Logf("\n%s", b.String())
}

func envDuration(name string, d time.Duration) time.Duration {
	if v, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return v
	}
	return d
}
