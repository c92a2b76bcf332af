// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// handout is what commands that hand out events have in common: which ones, and the
// checks before.
type handout struct {
	filter
	trustFlags
	originFlag
	asOf asOfFlag
	from uint64
}

// handoutHelp tells of the checks, for the help of such commands.
const handoutHelp = `What is handed out ends with the newest checkpoint of the log, and the lines up to it
must hash to the root that it states: if they do not, the exit code is 1, and what
has been handed out until then is not to be relied on. Whether the checkpoint is signed
by who should is checked with --key or --trust: the whole log is then verified first,
and nothing handed out if it is not intact.`

func (h *handout) addFlags(cmd *cobra.Command) {
	h.filter.addFlags(cmd)
	h.trustFlags.addFlags(cmd)
	h.originFlag.addFlags(cmd)
	h.asOf.addFlags(cmd)
	cmd.Flags().Uint64Var(&h.from, "from-index", 0, "events from this leaf index (`N`) on")
}

// open opens a log and checks what is to be checked before its events are handed out.
func (h *handout) open(cmd *cobra.Command, dir string) (_ *handoutLog, err error) {
	if err := h.compile(); err != nil {
		return nil, err
	}
	fsys, closeLog, err := openLog(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeLog())
		}
	}()
	note, err := logdir.NewestCheckpoint(cmd.Context(), fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	l := &handoutLog{fsys: fsys, close: closeLog}
	l.Options = export.Options{From: h.from, Keep: h.upToLimit(), CommitTimes: h.timed()}
	if l.Checkpoint, err = signing.ParseCheckpoint(note); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := h.check(l.Checkpoint.Origin); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := h.verify(cmd, dir, fsys, note); err != nil {
		return nil, err
	}
	return l, h.sayWhatIsGone(cmd, dir, fsys)
}

// upToLimit is the filter, which lets no more than limit events pass. What comes behind
// is read all the same, because the lines must hash to the checkpoint's root.
func (h *handout) upToLimit() func(*export.Event) bool {
	n := 0
	return func(e *export.Event) bool {
		if h.limit > 0 && n == h.limit || !h.match(&e.Summary, e.Committed, e.Canonical) {
			return false
		}
		n++
		return true
	}
}

// sayWhatIsGone says where the log begins, if that is behind where the handing out was to
// begin: who goes on from an index would take what is missing for handed out.
func (h *handout) sayWhatIsGone(cmd *cobra.Command, dir string, fsys fs.FS) error {
	segments, err := logdir.Segments(fsys)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if len(segments) > 0 {
		if first := segments[0].Parsed.FirstIndex; first > h.from {
			fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: %s begins at leaf %d: what was before it is no longer there\n", plain(dir), first)
		}
	}
	return nil
}

// verify verifies the log, if keys are given, against the checkpoint that the handing
// out ends with.
func (h *handout) verify(cmd *cobra.Command, dir string, fsys fs.FS, note []byte) error {
	if !h.given() {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: %s is not verified: give --key or --trust to verify it first\n", plain(dir))
		return nil
	}
	o := verify.Options{Checkpoints: []verify.Kept{{Note: note}}, Origin: h.origin, AsOf: h.asOf.value(cmd)}
	if err := h.load(&o, &handed{ctx: cmd.Context()}); err != nil {
		return err
	}
	var finish func()
	o.Progress, finish = progress(cmd.ErrOrStderr(), "checking")
	report, err := verify.Log(cmd.Context(), fsys, o)
	finish()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if report.TamperingDetected {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: TAMPERING DETECTED in %s: nothing is handed out: see auditlog verify\n", plain(dir))
		return errTampering
	}
	if report.Verdict != verify.VerdictOK {
		return fmt.Errorf("%s: not everything of it could be checked: %s: nothing is handed out", dir, uncheckedSaid(report))
	}
	return nil
}

// handoutLog is a log whose events may be handed out.
type handoutLog struct {
	export.Options
	fsys  fs.FS
	close func() error
}

// events passes the wanted events to each.
func (l *handoutLog) events(cmd *cobra.Command, dir string, each func(*export.Event) error) error {
	err := export.Read(cmd.Context(), l.fsys, l.Options, each)
	if errors.Is(err, logdir.ErrDamaged) {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: TAMPERING DETECTED in %s: %s: do not rely on what was handed out: see auditlog verify\n", plain(dir), plain(err.Error()))
		return errTampering
	}
	return err
}

// withoutOwn leaves the log's own events out.
func (l *handoutLog) withoutOwn() {
	keep := l.Keep
	l.Keep = func(e *export.Event) bool { return e.Summary.Log == nil && keep(e) }
}
