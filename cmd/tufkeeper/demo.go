// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// oldClient is a real TUF client of 2022 with the library inside cosign 2.0.0
// to 2.1.1: it cannot read the key type that Sigstore's root has since root 9.
const oldClient = "github.com/theupdateframework/go-tuf/cmd/tuf-client@v0.5.2"

func (p *program) demoCommand() *cobra.Command {
	var old string
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Shows the whole job on a throw-away mirror, cache and client",
		Long: `demo starts a real TUF mirror on loopback, a real cache made by a real client, and
the real agent, and then lets happen what happens in the field: a root rotation, a
truncated timestamp, a key type that an old client cannot read, a mirror that goes
away. It touches nothing of yours and takes well under a minute. It exits 0 only
if all of it truly happened.

It needs an old TUF client to warn about. Without --old-client it builds one with
go install (` + oldClient + `).`,
		Example: "  tufkeeper demo\n  tufkeeper demo --keep      leave the files there to look at",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "tufkeeper-demo-")
			if err != nil {
				return err
			}
			if keep {
				defer fmt.Fprintf(p.stdout, "\nThe files are in %s\n", dir)
			} else {
				defer os.RemoveAll(dir)
			}
			d := &demo{p: p, dir: dir, start: time.Now()}
			return d.run(cmd.Context(), old)
		},
	}
	c.Flags().StringVar(&old, "old-client", "", "an old TUF client's `binary`, instead of building one")
	c.Flags().BoolVar(&keep, "keep", false, "leave the demo's files in place")
	return c
}

// demo is one telling of the story. Each step proves what it says.
type demo struct {
	p     *program
	dir   string
	start time.Time
	repo  *sandbox.Repo
	url   string
	old   string // the old client's path
	agent *demoAgent
	color bool
}

func (d *demo) run(ctx context.Context, old string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	d.color = d.p.style(d.p.stdout).Color
	fmt.Fprintf(d.p.stdout, "Everything happens in %s, written … below, and on loopback.\n", d.dir)
	if err := d.installOld(ctx, old); err != nil {
		return err
	}
	stop, err := d.serve()
	if err != nil {
		return err
	}
	defer stop()
	defer func() { err = errors.Join(err, d.agent.stop()) }()
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"A mirror on loopback, a cache made by a real client, and the agent", d.firstRefresh},
		{"The root is rotated", d.rotation},
		{"A client's timestamp.json is truncated", d.truncation},
		{"The root's keys change their type: what Sigstore did in March 2024", d.keyType},
		{"The mirror goes away", d.mirrorGone},
	} {
		fmt.Fprintf(d.p.stdout, "\n%s\n", d.bold(step.title))
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return d.finish()
}

