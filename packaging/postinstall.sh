#!/bin/sh
# Makes the user of tufkeeper-probe.service, where systemd does that; without it, or
# where it is done by a trigger of the package manager already, there is nothing to
# do. That unit is opt-in: without its user it does not start, and says so, but the
# package is installed.
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers tufkeeper-probe.conf || echo "tufkeeper: no user tufkeeper-probe was made: tufkeeper-probe.service will not start" >&2
fi
exit 0
