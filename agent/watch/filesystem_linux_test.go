// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/watch"
)

func mount(t *testing.T, source, dir, kind, data string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(source, dir, kind, syscall.MS_NOSUID|syscall.MS_NODEV, data); err != nil {
		t.Skipf("mounting %s: %v", kind, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // its namespace goes with this process anyway
}

func TestAnOrdinaryFileSystemIsNotCompared(t *testing.T) {
	if !inside(t, 0, syscall.CLONE_NEWNS) {
		return
	}
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", "")
	tree(t, dir)
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.notCompared()
	write(t, dir+"/m/x")
	l.want(dir)
}

func TestAnOverlayIsCompared(t *testing.T) {
	if !inside(t, 0, syscall.CLONE_NEWNS) {
		return
	}
	top := t.TempDir()
	mount(t, "tmpfs", top, "tmpfs", "")
	tree(t, top+"/lower/home/root")
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(top+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, "overlay", top+"/merged", "overlay", fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,userxattr", top, top, top))
	dir := top + "/merged/home/root"
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.compared(dir, "overlay")
	if got := l.Degraded(); got != "" {
		t.Errorf("degraded: got %q; there is no limit to raise", got)
	}
	l.still()
	write(t, dir+"/m/targets/x") // through the overlay
	l.want(dir)
	l.still()
	time.Sleep(3 * time.Second) // it is compared as it is now
	l.still()
	write(t, top+"/upper/home/root/m/targets/x2") // below it: nothing is notified
	l.want(dir)
	l.still()
	if n := strings.Count(l.log.String(), "watch compared"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, l.log)
	}
}

// A file system that is mounted over the directory later is noticed by the scan.
func TestAFileSystemMountedLater(t *testing.T) {
	if !inside(t, 0, syscall.CLONE_NEWNS) {
		return
	}
	top := t.TempDir()
	mount(t, "tmpfs", top, "tmpfs", "")
	dir := tree(t, top+"/home/root")
	l := look(t, watch.Options{Scan: 300 * time.Millisecond}, nil, dir)
	l.want(dir)
	l.notCompared()
	served := serveFUSE(t, top+"/home")
	l.compared(dir, "fuse")
	l.want(dir)
	served.Store(12)
	for c := l.want(dir); c.Scan; c = l.want(dir) {
	}
	if err := syscall.Unmount(top+"/home", syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patient); len(l.Compared()) > 0 && time.Now().Before(end); {
		l.want(dir)
	}
	l.notCompared()
}

func TestANetworkFileSystemIsCompared(t *testing.T) {
	if !inside(t, 0, syscall.CLONE_NEWNS) {
		return
	}
	top := t.TempDir()
	mount(t, "tmpfs", top, "tmpfs", "")
	size := serveFUSE(t, top+"/home")
	dir, missing := top+"/home/root", top+"/home/none/root"
	l := look(t, watch.Options{}, nil, dir)
	l.want(dir)
	l.compared(dir, "fuse")
	l.still()
	for i := range int64(3) {
		size.Store(100 + i) // the server's side: nothing is notified
		start := time.Now()
		l.want(dir)
		t.Logf("noticed after %s", time.Since(start))
		l.still()
	}
	// And one that is not there yet.
	l.Watch([]string{missing})
	l.compared(missing, "fuse")
	l.still()
	size.Store(-1) // none/root comes
	l.want(missing)
}

// serveFUSE mounts a file system of a directory root/m with one file, whose size its
// server changes: what a network file system is to the hosts that did not write. A
// size below 0 brings the directory none/root. It is as small as the kernel takes it.
func serveFUSE(t *testing.T, dir string) (size *atomic.Int64) {
	t.Helper()
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("opening /dev/fuse: %v", err)
	}
	size = &atomic.Int64{}
	mount(t, "tufkeeper-test", dir, "fuse", fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	go func() {
		defer syscall.Close(fd) // nothing is left to say then
		request := make([]byte, 1<<17)
		for {
			n, err := syscall.Read(fd, request)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || n < 40 {
				return // unmounted
			}
			answer, errno := answerFUSE(request[:n], size.Load())
			if errno < 0 {
				continue // none is wanted
			}
			out := binary.LittleEndian.AppendUint32(nil, uint32(16+len(answer)))
			out = binary.LittleEndian.AppendUint32(out, uint32(-int32(errno)))
			out = append(out, request[8:16]...)
			if _, err := syscall.Write(fd, append(out, answer...)); err != nil && !errors.Is(err, syscall.ENOENT) {
				return
			}
		}
	}()
	return size
}

// The directories and the file of that file system, by inode.
var inodes = map[uint64]struct {
	names map[string]uint64
}{
	1: {map[string]uint64{"root": 2, "none": 5}},
	2: {map[string]uint64{"m": 3}},
	3: {map[string]uint64{"timestamp.json": 4}},
	5: {map[string]uint64{"root": 6}},
	6: {map[string]uint64{}},
}

// answerFUSE answers one request: bytes, an errno, or -1 for no answer at all.
func answerFUSE(request []byte, size int64) ([]byte, int) {
	le := binary.LittleEndian
	node, body := le.Uint64(request[16:]), request[40:]
	attr := func(ino uint64) []byte {
		mode, length := uint32(syscall.S_IFDIR|0o755), int64(0)
		if ino == 4 {
			mode, length = syscall.S_IFREG|0o644, max(size, 0)
		}
		b := le.AppendUint64(nil, ino)
		b = le.AppendUint64(b, uint64(length))
		b = append(b, make([]byte, 8+3*8+3*4)...) // blocks, times
		b = le.AppendUint32(b, mode)
		b = le.AppendUint32(b, 1)
		return append(b, make([]byte, 5*4)...)
	}
	switch le.Uint32(request[4:]) {
	case 26: // INIT
		b := le.AppendUint32(nil, 7)
		b = le.AppendUint32(b, 31)
		b = append(b, make([]byte, 12)...)
		b = le.AppendUint32(b, 1<<16)
		return append(b, make([]byte, 64-len(b))...), 0
	case 1: // LOOKUP
		ino, ok := inodes[node].names[string(bytes.TrimRight(body, "\x00"))]
		if !ok || ino == 5 && size >= 0 {
			return nil, int(syscall.ENOENT)
		}
		b := le.AppendUint64(nil, ino)
		b = append(b, make([]byte, 32)...)
		return append(b, attr(ino)...), 0
	case 3: // GETATTR
		return append(make([]byte, 16), attr(node)...), 0
	case 17: // STATFS
		return make([]byte, 80), 0
	case 27: // OPENDIR
		return make([]byte, 16), 0
	case 28: // READDIR
		if le.Uint64(body[8:]) > 0 {
			return nil, 0
		}
		var b []byte
		for name, ino := range inodes[node].names {
			if ino == 5 && size >= 0 {
				continue
			}
			b = le.AppendUint64(b, ino)
			b = le.AppendUint64(b, ino)
			b = le.AppendUint32(b, uint32(len(name)))
			kind := uint32(syscall.DT_DIR)
			if ino == 4 {
				kind = syscall.DT_REG
			}
			b = le.AppendUint32(b, kind)
			b = append(b, name...)
			b = append(b, make([]byte, (8-len(name)%8)%8)...)
		}
		return b, 0
	case 29, 34: // RELEASEDIR, ACCESS
		return nil, 0
	case 2, 36, 42: // FORGET, INTERRUPT, BATCH_FORGET
		return nil, -1
	}
	return nil, int(syscall.ENOSYS)
}
