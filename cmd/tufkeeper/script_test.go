// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tufkeeper": main})
}

// TestScripts runs the commands as a person would. The scripts are also their
// documentation: one file a command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := e.WorkDir + "/home"
			e.Setenv("HOME", home)
			for k, dir := range map[string]string{
				"XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config", "XDG_RUNTIME_DIR": "run", "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data",
			} {
				e.Setenv(k, e.WorkDir+"/"+dir)
			}
			// As systemd would say it: root's own places are none of a test's.
			e.Setenv("STATE_DIRECTORY", e.WorkDir+"/state")
			e.Setenv("RUNTIME_DIRECTORY", e.WorkDir+"/run")
			e.Setenv("CONFIGURATION_DIRECTORY", e.WorkDir+"/config")
			e.Setenv("TUF_ROOT", "")
			e.Setenv("npm_config_cache", "")
			e.Setenv("NPM_CONFIG_CACHE", "")
			e.Setenv("NOTIFY_SOCKET", "")
			for _, dir := range []string{home, e.WorkDir + "/run", e.WorkDir + "/bin"} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
			}
			s := &scripted{}
			e.Values["mirror"] = s
			e.Defer(s.close)
			return nil
		},
		Condition: func(c string) (bool, error) {
			if c != "root" {
				return false, fmt.Errorf("unknown condition %q", c)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mirror":     mirrorCommand,
			"damage":     damageCommand,
			"envsubst":   envsubstCommand,
			"signal":     signalCommand,
			"read":       readCommand,
			"eventually": eventuallyCommand,
			"cache":      cacheCommand,
			"told":       toldCommand,
			"fifo":       fifoCommand,
			"hostile":    hostileCommand,
			"plain":      plainCommand,
		},
	})
}

// scripted is the sandbox mirror of one script.
type scripted struct {
	repo   *sandbox.Repo
	server *httptest.Server
}

func (s *scripted) close() {
	if s.server != nil {
		s.server.CloseClientConnections()
		s.server.Close()
	}
}

// mirrorCommand steers the script's mirror:
//
//	mirror start [KEYTYPE]   $MIRROR is its URL, root.json its initial root
//	mirror rotate [KEYTYPE]  a new root, with new online keys, or with another key type
//	mirror bump              a new timestamp
//	mirror publish PATH      a new target
//	mirror back N | forward  serve what was served N publications ago | the newest again
//	mirror fault PATH STATUS answer so for a path; 0 clears
//	mirror html PATH         answer a page instead
//	mirror down | up
//	mirror expire            sign a timestamp that has hours to live
//	mirror files DIR         write the repository into DIR
func mirrorCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("mirror").(*scripted)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: mirror VERB [ARG...]")
	}
	arg := func(i int) string {
		if len(args) > i {
			return args[i]
		}
		return ""
	}
	var err error
	switch args[0] {
	case "start":
		o := sandbox.Options{KeyType: arg(1), Sigstore: true, SHA512: true}
		if arg(2) != "" {
			if o.TimestampLife, err = time.ParseDuration(arg(2)); err != nil {
				break
			}
		}
		if s.repo, err = sandbox.New(o); err != nil {
			break
		}
		s.server = httptest.NewServer(s.repo.Handler())
		ts.Setenv("MIRROR", s.server.URL)
		err = os.WriteFile(ts.MkAbs("root.json"), s.repo.InitialRoot(), 0o600)
	case "rotate":
		err = s.repo.RotateRoot(sandbox.Rotation{KeyType: arg(1), Online: arg(1) == ""})
	case "bump":
		err = s.repo.BumpTimestamp()
	case "publish":
		err = s.repo.Publish(arg(1), []byte("content of "+arg(1)))
	case "back":
		var n int
		if n, err = strconv.Atoi(arg(1)); err == nil {
			err = s.repo.Rollback(n)
		}
	case "forward":
		s.repo.Restore()
	case "fault":
		var status int
		if status, err = strconv.Atoi(arg(2)); err == nil {
			s.repo.SetFault(arg(1), sandbox.Fault{Status: status})
		}
	case "html":
		s.repo.SetFault(arg(1), sandbox.Fault{Body: []byte("<!doctype html><title>Log in</title>")})
	case "down", "up":
		s.repo.Down(args[0] == "down")
	case "files":
		err = s.repo.WriteTo(ts.MkAbs(arg(1)))
	default:
		err = fmt.Errorf("unknown verb %q", args[0])
	}
	ts.Check(err)
}

// damageCommand damages a file of the script mirror's cache: damage BASE FILE
// cuts it to half its size, damage BASE FILE dir puts a directory in its place.
func damageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: damage BASE FILE [dir]")
	}
	s := ts.Value("mirror").(*scripted)
	path := filepath.Join(ts.MkAbs(args[0]), cache.DirName(s.server.URL), args[1])
	if len(args) == 3 {
		ts.Check(os.Remove(path))
		ts.Check(os.Mkdir(path, 0o700))
		return
	}
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()/2))
}

// envsubstCommand replaces $NAME in files by the script's variables.
func envsubstCommand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		data, err := os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(string(data), ts.Getenv)), 0o600))
	}
}

// signalCommand signals the agent whose report FILE is: signal FILE HUP|TERM|USR1.
func signalCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal FILE SIGNAL")
	}
	r, err := status.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	if r.Agent == nil {
		ts.Fatalf("%s is not the report of an agent", args[0])
	}
	sig := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1}[args[1]]
	ts.Check(syscall.Kill(r.Agent.PID, sig))
}

// readCommand reads the trusted root with a real sigstore-go client, whose cache
// is below DIR: read DIR.
func readCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("mirror").(*scripted)
	_, err := sandbox.Read(ts.MkAbs(args[0]), s.server.URL, s.repo.InitialRoot(), "trusted_root.json")
	if neg && err == nil {
		ts.Fatalf("the client was to fail, and did not")
	}
	if !neg {
		ts.Check(err)
	}
}

// eventuallyCommand waits until a file holds a text, or, negated, holds it no
// more: eventually FILE TEXT.
func eventuallyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: eventually FILE TEXT")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %q in %s (negated: %v): %s", args[1], args[0], neg, data)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
