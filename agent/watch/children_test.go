// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child is this test program, run again: as a storm, or inside namespaces.
const (
	stormEnv  = "TUFKEEPER_TEST_STORM"  // DIR RATE SECONDS
	insideEnv = "TUFKEEPER_TEST_INSIDE" // the test runs in namespaces of its own
)

func TestMain(m *testing.M) {
	if s := os.Getenv(stormEnv); s != "" {
		storm(strings.Fields(s))
		return
	}
	m.Run() // what it returns is what this program exits with
}

// storm writes to two files of a directory in turn, so that the kernel can take no
// two notifications for one, and prints how often it did.
func storm(args []string) {
	dir := args[0]
	rate, err := strconv.Atoi(args[1])
	seconds, err2 := strconv.Atoi(args[2])
	a, err3 := os.Create(dir + "/storm1")
	b, err4 := os.Create(dir + "/storm2")
	for _, err := range []error{err, err2, err3, err4} {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("begun")
	start, n := time.Now(), 0
	for time.Since(start) < time.Duration(seconds)*time.Second {
		for due := int(time.Since(start).Seconds() * float64(rate)); n < due; n++ {
			f := a
			if n%2 == 1 {
				f = b
			}
			if _, err := f.WriteAt([]byte{byte(n)}, 0); err != nil {
				fmt.Println(err)
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(n)
}

// startStorm makes rate notifications a second in dir. The result waits for its end
// and says how many there were.
func startStorm(t *testing.T, dir string, rate, seconds int) (events func() int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", stormEnv, dir, rate, seconds))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begun" {
		t.Fatalf("the storm did not begin: %q", lines.Text())
	}
	return func() int {
		t.Helper()
		lines.Scan()
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("the storm ended with %q", lines.Text())
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		return n
	}
}

// inside runs the calling test again in namespaces of its own, as their user of that
// number (0 may mount, every other may what its files allow), and says whether it is
// that run. What it does there touches nothing of this machine.
func inside(t *testing.T, uid int, flags uintptr) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return true
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v")
	c.Env = append(os.Environ(), insideEnv+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  flags | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}},
	}
	out := &buffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Skipf("this machine gives us no namespace: %v", err)
	}
	err := c.Wait()
	switch text := out.String(); {
	case err != nil:
		t.Fatalf("inside: %v\n%s", err, text)
	case strings.Contains(text, "--- SKIP"):
		t.Skip(text)
	case !strings.Contains(text, "--- PASS"):
		t.Fatalf("inside nothing ran:\n%s", text)
	default:
		t.Logf("inside:\n%s", text)
	}
	return false
}
