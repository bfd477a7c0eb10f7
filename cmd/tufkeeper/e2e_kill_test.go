// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux && amd64

package main_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata/fetcher"
	"golang.org/x/sys/unix"

	caches "github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

// A scene is a cache, what is to be done to it, and who reads it.
type scene struct {
	name   string
	public bool // the mirror is the one that clients carry a root of; else they start from the cached one
	newer  func(r *sandbox.Repo) error
	hit    func(t *testing.T, dir string) // damages the mirror's directory; nil for nothing
	broken bool                           // its client fails until it is mended
	gone   bool                           // and makes a new directory then
	args   []string                       // of the run that is killed; `caches --mend` by default
	reader caches.Reader                  // whose cache it is; "" for cosign's
}

func (s scene) command() []string {
	if len(s.args) > 0 {
		return s.args
	}
	return []string{"caches", "--mend", "--json"}
}

func rotated(r *sandbox.Repo) error {
	for range 2 {
		if err := r.RotateRoot(sandbox.Rotation{Online: true}); err != nil {
			return err
		}
	}
	return r.Publish("hello.txt", []byte("hello again\n"))
}

func cut(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, name), 100)) }
}

func directory(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		must(t, os.Remove(filepath.Join(dir, name)))
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name, "kept"), nil, 0o600))
	}
}

func scenes() []scene {
	return []scene{
		{name: "a timestamp", public: true, newer: (*sandbox.Repo).BumpTimestamp},
		{name: "a timestamp for a client that starts from the cache", newer: (*sandbox.Repo).BumpTimestamp},
		{name: "a rotated set", public: true, newer: rotated},
		{name: "a rotated set with its root", newer: rotated},
		{name: "a rotated set with its root, by refresh", newer: rotated, args: []string{"refresh"}},
		{name: "a truncated timestamp", public: true, newer: rotated, hit: cut("timestamp.json"), broken: true},
		{name: "a directory for the snapshot", newer: rotated, hit: directory("snapshot.json"), broken: true},
		{name: "a truncated root", newer: rotated, hit: cut("root.json"), broken: true},
		{name: "an unreadable target file", public: true, newer: (*sandbox.Repo).BumpTimestamp, broken: true,
			hit: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "targets", "hello.txt"), 0)) }},
		{name: "a file for the directory", public: true, newer: (*sandbox.Repo).BumpTimestamp, broken: true, gone: true,
			hit: func(t *testing.T, dir string) {
				must(t, os.RemoveAll(dir))
				must(t, os.WriteFile(dir, []byte("x"), 0o600))
			}},
		{name: "everything at once", newer: rotated, broken: true,
			hit: func(t *testing.T, dir string) {
				cut("root.json")(t, dir)
				cut("timestamp.json")(t, dir)
				directory("snapshot.json")(t, dir)
				directory("targets/hello.txt")(t, dir)
				must(t, os.Remove(filepath.Join(dir, "targets.json")))
				must(t, syscall.Mknod(filepath.Join(dir, "targets.json"), syscall.S_IFSOCK|0o600, 0)) // its client would wait for a pipe
				must(t, os.WriteFile(dir+".json", []byte(`{"lastTimestamp":"2999-01-01T00:00:00Z"}`), 0o600))
			}},
	}
}

// Killed between any two system calls, tufkeeper leaves a cache that its client can
// use, if it could before; and the next run brings it to its end.
func TestE2EKilledAnywhere(t *testing.T) {
	kills := 0
	for _, s := range append(scenes(), otherScenes()...) {
		t.Run(s.name, func(t *testing.T) {
			p := newPlay(t, s)
			p.set(t)
			clean, state := p.run(t, nil)
			if state.ExitStatus() != 0 {
				t.Fatalf("ended with %v", state)
			}
			p.wantWhole(t, "not killed")
			first, last := span(clean)
			if last-first < 3 {
				t.Fatalf("%d calls on the cache from the first change to the last: this shows nothing", last-first)
			}
			for at := first; at < last; at++ {
				label := fmt.Sprintf("killed at %d of %d (%s)", at-first+1, last-first, clean[at].name)
				p.set(t)
				calls, state := p.run(t, &stroke{at: at})
				if state.Signal() != syscall.SIGKILL || len(calls) != at+1 || calls[at].name != clean[at].name {
					t.Fatalf("%s: ended with %v after %d calls, %v", label, state, len(calls), calls[len(calls)-1])
				}
				kills++
				if err := p.readCopy(t); err != nil && !s.broken {
					t.Errorf("%s: its client fails: %v", label, err)
				}
				p.wantWhole(t, label)
			}
			t.Logf("killed at each of %d calls, from the first change to the last", last-first)
		})
	}
	t.Logf("%d kills", kills)
}

