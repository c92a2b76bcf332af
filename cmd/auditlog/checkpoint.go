// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/proof"
)

func checkpointCommand() *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{
		Use:   "checkpoint DIR",
		Short: "Print the newest signed checkpoint of a log, to keep elsewhere",
		Long: `checkpoint prints the newest signed checkpoint of a log that is known to be on stable
storage, so that no power cut takes it back: the one in the log's file checkpoint, or one
that the log has been continued behind. While a collector writes to the log it may lag behind
by a commit, and so it may after a crash. Keep it away from the log: "auditlog verify DIR
--checkpoint FILE" then finds whether the log has been cut short or rewritten since.

With --key or --trust, a checkpoint that no trusted key has signed, or one whose key the
log's key changes do not lead to, is refused. Without, its signature is not checked.

Exit codes: 0 the checkpoint is printed; 2 there is none, or none that is trusted.`,
		Example: `  auditlog checkpoint audit-log --key audit-log-key.pub.pem > kept.txt`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.proofOptions(cmd.Context())
			if err != nil {
				return err
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			note, err := logdir.DurableCheckpoint(cmd.Context(), fsys)
			if err == nil {
				_, err = proof.OpenCheckpoint(cmd.Context(), fsys, note, o)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if !f.given() {
				fmt.Fprintln(cmd.ErrOrStderr(), unsignedNote)
			}
			_, err = cmd.OutOrStdout().Write(note)
			return err
		},
	}
	f.addFlags(cmd)
	return cmd
}

// unsignedNote says what was not checked.
const unsignedNote = "auditlog: no --key or --trust was given: the checkpoint's signature was not checked"
