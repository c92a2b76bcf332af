// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/proof"
)

func proveCommand() *cobra.Command {
	var f trustFlags
	var id, out string
	var index uint64
	cmd := &cobra.Command{
		Use:   "prove DIR",
		Short: "Prove to somebody that one event is in a log",
		Long: `prove writes the proof that an event is in the log in DIR: the event, the newest
checkpoint, and the hashes that lead from the one to the other (c2sp.org/tlog-proof).
Who has the log's public key can check it with "auditlog check", offline and without
the rest of the log.

With --key or --trust, nothing is proven from a checkpoint that no trusted key has signed.
Without, its signature is not checked here.

Exit codes: 0 the proof is made; 1 the log does not fit its own checkpoint, or leaves
are gone that retention has not deleted; 2 there is no such event, or it could not be read.`,
		Example: `  auditlog prove audit-log --event-id 0198c0de-7e57-7000-8000-000000000001 --key audit-log-key.pub.pem --out proof.txt
  auditlog check proof.txt --key audit-log-key.pub.pem`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := proof.Query{EventID: id, Index: index, ByIndex: cmd.Flags().Changed("index")}
			if !q.ByIndex && id == "" {
				return errors.New("say which event: --event-id ID or --index N")
			}
			o, err := f.proofOptions(cmd.Context())
			if err != nil {
				return err
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			var finish func()
			q.Progress, finish = progress(cmd.ErrOrStderr(), "searching")
			p, err := proof.Prove(cmd.Context(), fsys, q)
			finish()
			if err != nil {
				if errors.Is(err, logdir.ErrDamaged) || errors.Is(err, proof.ErrMissing) {
					fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: %s: %s\n", plain(args[0]), plain(err.Error()))
					return errTampering
				}
				return fmt.Errorf("%s: %w", args[0], err)
			}
			c, err := proof.OpenCheckpoint(cmd.Context(), fsys, p.Checkpoint, o)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if !f.given() {
				fmt.Fprintln(cmd.ErrOrStderr(), unsignedNote)
			}
			if out == "" {
				_, err := p.WriteTo(cmd.OutOrStdout())
				return err
			}
			if err := writeNew(out, p); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s proves leaf %d of %d of the log %s\n", plain(out), p.Index, c.Size, value(c.Origin))
			return err
		},
	}
	f.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&id, "event-id", "", "`ID` of the event; the whole log is searched for it")
	flags.Uint64Var(&index, "index", 0, "leaf index of the event (`N`), as findings give it")
	flags.StringVar(&out, "out", "", "`FILE` to write, which must not exist (default: standard output)")
	cmd.MarkFlagsMutuallyExclusive("event-id", "index")
	return cmd
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, content io.WriterTo) error {
	return durable.In(path, func(dir durable.FS, name string) error {
		return durable.CreateNew(dir, name, durable.Private, func(w io.Writer) error {
			_, err := content.WriteTo(w)
			return err
		})
	})
}
