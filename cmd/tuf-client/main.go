// SPDX-License-Identifier: Apache-2.0

// Command tuf-client lets the public TUF conformance suite drive this project's
// refresh and store. It is an adapter and nothing else: see run.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}
