// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"reflect"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/config"
)

// ada is an ordinary user with a desktop session.
var ada = config.Env{
	Home:       "/home/ada",
	ConfigHome: "/home/ada/.config",
	StateHome:  "/home/ada/.local/state",
	RuntimeDir: "/run/user/1000",
}

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	got := parse(t, "", ada)
	want := config.Default(ada)
	want.Path = "/etc/tufkeeper/config.hcl"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPrintedDefaultsParseBack(t *testing.T) {
	want := config.Default(ada)
	want.Path = "/etc/tufkeeper/config.hcl"
	if got := parse(t, string(want.HCL()), config.Env{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func parse(t *testing.T, src string, env config.Env) config.Config {
	t.Helper()
	c, err := config.Parse([]byte(src), "/etc/tufkeeper/config.hcl", env)
	if err != nil {
		t.Fatalf("parsing: %v\n%s", err, src)
	}
	return c
}
