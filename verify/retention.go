// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Retention deletes the oldest segments, and the log says so. Whoever has its key can say
// so as well; but what the log promised to keep, and until when, is signed with keys that it
// has left, and stands in headers and key changes that are there.

// promise is until when leaves are kept.
type promise struct {
	until time.Time
	by    string
}

func (p *promise) extend(until time.Time, by string) {
	if until.After(p.until) {
		p.until, p.by = until, by
	}
}

// checkRetention holds what retention has deleted against what the log had promised, and
// against what the caller wants to be there.
func (c *checker) checkRetention(j *joined, results []*result, pruned *logevent.Event) {
	first := results[0]
	if pruned != nil {
		var p promise
		for i := range c.history.Changes {
			if n := &c.history.Changes[i]; n.Index <= pruned.Before {
				p.extend(n.Retain, fmt.Sprintf("the key change at leaf %d", n.Index))
			}
		}
		for _, r := range results {
			if r.first > pruned.Before || r.header == nil {
				continue
			}
			if r.authority.change != nil {
				p.extend(r.authority.change.Retain, "the key change in "+r.file.Name)
			}
			p.extend(r.header.Retain, "the header of "+r.file.Name)
		}
		if p.until.After(c.now) {
			c.add(newFinding(RetentionBroken, Tampering, place{index: &pruned.Before},
				"the log says that retention deletes what is before leaf %d, but had promised to keep it until %s (%s)", pruned.Before, p.until.Format(time.RFC3339), p.by))
		}
	}
	c.checkDeletedChanges(first)
	c.checkComplete(j, first)
}

// checkDeletedChanges says so if a key change is missing among those of the segments that
// have been deleted: each begins with the key that the one before led to.
func (c *checker) checkDeletedChanges(first *result) {
	if first.first == 0 {
		return
	}
	missing := func(index uint64, format string, args ...any) {
		c.add(newFinding(KeyChangeInvalid, Tampering, place{segment: sidefile.KeyChangesName, index: &index},
			"a key change is missing: %s. %s", fmt.Sprintf(format, args...), copyAgain))
	}
	var before *signing.KeyChange
	follow := func(n *signing.KeyChange) {
		if before != nil && !before.To.Equal(n.From) {
			missing(n.Index, "that at leaf %d leads to the key %s, the next one, at leaf %d, from the key %s", before.Index, before.To.ID(), n.Index, n.From.ID())
		}
		before = n
	}
	for i := range c.history.Changes {
		if n := &c.history.Changes[i]; n.Index <= first.first {
			follow(n)
		}
	}
	a := first.authority
	if a.change != nil && a.change.Index == first.first && (before == nil || before.Index < first.first) {
		follow(a.change)
	}
	if before != nil && a.header != nil && !before.To.Equal(a.signer()) {
		missing(first.first, "the last one before the first segment, at leaf %d, leads to the key %s, but that is signed with %s", before.Index, before.To.ID(), a.signer().ID())
	}
}

// checkComplete says so if leaves are not there that the caller wants to be.
//
// When the deleted leaves were written, only the log's own key has signed, and whoever has it
// can write an earlier time. What shows it otherwise is that witnesses had cosigned a tree of
// all of them by then. A kept checkpoint and a receipt have no time of their own: a receipt's
// is the log's, so that it counts against the log alone.
func (c *checker) checkComplete(j *joined, first *result) {
	from := c.o.CompleteFrom
	if from == nil || first.first == 0 {
		return
	}
	gone := fmt.Sprintf("the log is to be complete from %s on, but leaves 0 to %d are not there", from, first.first-1)
	incomplete := func(severity Severity, what string) {
		c.add(newFinding(Incomplete, severity, place{index: &first.first}, "%s%s", gone, what))
	}
	if from.ByIndex {
		if from.Index < first.first {
			incomplete(Tampering, "")
		}
		return
	}
	for _, k := range c.kept {
		if k.promise != nil && k.err == nil && k.Same() && !k.Other() && k.Size <= first.first && !k.promise.Committed.Before(from.Time) {
			incomplete(Tampering, fmt.Sprintf(", and %s shows that leaf %d, which was among them, was written on %s", k.title(), k.Size-1, k.promise.Committed.Format(time.RFC3339)))
			return
		}
	}
	if j.witnessedThen >= first.first {
		return
	}
	hint := ": give the index of the first leaf that must be there, such as the size of a checkpoint kept from then, or witnesses that had cosigned the log by then"
	switch {
	case first.header == nil:
		incomplete(Unchecked, ", and when they were written nothing shows"+hint)
	case first.header.Created.After(from.Time):
		incomplete(Unchecked, fmt.Sprintf(", and some of them may be from after that time: the first that is left is from %s", first.header.Created.Format(time.RFC3339))+hint)
	default:
		incomplete(Unchecked, fmt.Sprintf(", and that they are from before %s is only what the log's own key has signed, whose thief can write any time", first.header.Created.Format(time.RFC3339))+hint)
	}
}

// checkPromise says so if a header promises less than the one before it has.
func checkPromise(before, h *segment.Header) string {
	if h.Retain.Before(before.Retain) {
		return fmt.Sprintf("the header promises to keep what is before it until %s, the one before had promised until %s", h.Retain.Format(time.RFC3339), before.Retain.Format(time.RFC3339))
	}
	age := max(before.MinAge, h.MinAge)
	if least := h.Created.Add(age); age > 0 && h.Retain.Before(least) && least.Year() <= 9999 {
		return fmt.Sprintf("the header promises to keep what is before it until %s, but leaves of the segment before are to be kept for %s", h.Retain.Format(time.RFC3339), age)
	}
	return ""
}

// checkNothing says so if no checkpoint is signed by a trusted key. What is wrong with the
// form of a file that nobody has signed is not tampering with a log, unless something is
// there that only a log leaves.
func (c *checker) checkNothing(ctx context.Context, j *joined, results []*result) error {
	for _, r := range results {
		if r.end != nil {
			return nil
		}
	}
	c.add(newFinding(NothingChecked, Unchecked, place{}, "no checkpoint is signed with a trusted key: nothing of it could be checked"))
	switch {
	case c.files > 1, len(results) > 0 && !results[0].active():
		return nil // sealed segments end in a checkpoint
	case len(results) > 0:
		results[0].findings.soften()
		j.found[0].soften()
	default:
		c.log.soften()
	}
	size, err := pruned.Last(ctx, c.fsys)
	if err == nil && size > 0 {
		c.add(newFinding(SegmentMissing, Tampering, place{segment: sidefile.PrunedRangesName, index: &size},
			"the file tells of a log that had %d leaves, and nothing of it is there", size))
	}
	return err
}
