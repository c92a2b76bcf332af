// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

type verifyFlags struct {
	keys, checkpoints []string
	times             timeRange
	json, quiet       bool
	jobs              int
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check that a log is complete and unchanged",
		Long: `verify reads every byte of the log in DIR and checks it against the public keys
given with --key. Without a key it uses those the log names itself, which proves
that the log is consistent, not who wrote it.

Exit codes: 0 all good; 1 tampering detected; 2 it could not be checked.`,
		Example: `  auditlog verify audit-log --key audit-log-key.pub.pem
  auditlog verify audit-log --key audit-log-key.pub.pem --checkpoint kept-last-month.txt --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keys, "key", nil, "trusted public key `FILE`, PEM or note verifier key (repeatable)")
	flags.StringArrayVar(&f.checkpoints, "checkpoint", nil, "`FILE` of a checkpoint kept elsewhere, which the log must extend (repeatable)")
	flags.StringVar(&f.times.since, "since", "", "count events from this `TIME` on; integrity is always checked whole")
	flags.StringVar(&f.times.until, "until", "", "count events before this `TIME`")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing; the exit code tells")
	flags.IntVar(&f.jobs, "jobs", 0, "how many goroutines check at once (default: one for each CPU)")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, dir string) error {
	o := verify.Options{Jobs: f.jobs}
	var err error
	if o.Since, o.Until, err = f.times.parse(); err != nil {
		return err
	}
	for _, path := range f.keys {
		key, err := signing.LoadPublicKey(path)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		o.Keys = append(o.Keys, key)
	}
	for _, path := range f.checkpoints {
		note, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("--checkpoint: %w", err)
		}
		o.Checkpoints = append(o.Checkpoints, note)
	}
	fsys, closeLog, err := openLog(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	finish := func() {}
	if !f.quiet {
		o.Progress, finish = progress(cmd.ErrOrStderr(), "checking")
	}
	report, err := verify.Log(cmd.Context(), fsys, o)
	finish()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	switch {
	case f.quiet:
	case f.json:
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	default:
		err = printReport(cmd.OutOrStdout(), dir, report)
	}
	if err != nil {
		return err
	}
	if report.TamperingDetected {
		return errTampering
	}
	return nil
}

// progress returns a function that shows a progress bar if w is a terminal and the
// work takes a while, and one that ends it.
func progress(w io.Writer, what string) (func(done, total int64), func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(file), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	return func(done, total int64) {
		bar.ChangeMax64(total)
		_ = bar.Set64(done)
	}, func() { _ = bar.Finish() }
}

// printReport prints a report for people.
func printReport(w io.Writer, dir string, r *verify.Report) error {
	var b strings.Builder
	if r.TamperingDetected {
		fmt.Fprintf(&b, "TAMPERING DETECTED in %s\n\n", plain(dir))
	} else {
		fmt.Fprintf(&b, "OK: %s is complete and unchanged\n\n", plain(dir))
	}
	fmt.Fprintf(&b, "log        %s\n", plain(r.Origin))
	fmt.Fprintf(&b, "events     %d verified of %d (%d of them the log's own), %d failed, %d unsigned\n", r.VerifiedEvents, r.TotalEvents, r.OwnEvents, r.FailedEvents, r.UnsignedEvents)
	if r.FirstEvent != nil {
		fmt.Fprintf(&b, "from, to   %s, %s\n", r.FirstEvent.Format(time.RFC3339), r.LastEvent.Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "segments   %d\n", len(r.Segments))
	fmt.Fprintf(&b, "tree       %d leaves, root %s\n", r.TreeSize, base64.StdEncoding.EncodeToString(r.RootHash))
	fmt.Fprintf(&b, "signed by  %s\n", strings.Join(r.KeyIDs, ", "))
	if r.SelfAttested {
		b.WriteString("\nNo --key was given: the log was checked with the keys it names itself. That proves\nthat it is consistent, not who wrote it. Give the public key that you kept.\n")
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-9s %s", f.Severity, f.Kind)
		if f.Segment != "" {
			fmt.Fprintf(&b, "  %s", plain(f.Segment))
			switch {
			case f.LastLine > f.Line:
				fmt.Fprintf(&b, ":%d-%d", f.Line, f.LastLine)
			case f.Line > 0:
				fmt.Fprintf(&b, ":%d", f.Line)
			}
		}
		if f.EventID != "" {
			fmt.Fprintf(&b, "  event %s", plain(f.EventID))
		}
		fmt.Fprintf(&b, "\n          %s\n", plain(f.Message))
	}
	if r.FindingsOmitted > 0 {
		fmt.Fprintf(&b, "and %d more findings\n", r.FindingsOmitted)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
