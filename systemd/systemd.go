// SPDX-License-Identifier: Apache-2.0

// Package systemd holds the units, so that `tufkeeper service install` and the
// packages install the same text. It promises units that systemd accepts for
// any command that can be written into one. Installing and starting them is
// left to cmd/tufkeeper.
package systemd

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"
)

var (
	//go:embed tufkeeper.service
	system string
	//go:embed user/tufkeeper.service
	user string
	//go:embed tufkeeper-probe.service
	probe string
	//go:embed tufkeeper-probe.timer
	probeTimer string
	//go:embed tufkeeper-probe.sysusers
	probeUser string
)

// packaged is the command that the unit files name.
const packaged = "ExecStart=/usr/bin/tufkeeper run\n"

// System returns the unit of the system service that runs command: an absolute
// path and its arguments. Without a command it is the text of the packages.
func System(command ...string) (string, error) { return unit(system, command) }

// User returns the unit of a user's own service, as System does.
func User(command ...string) (string, error) { return unit(user, command) }

// Probe returns what the packages hold for probing clients: a service, the timer
// that starts it, and its user as sysusers.d has it. `service install` leaves them
// to the packages.
func Probe() (service, timer, sysusers string) { return probe, probeTimer, probeUser }

func unit(text string, command []string) (string, error) {
	if len(command) == 0 {
		return text, nil
	}
	if !strings.HasPrefix(command[0], "/") {
		return "", fmt.Errorf("writing a unit: %q is not an absolute path", command[0])
	}
	words := make([]string, 0, len(command))
	for i, word := range command {
		if !utf8.ValidString(word) || strings.ContainsRune(word, 0) {
			return "", fmt.Errorf("writing a unit: a unit cannot hold %q", word)
		}
		if i == 0 && strings.ContainsFunc(word, refused) {
			return "", fmt.Errorf("writing a unit: systemd starts no program with this name: %q", word)
		}
		words = append(words, quote(word, i == 0))
	}
	return strings.Replace(text, packaged, "ExecStart="+strings.Join(words, " ")+"\n", 1), nil
}

// refused says that systemd refuses a path with this character.
func refused(c rune) bool { return c < ' ' || c == 0x7f || strings.ContainsRune(`"'\`, c) }

// quote writes one word of ExecStart (systemd.service(5), "Command lines"). A
// specifier's % is doubled everywhere, a variable's $ only in arguments: no
// variable is looked for in the path. Every other byte with a meaning, to
// systemd or to the template engine of a service manager's library, becomes an
// escape, so a hostile path can end neither its quotes nor its line.
func quote(word string, path bool) string {
	var b strings.Builder
	plain := true
	for i := range len(word) {
		switch c := word[i]; {
		case c == '%':
			b.WriteString("%%")
		case c == '$' && !path:
			b.WriteString("$$")
		case c == ' ', c == '{', c == '}', c == ';', refused(rune(c)):
			fmt.Fprintf(&b, `\x%02x`, c)
			plain = false
		default:
			b.WriteByte(c)
		}
	}
	if plain && word != "" {
		return b.String()
	}
	return `"` + b.String() + `"`
}
