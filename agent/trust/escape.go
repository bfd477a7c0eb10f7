// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"net/url"
	"strings"
)

// Escape turns the name of a role or the path of a target into one file name:
// percent-encoded, and never hidden, empty, "." or "..". Different names give
// different file names. A delegated role may be called "../root": nothing that is
// written under its escaped name leaves its directory.
func Escape(name string) string {
	e := url.PathEscape(name)
	switch {
	case e == "":
		return "%"
	case strings.HasPrefix(e, "."):
		return "%2E" + e[1:]
	}
	return e
}
