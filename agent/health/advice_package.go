// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"strings"
)

// tool is what a person types to have a package manager do something. Each takes
// the package's name; install and upgrade take the version that is needed, too,
// for those that can be told.
type tool struct {
	install, upgrade func(name, version string) string
	query, remove    func(name string) string
}

// manages says whether we know how to type to a package manager.
func manages(manager string) bool {
	return slices.Contains([]string{"dpkg", "apk", "rpm", "pacman"}, manager)
}

// toolOf returns the tool of a package manager: rpm's differs by distribution.
func toolOf(manager string, host HostFacts) tool {
	switch manager {
	case "apk":
		add := func(name, version string) string {
			if version != "" {
				name += ">=" + version
			}
			return "apk add --update-cache --upgrade " + Typed(name)
		}
		return tool{install: add, upgrade: add, query: typed("apk update && apk policy %s"), remove: typed("apk del %s")}
	case "pacman":
		// Arch supports no partial upgrade: the whole system goes along.
		add := versionless("pacman -Syu %s")
		return tool{install: add, upgrade: add, query: typed("pacman -Sy && pacman -Si %s"), remove: typed("pacman -R %s")}
	case "dpkg":
		return tool{
			install: versionless("apt-get update && apt-get install %s"),
			upgrade: versionless("apt-get update && apt-get install --only-upgrade %s"),
			query:   typed("apt-get update && apt-cache policy %s"), remove: typed("apt-get remove %s"),
		}
	}
	if slices.ContainsFunc(append([]string{host.ID}, host.Like...), func(id string) bool { return strings.Contains(id, "suse") }) {
		return tool{
			install: versionless("zypper --refresh install %s"), upgrade: versionless("zypper refresh && zypper update %s"),
			query: typed("zypper refresh && zypper info %s"), remove: typed("zypper remove %s"),
		}
	}
	return tool{
		install: versionless("dnf --refresh install %s"), upgrade: versionless("dnf --refresh upgrade %s"),
		query: typed("dnf --refresh list --showduplicates %s"), remove: typed("dnf remove %s"),
	}
}

func typed(format string) func(name string) string {
	return func(name string) string { return fmt.Sprintf(format, operand(name)) }
}

func versionless(format string) func(name, version string) string {
	return func(name, _ string) string { return fmt.Sprintf(format, operand(name)) }
}

// operand is a package's name as one word that is no option, whatever the
// database calls it.
func operand(name string) string {
	if strings.HasPrefix(name, "-") {
		return "-- " + Typed(name)
	}
	return Typed(name)
}