// A disk that is full, or fails, at any call leaves the cache usable and nothing beside.
func TestE2EDiskFailsAnywhere(t *testing.T) {
	failures := 0
	for _, s := range scenes() {
		if s.name != "a rotated set with its root" && s.name != "everything at once" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			p := newPlay(t, s)
			p.set(t)
			clean, _ := p.run(t, nil)
			for at, c := range clean {
				errno := syscall.ENOSPC
				switch {
				case strings.Contains(c.name, "sync"):
					errno = syscall.EIO
				case !c.changes || strings.HasPrefix(c.name, "unlink"):
					continue // these do not run out of space
				}
				label := fmt.Sprintf("%v at call %d of %d, %s", errno, at+1, len(clean), c.name)
				p.set(t)
				if calls, state := p.run(t, &stroke{at, errno}); len(calls) <= at || calls[at].name != c.name || !state.Exited() {
					t.Fatalf("%s: ended with %v after %d calls", label, state, len(calls))
				}
				failures++
				if err := p.readCopy(t); err != nil && !s.broken {
					t.Errorf("%s: its client fails: %v", label, err)
				}
				if left := p.leftovers(t); len(left) > 0 {
					t.Errorf("%s: left %q", label, left)
				}
				p.wantWhole(t, label)
			}
		})
	}
	t.Logf("%d failures", failures)
	if failures < 10 {
		t.Errorf("only %d failures: this shows little", failures)
	}
}

// A play is a scene on a stage of its own: a mirror, tufkeeper's store with the newest
// set in it, and a cache with an older one.
type play struct {
	scene
	repo            *sandbox.Repo
	mirror          string // the URL that is listened on
	dir             string // holds everything; belongs to whom tufkeeper runs as
	base, cache     string
	config, program string
}

const publicMirror = "https://tuf-repo-cdn.sigstore.dev"

// nobody is whom tufkeeper runs as where the test is root, to whom no mode means anything.
const nobody = 65534

func newPlay(t *testing.T, s scene) *play {
	t.Helper()
	w := newWorld(t, sandbox.Options{})
	if s.reader == "" {
		s.reader = caches.Cosign
	}
	dir, err := os.MkdirTemp("", "play")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &play{scene: s, repo: w.repo, mirror: w.mirrorURL, dir: dir,
		base: filepath.Join(dir, "now", "root"), config: filepath.Join(dir, "config.hcl"), program: filepath.Join(dir, "tufkeeper")}
	url := p.mirror
	if s.public {
		url = publicMirror
	}
	p.cache = filepath.Join(p.base, strings.NewReplacer("https://", "", "http://", "", ":", "-").Replace(url))
	if s.reader != caches.Cosign {
		p.cache = filepath.Join(p.base, otherName(s.reader, url))
	}
	sh(t, "cp", tufkeeper(t), p.program)
	must(t, os.MkdirAll(filepath.Join(dir, "now"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "root.json"), p.repo.InitialRoot(), 0o644))

	p.configure(t, p.mirror, filepath.Join(dir, "none"))
	p.runAlone(t, "refresh")
	if s.reader == caches.Cosign {
		must(t, p.read(p.base))
	} else {
		p.fillOther(t)
	}
	must(t, s.newer(p.repo))
	if s.command()[0] != "refresh" {
		p.runAlone(t, "refresh")
	}
	p.configure(t, url, p.base)
	must(t, os.Rename(filepath.Join(dir, "now"), filepath.Join(dir, "then")))
	return p
}

// configure writes the config. The store goes by the mirror's name, so that it may be
// filled from a mirror on this machine and then stand for the public one.
func (p *play) configure(t *testing.T, url, base string) {
	t.Helper()
	text := fmt.Sprintf(`state_dir   = %q
status_file = %q
mirror "test" {
  url          = %q
  initial_root = %q
  attempts     = 1
  soak         = "0s"
}
caches {
  %s
  quiet = "0s"
}
clients {
  search_path = false
  globs       = []
  packages    = []
}
`, filepath.Join(p.dir, "now/state"), filepath.Join(p.dir, "now/status.json"), url, filepath.Join(p.dir, "root.json"), p.placed(base, url))
	must(t, os.WriteFile(p.config, []byte(text), 0o644))
	p.give(t)
}

// give gives everything to whom tufkeeper runs as.
func (p *play) give(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		sh(t, "chown", "-R", fmt.Sprintf("%d:%d", nobody, nobody), p.dir)
	}
}

