// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockFile = "agent.pid"

// A Lock keeps other agents off a state directory until it is released, or its
// process ends however it ends. The file stays behind and means nothing without
// the lock on it.
type Lock struct {
	f *os.File
}

// LockedError says which agent holds a state directory.
type LockedError struct {
	PID  int // 0 when its file does not tell
	Path string
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another agent is running on %q", filepath.Dir(e.Path))
	}
	return fmt.Sprintf("another agent (pid %d) is running on %q", e.PID, filepath.Dir(e.Path))
}

// LockDir takes a state directory for this process; it creates the directory
// with mode 0700 if need be. When another agent holds it, the error is a
// *LockedError; one that others own or may write to is refused with an
// *UnsafeDirError.
func LockDir(stateDir string) (*Lock, error) {
	if err := os.MkdirAll(stateDir, dirPerm); err != nil {
		return nil, fmt.Errorf("creating state directory: %w", err)
	}
	dir, err := os.OpenRoot(stateDir)
	if err != nil {
		return nil, fmt.Errorf("locking state directory: %w", err)
	}
	if err := errors.Join(checkOwner(dir, stateDir), dir.Close()); err != nil {
		return nil, fmt.Errorf("locking state directory: %w", err)
	}
	path := filepath.Join(stateDir, lockFile)
	// 0600: whoever can open it can lock it, and so keep the agent from starting.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking state directory: %w", err)
	}
	if err := takeLock(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(pid), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking state directory: %w", err), f.Close())
	}
	return &Lock{f: f}, nil
}

// takeLock tries for a moment: ReadLock holds the lock for an instant to probe it.
func takeLock(f *os.File, path string) error {
	for range 5 {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("locking %q: %w", path, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return &LockedError{PID: readPID(f), Path: path}
}

// PID returns the process that holds the lock: this one.
func (l *Lock) PID() int { return os.Getpid() }

// Release lets go of the state directory.
func (l *Lock) Release() error {
	// The file is emptied, not removed: another process may be about to lock it.
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

// ReadLock says whether an agent runs on a state directory, and its pid; pid is 0
// when that is not known.
func ReadLock(stateDir string) (pid int, running bool, err error) {
	path := filepath.Join(stateDir, lockFile)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("looking for a running agent: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return readPID(f), true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("looking for a running agent: locking %q: %w", path, err)
	}
	return 0, false, nil // closing the file gives the lock back
}

// readPID returns 0 for anything but a process id.
func readPID(f *os.File) int {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}
