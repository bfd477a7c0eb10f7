// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent/executable"
)

const (
	// setupTimeout is how long the process inside may take to be ready.
	setupTimeout = 15 * time.Second
	// moreTasks is how many threads a client may start.
	moreTasks = 256
	// nobody is who clients are when we are root.
	nobody = 65534
)

// insideArgs is the command that the process inside is started with.
func insideArgs(more ...string) []string {
	return append([]string{"tufkeeper", "probe", "--inside"}, more...)
}

// A run is one client, and what it is to do.
type run struct {
	program *os.File // the very file that is executed
	handler http.Handler
	files   map[string][]byte // what its home holds at first
	// commands are run one after the other, until one fails.
	commands func(url, home string) [][]string
	timeout  time.Duration
	space    uint64 // bytes of address space; 0 means maxSpace
}

// outcome is what came of a run.
type outcome struct {
	output   []byte // at most maxOutput
	exit     int
	signal   string
	timedOut bool
	notRun   string // why the client could not be run; "" when it was
}

// confined runs a client in surroundings of its own. It is an error when there
// are none to be had; what the client does is its outcome.
func (r *Runner) confined(ctx context.Context, c run) (outcome, error) {
	if err := r.choose(ctx); err != nil {
		return outcome{}, err
	}
	if err := r.stillAlone(); err != nil {
		return outcome{}, err
	}
	b, err := r.start(ctx, c, r.isolation == isolationNamespaces)
	if err != nil {
		return outcome{}, err
	}
	o, err := b.work(ctx, c)
	if left := b.close(); left != nil {
		r.left = append(r.left, fmt.Sprintf("a client's home is left behind: %v", left))
	}
	return o, err
}

// stillAlone sees that a network with loopback only has not become another one.
func (r *Runner) stillAlone() error {
	if r.isolation != isolationLoopback {
		return nil
	}
	others, err := otherInterfaces()
	if err == nil && len(others) > 0 {
		err = &RefusedError{Namespaces: errors.New("as was seen before"), Interfaces: others}
	}
	return err
}

// choose finds out, once, what surroundings can be had here: namespaces of the
// client's own, or else a network that has loopback only already.
func (r *Runner) choose(ctx context.Context) error {
	if r.isolation != "" {
		return nil
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close() // only there to be passed on
	b, why := r.start(ctx, run{program: self}, true)
	if why == nil {
		_ = b.close() // nothing was run
		r.isolation = isolationNamespaces
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	others, err := otherInterfaces()
	if err != nil {
		return err
	}
	return r.chosen(why, others, landlockVersion())
}

// chosen says what to do without namespaces, in a network with these interfaces:
// only Landlock and the filter keep a client from the host's files then.
func (r *Runner) chosen(why error, others []string, landlock int) error {
	if len(others) > 0 || !canFilter || landlock == 0 {
		return &RefusedError{Namespaces: why, Interfaces: others}
	}
	r.isolation = isolationLoopback
	return nil
}

// otherInterfaces are the interfaces of this network that lead out of it.
func otherInterfaces() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	var others []string
	for _, i := range all {
		// What is down stays down: nobody here may bring it up.
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			others = append(others, i.Name)
		}
	}
	return others, nil
}

// A box is a process inside, ready for work.
type box struct {
	cmd      *exec.Cmd
	conn     *net.UnixConn
	in       *json.Decoder
	listener net.Listener
	output   *output
	setup    setup
	client   int    // the number of the client that runs; 0: none, or it is not known
	temp     string // its home, where there is no room
}