func sh(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// set sets the stage: the cache and the store as they are before every run.
func (p *play) set(t *testing.T) {
	t.Helper()
	sh(t, "rm", "-rf", filepath.Join(p.dir, "now"))
	sh(t, "cp", "-a", filepath.Join(p.dir, "then"), filepath.Join(p.dir, "now"))
	if p.hit != nil {
		p.hit(t, p.cache)
		p.give(t)
		if err := p.readCopy(t); (err != nil) != p.broken && os.Geteuid() != 0 {
			t.Fatalf("before anything was done its client says %v", err)
		}
	}
}

// tufkeeper is the program, ready to run.
func (p *play) tufkeeper(args ...string) *exec.Cmd {
	cmd := exec.Command(p.program, append(args, "--config", p.config)...)
	cmd.Dir = p.dir
	cmd.Env = []string{"HOME=" + p.dir, "PATH=/usr/bin:/bin", "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func (p *play) runAlone(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := p.tufkeeper(args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// run runs the scene's command; a stroke may fall.
func (p *play) run(t *testing.T, b *stroke) ([]call, syscall.WaitStatus) {
	t.Helper()
	return trace(t, p.base, b, p.tufkeeper(p.command()...))
}

// span is where the calls that change something begin and end: the last change, what
// syncs it, and one more.
func span(calls []call) (first, last int) {
	counts := func(c call) bool { return c.changes || strings.Contains(c.name, "sync") }
	first = max(0, slices.IndexFunc(calls, counts))
	for i, c := range calls {
		if counts(c) {
			last = min(i+2, len(calls))
		}
	}
	return first, last
}

// readCopy has the client read a copy of the cache, which it may change.
func (p *play) readCopy(t *testing.T) error {
	t.Helper()
	if p.reader != caches.Cosign {
		return p.judgeOther(t)
	}
	copied := filepath.Join(p.dir, "copy")
	sh(t, "rm", "-rf", copied)
	if err := exec.CommandContext(t.Context(), "cp", "-a", p.base, copied).Run(); err != nil {
		return err // what cannot be read
	}
	return p.read(copied)
}

// read reads a target file as a program on sigstore-go does, which starts from its own
// root for the public mirror, and else, as cosign, from the cached one.
func (p *play) read(base string) error {
	o := tuf.DefaultOptions().WithCachePath(base).WithRoot(p.repo.RootJSON(p.repo.Versions()["root"])).
		WithRepositoryBaseURL(p.mirror).WithFetcher(loopback{fetcher.NewDefaultFetcher(), p.mirror})
	cached := filepath.Join(base, filepath.Base(p.cache), "root.json")
	if p.public {
		o = o.WithRepositoryBaseURL(publicMirror)
	} else if root, err := os.ReadFile(cached); err == nil {
		o = o.WithRoot(root)
	} else if _, there := os.Stat(base); there == nil {
		return err // as cosign: it finds no root to start from
	}
	c, err := tuf.New(o)
	if err != nil {
		return err
	}
	_, err = c.GetTarget("hello.txt")
	return err
}

// loopback answers for the public mirror from this machine.
type loopback struct {
	fetcher.Fetcher
	mirror string
}

func (l loopback) DownloadFile(url string, limit int64, d time.Duration) ([]byte, error) {
	return l.Fetcher.DownloadFile(l.mirror+strings.TrimPrefix(strings.TrimPrefix(url, publicMirror), l.mirror), limit, d)
}

// leftovers are the temporary files in the cache.
func (p *play) leftovers(t *testing.T) (left []string) {
	t.Helper()
	must(t, filepath.WalkDir(p.base, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), ".tufkeeper-") {
			left = append(left, path)
		}
		return err
	}))
	return left
}

// wantWhole runs tufkeeper once more, a while later, and wants a fresh cache, nothing
// left in it that is ours, and a client that works.
func (p *play) wantWhole(t *testing.T, label string) {
	t.Helper()
	past := unix.NsecToTimespec(time.Now().Add(-2 * time.Hour).UnixNano())
	for _, name := range p.leftovers(t) {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{past, past}, unix.AT_SYMLINK_NOFOLLOW))
	}
	cmd := p.tufkeeper("caches", "--mend", "--json")
	out, err := cmd.Output()
	var told struct {
		Caches []struct{ Path, State, Detail string }
	}
	if err != nil || json.Unmarshal(out, &told) != nil {
		t.Errorf("%s: the next run: %v\n%s", label, err, out)
		return
	}
	if p.gone && len(told.Caches) == 0 {
		if err := p.readCopy(t); err != nil {
			t.Errorf("%s: after the next run its client fails: %v", label, err)
		}
		return
	}
	if len(told.Caches) != 1 || told.Caches[0].State != "fresh" || told.Caches[0].Path != p.cache {
		t.Errorf("%s: after the next run: %s", label, out)
	}
	if left := p.leftovers(t); len(left) > 0 {
		t.Errorf("%s: after the next run %q are left", label, left)
	}
	if err := p.readCopy(t); err != nil {
		t.Errorf("%s: after the next run its client fails: %v", label, err)
	}
}
