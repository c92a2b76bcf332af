// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
)

func beginAnewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "begin-anew FILE",
		Short: "Permit that a log that is missing is begun anew, once",
		Long: `begin-anew permits that the collector begins a new log in the place of one that is missing:
one that FILE, in its state directory, says there is, and that the log's directory does not
hold. It permits that once. The new log says in its first header which log it succeeds, up to
which size and with which root; what the old one held is not in it. Use it only when the old
log cannot be brought back, or was moved away for good. The collector names the file when it
does not start for that reason; start it again afterwards. Receipts of the old log are kept
apart: name another directory for those of the new one (receipts::directory), or none are
written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := logstate.PermitAnew(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The next start may begin a new log. It will say that it succeeds the log %s of at least %d leaves. If the old one had receipts, name another receipts::directory first.\n", old.Log, old.Size)
			return err
		},
	}
}
