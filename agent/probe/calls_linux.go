// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package probe

import (
	"slices"

	"golang.org/x/sys/unix"
)

// newCalls is where the numbers of calls begin that this filter knows nothing of:
// those after mseal, of Linux 6.10. The numbers of another ABI (x32) are above it.
// Everyone can do without a call that a kernel may not have.
const newCalls = unix.SYS_MSEAL + 1

// refusedCalls are what no TUF client needs.
var refusedCalls = slices.Concat(olderCalls, []uint32{
	// Other processes' memory, other namespaces, keys of the user, and calls whose
	// faults have broken kernels.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	// What files are like: Landlock holds what is in them alone, and in a room or
	// without one the client may be who owns them. Its own program can be opened,
	// so descriptors are no better.
	unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
	unix.SYS_TRUNCATE, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_FANOTIFY_MARK,
	// Memory that no limit counts, or that outlives the client.
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET,
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
	unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	// Other processes of its user.
	unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM,
	unix.SYS_SCHED_SETATTR, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_SETPGID,
	// Being connected to, and sockets of another kind than the one to the replica.
	unix.SYS_SOCKETPAIR, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
})

// pretendedCalls do nothing, and say that they did: go-tuf v2 sets the mode of each
// file that it writes, and gives up its cache where it cannot (measured).
var pretendedCalls = []uint32{unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2}

// ownCalls take the process that they act on as their first argument.
var ownCalls = []uint32{unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_PRLIMIT64}

// sendCalls are those that send, and where they take their flags.
var sendCalls = map[uint32]uint32{unix.SYS_SENDTO: dataArg3, unix.SYS_SENDMSG: dataArg2, unix.SYS_SENDMMSG: dataArg3}

// harmlessControls are what ioctl may ask: is it a terminal, how large is it, how
// much is there to read, and what fcntl could set as well.
var harmlessControls = []uint32{unix.TCGETS, unix.TIOCGWINSZ, unix.TIOCINQ, fionbio, fioclex, fionclex}

const (
	fionbio  = 0x5421
	fionclex = 0x5450
	fioclex  = 0x5451
)

// callFilter is the filter for a process of that number.
func callFilter(self uint32) []unix.SockFilter {
	const allow, kill = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_KILL_PROCESS
	f := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 1, 0),
		end(kill),
		load(dataCall),
		jump(unix.BPF_JGE, newCalls, 0, 1),
		refuse(unix.ENOSYS),
	}
	for _, call := range refusedCalls {
		f = append(f, on(call, refuse(unix.EPERM))...)
	}
	for _, call := range pretendedCalls {
		f = append(f, on(call, refuse(0))...)
	}
	// The flags of clone3 lie in memory, out of a filter's sight; without it
	// everyone falls back to clone. io_uring makes sockets without a call.
	f = append(f, on(unix.SYS_CLONE3, refuse(unix.ENOSYS))...)
	f = append(f, on(unix.SYS_IO_URING_SETUP, refuse(unix.ENOSYS))...)
	f = append(f, on(unix.SYS_CLONE,
		load(dataArg0),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 1),
		end(allow),
		refuse(unix.EPERM),
	)...)
	f = append(f, on(unix.SYS_SOCKET,
		load(dataArg0),
		jump(unix.BPF_JEQ, unix.AF_INET, 2, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 1, 0),
		refuse(unix.EAFNOSUPPORT),
		load(dataArg1),
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf}, // without its flags
		jump(unix.BPF_JEQ, unix.SOCK_STREAM, 1, 0),
		refuse(unix.EPROTONOSUPPORT),
		load(dataArg2), // the protocol: Landlock holds in TCP alone, not MPTCP, which Go listens with
		jump(unix.BPF_JEQ, 0, 2, 0),
		jump(unix.BPF_JEQ, unix.IPPROTO_TCP, 1, 0),
		refuse(unix.EPROTONOSUPPORT),
		end(allow),
	)...)
	for _, call := range ownCalls {
		body := []unix.SockFilter{load(dataArg0), jump(unix.BPF_JEQ, self, 1, 0)}
		if call == unix.SYS_PRLIMIT64 { // of others 0 is a group of processes
			body = []unix.SockFilter{load(dataArg0), jump(unix.BPF_JEQ, self, 2, 0), jump(unix.BPF_JEQ, 0, 1, 0)}
		}
		f = append(f, on(call, append(body, refuse(unix.EPERM), end(allow))...)...)
	}
	// Flags that connect: Landlock sees only calls that do nothing else.
	for call, flags := range sendCalls {
		f = append(f, on(call, load(flags), jump(unix.BPF_JSET, unix.MSG_FASTOPEN, 0, 1), refuse(unix.EOPNOTSUPP), end(allow))...)
	}
	// Shared memory is counted by no limit of a process, nor is what claims to be a stack.
	f = append(f, on(unix.SYS_MMAP,
		load(dataArg3),
		jump(unix.BPF_JSET, unix.MAP_GROWSDOWN, 2, 0),
		jump(unix.BPF_JSET, unix.MAP_ANONYMOUS, 0, 2),
		jump(unix.BPF_JSET, unix.MAP_SHARED, 0, 1),
		refuse(unix.EPERM),
		end(allow),
	)...)
	// Who is killed with its parent stays so.
	f = append(f, on(unix.SYS_PRCTL, load(dataArg0), jump(unix.BPF_JEQ, unix.PR_SET_PDEATHSIG, 0, 1), refuse(unix.EPERM), end(allow))...)
	controls := []unix.SockFilter{load(dataArg1)}
	for i, c := range harmlessControls {
		controls = append(controls, jump(unix.BPF_JEQ, c, uint8(len(harmlessControls)-i), 0))
	}
	f = append(f, on(unix.SYS_IOCTL, append(controls, refuse(unix.ENOTTY), end(allow))...)...)
	return append(f, end(allow))
}
