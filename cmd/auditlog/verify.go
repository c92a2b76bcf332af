// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

type verifyFlags struct {
	trustFlags
	originFlag
	asOf         asOfFlag
	completeFrom string
	checkpoints  []string
	receipts     []string
	witnesses    []string
	quorum       int
	times        timeRange

	requireCheckpoint bool

	json, quiet bool
	recursive   bool
	jobs        int
}

// trustFlags say whom to trust.
type trustFlags struct {
	keys, checkpointKeys []string
	trust                string
}

func (f *trustFlags) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keys, "key", nil, "trusted public key `FILE`, PEM or note verifier key (repeatable)")
	flags.StringArrayVar(&f.checkpointKeys, "checkpoint-key", nil, "public key `FILE` that must sign checkpoints, too; it does not make a log trusted (repeatable)")
	flags.StringVar(&f.trust, "trust", "", "`FILE` of trusted keys with what bounds them, and revocations (YAML, see docs/trust.md)")
}

// given says whether anybody is trusted.
func (f *trustFlags) given() bool { return len(f.keys) > 0 || f.trust != "" }

// trusted is what the files of such flags hold.
type trusted struct {
	keys, checkpointKeys []*signing.PublicKey
	bounded              trust.Keys
}

func (f *trustFlags) read(h *handed) (t trusted, err error) {
	if t.keys, err = h.loadKeys("--key", f.keys); err != nil {
		return t, err
	}
	if t.checkpointKeys, err = h.loadKeys("--checkpoint-key", f.checkpointKeys); err != nil || f.trust == "" {
		return t, err
	}
	if t.bounded, err = h.loadTrust(f.trust); err != nil {
		err = fmt.Errorf("--trust %s: %w", f.trust, err)
	}
	return t, err
}

// load reads the files into the options.
func (f *trustFlags) load(o *verify.Options, h *handed) error {
	t, err := f.read(h)
	o.Keys, o.CheckpointKeys, o.Trust = t.keys, t.checkpointKeys, t.bounded
	return err
}

