// SPDX-License-Identifier: Apache-2.0

// Command tufkeeper keeps Sigstore's trust material fresh on a host, mends the
// caches of its clients, and says which client will break before it does.
//
// This package is the door: one file a command. It knows cobra, the service
// manager and the terminal; everything else is package agent and below.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
