// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// surroundings is the variable that says where the tests are run again.
const surroundings = "PROBE_TEST_SURROUNDINGS"

// onlyLoopback makes this process's network one with loopback alone, and user
// namespaces forbidden, as in the unit or on a host that forbids them.
func onlyLoopback() error {
	if err := loopback(); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o644)
}

// confinementTests are those that hold in all surroundings.
const confinementTests = "^(TestTheReplicaIsReached|TestNothingElseIsReached|TestFilesOutside|TestWhatIsShown|TestWhatFiles|TestWhatNoLimit|TestOtherProcesses|TestSockets|TestItIsNobody|TestNoOtherProcess|TestWhatDoesNotEnd|TestACancelled|TestAFlood|TestLimits|TestNothingIsLeft|TestAClientIsGone|TestANetworkThat)"

// again runs the confinement tests as another process.
func again(t *testing.T, where, tests string, attr *syscall.SysProcAttr) string {
	t.Helper()
	if os.Getenv(surroundings) != "" {
		t.Skip("in other surroundings already")
	}
	// Where everybody may execute it.
	dir, err := os.MkdirTemp("/tmp", "probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", tests)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/nonexistent"
	}
	cmd.Env = []string{surroundings + "=" + where, builtClients + "=" + cache, "HOME=/nonexistent", "PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("NOT TESTED: %v", err)
	}
	text := string(out)
	if err != nil || !strings.Contains(text, "PASS: TestTheReplicaIsReached") && !strings.Contains(text, "NOT TESTED") {
		t.Fatalf("%v\n%s", err, text)
	}
	return text
}

func TestOrdinaryUsersCanProbe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("that is what the other tests do")
	}
	out := again(t, "nobody", confinementTests, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}})
	if strings.Contains(out, "NOT TESTED") {
		t.Skipf("NOT TESTED:\n%s", out)
	}
}

func TestANetworkWithLoopbackOnlyWillDo(t *testing.T) {
	if !canFilter || landlockVersion() == 0 {
		t.Skip("NOT TESTED: without namespaces these tests need Landlock and a filter")
	}
	out := again(t, "loopback", confinementTests+"|^TestRealClients", &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_RESOURCE},
	})
	if !strings.Contains(out, "(loopback-only network)") { // of the one test that cannot hold there
		t.Errorf("it was not run there:\n%s", out)
	}
}

func TestOnAnOpenNetworkWithoutNamespacesItIsRefused(t *testing.T) {
	others, err := otherInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(others) == 0 {
		t.Skip("NOT TESTED: this network has loopback only")
	}
	r := &Runner{}
	err = r.chosen(unix.EPERM, others, 1)
	var refused *RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), others[0]) || r.isolation != "" {
		t.Errorf("%v (%q)", err, r.isolation)
	}
}

func TestWithoutNamespacesAndLandlockItIsRefused(t *testing.T) {
	r := &Runner{}
	var refused *RefusedError
	if err := r.chosen(unix.EPERM, nil, 0); !errors.As(err, &refused) || !strings.Contains(err.Error(), "Landlock") || r.isolation != "" {
		t.Errorf("%v (%q)", err, r.isolation)
	}
	if err := r.chosen(unix.EPERM, nil, 1); canFilter && (err != nil || r.isolation != isolationLoopback) {
		t.Errorf("%v (%q): want it run", err, r.isolation)
	}
}
