#!/bin/sh
# Makes the user of tufkeeper-probe.service, where systemd does that; without it, or
# where it is done by a trigger of the package manager already, there is nothing to do.
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers tufkeeper-probe.conf || exit 1
fi