// start starts the process inside. The calling goroutine keeps its thread until
// the box is closed: the kernel kills what is inside when that thread ends.
func (r *Runner) start(ctx context.Context, c run, namespaces bool) (_ *box, err error) {
	runtime.LockOSThread()
	b := &box{output: &output{}}
	defer func() {
		if err != nil {
			_ = b.close() // nothing was run
		}
	}()
	b.setup = setup{Namespaces: namespaces, UID: os.Getuid(), GID: os.Getgid(), Libraries: linked(ctx, c.program) || linkedSelf(ctx)}
	if os.Geteuid() == 0 {
		b.setup.UID, b.setup.GID, b.setup.Become = nobody, nobody, true
	}
	if !namespaces {
		if b.temp, err = tempHome(b.setup); err != nil {
			return b, err
		}
		b.setup.Home = b.temp
		// What it leaves becomes a child of this process, which sees it end.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return b, fmt.Errorf("becoming the parent of what is left: %w", err)
		}
	}
	theirs, err := b.pair()
	if err != nil {
		return b, err
	}
	defer theirs.Close() // the child has its own copy
	// By its path, not by /proc: what is executed through that belongs to the
	// mounts outside, and cannot be mounted in the room.
	self, err := os.Executable()
	if err != nil {
		return b, fmt.Errorf("finding this program's own path: %w", err)
	}
	args := insideArgs()
	b.cmd = exec.Command(self, args[1:]...)
	b.cmd.Args[0] = args[0]
	b.cmd.Env = []string{}
	b.cmd.Dir = "/"
	b.cmd.Stdout, b.cmd.Stderr = b.output, b.output
	b.cmd.WaitDelay = 5 * time.Second
	b.cmd.ExtraFiles = []*os.File{theirs, c.program}
	b.cmd.SysProcAttr = attributes(b.setup)
	if err := b.cmd.Start(); err != nil {
		b.cmd = nil
		return b, fmt.Errorf("making namespaces: %w", errnoOf(err))
	}
	if err := b.meet(ctx); err != nil {
		return b, err
	}
	return b, nil
}

// attributes are the namespaces of the process inside. Root makes them by its own
// power. Everybody else makes a user namespace first, in which they are who they
// are, with the capabilities to make the others: the process that becomes the
// client gives those up.
func attributes(s setup) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if !s.Namespaces {
		return a
	}
	a.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if s.Become {
		return a
	}
	a.Cloneflags |= unix.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: s.UID, HostID: s.UID, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: s.GID, HostID: s.GID, Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}
	return a
}

// pair makes the socket between the two processes.
func (b *box) pair() (theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours := os.NewFile(uintptr(fds[0]), "inside")
	theirs = os.NewFile(uintptr(fds[1]), "outside")
	conn, err := net.FileConn(ours)
	if err = errors.Join(err, ours.Close()); err != nil { // conn has a copy
		return nil, errors.Join(err, theirs.Close())
	}
	var ok bool
	if b.conn, ok = conn.(*net.UnixConn); !ok {
		return nil, errors.Join(errors.New("a socket pair is no socket"), theirs.Close())
	}
	return theirs, nil
}

// meet waits until the process inside is ready, and takes its listener.
func (b *box) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, b.killer())()
	if err := json.NewEncoder(b.conn).Encode(b.setup); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, oob, _, _, err := b.conn.ReadMsgUnix(text, rights)
	if err != nil || n == 0 {
		return fmt.Errorf("preparing: the process inside ended (%.500q)", b.output.bytes())
	}
	var is ready
	if err := json.Unmarshal(text[:n], &is); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	if is.Error != "" {
		return errors.New(is.Error)
	}
	b.setup.Home = is.Home
	b.in = json.NewDecoder(b.conn)
	b.listener, err = listenerFrom(rights[:oob])
	return err
}

func listenerFrom(rights []byte) (net.Listener, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("taking the listener: no descriptor came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("taking the listener: no descriptor came: %w", err)
	}
	unix.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "listener")
	l, err := net.FileListener(f)
	return l, errors.Join(err, f.Close()) // l has a copy
}

