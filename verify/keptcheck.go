// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// checkKeptAll says what became of the kept checkpoints, once the whole log is known;
// first is the size of the tree before the first segment. What the caller has handed over is
// no accusation by itself.
func (c *checker) checkKeptAll(first uint64, r *Report, results []*result) {
	for _, k := range c.kept {
		unread := unreadUpTo(results, k.Size)
		say := func(kind Kind, severity Severity, format string, args ...any) {
			if k.promise != nil && kind == Rollback {
				kind = ReceiptUnfulfilled
			}
			c.add(newFinding(kind, severity, place{segment: k.file}, "%s %s", k.title(), fmt.Sprintf(format, args...)))
		}
		unchecked := func(kind Kind, format string, args ...any) {
			if k.file != "" {
				say(cmp.Or(kind, Rollback), Tampering, format, args...) // the log's own word
				return
			}
			say(cmp.Or(kind, CheckpointUnchecked), Unchecked, format, args...)
		}
		switch {
		case k.err != nil && k.kind != "":
			unchecked(k.kind, "does not count: %v", k.err)
		case k.err != nil:
			unchecked("", "says nothing of this log: no key that is trusted for it has signed it as it is (%v)", k.err)
		case r.Origin != "" && k.Origin != r.Origin:
			unchecked("", "is of the log %q, not of %q", k.Origin, r.Origin)
		case k.Other():
			say(Rollback, Tampering, "covers %d leaves with another root hash: this is another history of the log", k.Size)
		case k.Same():
			if k.file == "" {
				r.KeptSize = max(r.KeptSize, k.Size)
			}
		case k.Size > r.TreeSize && c.o.AsOf != nil && k.Size > *c.o.AsOf && k.file == "":
			say(CheckpointUnchecked, Unchecked, "covers %d leaves, more than the log had as of the time that it is checked for", k.Size)
		case k.Size > r.TreeSize && unread != "":
			say(Rollback, Unchecked, "covers %d leaves, and %d could be read: %s may hold the others. %s", k.Size, r.TreeSize, unread, compression.HowToDecompress(unread))
		case k.Size > r.TreeSize && k.file != "" && r.TreeSize > 0 && !c.cosigned(k):
			say(Rollback, Unchecked, "covers %d leaves, but the log has only %d: its end is missing. %s", k.Size, r.TreeSize, copyAgain)
		case k.Size > r.TreeSize:
			say(Rollback, Tampering, "covers %d leaves, but the log has only %d: its end is missing", k.Size, r.TreeSize)
		case k.Size < first && k.IsDeleted():
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; retention has deleted these, and among what the file %s has kept there is no checkpoint of that size", k.Size, sidefile.PrunedRangesName)
		case k.Size < first:
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; retention has deleted these, and without the file %s, as the log has written it, nothing shows whether the log extends it", k.Size, sidefile.PrunedRangesName)
		default:
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; the log is not intact up to there", k.Size)
		}
	}
}

// cosigned reports whether a witness that was given has cosigned a checkpoint.
func (c *checker) cosigned(k *keptCheckpoint) bool {
	good, _, _ := c.cosignaturesIn(k.Checkpoint)
	return len(good) > 0
}

// checkReceipts says what is wrong with receipts by themselves, which is none of the log's
// doing, and how many the log honors.
func (c *checker) checkReceipts(r *Report) {
	r.Receipts = c.o.Receipts.Promises().Len()
	for _, k := range c.kept {
		if k.promise != nil && k.err == nil && k.Origin == r.Origin && k.Same() && !k.Other() {
			r.ReceiptsHonored += k.promise.Receipts
		}
	}
	for _, l := range c.o.Receipts.Promises().Logs() {
		for _, why := range l.Broken() {
			c.add(newFinding(ReceiptInvalid, Unchecked, place{}, "%s", why))
		}
	}
}

// checkEnd says how far something kept elsewhere shows the log to have come, and so for the
// log's own copy of its newest checkpoint.
func (c *checker) checkEnd(r *Report, results []*result) {
	for i, k := range c.kept[:len(c.o.Checkpoints)] {
		extended := k.err == nil && k.Origin == r.Origin && k.Same() && !k.Other()
		r.Checkpoints = append(r.Checkpoints, KeptCheckpoint{Name: c.o.Checkpoints[i].Name, Origin: k.Origin, Size: k.Size, Extended: extended})
	}
	r.TornTail = slices.ContainsFunc(results, func(one *result) bool { return one.torn })
	known := max(r.KeptSize, r.WitnessedSize)
	if c.o.RequireCheckpoint && known <= r.PrunedBefore {
		c.say(EndUnchecked, Unchecked, nil, "no kept checkpoint, receipt or quorum of witnesses shows how far the log had come: its newest events may have been cut off. Give a checkpoint that was kept elsewhere")
	}
	if c.o.AsOf != nil && *c.o.AsOf <= r.TreeSize {
		known = max(known, *c.o.AsOf)
	}
	r.EndChecked = known > r.PrunedBefore && readUpTo(results, r.PrunedBefore, known)
	if c.noCheckpointOnDisk && r.TreeSize > 0 {
		c.add(newFinding(kindCheckpointMissing, Warning, place{segment: sidefile.CheckpointName}, "the file is not there, or empty, as in a log that was begun a moment ago, or after a crash; somebody who cuts off the log's end would take it away, too. Hold the log against a checkpoint kept elsewhere"))
	}
}
