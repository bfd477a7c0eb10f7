// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux && amd64

package main_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// strace counts the calls of each thread apart, and a goroutine does not keep its
// thread. Here the calls of all threads are counted together, so that every one of
// them can be chosen.

// A call is one system call of a traced program that opens, alters or syncs something
// in a directory, as it was entered.
type call struct {
	name    string
	changes bool // makes, alters or removes something: no sync, no open for reading
	path    string
}

func (c call) String() string { return c.name + " " + c.path }

// watched are the calls that open, alter or sync: those by path take a directory first.
var watched = map[uint64]struct {
	name string
	at   bool // takes a directory and a path; else a descriptor
}{
	unix.SYS_OPENAT: {"openat", true}, unix.SYS_OPENAT2: {"openat2", true}, unix.SYS_MKDIRAT: {"mkdirat", true},
	unix.SYS_RENAMEAT: {"renameat", true}, unix.SYS_RENAMEAT2: {"renameat2", true}, unix.SYS_UNLINKAT: {"unlinkat", true},
	unix.SYS_LINKAT: {"linkat", true}, unix.SYS_FCHMODAT: {"fchmodat", true}, unix.SYS_FCHMODAT2: {"fchmodat2", true},
	unix.SYS_FCHOWNAT: {"fchownat", true}, unix.SYS_UTIMENSAT: {"utimensat", true}, unix.SYS_MKNODAT: {"mknodat", true},
	unix.SYS_WRITE: {"write", false}, unix.SYS_PWRITE64: {"pwrite64", false}, unix.SYS_WRITEV: {"writev", false},
	unix.SYS_FTRUNCATE: {"ftruncate", false}, unix.SYS_FALLOCATE: {"fallocate", false}, unix.SYS_FCHMOD: {"fchmod", false},
	unix.SYS_FCHOWN: {"fchown", false}, unix.SYS_FSYNC: {"fsync", false}, unix.SYS_FDATASYNC: {"fdatasync", false},
	unix.SYS_FLOCK: {"flock", false}, unix.SYS_SYMLINKAT: {"symlinkat", true},
}

// never would be made by nobody here; they would escape the count.
var never = map[uint64]string{
	unix.SYS_OPEN: "open", unix.SYS_CREAT: "creat", unix.SYS_RENAME: "rename", unix.SYS_UNLINK: "unlink", unix.SYS_RMDIR: "rmdir",
	unix.SYS_MKDIR: "mkdir", unix.SYS_LINK: "link", unix.SYS_SYMLINK: "symlink", unix.SYS_TRUNCATE: "truncate", unix.SYS_CHMOD: "chmod",
	unix.SYS_CHOWN: "chown", unix.SYS_LCHOWN: "lchown", unix.SYS_SYNC: "sync", unix.SYS_SYNCFS: "syncfs", unix.SYS_MKNOD: "mknod",
	unix.SYS_COPY_FILE_RANGE: "copy_file_range", unix.SYS_IO_URING_ENTER: "io_uring_enter",
}

// A stroke is what happens to the program at one of its calls, which is then not made.
type stroke struct {
	at    int           // the number of the call, from 0
	errno syscall.Errno // what the call fails with; 0: the program is killed
}

// trace runs a program and returns the calls it entered in the directory where, by all
// threads, in their order. A stroke falls when its call is entered; nil for none.
func trace(t *testing.T, where string, b *stroke, cmd *exec.Cmd) (calls []call, state syscall.WaitStatus) {
	t.Helper()
	runtime.LockOSThread() // who traces is a thread
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("nothing may be traced here: %v", err)
		}
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { must(t, cmd.Process.Release()) }()
	if _, err := syscall.Wait4(pid, &state, 0, nil); err != nil || !state.Stopped() {
		t.Fatalf("tracing: %v, %v", err, state)
	}
	must(t, syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL))
	resume := func(thread int, sig syscall.Signal) {
		if err := syscall.PtraceSyscall(thread, int(sig)); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	resume(pid, 0)
	inside := map[int]bool{} // threads that are in a call
	failing := map[int]bool{}
	known := map[int]bool{pid: true}
	for {
		thread, err := syscall.Wait4(-1, &state, syscall.WALL|unix.WNOTHREAD, nil)
		must(t, err)
		switch sig := state.StopSignal(); {
		case !state.Stopped():
			if thread == pid {
				return calls, state
			}
		case sig == syscall.SIGTRAP|0x80 && inside[thread]:
			inside[thread] = false
			if failing[thread] {
				delete(failing, thread)
				alter(t, thread, func(r *syscall.PtraceRegs) { r.Rax = -uint64(b.errno) })
			}
			resume(thread, 0)
		case sig == syscall.SIGTRAP|0x80:
			inside[thread] = true
			if c, ok := entered(t, thread, where); ok {
				calls = append(calls, c)
				switch {
				case b == nil || b.at != len(calls)-1:
				case b.errno == 0:
					must(t, syscall.Kill(pid, syscall.SIGKILL))
				default:
					failing[thread] = true
					alter(t, thread, func(r *syscall.PtraceRegs) { r.Orig_rax = ^uint64(0) })
				}
			}
			resume(thread, 0)
		case sig == syscall.SIGTRAP || sig == syscall.SIGSTOP && !known[thread]: // a thread begins
			known[thread] = true
			resume(thread, 0)
		default:
			resume(thread, sig)
		}
	}
}

func alter(t *testing.T, thread int, f func(*syscall.PtraceRegs)) {
	t.Helper()
	var r syscall.PtraceRegs
	must(t, syscall.PtraceGetRegs(thread, &r))
	f(&r)
	must(t, syscall.PtraceSetRegs(thread, &r))
}

// entered is the call that a thread is entering, if it is watched and in where.
func entered(t *testing.T, thread int, where string) (c call, ok bool) {
	t.Helper()
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &r); err != nil {
		return c, false // it was killed
	}
	if name, bad := never[r.Orig_rax]; bad {
		t.Fatalf("%s is not counted: watch it", name)
	}
	w, known := watched[r.Orig_rax]
	if !known {
		return c, false
	}
	c.name = w.name
	if c.name == "symlinkat" { // what it says comes first
		r.Rdi, r.Rsi = r.Rsi, r.Rdx
	}
	if int32(r.Rdi) != unix.AT_FDCWD {
		c.path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, int32(r.Rdi)))
	}
	if w.at {
		if name := text(thread, r.Rsi); filepath.IsAbs(name) {
			c.path = name
		} else {
			c.path += "/" + name
		}
	}
	c.changes = !strings.Contains(c.name, "sync")
	switch c.name {
	case "openat":
		c.changes = r.Rdx&unix.O_CREAT != 0
	case "openat2":
		how := make([]byte, 8)
		_, _ = syscall.PtracePeekData(thread, uintptr(r.Rdx), how)
		c.changes = binary.LittleEndian.Uint64(how)&unix.O_CREAT != 0
	}
	return c, c.path == where || strings.HasPrefix(c.path, where+"/")
}

// text is a string of the program.
func text(thread int, at uint64) string {
	data := make([]byte, 256)
	n, _ := syscall.PtracePeekData(thread, uintptr(at), data)
	if end := slices.Index(data[:n], 0); end >= 0 {
		return string(data[:end])
	}
	return string(data[:n])
}