// installOld finds or builds the old client, in a directory of its own.
func (d *demo) installOld(ctx context.Context, old string) error {
	bin := filepath.Join(d.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	d.old = filepath.Join(bin, "tuf-client")
	if old != "" {
		data, err := os.ReadFile(old)
		if err != nil {
			return fmt.Errorf("copying the old client: %w", err)
		}
		return os.WriteFile(d.old, data, 0o755)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return &hinted{errors.New("demo: there is no old client, and no go to build one with"),
			"build one elsewhere and name it with --old-client: go install " + oldClient}
	}
	done := d.p.progress("building " + oldClient)
	defer done()
	cmd := exec.CommandContext(ctx, "go", "install", oldClient)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the old client: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// serve puts the sandbox repository on a loopback port.
func (d *demo) serve() (stop func(), err error) {
	d.repo, err = sandbox.New(sandbox.Options{KeyType: "ecdsa-sha2-nistp256", Sigstore: true, SHA512: true})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.url = "http://" + l.Addr().String()
	server := &http.Server{Handler: d.repo.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	return func() { _ = server.Close() }, nil
}

func (d *demo) firstRefresh(ctx context.Context) error {
	if err := d.read(); err != nil {
		return fmt.Errorf("a new client fills its cache: %w", err)
	}
	if out, err := d.runOld(ctx, true); err != nil {
		return fmt.Errorf("the old client initializes: %w: %s", err, out)
	}
	d.say("an old client (go-tuf v0.5.2) and a new one (sigstore-go) both read root 1")
	if err := d.startAgent(); err != nil {
		return err
	}
	e, err := d.agent.wait(ctx, "refresh finished", nil)
	if err != nil {
		return err
	}
	d.done("first refresh, everything verified and kept", e)
	return nil
}

func (d *demo) rotation(ctx context.Context) error {
	if err := d.repo.RotateRoot(sandbox.Rotation{Online: true}); err != nil {
		return err
	}
	if err := d.agent.wake(); err != nil {
		return err
	}
	e, err := d.agent.wait(ctx, "role updated", map[string]any{"role": "root", "version": 2.0})
	if err != nil {
		return err
	}
	d.done("root 2 picked up: signed by root 1's keys and its own", e)
	if e, err = d.agent.wait(ctx, "cache published", nil); err != nil {
		return err
	}
	d.done("the client's cache was brought forward", e)
	if err := d.read(); err != nil {
		return fmt.Errorf("the new client reads on: %w", err)
	}
	if out, err := d.runOld(ctx, false); err != nil {
		return fmt.Errorf("the old client reads on: %w: %s", err, out)
	}
	d.say("both clients read on")
	return nil
}

func (d *demo) truncation(ctx context.Context) error {
	path := filepath.Join(d.cacheDir(), "timestamp.json")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	cut := time.Now()
	if err := os.Truncate(path, int64(len(before)/2)); err != nil {
		return err
	}
	wedged := d.read()
	if wedged == nil {
		return errors.New("the client was not wedged by a truncated timestamp.json")
	}
	d.say("its client is wedged, today and for ever: " + lastLine(wedged.Error()))
	e, err := d.agent.wait(ctx, "cache mended", nil)
	if err != nil {
		return err
	}
	d.done(fmt.Sprintf("noticed and mended %s after the damage", e.at.Sub(cut).Round(10*time.Millisecond)), e)
	if err := d.read(); err != nil {
		return fmt.Errorf("the client works again: %w", err)
	}
	d.say("the client works again")
	return nil
}

func (d *demo) keyType(ctx context.Context) error {
	if err := d.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
		return err
	}
	if err := d.agent.wake(); err != nil {
		return err
	}
	e, err := d.agent.wait(ctx, "problem raised", map[string]any{"code": "client-outdated", "path": d.old})
	if err != nil {
		return err
	}
	d.done("client-outdated: the old client is named, with the cause", e)
	out, err := d.runOld(ctx, false)
	if err == nil || !strings.Contains(out, "invalid key") {
		return fmt.Errorf("the old client was to fail with \"invalid key\", and said: %s", out)
	}
	d.say("and truly, the old client says: " + lastLine(out))
	if err := d.read(); err != nil {
		return fmt.Errorf("the new client reads on: %w", err)
	}
	d.say("the new client reads on")
	return nil
}

func (d *demo) mirrorGone(ctx context.Context) error {
	before, err := status.Read(d.statusFile())
	if err != nil {
		return err
	}
	d.repo.Down(true)
	if err := d.agent.wake(); err != nil {
		return err
	}
	e, err := d.agent.wait(ctx, "refresh failed", nil)
	if err != nil {
		return err
	}
	d.done("the refresh fails, and the next one is planned", e)
	after, err := d.reported(ctx, func(r status.Report) bool { return r.Mirrors[0].LastError != nil })
	if err != nil {
		return err
	}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		had, has := before.Mirrors[0].Roles[role].Version, after.Mirrors[0].Roles[role].Version
		if has != had || has == 0 {
			return fmt.Errorf("%s was at version %d, and is at %d", role, had, has)
		}
	}
	for _, c := range after.Caches {
		if c.State != string(cache.Fresh) {
			return fmt.Errorf("the cache %s is %s", c.Path, c.State)
		}
	}
	d.say("nothing is lost: every role and the cache stand as before")
	return nil
}

// finish shows what an operator would see.
func (d *demo) finish() error {
	r, err := status.Read(d.statusFile())
	if err != nil {
		return err
	}
	fmt.Fprintf(d.p.stdout, "\n%s\n\n", d.bold("tufkeeper status, as it is now"))
	s := d.p.style(d.p.stdout)
	s.Now = time.Now()
	if err := status.Text(d.p.stdout, r, s); err != nil {
		return err
	}
	fmt.Fprintf(d.p.stdout, "\nAll of it happened, in %.1f s.\n", time.Since(d.start).Seconds())
	return nil
}
