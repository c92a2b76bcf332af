// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"
)

func showCommand() *cobra.Command {
	var f filter
	var o originFlag
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "show DIR",
		Short: "Print events of a log",
		Long: `show prints events, one a line. It does not check the log: see "auditlog verify".
With --json each line is the event in canonical JSON, as it was signed.

A line begins with what the log says: the time, "record" for what a client sent or "log"
for an event of the log's own, "uncommitted" if no checkpoint follows the event (it was
never acknowledged), the level, the category, the outcome, and, if the log has checked the
proof of the record's producer, what came of it. Names and values of the client follow. A
value with blanks, signs such as = or quotes, or invisible characters is in double quotes,
so that no value can be taken for another member, nor for what the log says. Of a record
that the log has refused it prints the reason, its place in its call, its id and the hash of
the event; of an event that was too long and is replaced, its length, hash, first and last.`,
		Example: `  auditlog show audit-log --since 2h --level security --level critical
  auditlog show audit-log --category authentication --success false --follow`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.compile(); err != nil {
				return err
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			out := bufio.NewWriter(cmd.OutOrStdout())
			s := shower{fsys: fsys, filter: &f, out: out, json: asJSON, follows: follow, origin: o, warn: cmd.ErrOrStderr()}
			defer f.sayByWhich(cmd.ErrOrStderr())
			if err := s.show(cmd.Context()); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
	f.addFlags(cmd)
	o.addFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&follow, "follow", false, "go on with events as they are written")
	flags.BoolVar(&asJSON, "json", false, "print events in canonical JSON")
	return cmd
}
