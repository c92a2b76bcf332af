// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/export"
)

func exportCommand() *cobra.Command {
	var h handout
	var format string
	var bom bool
	cmd := &cobra.Command{
		Use:   "export DIR --format FORMAT",
		Short: "Write events of a log in a form for other tools",
		Long: `export writes the events of the log in DIR to standard output, in one of these forms:

  jsonl      canonical JSON as it was signed, one event a line
  otlp-json  log records equal to those that came in: OTLP in JSON, a LogsData a line
  csv        a table for people and spreadsheets (RFC 4180): what might be taken for
             a formula gets an apostrophe in front, control characters stand as escapes
  ocsf       Open Cybersecurity Schema Framework 1.9, one event a line

The log's own events are not in otlp-json, because they were no records.

` + handoutHelp,
		Example: `  auditlog export audit-log --format csv --key audit-log-key.pub.pem --since 2026-11-01 > november.csv
  auditlog export audit-log --format otlp-json --category authentication > logins.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if !slices.Contains(export.Formats(), format) {
				return fmt.Errorf("--format %q: use one of %v", format, export.Formats())
			}
			if bom && format != "csv" {
				return fmt.Errorf("--bom: it is for --format csv, not for %s, whose readers take it for data", format)
			}
			l, err := h.open(cmd, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.close()) }()
			if bom {
				if _, err := cmd.OutOrStdout().Write([]byte("\ufeff")); err != nil {
					return err
				}
			}
			w, err := export.NewWriter(format, cmd.OutOrStdout(), l.Checkpoint)
			if err != nil {
				return err
			}
			defer h.sayByWhich(cmd.ErrOrStderr())
			err = l.events(cmd, args[0], w.Write)
			if err == nil || errors.Is(err, errTampering) {
				err = errors.Join(err, w.Flush())
			} // else there is no writing on
			if n := w.Altered(); n > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: %d events hold text that is not UTF-8, which JSON cannot: U+FFFD stands for it\n", n)
			}
			return err
		},
	}
	h.addFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT`: "+strings.Join(export.Formats(), ", "))
	cmd.Flags().BoolVar(&bom, "bom", false, "begin the table with a byte order mark, by which Excel knows that it is UTF-8")
	if err := cmd.MarkFlagRequired("format"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}
