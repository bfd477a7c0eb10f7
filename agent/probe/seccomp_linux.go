// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets into struct seccomp_data. The low half of an argument comes first on
// both architectures that the filter is for.
const (
	dataCall = 0
	dataArch = 4
	dataArg0 = 16
	dataArg2 = 32
)

// refusedCalls are what no TUF client needs: other processes' memory, other
// namespaces, keys of the user, and calls whose faults have broken kernels.
var refusedCalls = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
}

// canFilter says whether system calls can be filtered here.
const canFilter = auditArch != 0

// noProcesses forbids this thread, and what it becomes, to make another process:
// so nothing is left behind, and what one process may use is what all may use. Of
// sockets only those of the internet families are left: network namespaces hold
// those in, but not every other one, and a socket file of the host is no network.
func noProcesses() error {
	filter := callFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("filtering system calls: %w", errno)
	}
	return nil
}

func callFilter() []unix.SockFilter {
	const allow, kill = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_KILL_PROCESS
	f := []unix.SockFilter{
		load(dataArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: auditArch},
		end(kill),
		load(dataCall),
	}
	if foreignCalls != 0 {
		f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 1, K: foreignCalls}, refuse(unix.ENOSYS))
	}
	for _, call := range slices.Concat(forks, refusedCalls) {
		f = append(f, on(call, refuse(unix.EPERM))...)
	}
	// The flags of clone3 lie in memory, out of a filter's sight; without it
	// everyone falls back to clone. io_uring makes sockets without a call.
	f = append(f, on(unix.SYS_CLONE3, refuse(unix.ENOSYS))...)
	f = append(f, on(unix.SYS_IO_URING_SETUP, refuse(unix.ENOSYS))...)
	f = append(f, on(unix.SYS_CLONE,
		load(dataArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: unix.CLONE_THREAD},
		end(allow),
		refuse(unix.EPERM),
	)...)
	f = append(f, on(unix.SYS_SOCKET,
		load(dataArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: unix.AF_INET},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.AF_INET6},
		refuse(unix.EAFNOSUPPORT),
		load(dataArg2), // the protocol: Landlock holds in TCP alone, not MPTCP, which Go listens with
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: 0},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.IPPROTO_TCP},
		refuse(unix.EPROTONOSUPPORT),
		end(allow),
	)...)
	return append(f, end(allow))
}

// on runs body, which ends, when the call is this one; the number of the call
// stays loaded otherwise.
func on(call uint32, body ...unix.SockFilter) []unix.SockFilter {
	return append([]unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(body)), K: call}}, body...)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func end(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

func refuse(errno unix.Errno) unix.SockFilter { return end(unix.SECCOMP_RET_ERRNO | uint32(errno)) }
