// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hostileCalls are attempts of the hostile client that are one system call each.
func hostileCalls(args []string, try func(what string, err error)) {
	call := func(what string, number uintptr, a ...uintptr) {
		a = append(a, make([]uintptr, 6-len(a))...)
		_, _, errno := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno == unix.ENOSYS {
			errno = unix.EPERM // no call, no attempt
		}
		if errno != 0 {
			try(what, errno)
			return
		}
		try(what, nil)
	}
	switch args[0] {
	case "metadata": // args[1:] are files that belong to its user
		for _, path := range args[1:] {
			name, _ := unix.BytePtrFromString(path)
			p, x := uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(unsafe.StringData("user.x\x00")))
			at := ^uintptr(99) // AT_FDCWD
			// A call that says it changed the mode counts when it did.
			mode := func(what string, number uintptr, a ...uintptr) {
				a = append(a, make([]uintptr, 6-len(a))...)
				_, _, errno := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
				if info, err := os.Stat(path); errno != 0 || err != nil || info.Mode().Perm() != 0o777 {
					try(what+" of "+path, unix.EPERM)
					return
				}
				try(what+" of "+path, nil)
			}
			mode("fchmodat", unix.SYS_FCHMODAT, at, p, 0o777)
			mode("fchmodat2", unix.SYS_FCHMODAT2, at, p, 0o777, 0)
			try("chown of "+path, unix.Chown(path, unix.Getuid(), unix.Getgid()))
			try("lchown of "+path, unix.Lchown(path, unix.Getuid(), unix.Getgid()))
			try("utimes of "+path, unix.Utimes(path, []unix.Timeval{{Sec: 1}, {Sec: 1}}))
			try("utimensat of "+path, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0))
			try("setxattr of "+path, unix.Setxattr(path, "user.x", []byte("x"), 0))
			try("lsetxattr of "+path, unix.Lsetxattr(path, "user.x", []byte("x"), 0))
			call("setxattrat of "+path, 463, at, p, 0, x, 0, 0)
			call("file_setattr of "+path, 469, at, p, 0, 0, 0)
			try("truncate of "+path, unix.Truncate(path, 1))
			if f, err := os.Open(path); err == nil { // its own program
				fd := int(f.Fd())
				mode("fchmod", unix.SYS_FCHMOD, uintptr(fd), 0o777)
				try("fchown of "+path, unix.Fchown(fd, unix.Getuid(), unix.Getgid()))
				try("futimens of "+path, unix.Futimes(fd, []unix.Timeval{{Sec: 1}, {Sec: 1}}))
				try("fsetxattr of "+path, unix.Fsetxattr(fd, "user.x", []byte("x"), 0))
				flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
				try("flags of "+path+" "+strconv.Itoa(flags), err)
			}
		}
	case "uncounted": // memory that is not its own, and what outlives it
		_, err := unix.MemfdCreate("x", 0)
		try("a memfd", err)
		call("a secret memfd", unix.SYS_MEMFD_SECRET)
		call("a segment of memory", unix.SYS_SHMGET, unix.IPC_PRIVATE, 4096, 0o1600)
		call("a queue", unix.SYS_MSGGET, unix.IPC_PRIVATE, 0o1600)
		call("semaphores", unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, 0o1600)
		for what, flags := range map[string]int{"shared memory": unix.MAP_SHARED, "a second stack": unix.MAP_PRIVATE | unix.MAP_GROWSDOWN} {
			_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|flags)
			try(what, err)
		}
		_, err = unix.Open("/dev/zero", unix.O_RDONLY, 0)
		try("/dev/zero", err)
		try("address space", reserve(16<<30))
		var stack unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_STACK, &stack); err != nil || stack.Max > 64<<20 {
			try("a large stack", err)
		}
		try("outliving its parent", unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0))
	case "others": // args[1:] are processes of its user
		for _, arg := range append(args[1:], strconv.Itoa(os.Getppid())) {
			pid, _ := strconv.Atoi(arg)
			limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
			try("limits of "+arg, unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &limit))
			try("signals to "+arg, unix.Kill(pid, 0))
			call("signals to thread "+arg, unix.SYS_TKILL, uintptr(pid), 0)
			try("signals to a thread of "+arg, unix.Tgkill(pid, pid, 0))
			try("priority of "+arg, unix.Setpriority(unix.PRIO_PROCESS, pid, 10))
			call("scheduling of "+arg, unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), 0, uintptr(unsafe.Pointer(&[1]int32{})))
			try("processors of "+arg, unix.SchedSetaffinity(pid, &unix.CPUSet{1}))
			_, err := unix.PidfdOpen(pid, 0)
			try("a descriptor of "+arg, err)
		}
		try("signals to all", unix.Kill(-1, 0))
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
			try("nothing: its own limits are hidden", nil)
		}
	case "sockets": // args[1] is a port on loopback
		port, _ := strconv.Atoi(args[1])
		to := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			try("nothing: it has no socket", nil)
		}
		try("a port with a flag that connects", unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to))
		_, err = unix.SendmsgN(fd, []byte("x"), nil, to, unix.MSG_FASTOPEN)
		try("a port with a message that connects", err)
		try("a listener without an address", unix.Listen(fd, 1))
		for what, kind := range map[string]int{"datagrams": unix.SOCK_DGRAM, "packets": unix.SOCK_SEQPACKET, "congestion": unix.SOCK_DCCP, "raw": unix.SOCK_RAW} {
			_, err = unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
			try("a socket of "+what, err)
		}
		for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
			_, err = unix.Socketpair(unix.AF_UNIX, kind, 0)
			try("a pair of sockets", err)
		}
	}
}

// reserve takes address space, in pieces that need no memory.
func reserve(total int) error {
	for range total >> 28 {
		if _, err := unix.Mmap(-1, 0, 1<<28, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE); err != nil {
			return err
		}
	}
	return nil
}

func needsFilter(t *testing.T) {
	t.Helper()
	if !canFilter {
		t.Skip("NOT TESTED: system calls are not filtered on", runtime.GOARCH)
	}
}

func TestWhatFilesAreLikeIsNotChanged(t *testing.T) {
	needsFilter(t)
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if l.r.isolation == isolationNamespaces {
		program = roomSelf // as it is called there
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // the clock of the file system goes on
	wantRefused(t, l.hostile("metadata", path, program))
	after, err := os.Stat(path)
	if err != nil || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%v of %v, was %v of %v: %v", after.Mode(), after.ModTime(), before.Mode(), before.ModTime(), err)
	}
}

func TestWhatNoLimitCountsIsRefused(t *testing.T) {
	needsFilter(t)
	if testSpace != 0 {
		t.Skip("without the race detector only: it takes all address space")
	}
	wantRefused(t, newLab(t).hostile("uncounted"))
}

func TestOtherProcessesAreLeftAlone(t *testing.T) {
	needsFilter(t)
	wantRefused(t, newLab(t).hostile("others", strconv.Itoa(os.Getpid())))
}

func TestSocketsOnlyConnect(t *testing.T) {
	needsFilter(t)
	o := newLab(t).hostile("sockets", "9")
	wantRefused(t, o)
}
