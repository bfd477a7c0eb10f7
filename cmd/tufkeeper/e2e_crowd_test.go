// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
	as        *syscall.SysProcAttr
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
		cmds[i].Env, cmds[i].Stdin, cmds[i].SysProcAttr = w.env, gate, w.as
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

// compare runs the crowd with tufkeeper and without, in turn, so that both meet the
// same load, until tufkeeper published often enough.
func compare(t *testing.T, w crowd, start func() *agent, publishes int) compared {
	t.Helper()
	c := compared{name: w.name, without: count{errors: map[string]int{}}, with: count{errors: map[string]int{}}}
	for begun := time.Now(); c.with.published < publishes && time.Since(begun) < crowdPatience; {
		writer := start()
		writer.wait(t, "the first refresh", 0, 20*time.Second, named("refresh finished"))
		c.with.add(t, w, writer)
		writer.stop(t)
		c.without.add(t, w, nil)
	}
	t.Logf("%s\n(the mirror changed %d and %d times)", c, c.with.bumps, c.without.bumps)
	if c.with.published < publishes {
		t.Errorf("%s: published %d times while readers ran, want %d: this proves too little", w.name, c.with.published, publishes)
	}
	return c
}

const (
	crowdPatience = 10 * time.Minute // a round takes 20 seconds where nothing else runs
	// worse is how many percentage points more of the readers may fail beside tufkeeper.
	worse = 0.5
)

// TestE2ECrowd lets many readers share a cache whose mirror changes all the time,
// without a writer, and with tufkeeper as one that spares nobody: it writes at once,
// at any time, without a soak.
func TestE2ECrowd(t *testing.T) {
	w := newWorld(t, sandbox.Options{KeyType: "ecdsa", Sigstore: true, SHA512: true})
	must(t, w.repo.RotateRoot(sandbox.Rotation{}))
	r := newReading(t, w)
	p := w.public(t)
	program := r.bring(t, reader(t))
	env := slices.Concat(r.env, []string{"HTTPS_PROXY=" + p.proxy, "SSL_CERT_FILE=" + r.path("ca.pem")})
	one := r.embedded(t, p)
	// A hundred readers leave no time for anyone else: with less of a claim to it they
	// leave some for the writer, and are overtaken in the middle of what they do.
	nice := []string{"/usr/bin/nice", "-n", "10"}
	goReaders := func(base string, options ...string) []string {
		return slices.Concat(nice, []string{program, "-wait", "-base", base}, options)
	}
	js := r.node(t, "sigstore-js", nil)
	command, jsEnv := r.nodeReader(t)
	jsReaders := func(base string, options ...string) []string {
		return append(slices.Concat(nice, command), nodeOptions(t, base, w.mirrorURL, r.now, map[string]any{"wait": true, "runs": 6, "pause": 1000}))
	}
	whole := func() error {
		return w.repo.Publish("trusted_root.json", append(w.repo.Files().Artifacts["trusted_root.json"], '\n'))
	}
	var table strings.Builder
	table.WriteString("| readers | failed without a writer | with tufkeeper | publishes | percentage points | errors without | errors with |\n|---|---|---|---|---|---|---|\n")
	online := func(root string, runs int, pause string) []string {
		return []string{"-root", root, "-runs", strconv.Itoa(runs), "-pause", pause}
	}
	offline := append(online(r.now, 20, "100ms"), "-force", "-offline")
	for i, row := range []struct {
		name      string
		client    reads
		processes int
		runs      int
		command   func(base string, options ...string) []string
		options   []string
		bump      func() error
		distance  time.Duration // of the readers from the mirror
		publishes int
		held      bool // to what is promised; else only told
	}{
		{"100, everything changes", one, 100, 6, goReaders, online(r.now, 6, "3s"), whole, 20 * time.Millisecond, 50, true},
		// With tufkeeper nearer to the mirror than its clients, they meet what they
		// cannot have been told yet: what a soak is for.
		{"50, mirror 200 ms away and no soak", one, 50, 5, goReaders, online(r.now, 5, "1s"), whole, 200 * time.Millisecond, 5, false},
		{"50, root one behind", one, 50, 4, goReaders, online(r.root, 4, "1s"), whole, 20 * time.Millisecond, 3, false},
		{"20, offline, timestamps change", one, 20, 20, goReaders, offline, w.repo.BumpTimestamp, 0, 10, false},
		{"20, offline, everything changes", one, 20, 20, goReaders, offline, whole, 0, 10, false},
		{"16 @sigstore/tuf, everything changes", js, 16, 6, jsReaders, nil, whole, 20 * time.Millisecond, 5, false},
	} {
		base := r.dir(t, fmt.Sprintf("crowd-%d", i))
		ok(t, row.client.run(t, base))
		config := r.config(t, filepath.Base(base)+"-config", row.client, []string{base}, "  quiet = \"0s\"\n  debounce = \"50ms\"\n")
		w.distance.Store(int64(row.distance))
		c := compare(t, crowd{
			name: row.name, processes: row.processes, runs: row.runs, command: row.command(base, row.options...),
			env: append(env, jsEnv...), as: r.as, base: base, bump: row.bump, pace: 400 * time.Millisecond,
		}, func() *agent { return r.agent(t, config) }, row.publishes)
		w.distance.Store(0)
		if more := c.with.rate() - c.without.rate(); row.held && more > worse {
			t.Errorf("%s: %.2f percentage points more fail beside tufkeeper, want at most %.1f", row.name, more, worse)
		}
		fmt.Fprintln(&table, c)
	}
	t.Logf("\n%s", table.String())
}
