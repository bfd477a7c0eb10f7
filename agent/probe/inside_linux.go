// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The words between the process outside and the one inside, which prepares the
// room and runs the steps in it. They are this program on both sides.
type (
	// setup is the first word, from outside.
	setup struct {
		Namespaces bool // this process is alone in namespaces of its own
		UID, GID   int  // who the client is
		Become     bool // this process is root, and the client must not be
		Libraries  bool
		Home       string // where there is no room: an empty directory
	}
	// ready is the answer. The listener's descriptor comes with it.
	ready struct {
		Home  string
		Error string
	}
	// work is what to run, and what its home holds.
	work struct {
		Files map[string][]byte // by name, in the home
		Steps []step
	}
	// word is what is said of a step: first who it is, then how it ended.
	word struct {
		Started int
		Ended   ended
	}
	// ended is the end of one step.
	ended struct {
		Exit   int
		Signal string // "killed"; "" when the client exited
		Error  string // why it was not run
	}
)

// Descriptors that the process inside finds.
const (
	fdParent = 3 // the socket to the process outside
	fdClient = 4 // the client's executable
)

// Inside is the process that a [Runner] starts again in other surroundings; args
// are what follow the words it was given. It returns an exit code.
func Inside(args []string) int {
	if len(args) == 2 && args[0] == "step" {
		return runStep(args[1])
	}
	// The deaths of parents are known by thread.
	runtime.LockOSThread()
	conn, err := parent()
	if err != nil || len(args) != 0 {
		fmt.Fprintln(os.Stderr, "tufkeeper: this command is only for tufkeeper probe")
		return 2
	}
	defer conn.Close()
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	var s setup
	if err := in.Decode(&s); err != nil {
		return 1 // the parent is gone
	}
	l, err := prepare(&s)
	if err != nil {
		_ = out.Encode(ready{Error: err.Error()}) // nobody else to tell
		return 1
	}
	if err := hand(conn, l, ready{Home: s.Home}); err != nil {
		return 1
	}
	var w work
	if err := in.Decode(&w); err != nil {
		return 1
	}
	return s.run(w, l, os.NewFile(fdClient, "client"), out)
}

// parent is the socket that this process was started with.
func parent() (*net.UnixConn, error) {
	f := os.NewFile(fdParent, "parent")
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil { // c has a copy
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a socket of a parent")
	}
	return u, nil
}

// prepare makes what surrounds the client, and the listener that it will find.
func prepare(s *setup) (*net.TCPListener, error) {
	if s.Namespaces {
		if err := loopback(); err != nil {
			return nil, err
		}
		_ = unix.Sethostname([]byte("probe")) // the host's own name is no secret worth failing for
		if err := enterRoom(s.UID, s.GID, s.Libraries); err != nil {
			return nil, err
		}
		s.Home = roomHome
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, err
	}
	return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

// hand gives the listener to the process outside.
func hand(conn *net.UnixConn, l *net.TCPListener, r ready) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close() // a copy
	_, _, err = conn.WriteMsgUnix(append(text, '\n'), unix.UnixRights(int(f.Fd())), nil)
	return err
}

// run runs the steps until one does not end well, and says how each ended.
func (s setup) run(w work, l net.Listener, client *os.File, out *json.Encoder) int {
	if err := l.Close(); err != nil { // the parent has it
		return 1
	}
	for name, data := range w.Files {
		if err := os.WriteFile(filepath.Join(s.Home, filepath.Base(name)), data, 0o644); err != nil {
			_ = out.Encode(word{Ended: ended{Error: fmt.Sprintf("preparing the home: %v", err)}})
			return 1
		}
	}
	for _, step := range w.Steps {
		e := s.step(step, client, out)
		if out.Encode(word{Ended: e}) != nil {
			return 1
		}
		if e != (ended{}) {
			break
		}
	}
	return 0
}

func (s setup) step(st step, client *os.File, out *json.Encoder) ended {
	text, err := json.Marshal(st)
	if err != nil {
		return ended{Error: err.Error()}
	}
	status, w, err := os.Pipe()
	if err != nil {
		return ended{Error: err.Error()}
	}
	defer status.Close() // read to its end, or useless
	self := "/proc/self/exe"
	if s.Namespaces {
		self = roomSelf
	}
	cmd := exec.Command(self, insideArgs("step", string(text))[1:]...)
	cmd.Args[0] = insideArgs()[0]
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{client, w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if s.Become {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID), Groups: []uint32{}}
	}
	if err := cmd.Start(); err != nil {
		return ended{Error: fmt.Sprintf("starting the client: %v", err)}
	}
	_ = out.Encode(word{Started: cmd.Process.Pid}) // the parent may be gone: then so is this process
	_ = w.Close()                                  // the step has its own copy; a fault would show as a hang, which is bounded
	said, err := io.ReadAll(io.LimitReader(status, 4096))
	if err != nil {
		said = []byte(err.Error())
	}
	_ = cmd.Wait() // how it ended is in its state
	state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case len(said) > 0:
		return ended{Error: strings.TrimSpace(string(said))}
	case !ok:
		return ended{Error: "running the client: how it ended is not known"}
	case state.Signaled():
		return ended{Signal: state.Signal().String()}
	}
	return ended{Exit: state.ExitStatus()}
}
