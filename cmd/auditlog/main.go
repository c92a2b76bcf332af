// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command auditlog makes keys for audit logs, checks logs offline, and shows what
// is in them.
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
