// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// wake signals the agent that holds stateDir. Its pid is what a file there says, and
// so the word of whoever owns the directory: root signals no process of anybody else
// on that word.
func wake(pid int, stateDir string) error {
	const hint = "stop it and start it again, or wait for its next refresh"
	if pid < 1 { // to kill(2), 0 is every process beside us
		return &hinted{fmt.Errorf("an agent runs on %q, and its pid is not known", stateDir), hint}
	}
	p, err := os.FindProcess(pid) // from here on this process, whoever gets its number next
	if err != nil {
		return fmt.Errorf("waking the agent with pid %d: %w", pid, err)
	}
	defer func() { _ = p.Release() }() // a handle that stays open costs nothing here
	if os.Geteuid() == 0 {
		if err := sameOwner(pid, stateDir); err != nil {
			return &hinted{fmt.Errorf("waking the agent with pid %d: %w", pid, err), hint}
		}
	}
	if err := errors.Join(p.Signal(syscall.SIGUSR1), p.Release()); err != nil {
		return &hinted{
			fmt.Errorf("waking the agent with pid %d: %w", pid, err),
			"ask as the user it runs as, or as root",
		}
	}
	return nil
}

// sameOwner refuses a process that does not run as the owner of dir.
func sameOwner(pid int, dir string) error {
	process, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return fmt.Errorf("looking whose process it is: %w", err)
	}
	held, err := os.Stat(dir)
	if err != nil {
		return err
	}
	runs, ok := process.Sys().(*syscall.Stat_t)
	owns, ok2 := held.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || runs.Uid != owns.Uid {
		return fmt.Errorf("it does not run as the owner of %q", dir)
	}
	return nil
}