// work serves the replica, has the commands run, and waits for their end.
func (b *box) work(ctx context.Context, c run) (outcome, error) {
	server := &http.Server{Handler: c.handler, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { _ = server.Serve(b.listener) }() // it ends with its listener
	defer server.Close()

	address, ok := b.listener.Addr().(*net.TCPAddr)
	if !ok {
		return outcome{}, errors.New("taking the listener: it is none of TCP")
	}
	tasks, err := tasksOf(b.setup.UID)
	if err != nil {
		return outcome{}, err
	}
	w := work{Files: c.files}
	for _, args := range c.commands("http://"+address.String(), b.setup.Home) {
		w.Steps = append(w.Steps, step{
			Args: args, Env: []string{"HOME=" + b.setup.Home}, Home: b.setup.Home, Port: address.Port, Libraries: b.setup.Libraries,
			Seconds: uint64(c.timeout/time.Second) + 1, Tasks: tasks + moreTasks, Space: cmp.Or(c.space, maxSpace),
		})
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, b.killer())()
	var full atomic.Bool
	if b.temp != "" { // otherwise it is a file system with an end
		defer watchHome(b.temp, func() { full.Store(true); b.killer()() })()
	}
	if err := json.NewEncoder(b.conn).Encode(w); err != nil {
		return outcome{}, fmt.Errorf("handing over the work: %w", err)
	}
	var o outcome
	for range w.Steps {
		e, err := b.step()
		if err != nil {
			switch {
			case full.Load():
				o.notRun = fmt.Sprintf("its home became larger than %d MiB or %d files", maxFile>>20, maxHomeFiles)
			case ctx.Err() != nil:
				o.timedOut = true
			default:
				o.notRun = "the process around it ended"
			}
			break
		}
		if e != (ended{}) {
			o.exit, o.signal, o.notRun = e.Exit, e.Signal, e.Error
			break
		}
	}
	b.end() // the output is whole only now
	o.output = b.output.bytes()
	return o, nil
}

// step waits for the end of a step.
func (b *box) step() (ended, error) {
	for {
		var w word
		if err := b.in.Decode(&w); err != nil {
			return ended{}, err
		}
		if b.client = w.Started; b.client == 0 {
			return w.Ended, nil
		}
	}
}

// killer returns what kills the process inside, whoever calls it, and when.
func (b *box) killer() func() {
	process := b.cmd.Process
	return func() { _ = process.Kill() } // it may be gone already
}

// end kills what is inside, all of it: the process inside is the first of its
// namespace, or the only one that may start others.
func (b *box) end() {
	if b.cmd == nil {
		return
	}
	b.killer()()
	_ = b.cmd.Wait() // killed, by us
	b.cmd = nil
	if b.client != 0 && !b.setup.Namespaces {
		endOrphan(b.client)
	}
}

// endOrphan sees a client dead whose parent was killed: it is our own child now.
// Another process of that number is none, and is left alone.
func endOrphan(pid int) {
	for range 100 {
		if dead, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil && !errors.Is(err, unix.EINTR) || dead == pid {
			return
		}
		_ = unix.Kill(pid, unix.SIGKILL) // it is being killed with its parent as well
		time.Sleep(20 * time.Millisecond)
	}
}

// close ends what is left, and removes it; the error says what stays.
func (b *box) close() (err error) {
	b.end()
	if b.conn != nil {
		_ = b.conn.Close() // nothing more is said
	}
	if b.listener != nil {
		_ = b.listener.Close() // by its server already
	}
	if b.temp != "" {
		err = removeHome(b.temp)
	}
	runtime.UnlockOSThread()
	return err
}

// linked says whether a program needs the system's loader and libraries. Its
// headers may be made to hurt, and this process has more to lose than the client's.
func linked(ctx context.Context, program *os.File) bool {
	info, err := program.Stat()
	if err != nil {
		return false // then it cannot be executed either
	}
	f := executable.New(ctx, program, info, nil)
	return f != nil && f.Interpreted()
}

func linkedSelf(ctx context.Context) bool {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer self.Close() // opened for reading: nothing can be lost
	return linked(ctx, self)
}

// tasksOf counts the processes and threads of a user: the kernel limits them all
// in all, before Linux 5.14 across user namespaces.
func tasksOf(uid int) (uint64, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("counting processes: %w", err)
	}
	var n uint64
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it has ended
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != uid {
			continue
		}
		threads, _ := os.ReadDir(filepath.Join("/proc", e.Name(), "task")) // it may end meanwhile
		n += uint64(max(1, len(threads)))
	}
	return n, nil
}

// errnoOf drops the path of this program from the error of starting it.
func errnoOf(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// Notes are what could not be had of the confinement here.
func (r *Runner) Notes() []string {
	var notes []string
	switch v := landlockVersion(); {
	case v == 0:
		notes = append(notes, "this kernel has no Landlock: the client is held by its user and its namespaces alone")
	case v < 4:
		notes = append(notes, fmt.Sprintf("Landlock of this kernel (version %d) does not hold in TCP: the client may reach every port of its loopback", v))
	}
	if !canFilter {
		notes = append(notes, "system calls are not filtered on "+runtime.GOARCH)
	}
	if r.isolation == isolationLoopback {
		notes = append(notes, "no namespaces: the network is the one this process lives in, which has loopback only")
	}
	return append(notes, r.left...)
}