// proofOptions reads the files.
func (f *trustFlags) proofOptions(ctx context.Context) (proof.Options, error) {
	t, err := f.read(&handed{ctx: ctx})
	return proof.Options{Keys: t.keys, CheckpointKeys: t.checkpointKeys, Trust: t.bounded}, err
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check that a log is unchanged and, with what was kept of it, complete",
		Long: `verify reads every byte of the log in DIR and checks it against the public keys
given with --key. Without a key it uses those the log names itself, which proves
that the log is consistent, not who wrote it. Where the log changes its key, the old
key introduces the new one, so the first key is enough. Whether the newest events have been cut
off shows against a checkpoint kept elsewhere, given with --checkpoint, or against the receipts
of a producer, given with --receipts. With --witness
checkpoints must bear the cosignatures of witnesses: then everybody is shown the same log.

With --recursive DIR is the root of any number of logs, as a fleet of collectors or an
exporter with partition_by writes them. All are checked, one after another, with the same
keys and witnesses. A checkpoint is for the log of its origin; if there is no such log,
one is missing. --checkpoint may name a directory of checkpoints, too. Symbolic links are not followed.

What the first line says is what was checked: a log is complete as far as a checkpoint
kept elsewhere, receipts, witnesses or --as-of reach; the line names the leaves that
retention has deleted, as the log says, and the size, with --as-of, and whether
the tail is torn. With --require-checkpoint a log whose end nothing kept elsewhere shows is
not checked. NOT CHECKED says that nothing
speaks against the log, but not all that was asked for could be checked.

Exit codes: 0 all good; 1 tampering detected; 2 it, or a part of it, could not be checked, or
it is not the log of --origin. With --recursive 1 if any log shows tampering, whatever
else there is.`,
		Example: `  auditlog verify audit-log --key audit-log-key.pub.pem
  auditlog verify /var/lib/otelcol/audit --recursive --key audit-log-key.pub.pem --checkpoint /elsewhere/checkpoints
  auditlog verify audit-log --key audit-log-key.pub.pem --checkpoint kept-last-month.txt --json
  auditlog verify audit-log --key audit-log-key.pub.pem --receipts receipts.jsonl
  auditlog verify audit-log --trust keys.yaml
  auditlog verify audit-log --key audit-log-key.pub.pem --witness w1.vkey --witness w2.vkey --quorum 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	f.trustFlags.addFlags(cmd)
	f.originFlag.addFlags(cmd)
	f.asOf.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.completeFrom, "complete-from", "", "everything must be there from this `INDEX|TIME` on, whatever retention has deleted; where it has, a time takes --witness")
	flags.StringArrayVar(&f.checkpoints, "checkpoint", nil, "`FILE` of a checkpoint kept elsewhere, which the log must extend (repeatable)")
	flags.BoolVar(&f.requireCheckpoint, "require-checkpoint", false, "not checked (exit code 2) unless a kept checkpoint, a receipt or a quorum of witnesses shows how far the log had come")
	flags.StringArrayVar(&f.receipts, "receipts", nil, "`FILE` of receipts, or a directory of such files, which the log must honor (repeatable)")
	flags.StringArrayVar(&f.witnesses, "witness", nil, "`VKEY` of a witness, or a file that holds it (repeatable)")
	flags.IntVar(&f.quorum, "quorum", 0, "how many of the witnesses must have cosigned (default: all of them)")
	flags.StringVar(&f.times.since, "since", "", "count events from this `TIME` on; integrity is always checked whole")
	flags.StringVar(&f.times.until, "until", "", "count events before this `TIME`")
	flags.BoolVar(&f.recursive, "recursive", false, "check every log in DIR and below")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing; the exit code tells")
	flags.IntVar(&f.jobs, "jobs", 0, "how many goroutines check at once (default: one for each CPU)")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, dir string) error {
	started := time.Now()
	o := verify.Options{RequireCheckpoint: f.requireCheckpoint, Jobs: f.jobs, Quorum: f.quorum, Origin: f.origin, AsOf: f.asOf.value(cmd)}
	var err error
	if o.Since, o.Until, err = f.times.parse(); err != nil {
		return err
	}
	if o.CompleteFrom, err = parsePoint("complete-from", f.completeFrom, started); err != nil {
		return err
	}
	if f.recursive && (f.origin != "" || o.AsOf != nil) {
		return errors.New("--origin and --as-of are of one log: leave them out with --recursive, or check that log by itself")
	}
	inputs := &handed{ctx: cmd.Context(), files: []handedFile{}}
	if err := f.load(&o, inputs); err != nil {
		return err
	}
	if f.recursive {
		if f.checkpoints, err = filesOf("--checkpoint", f.checkpoints, nil); err != nil {
			return err
		}
	}
	for _, path := range f.checkpoints {
		note, err := inputs.loadCheckpoint(path)
		if err != nil {
			return fmt.Errorf("--checkpoint %s: %w", path, err)
		}
		kept := verify.Kept{Note: note}
		if f.recursive {
			kept.Name = path // of which there may be many
		}
		o.Checkpoints = append(o.Checkpoints, kept)
	}
	if o.Receipts, err = inputs.loadReceipts("--receipts", f.receipts, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if o.Witnesses, err = inputs.loadWitnesses(f.witnesses); err != nil {
		return err
	}
	if err := checkQuorum(f.quorum, o.Witnesses); err != nil {
		return err
	}
	if f.jobs < 0 {
		return fmt.Errorf("--jobs %d: give how many goroutines, or 0 for one for each CPU", f.jobs)
	}
	fsys, closeLog, err := openLog(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	by := verifierOf(cmd, dir, started, inputs)
	if f.recursive {
		keepMemory()
		return f.verifyTree(cmd.Context(), cmd.OutOrStdout(), dir, fsys, o, by)
	}
	finish := func() {}
	if !f.quiet {
		o.Progress, finish = progress(cmd.ErrOrStderr(), "checking")
	}
	keepMemory()
	report, err := verify.Log(cmd.Context(), fsys, o)
	finish()
	if errors.Is(err, verify.ErrNoLog) {
		return fmt.Errorf("%s: %w; for logs in directories below, give --recursive", dir, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	switch {
	case f.quiet:
	case f.json:
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(reportJSON{report, by})
	default:
		err = f.printReport(cmd.OutOrStdout(), dir, report)
	}
	switch {
	case report.TamperingDetected:
		return errors.Join(err, errTampering)
	case err == nil && report.Verdict != verify.VerdictOK:
		return fmt.Errorf("%s: not everything of it could be checked: %s", dir, uncheckedSaid(report))
	}
	return err
}

// heapBytes is what verifying is to do with: garbage is collected more often when
// there is more, at next to no cost in time.
const heapBytes = 64 << 20

// keepMemory bounds the heap, unless the environment does. What is there already, such as
// receipts, stays, and takes as much again to be checked.
func keepMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(heapBytes + 2*int64(m.HeapAlloc))
	}
}

// patience is how long work takes before a progress bar is worth a look.
const patience = 500 * time.Millisecond

// progress returns a function that shows a progress bar if w is a terminal and the
// work takes a while, and one that ends it.
func progress(w io.Writer, what string) (func(done, total int64), func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	start := time.Now()
	return func(done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			if bar == nil {
				if time.Since(start) < patience {
					return
				}
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(file), progressbar.OptionSetDescription(what),
					progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
			}
			// A bar that cannot be drawn is no reason to stop.
			bar.ChangeMax64(total)
			_ = bar.Set64(done)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			if bar != nil {
				_ = bar.Clear()
			}
		}
}

// keysSaid lists key ids, as many as a line bears.
func keysSaid(ids []string) string {
	const most = 4
	if len(ids) <= most {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s … %s (%d keys)", ids[0], ids[len(ids)-1], len(ids))
}

// headline says what was found, and no more than was checked.
func (f *verifyFlags) headline(dir string, r *verify.Report) string {
	switch {
	case r.TamperingDetected:
		return "TAMPERING DETECTED in " + plain(dir)
	case r.Verdict != verify.VerdictOK:
		return fmt.Sprintf("NOT CHECKED: %s: %s", plain(dir), plain(uncheckedSaid(r)))
	}
	known := max(r.KeptSize, r.WitnessedSize, f.asOf.size)
	said := fmt.Sprintf("OK: %s is unchanged up to leaf %d", plain(dir), max(r.TreeSize, 1)-1)
	switch {
	case !r.EndChecked:
	case r.PrunedBefore > 0:
		said += fmt.Sprintf(", and complete from leaf %d up to leaf %d", r.PrunedBefore, min(known, r.TreeSize)-1)
	default:
		said += fmt.Sprintf(", and complete up to leaf %d", min(known, r.TreeSize)-1)
	}
	if f.asOf.size > 0 {
		said += fmt.Sprintf(", as of size %d", f.asOf.size)
	}
	if r.SelfAttested {
		said += ", by the keys that it names itself"
	}
	// Nothing in a log itself says that its end is there.
	if !r.EndChecked {
		said += "; whether newer events were cut off was not checked"
	}
	if r.PrunedBefore > 0 {
		said += "; " + deletedSaid(r)
	}
	said += tailSaid(r)
	if r.Withheld > 0 {
		said += fmt.Sprintf("; %d of the values are withheld", r.Withheld)
	}
	return said
}

// tailSaid says that the log's end is torn, if it is.
func tailSaid(r *verify.Report) string {
	if !r.TornTail {
		return ""
	}
	return "; what follows the last checkpoint (a write in progress, or a torn tail) was not counted"
}

// deletedSaid says what retention has deleted.
func deletedSaid(r *verify.Report) string {
	if r.PrunedBefore == 1 {
		return "leaf 0 was deleted by retention, as the log says"
	}
	return fmt.Sprintf("leaves 0–%d were deleted by retention, as the log says", r.PrunedBefore-1)
}

// uncheckedSaid says what could not be checked first of all.
func uncheckedSaid(r *verify.Report) string {
	for _, f := range r.Findings {
		if f.Severity == verify.Unchecked {
			return f.Message
		}
	}
	return "see the findings"
}

// maxPrinted bounds the findings printed for people.
const maxPrinted = 100

// printReport prints a report for people.
func (f *verifyFlags) printReport(w io.Writer, dir string, r *verify.Report) error {
	kept := f.checkpoints
	var b strings.Builder
	b.WriteString(f.headline(dir, r) + "\n\n")
	fmt.Fprintf(&b, "log        %s\n", value(r.Origin))
	fmt.Fprintf(&b, "events     %d verified of %d (%d of them the log's own), %d failed, %d unsigned\n", r.VerifiedEvents, r.TotalEvents, r.OwnEvents, r.FailedEvents, r.UnsignedEvents)
	if r.FirstEvent != nil {
		fmt.Fprintf(&b, "from, to   %s, %s\n", r.FirstEvent.Format(time.RFC3339), r.LastEvent.Format(time.RFC3339))
	}
	if r.Withheld+r.Opened > 0 {
		fmt.Fprintf(&b, "values     %d withheld, %d opened\n", r.Withheld, r.Opened)
	}
	fmt.Fprintf(&b, "segments   %d\n", len(r.Segments))
	for i, file := range kept {
		fmt.Fprintf(&b, "kept       checkpoint %d: %s\n", i+1, plain(file))
	}
	if r.Receipts > 0 {
		fmt.Fprintf(&b, "receipts   %d honored of %d\n", r.ReceiptsHonored, r.Receipts)
	}
	fmt.Fprintf(&b, "tree       %d leaves, root %s\n", r.TreeSize, base64.StdEncoding.EncodeToString(r.RootHash))
	fmt.Fprintf(&b, "signed by  %s\n", keysSaid(r.KeyIDs))
	if r.TrustedFrom != nil && len(r.Segments) > 0 && *r.TrustedFrom > r.Segments[0].FirstIndex {
		fmt.Fprintf(&b, "trusted    from leaf %d on; what came before, only as what later keys vouch for\n", *r.TrustedFrom)
	}
	printWitnesses(&b, r)
	if r.SelfAttested {
		b.WriteString("\nNo --key was given: the log was checked with the keys it names itself. That proves\nthat it is consistent, not who wrote it. Give the public key that you kept.\n")
	}
	if !r.EndChecked && len(kept) == 0 && r.Receipts == 0 && r.Verdict == verify.VerdictOK {
		b.WriteString("\nNo --checkpoint was given: whether newest events have been cut off can be told only against\na checkpoint kept elsewhere. Make one with: auditlog checkpoint DIR\n")
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	for _, f := range r.Findings[:min(len(r.Findings), maxPrinted)] {
		fmt.Fprintf(&b, "%-9s %s", f.Severity, f.Kind)
		if f.Segment != "" {
			fmt.Fprintf(&b, "  %s", value(f.Segment))
			switch {
			case f.LastLine > f.Line:
				fmt.Fprintf(&b, ":%d-%d", f.Line, f.LastLine)
			case f.Line > 0:
				fmt.Fprintf(&b, ":%d", f.Line)
			}
		}
		if f.EventID != "" {
			fmt.Fprintf(&b, "  event %s", value(f.EventID))
		}
		fmt.Fprintf(&b, "\n          %s\n", plain(f.Message))
	}
	if more := r.FindingsOmitted + max(0, len(r.Findings)-maxPrinted); more > 0 {
		fmt.Fprintf(&b, "and %d more findings: see --json\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
