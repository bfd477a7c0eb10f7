// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tufkeeper/tufkeeper/systemd"
)

// forms are the two units, with the flag of systemd-analyze that reads them.
var forms = []struct {
	name string
	unit func(...string) (string, error)
	flag string
}{
	{"system", systemd.System, "--system"},
	{"user", systemd.User, "--user"},
}

func TestUnitsKeepTheirPromises(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			text, err := form.unit()
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{
				"Type=notify",
				"ExecStart=/usr/bin/tufkeeper run",
				"ExecReload=/bin/kill -HUP $MAINPID",
				"RestartPreventExitStatus=2",
				"NoNewPrivileges=yes",
				"MemoryDenyWriteExecute=yes",
			} {
				if n := strings.Count(text, "\n"+line+"\n"); n != 1 {
					t.Errorf("line %q found %d times, want once", line, n)
				}
			}
		})
	}
}

func TestSystemServiceHasNoPower(t *testing.T) {
	text, err := systemd.System()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"DynamicUser=yes", "CapabilityBoundingSet=", "ProtectHome=yes", "ProtectSystem=strict"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("line %q is missing", line)
		}
	}
	for _, word := range []string{"AmbientCapabilities", "User=root"} {
		if strings.Contains(text, word) {
			t.Errorf("the unit says %s", word)
		}
	}
}

func TestProbesAreShutIn(t *testing.T) {
	service, timer, sysusers := systemd.Probe()
	for _, line := range []string{
		"ExecStart=/usr/bin/tufkeeper probe --save",
		"User=tufkeeper-probe",
		"PrivateNetwork=yes",
		"CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
		"TemporaryFileSystem=/etc:ro /var:ro",
		"NoNewPrivileges=yes",
		"ProtectHome=yes",
		"ProtectSystem=strict",
		"RestrictNamespaces=yes",
		"MemoryMax=2G",
	} {
		if strings.Count(service, "\n"+line+"\n") != 1 {
			t.Errorf("the service does not say %q once", line)
		}
	}
	if strings.Contains(service, "[Install]") {
		t.Error("the service can be enabled: only its timer is to start it")
	}
	if !strings.Contains(timer, "\nWantedBy=timers.target\n") {
		t.Error("the timer cannot be enabled")
	}
	if !strings.Contains(sysusers, "\nu tufkeeper-probe - ") {
		t.Errorf("no user is made by %q", sysusers)
	}
	verify(t, "--system", strings.Replace(service, "/usr/bin/tufkeeper", "/bin/true", 1))
}

func TestCommandsOfAnyShape(t *testing.T) {
	for _, name := range []string{
		"tufkeeper",
		"with space",
		"fifty%percent and %h",
		"dollar$HOME ${HOME}",
		"{{.Path}}",
		"semicolon ;",
		"ünïcode",
	} {
		t.Run(name, func(t *testing.T) {
			exe := filepath.Join(t.TempDir(), "bin", name)
			if err := os.MkdirAll(filepath.Dir(exe), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, form := range forms {
				text, err := form.unit(exe, "run", "--config", "/etc/"+name+"/\n\"'\\", "")
				if err != nil {
					t.Fatal(err)
				}
				verify(t, form.flag, text)
				if strings.Contains(text, "{{") {
					t.Errorf("a template engine would act on %s", text)
				}
				if got := strings.Count(text, "\nExecStart="); got != 1 {
					t.Errorf("%d ExecStart lines, want 1", got)
				}
			}
		})
	}
}

func TestCommandsThatNoUnitCanHold(t *testing.T) {
	for _, command := range [][]string{
		{"tufkeeper"},
		{"./tufkeeper", "run"},
		{"/bin/tuf\x00keeper"},
		{"/bin/tuf\nkeeper"},
		{`/bin/tuf"keeper`},
		{`/bin/tuf\keeper`},
		{"/bin/tufkeeper", "run", "--config", "\xff"},
	} {
		if text, err := systemd.System(command...); err == nil {
			t.Errorf("System(%q) = %q, want an error", command, text)
		}
	}
}

// verify lets systemd itself read the unit, where this host has it.
func verify(t *testing.T, flag, text string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // the checks of the text stand without it
	}
	file := filepath.Join(t.TempDir(), "tufkeeper.service")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), analyze, flag, "verify", "--man=no", file)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), file) {
		t.Errorf("systemd-analyze %s verify: %v\n%s\n%s", flag, err, out, text)
	}
}
