// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

func tilesCommand() *cobra.Command {
	var out string
	var f trustFlags
	var o tiles.Options
	cmd := &cobra.Command{
		Use:   "tiles DIR",
		Short: "Export a log as static files that others can mirror and check",
		Long: `tiles writes the log in DIR as a static transparency log (c2sp.org/tlog-tiles) to the
directory given with --out: checkpoint, tile/ and tile/entries/. Any web server can serve
it, and clients of such logs can mirror and check it. Run again, it adds what has come
since. What is exported is meant to be public: with --hashes-only the events are not in it.

Of what was exported before, the checkpoint and the newest tiles are read, which decide
whether it is the beginning of this log. With --check all of it is read again, and must
be what the checkpoint says, and with --key the checkpoint's signatures are checked, too.

A line of over 65,535 bytes fits into no bundle of entries: the 256 leaves of its bundle are
left out, which is said, and only their hashes are exported.

What retention has deleted before it was exported is left out as well: tlog-tiles allows
that up to a minimum index, which is said. Too little may be left of a log even for that:
the error says how many leaves it takes. Export before retention deletes, from a timer.

Exit codes: 0 exported; 1 the log does not fit its own checkpoint, or what was exported
before is not its beginning, or has been changed; 2 it could not be done, or, with --check,
nothing was there to check.`,
		Example: `  auditlog tiles audit-log --out /var/www/audit-log --key audit-log-key.pub.pem`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			t, err := f.read(&handed{ctx: cmd.Context()})
			if err != nil {
				return err
			}
			o.Keys, o.CheckpointKeys, o.Trust = t.keys, t.checkpointKeys, t.bounded
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			if err := apart(args[0], out); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			root, err := os.OpenRoot(out)
			if err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			defer root.Close()
			var finish func()
			o.Progress, finish = progress(cmd.ErrOrStderr(), "exporting")
			r, err := tiles.Export(cmd.Context(), fsys, root, o)
			finish()
			switch {
			case errors.Is(err, tiles.ErrForked), errors.Is(err, tiles.ErrTampered), errors.Is(err, tiles.ErrChanged), errors.Is(err, logdir.ErrDamaged):
				fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: %s: %s\n", plain(args[0]), plain(err.Error()))
				return errTampering
			case err != nil:
				return fmt.Errorf("export %s to %s: %w", args[0], out, err)
			}
			if r.Minimum == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds %d leaves of the log %s, %d of them new\n", plain(out), r.To, value(r.Origin), r.Added)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds leaves %d to %d of the log %s, %d of them new: its minimum index is %d\n", plain(out), r.Minimum, r.To-1, value(r.Origin), r.Added, r.Minimum)
				fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: retention had deleted leaves of the log before they were exported: tiles and entries that end at leaf %d or before may be missing (c2sp.org/tlog-tiles, Pruning)\n", r.Minimum-1)
			}
			for _, l := range r.TooLong {
				first, last := l.Bundle()
				fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: leaf %d has %d bytes, and tlog-tiles has room for 65535: the entries of leaves %d to %d are left out, their hashes are there (limits::max_leaf_bytes keeps such lines out of a log)\n", l.Index, l.Bytes, first, min(last, r.To-1))
			}
			if err == nil && o.Check {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "The files of the %s that were there have been read again: they are unchanged.\n", leaves(r.Checked, r.From))
			}
			if err == nil && !f.given() {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "No --key was given: the checkpoint's signature was not checked.")
			}
			return err
		},
	}
	f.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "`DIRECTORY` to write to, or to add to")
	flags.BoolVar(&o.Check, "check", false, "read again all that was exported before, and compare")
	flags.BoolVar(&o.HashesOnly, "hashes-only", false, "leave out the events: the tree alone")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

// leaves names the leaves from one index up to another.
func leaves(from, to uint64) string {
	if from == 0 {
		return fmt.Sprintf("%d leaves", to)
	}
	return fmt.Sprintf("leaves from %d up to %d", from, to)
}

// apart checks that what is published does not go to the log's directory, nor to one
// above it, where the events themselves would be published with it.
func apart(dir, out string) error {
	in, err := realpath.Within(out, dir)
	switch {
	case err != nil:
		return err
	case in:
		return fmt.Errorf("%s is in the directory of the log: give it one of its own", out)
	}
	in, err = realpath.Within(dir, out)
	switch {
	case err != nil:
		return err
	case in:
		return fmt.Errorf("the log is in %s, and would be published with it: give another directory", out)
	}
	return nil
}
