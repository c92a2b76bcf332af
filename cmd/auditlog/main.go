// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command auditlog makes keys for audit logs, checks logs offline, and shows what
// is in them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() { os.Exit(command()) }

// command runs the command with the process's arguments and returns its exit code.
func command() int {
	// Checking a log makes little garbage, so that collecting it early costs
	// nothing, and memory stays under 100 MB whatever the log's size.
	debug.SetGCPercent(50)
	keepMemory()
	// A reader that has gone away is an error like others, with a reason and an exit code.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(ctx, os.Args[1:], standardOutput(), os.Stderr)
	// Some file systems tell only now that there is no room for what was written.
	if err := os.Stdout.Close(); err != nil && code == exitGood {
		fmt.Fprintf(os.Stderr, "auditlog: close standard output: %s\n", plain(err.Error()))
		code = exitUnchecked
	}
	return code
}
