// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An agent.pid that says nothing must not become kill(0): that is every process
// of whoever asked, the script around the command included.
func TestAnUnknownAgentIsNotSignalled(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	for _, pid := range []int{0, -1, -os.Getpid()} {
		if err := wake(pid, t.TempDir()); err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("pid %d: error %v", pid, err)
		}
	}
	select {
	case <-got:
		t.Error("our own process group was signalled")
	case <-time.After(100 * time.Millisecond):
	}
}

// The text of agent.pid is the word of the directory's owner.
func TestOnlyAProcessOfTheDirectorysOwnerIsTheAgent(t *testing.T) {
	if err := sameOwner(os.Getpid(), t.TempDir()); err != nil {
		t.Errorf("our own process for our own directory: %v", err)
	}
	other := "/proc/1" // root's, or for root a directory of somebody else
	if os.Geteuid() == 0 {
		other = t.TempDir()
		if err := os.Chown(other, 4321, 4321); err != nil {
			t.Fatal(err)
		}
	}
	if err := sameOwner(os.Getpid(), other); err == nil {
		t.Errorf("our process passed for one of the owner of %s", other)
	}
	if os.Geteuid() != 0 {
		return // others than root can harm nobody but themselves
	}
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	if err := wake(os.Getpid(), other); err == nil || !strings.Contains(err.Error(), "owner") {
		t.Errorf("error %v, want one about the owner", err)
	}
	select {
	case <-got:
		t.Error("the process was signalled")
	case <-time.After(100 * time.Millisecond):
	}
}
