// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/otel-auditlog/auditlogexporter/internal/snapshot"
)

func snapshotCommand() *cobra.Command {
	var o snapshot.Options
	cmd := &cobra.Command{
		Use:   "snapshot DIR DEST|-",
		Short: "Copy a log, also while a collector writes it",
		Long: `snapshot copies the log in DIR to the new directory DEST, or writes it to standard output
as a tar archive. The copy is the log as it was at one moment, up to its newest commit that
is known to be on stable storage, whatever a collector writes, compresses, deletes or
changes meanwhile; the collector does not notice. DEST appears when it is whole.

Nothing is checked: what is wrong with the log is wrong with the copy. Verify the copy.

--link makes hard links of sealed segments, if DEST is on the same file system: quick, and
without room of its own. It is no backup, because whoever can write to the log can write to
the copy. Use it to hand the copy on.

Exit codes: 0 copied; 2 it could not be done, or some of it could not be read and was left
out, which is said.`,
		Example: `  auditlog snapshot audit-log /backup/audit-log-2026-11-23
  auditlog snapshot audit-log - | ssh backup 'cat > audit-log.tar'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, said, err := takeSnapshot(cmd, args[0], args[1], o)
			if err != nil {
				return fmt.Errorf("copy %s: %w", args[0], err)
			}
			if _, err := fmt.Fprintf(said, "copied %d logs, %d files, %d bytes%s\n", r.Logs, r.Files, r.Bytes, linkedSaid(r)); err != nil {
				return err
			}
			for _, why := range r.Left {
				fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: left out: %s\n", plain(why))
			}
			if n := len(r.Left); n > 0 {
				return fmt.Errorf("copy %s: %d files could not be copied: see auditlog verify", args[0], n)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Recursive, "recursive", false, "copy every log in DIR and below it, such as those of partitions")
	flags.BoolVar(&o.Link, "link", false, "hard links of sealed segments in place of copies: no backup")
	return cmd
}

// takeSnapshot also returns where to say what came of it.
func takeSnapshot(cmd *cobra.Command, dir, dest string, o snapshot.Options) (snapshot.Result, io.Writer, error) {
	if dest != "-" {
		r, err := snapshot.Directory(cmd.Context(), dir, dest, o)
		return r, cmd.OutOrStdout(), err
	}
	if o.Link {
		return snapshot.Result{}, nil, errors.New("--link: a tar archive holds no links to files outside it: give a directory")
	}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return snapshot.Result{}, nil, errors.New("standard output is a terminal: send the archive to a file or a program")
	}
	fsys, closeLog, err := openLog(dir)
	if err != nil {
		return snapshot.Result{}, nil, err
	}
	defer closeLog()
	r, err := snapshot.Tar(cmd.Context(), fsys, cmd.OutOrStdout(), o)
	return r, cmd.ErrOrStderr(), err
}

func linkedSaid(r snapshot.Result) string {
	if r.Linked == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of the files are hard links, which whoever can write to the log can write to", r.Linked)
}
