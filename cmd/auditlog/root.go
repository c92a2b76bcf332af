// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

// Exit codes.
const (
	exitGood      = 0
	exitTampering = 1
	exitUnchecked = 2 // usage, input or output, no such log, wrong key
)

// errTampering ends a command whose output says it all.
var errTampering = errors.New("tampering detected")

// run runs the command and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	out := &output{w: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if out.err != nil && !errors.Is(err, out.err) {
		err = errors.Join(err, out.err)
	}
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, errTampering):
		if out.err != nil {
			fmt.Fprintf(stderr, "auditlog: %s: %s\n", errTampering, plain(out.err.Error()))
		}
		return exitTampering
	default:
		fmt.Fprintf(stderr, "auditlog: %s\n", plain(err.Error()))
		return exitUnchecked
	}
}

// rootCommand is the command with all of its commands.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "auditlog",
		Short: "Check and read signed audit logs",
		Long: `auditlog checks and reads the logs that the auditlog exporter of the OpenTelemetry
Collector writes. It needs no collector, no network (but for "replay") and no access
beyond reading the log directory.

Exit codes: 0 all good; 1 tampering detected; 2 it could not be checked.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       build().version,
	}
	root.SetVersionTemplate(versionText())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(keygenCommand(), verifyCommand(), showCommand(), checkpointCommand(), rotateKeyCommand(), beginAnewCommand(), proveCommand(), checkCommand(), tilesCommand(), exportCommand(), replayCommand(), snapshotCommand(), versionCommand())
	return root
}

// openLog opens a log directory for reading. Nothing in it leads out of it.
func openLog(dir string) (fs.FS, func() error, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	return rootfs.Of(root), root.Close, nil
}
