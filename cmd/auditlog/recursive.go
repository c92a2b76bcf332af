// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// verifyTree checks all logs below a directory and prints what became of each as soon as
// it is known.
func (f *verifyFlags) verifyTree(ctx context.Context, stdout io.Writer, root string, fsys fs.FS, o verify.Options, by verifier) error {
	var out treePrinter = &treeText{w: stdout, root: root, kept: len(o.Checkpoints) > 0}
	switch {
	case f.quiet:
		out = silentTree{}
	case f.json:
		out = &treeJSON{w: stdout, by: by}
	}
	sum, err := fleet.Check(ctx, fsys, o, out.log)
	if err != nil {
		return fmt.Errorf("%s: %w", root, err)
	}
	if err := out.summary(sum); err != nil {
		return err
	}
	switch {
	case sum.TamperingDetected:
		return errTampering
	case sumOK(sum):
		return nil
	case sum.Unread == 0 && sum.Complete():
		return fmt.Errorf("%s: not everything could be checked: see the findings", root)
	case sum.Unread == 0:
		return fmt.Errorf("%s: %d of %d logs could not be checked", root, sum.Unchecked, sum.Logs)
	default:
		return fmt.Errorf("%s: %d of %d logs, and %d other things, could not be checked", root, sum.Unchecked, sum.Logs, sum.Unread)
	}
}

// sumOK reports whether all of a tree was checked, and is good.
func sumOK(s *fleet.Summary) bool {
	return !s.TamperingDetected && s.Complete() && s.FindingCounts[verify.Unchecked] == 0
}

// filesOf puts the files in and below it, if they are taken by their names, in place of
// each directory; flag is what they were given with.
func filesOf(flag string, paths []string, take func(name string) bool) (files []string, _ error) {
	for _, path := range paths {
		// A file is given as it is, be it a link or a pipe; below a directory only regular
		// files are taken.
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && (take == nil || take(entry.Name())) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s %s: there is no such file in it", flag, path)
		}
	}
	return files, nil
}

// treePrinter prints what becomes of the logs of a tree.
type treePrinter interface {
	log(fleet.Log) error
	summary(*fleet.Summary) error
}

type silentTree struct{}

func (silentTree) log(fleet.Log) error          { return nil }
func (silentTree) summary(*fleet.Summary) error { return nil }

// treeJSON prints {"logs":[…],"summary":{…},"verifier":{…}}, each log when it is known, so that no more
// than one report is in memory.
type treeJSON struct {
	w    io.Writer
	logs int
	by   verifier
}

func (p *treeJSON) log(l fleet.Log) error {
	before := ",\n    "
	if p.logs == 0 {
		before = "{\n  \"logs\": [\n    "
	}
	p.logs++
	text, err := json.MarshalIndent(l, "    ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.w, "%s%s", before, text)
	return err
}

func (p *treeJSON) summary(s *fleet.Summary) error {
	text, err := json.MarshalIndent(s, "  ", "  ")
	if err != nil {
		return err
	}
	by, err := json.MarshalIndent(p.by, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.w, "\n  ],\n  \"summary\": %s,\n  \"verifier\": %s\n}\n", text, by)
	return err
}

// treeText prints a line for each log, the gravest findings of those that have been
// tampered with, and a summary.
type treeText struct {
	w    io.Writer
	root string
	kept bool
	// pruned counts the good logs of which retention has deleted the beginning.
	pruned int
}

// maxPerLog bounds the findings printed of one log: verifying it by itself shows all.
const maxPerLog = 3

func (p *treeText) log(l fleet.Log) error {
	var b strings.Builder
	r := l.Report
	switch {
	case r == nil:
		fmt.Fprintf(&b, "UNCHECKED  %s  %s\n", value(l.Path), plain(l.Error))
	case r.TamperingDetected:
		fmt.Fprintf(&b, "TAMPERED   %s  log %s: %d of %d events verified\n", value(l.Path), value(r.Origin), r.VerifiedEvents, r.TotalEvents)
	case r.Verdict != verify.VerdictOK:
		fmt.Fprintf(&b, "UNCHECKED  %s  log %s: %s\n", value(l.Path), value(r.Origin), plain(uncheckedSaid(r)))
	default:
		fmt.Fprintf(&b, "OK         %s  log %s: %d events, %d leaves", value(l.Path), value(r.Origin), r.TotalEvents, r.TreeSize)
		if r.PrunedBefore > 0 {
			p.pruned++
			fmt.Fprintf(&b, "; %s", deletedSaid(r))
		}
		b.WriteString(tailSaid(r))
		if r.Withheld > 0 {
			fmt.Fprintf(&b, "; %d of the values are withheld", r.Withheld)
		}
		if n := r.FindingCounts[verify.Warning]; n > 0 {
			fmt.Fprintf(&b, ", %d warnings", n)
		}
		b.WriteByte('\n')
	}
	if r != nil && r.TamperingDetected {
		said := 0
		for _, f := range r.Findings {
			if f.Severity != verify.Tampering || said == maxPerLog {
				continue
			}
			said++
			fmt.Fprintf(&b, "             %s %s %s\n", f.Kind, value(f.Segment), plain(f.Message))
		}
		if more := r.FindingCounts[verify.Tampering] - said; more > 0 {
			fmt.Fprintf(&b, "             and %d more\n", more)
		}
	}
	_, err := io.WriteString(p.w, b.String())
	return err
}

func (p *treeText) summary(s *fleet.Summary) error {
	var b strings.Builder
	if len(s.Findings) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range s.Findings[:min(len(s.Findings), maxPrinted)] {
		fmt.Fprintf(&b, "%-9s %s", f.Severity, f.Kind)
		if f.Path != "" {
			fmt.Fprintf(&b, "  %s", value(f.Path))
		}
		fmt.Fprintf(&b, "\n          %s\n", plain(f.Message))
	}
	if more := s.FindingsOmitted + max(0, len(s.Findings)-maxPrinted); more > 0 {
		fmt.Fprintf(&b, "and %d more findings: see --json\n", more)
	}
	verdict := "OK: all logs that were found are unchanged"
	switch {
	case p.pruned > 0 && sumOK(s):
		verdict = fmt.Sprintf("OK: all logs that were found are unchanged; retention has deleted leaves of %d of them, as they say,", p.pruned)
	case s.TamperingDetected && !s.Complete():
		verdict = "TAMPERING DETECTED, and not everything could be checked,"
	case s.TamperingDetected:
		verdict = "TAMPERING DETECTED"
	case !sumOK(s):
		verdict = "NOT EVERYTHING COULD BE CHECKED"
	}
	fmt.Fprintf(&b, "\n%s in %s\n\n", verdict, plain(p.root))
	fmt.Fprintf(&b, "logs       %d: %d good, %d tampered with, %d not checked\n", s.Logs, s.Good, s.Tampered, s.Unchecked)
	fmt.Fprintf(&b, "events     %d verified of %d (%d of them the logs' own), %d failed, %d unsigned\n", s.VerifiedEvents, s.TotalEvents, s.OwnEvents, s.FailedEvents, s.UnsignedEvents)
	if s.SelfAttested {
		b.WriteString("\nNo --key was given: each log was checked with the keys it names itself. That proves\nthat it is consistent, not who wrote it. Give the public key that you kept.\n")
	}
	if !p.kept {
		b.WriteString("\nNo --checkpoint was given: whether whole logs, or the newest events of one, are gone can be told\nonly against checkpoints kept elsewhere. Make one of each log with: auditlog checkpoint DIR\n")
	}
	_, err := io.WriteString(p.w, b.String())
	return err
}
