// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forbidden is how a host says that it lets nobody make namespaces. Anything else
// that keeps us from making them is our own fault.
var forbidden = regexp.MustCompile(`(operation not permitted|permission denied|no space left on device|function not implemented)$`)

// lab runs the hostile client.
type lab struct {
	r *Runner
	t *testing.T
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{r: &Runner{}, t: t}
	err := l.r.choose(t.Context())
	var refused *RefusedError
	if errors.As(err, &refused) && forbidden.MatchString(refused.Namespaces.Error()) {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) run(timeout time.Duration, command func(url, home string) []string) outcome {
	l.t.Helper()
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		l.t.Fatal(err)
	}
	defer program.Close()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	o, err := l.r.confined(ctx, run{
		program: program, timeout: timeout, space: testSpace, files: map[string][]byte{"root.json": []byte("{}")},
		handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the replica") }),
		commands: func(url, home string) [][]string {
			return [][]string{append([]string{"hostile"}, command(url, home)...)}
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return o
}

func (l *lab) hostile(args ...string) outcome {
	l.t.Helper()
	return l.run(20*time.Second, func(string, string) []string { return args })
}

// wantRefused fails when the client has reached anything but what it may.
func wantRefused(t *testing.T, o outcome, may ...string) {
	t.Helper()
	if o.notRun != "" || o.timedOut {
		t.Fatalf("not run to its end: %+v", o)
	}
	if !strings.Contains(string(o.output), "refused") {
		t.Errorf("nothing was refused: %s", o.output)
	}
	for line := range strings.Lines(string(o.output)) {
		what, reached := strings.CutPrefix(strings.TrimSpace(line), "REACHED ")
		if reached && !slices.Contains(may, what) {
			t.Errorf("it reached %s", what)
		}
	}
	for _, what := range may {
		if !strings.Contains(string(o.output), "REACHED "+what+"\n") {
			t.Errorf("it was to reach %s: %s", what, o.output)
		}
	}
}

func TestTheReplicaIsReached(t *testing.T) {
	o := newLab(t).run(20*time.Second, func(url, _ string) []string { return []string{"get", url} })
	if got := string(o.output); !strings.Contains(got, "200 from the replica") {
		t.Errorf("the client saw %q (%+v)", got, o)
	}
}

func TestNothingElseIsReached(t *testing.T) {
	l := newLab(t)
	if l.r.isolation != isolationNamespaces {
		t.Skipf("NOT TESTED: the host's loopback is shared (%s)", l.r.isolation)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	// In a directory that everybody may search.
	dir, err := os.MkdirTemp("/tmp", "probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Chmod(dir+"/socket", 0o777); err != nil {
		t.Fatal(err)
	}
	abstract, err := net.Listen("unix", "@tufkeeper-probe-test-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	wantRefused(t, l.hostile("outside", "tcp,"+tcp.Addr().String(), "unix,"+dir+"/socket", "unix,"+abstract.Addr().String(), "tcp,192.0.2.1:443"))
}

func TestFilesOutsideTheHomeAreOutOfReach(t *testing.T) {
	l := newLab(t)
	dir, err := os.MkdirTemp("/tmp", "probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil { // the modes protect nothing here
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	o := l.hostile("files", secret, dir, home, "/", "/etc/passwd", "/etc", "/proc/self/environ", "/proc/1/root/etc/passwd", "/sys", "/tmp", "/run", "/var/lib", "/dev/shm", "/dev/mem")
	wantRefused(t, o, "writing home/ok")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory now holds %v, %v", entries, err)
	}
}

func TestWhatIsShownOfTheHostIsReadOnly(t *testing.T) {
	l := newLab(t)
	if l.r.isolation != isolationNamespaces {
		t.Skipf("NOT TESTED: there is no room (%s)", l.r.isolation)
	}
	paths := append([]string{"mounts", "/", roomSelf, libraryCache}, devices...)
	wantRefused(t, l.hostile(append(paths, libraryDirs...)...))
}

func TestItIsNobodyInParticular(t *testing.T) {
	l := newLab(t)
	o := l.hostile("state")
	var s struct {
		UID, EUID, GID, PID int
		Env                 []string
		Groups              []int
		Caps                uint64
		NoNewPrivs          int `json:"no_new_privs"`
		Descriptors         []int
		Session, Terminal   bool
		Stdin               string
	}
	begin := max(0, bytes.IndexByte(o.output, '{')) // the race detector may have a word first
	if err := json.Unmarshal(o.output[begin:], &s); err != nil {
		t.Fatalf("%v: %s", err, o.output)
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = nobody, nobody
		if len(s.Groups) != 0 {
			t.Errorf("groups %v, want none", s.Groups)
		}
	}
	if s.UID != uid || s.EUID != uid || s.GID != gid {
		t.Errorf("uid %d, euid %d, gid %d, want %d and %d", s.UID, s.EUID, s.GID, uid, gid)
	}
	if s.Caps != 0 || s.NoNewPrivs != 1 {
		t.Errorf("capabilities %x, no_new_privs %d", s.Caps, s.NoNewPrivs)
	}
	if len(s.Env) != 1 || !strings.HasPrefix(s.Env[0], "HOME=/") {
		t.Errorf("environment %q, want HOME alone", s.Env)
	}
	if !slices.Equal(s.Descriptors, []int{0, 1, 2}) {
		t.Errorf("open descriptors %v, want 0 1 2", s.Descriptors)
	}
	if !s.Session || s.Terminal || s.Stdin != "0 EOF" {
		t.Errorf("session of its own %v, terminal %v, stdin %q", s.Session, s.Terminal, s.Stdin)
	}
	if l.r.isolation == isolationNamespaces && s.PID > 10 {
		t.Errorf("pid %d: it sees the processes of the host", s.PID)
	}
}

func TestNoOtherProcessIsMade(t *testing.T) {
	wantRefused(t, newLab(t).hostile("processes"))
}

func TestWhatDoesNotEndIsEnded(t *testing.T) {
	for _, how := range []string{"hang", "spin"} {
		t.Run(how, func(t *testing.T) {
			l := newLab(t)
			begin := time.Now()
			o := l.run(2*time.Second, func(string, string) []string { return []string{how} })
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if outcome, text := o.says(&witness{}, 2*time.Second); outcome != Unclear || text == "" {
				t.Errorf("%s, %q: want unclear, with a reason (%+v)", outcome, text, o)
			}
		})
	}
}

func TestACancelledProbeLeavesNothing(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	time.AfterFunc(time.Second, cancel)
	begin := time.Now()
	_, err = l.r.confined(ctx, run{
		program: program, timeout: time.Minute, space: testSpace, handler: http.NotFoundHandler(),
		commands: func(string, string) [][]string { return [][]string{{"hostile", "hang"}} },
	})
	if err != nil || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err == nil && len(children) > 0 {
		t.Errorf("children are left: %s", children)
	}
}

func TestAFloodIsCutAndItsEndIsSeen(t *testing.T) {
	o := newLab(t).hostile("flood")
	if len(o.output) > maxOutput+100 {
		t.Errorf("%d bytes of output were kept", len(o.output))
	}
	if got := errorLine(o.output); got != "end" || !strings.Contains(string(o.output), "begin\n") {
		t.Errorf("the error is %.100q", got)
	}
}

func TestLimitsHold(t *testing.T) {
	for _, what := range []string{"memory", "disk", "threads"} {
		t.Run(what, func(t *testing.T) {
			l := newLab(t)
			o := l.hostile(what)
			if strings.Contains(string(o.output), "REACHED") || o.timedOut {
				t.Errorf("%s: %+v: %.300s", what, o.exit, o.output)
			}
		})
	}
}

func TestNothingIsLeftOfAHome(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l := newLab(t)
	l.hostile("hide")
	if entries, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(entries) > 0 || len(l.r.left) > 0 {
		t.Errorf("%v, %v are left (%v)", entries, l.r.left, err)
	}
}

func TestANetworkThatLeadsOutMeanwhileIsNotUsed(t *testing.T) {
	others, err := otherInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{isolation: isolationLoopback} // as it was chosen before
	var refused *RefusedError
	if err := r.stillAlone(); errors.As(err, &refused) != (len(others) > 0) {
		t.Errorf("%v, with %v", err, others)
	}
}

func TestAClientIsGoneWhenItsRunIs(t *testing.T) {
	l := newLab(t)
	if l.r.isolation != isolationLoopback {
		t.Skip("its number means nothing here: it is that of a namespace, which ends as a whole")
	}
	for range 5 {
		o := l.run(300*time.Millisecond, func(string, string) []string { return []string{"hang"} })
		_, number, ok := strings.Cut(strings.TrimSpace(string(o.output)), "hanging ")
		pid, err := strconv.Atoi(number)
		if !ok || err != nil {
			t.Fatalf("%s, %v", o.output, err)
		}
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}
}
