// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A step is one command of the client, as the process that becomes it is told.
type step struct {
	Args      []string
	Env       []string
	Home      string
	Port      int  // of the replica
	Libraries bool // the client is linked to the system's libraries
	Seconds   uint64
	Tasks     uint64 // processes and threads of its user, all in all
	Space     uint64 // bytes of address space
}

// What one client may use.
const (
	maxData  = 1 << 30  // bytes of memory that it writes to
	maxSpace = 8 << 30  // bytes of address space: Go reserves much, and uses little
	maxStack = 8 << 20  // bytes of its first stack, and of its arguments
	maxFile  = 64 << 20 // bytes of one file; of its home where that is a file system of its own
	maxFiles = 256      // open at a time
)

// Descriptors that the process of a step finds.
const (
	fdProgram = 3 // the client's executable
	fdStatus  = 4 // why it could not be run; closed without a word when it runs
)

// runStep becomes the client, or says why not. Everything that gives up a right
// does so for one thread only, and the client is that thread.
func runStep(text string) int {
	runtime.LockOSThread()
	err := become(text)
	if _, err := unix.Write(fdStatus, []byte(err.Error())); err != nil {
		return 1 // the exit code says it, too
	}
	return 1
}

func become(text string) error {
	var s step
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("reading what to run: %w", err)
	}
	if os.Geteuid() == 0 {
		return errors.New("running a client: never as root")
	}
	unix.CloseOnExec(fdProgram)
	unix.CloseOnExec(fdStatus)
	// Descriptors of Go's own are closed by an exec anyway: this is for what a
	// parent may have left open. A kernel without the call has nothing to add.
	_ = unix.CloseRange(fdStatus+1, ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC)
	unix.Umask(0o077)
	if err := unix.Chdir(s.Home); err != nil {
		return fmt.Errorf("entering the home: %w", err)
	}
	program, argv, envp, err := words(s)
	if err != nil {
		return err
	}
	for _, do := range []func() error{
		func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) },
		func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) },
		noCapabilities,
		func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
		func() error { return restrict(fdProgram, s) },
		func() error { return limit(s) },
		func() error {
			if !canFilter {
				return nil // the parent has noted it
			}
			return filterCalls()
		},
	} {
		if err := do(); err != nil {
			return fmt.Errorf("confining the client: %w", err)
		}
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, fdProgram, uintptr(unsafe.Pointer(program)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("executing the client: %w", errno)
}

// noCapabilities leaves this thread none, nor any that a file could give back.
func noCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil { // the ambient ones go with them
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

func words(s step) (empty *byte, argv, envp []*byte, err error) {
	if empty, err = unix.BytePtrFromString(""); err != nil {
		return nil, nil, nil, err
	}
	if argv, err = syscall.SlicePtrFromStrings(s.Args); err != nil {
		return nil, nil, nil, fmt.Errorf("writing the command: %w", err)
	}
	if envp, err = syscall.SlicePtrFromStrings(s.Env); err != nil {
		return nil, nil, nil, fmt.Errorf("writing the environment: %w", err)
	}
	return empty, argv, envp, nil
}

func limit(s step) error {
	for _, l := range []struct {
		what  string
		which int
		max   uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"processor time", unix.RLIMIT_CPU, s.Seconds},
		{"file size", unix.RLIMIT_FSIZE, maxFile},
		{"open files", unix.RLIMIT_NOFILE, maxFiles},
		{"locked memory", unix.RLIMIT_MEMLOCK, 64 << 10},
		{"message queues", unix.RLIMIT_MSGQUEUE, 0},
		{"memory", unix.RLIMIT_DATA, maxData},
		{"address space", unix.RLIMIT_AS, s.Space},
		{"its stack", unix.RLIMIT_STACK, maxStack},
		{"processes", unix.RLIMIT_NPROC, s.Tasks},
	} {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.which, &now); err != nil {
			return fmt.Errorf("limiting %s: %w", l.what, err)
		}
		most := min(now.Max, l.max) // a limit that is lower already stays
		// By the raw call: Go remembers the limit of open files otherwise.
		if _, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(l.which), uintptr(unsafe.Pointer(&unix.Rlimit{Cur: most, Max: most})), 0, 0, 0); errno != 0 {
			return fmt.Errorf("limiting %s: %w", l.what, errno)
		}
	}
	return nil
}
