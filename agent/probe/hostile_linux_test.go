// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain makes the test binary the three programs there are: the tests, the
// process inside, and a client with evil intentions.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "probe" && os.Args[2] == "--inside" {
		os.Exit(Inside(os.Args[3:])) //nolint:forbidigo // in place of main
	}
	if os.Args[0] == "hostile" {
		os.Exit(hostile(os.Args[1:])) //nolint:forbidigo // in place of main
	}
	if os.Getenv(surroundings) == "loopback" {
		if err := onlyLoopback(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2) //nolint:forbidigo // in place of main
		}
	}
	os.Exit(m.Run()) //nolint:forbidigo // in place of main
}

// hostile tries what a client must not do, and prints what came of it. Every
// attempt that succeeds is a line "REACHED ...".
func hostile(args []string) int {
	try := func(what string, err error) {
		if err == nil {
			fmt.Println("REACHED", what)
			return
		}
		fmt.Printf("refused %s: %v\n", what, err)
	}
	switch args[0] {
	case "get": // what an honest client does
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1]+"/timestamp.json", nil)
		if err != nil {
			return 2
		}
		resp, err := new(http.Client).Do(req)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Printf("%d %s %v\n", resp.StatusCode, body, err)
	case "outside": // args[1:] are addresses of listeners on the host
		for _, address := range args[1:] {
			network, address, _ := strings.Cut(address, ",")
			c, err := net.DialTimeout(network, address, time.Second)
			if err == nil {
				c.Close()
			}
			try("the address "+address, err)
		}
		_, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		try("a unix socket", err)
		_, err = unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
		try("a vsock socket", err)
		_, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		try("a netlink socket", err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		try("a listener", err)
	case "files": // args[1:] are files that it must not read, and directories that it must not write into
		for _, path := range args[1:] {
			_, err := os.ReadFile(path)
			try("reading "+path, err)
			_, err = os.ReadDir(path)
			try("listing "+path, err)
			try("writing into "+path, os.WriteFile(filepath.Join(path, "written"), []byte("x"), 0o600))
		}
		try("writing home/ok", os.WriteFile(filepath.Join(os.Getenv("HOME"), "ok"), []byte("x"), 0o600))
	case "mounts": // args[1:] are what is shown of the host in the room
		for _, path := range args[1:] {
			var st unix.Statfs_t
			err := unix.Statfs(path, &st)
			if err == nil && st.Flags&unix.ST_RDONLY != 0 && st.Flags&unix.ST_NOSUID != 0 {
				err = unix.EROFS
			}
			try("a mount that is open at "+path, err)
		}
	case "metadata", "uncounted", "others", "sockets":
		hostileCalls(args, try)
	case "state":
		s := map[string]any{"uid": unix.Getuid(), "euid": unix.Geteuid(), "gid": unix.Getgid(), "pid": os.Getpid(), "env": os.Environ()}
		groups, _ := unix.Getgroups()
		s["groups"] = groups
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			fmt.Println(err)
		}
		s["caps"] = caps[0].Permitted | caps[1].Permitted | caps[0].Effective | caps[0].Inheritable | caps[1].Inheritable
		nnp, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		s["no_new_privs"] = nnp
		var open []int
		for fd := 0; fd < 1024; fd++ {
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil {
				flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
				if name := (st.Mode & unix.S_IFMT); name != 0 || flags == 0 { // epoll and eventfd of our own runtime have no type
					open = append(open, fd)
				}
			}
		}
		s["descriptors"] = open
		sid, _ := unix.Getsid(0)
		s["session"] = sid == os.Getpid()
		_, err := unix.Open("/dev/tty", unix.O_RDWR, 0)
		s["terminal"] = err == nil
		n, err := os.Stdin.Read(make([]byte, 1))
		s["stdin"] = fmt.Sprint(n, err)
		text, _ := json.Marshal(s)
		fmt.Println(string(text))
	case "processes":
		for range 50 {
			c := exec.Command("/bin/sh", "-c", "sleep 300")
			try("a process", c.Start())
			self := exec.Command("/proc/self/exe", "x")
			try("another process", self.Start())
		}
		pid, _, errno := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
		if errno == 0 && pid == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
		}
		if errno == 0 {
			try("a fork", nil)
		}
		try("signalling its parent", unix.Kill(os.Getppid(), 0))
		try("new namespaces", unix.Unshare(unix.CLONE_NEWUSER))
		try("tracing", unix.PtraceAttach(os.Getppid()))
	case "hang":
		signal.Ignore()
		fmt.Println("hanging", os.Getpid())
		select {}
	case "spin":
		for n := uint64(1); n != 0; n += 2 { // it never is
		}
	case "flood":
		line := strings.Repeat("x", 1023) + "\n"
		fmt.Println("begin")
		for range 100 << 10 {
			os.Stdout.WriteString(line)
		}
		fmt.Println("Error: end")
		return 1
	case "memory":
		var all [][]byte
		for range 4096 {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			all = append(all, b)
		}
		fmt.Println("REACHED", len(all), "MiB")
	case "disk":
		for i := range 100 {
			if err := os.WriteFile(fmt.Sprintf("%s/%d", os.Getenv("HOME"), i), make([]byte, 8<<20), 0o600); err != nil {
				fmt.Println("refused after", i, err)
				return 0
			}
		}
		fmt.Println("REACHED 800 MiB")
	case "hide": // in a directory that cannot be removed as it is
		dir := filepath.Join(os.Getenv("HOME"), "hidden")
		try("hiding", errors.Join(os.Mkdir(dir, 0o300), os.Mkdir(filepath.Join(dir, "x"), 0)))
	case "threads":
		for range 2000 {
			go func() { _ = unix.Pause() }()
		}
		time.Sleep(3 * time.Second)
		fmt.Println("REACHED 2000 threads")
	}
	return 0
}
