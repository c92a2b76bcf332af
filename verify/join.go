// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// join checks that the segments are windows on one tree, without gaps.
func (c *checker) join(ctx context.Context, results []*result, authorities []*authority) (*joined, error) {
	j := &joined{found: make([]findings, len(results)), most: c.perSegment}
	if len(results) == 0 {
		c.checkReceipts(&j.report)
		c.checkKeptAll(0, &j.report, results)
		for _, one := range c.checkKeyChanges(results, &j.report) {
			c.add(one)
		}
		c.checkSize(&j.report, results)
		c.checkEnd(&j.report, results)
		return j, c.checkNothing(ctx, j, results)
	}
	pruned := j.readLogEvents(results)
	var end *point // of the log so far; nil if it is not known
	var before *result
	for i, r := range results {
		j.sameLog(i, r)
		switch {
		case i == 0:
			j.checkBeginning(r, pruned, unreadAnywhere(results))
		case end == nil:
			// Its end is not known, which has been reported.
		default:
			j.follows(i, r, before, end, c.gone)
		}
		if r.end == nil {
			if r.start != nil && r.active() {
				continue // nothing of it counts yet
			}
			before, end = r, nil
			continue
		}
		if end == nil || r.end.size >= end.size {
			before, end = r, r.end
			j.report.TreeSize, j.report.RootHash = r.end.size, r.end.root[:]
			if r.commits.last.Number > 0 {
				j.report.LastCommit = &r.commits.last.Time
			}
		}
	}
	c.checkReceipts(&j.report)
	c.checkKeptAll(results[0].first, &j.report, results)
	for _, one := range c.checkKeyChanges(results, &j.report) {
		c.add(one)
	}
	c.checkWitnesses(j, results)
	c.reportTrustBegins(results, authorities, &j.report)
	c.checkRetention(j, results, pruned)
	c.checkKnown(j, results)
	c.checkEnd(&j.report, results)
	return j, c.checkNothing(ctx, j, results)
}

// sameLog checks that the segment belongs to the log of those before it.
func (j *joined) sameLog(i int, r *result) {
	if r.header == nil {
		return
	}
	if j.report.Origin == "" {
		j.report.Origin = r.header.Origin
	}
	if j.report.Log == nil {
		j.report.Log = r.header.Log[:]
	}
	if r.header.Origin == j.report.Origin && r.header.Log != signing.LogID(j.report.Log) {
		j.add(i, r, newFinding(HeaderInvalid, Tampering, place{line: 1, index: &r.first}, "the segment is of another log that has the origin %q, too", r.header.Origin))
	}
	if r.header.Origin != j.report.Origin {
		j.add(i, r, newFinding(HeaderInvalid, Tampering, place{line: 1, index: &r.first}, "the segment is of the log %q, not of %q", r.header.Origin, j.report.Origin))
	}
}

// follows checks that a segment begins where the log ends so far.
func (j *joined) follows(i int, r, before *result, end *point, gone func(*signing.PublicKey, *result) bool) {
	say := func(kind Kind, line int, format string, args ...any) {
		j.add(i, r, newFinding(kind, Tampering, place{line: line, index: &r.first}, format, args...))
	}
	switch {
	case r.first > end.size && before.unread:
		// it may go up to there
	case r.first > end.size:
		say(SegmentMissing, 0, "leaves %d to %d are missing between %s and this segment: retention deletes from the beginning on only. %s", end.size, r.first-1, before.file.Name, copyAgain)
	case r.first < end.size:
		say(SegmentOverlap, 0, "the segment starts at leaf %d, but %s goes up to leaf %d", r.first, before.file.Name, end.size-1)
	case r.start != nil && r.start.root != end.root:
		say(RootMismatch, 1, "the header's frontier is not that of the tree at the end of %s", before.file.Name)
	default:
		j.checkContinuation(i, r, before, func(k *signing.PublicKey) bool { return gone(k, r) })
	}
}

// checkContinuation compares a segment with the one that it follows without a gap.
func (j *joined) checkContinuation(i int, r, before *result, gone func(*signing.PublicKey) bool) {
	if kind, why := checkIntroduction(before.authority, r.authority, gone); kind != "" {
		j.add(i, r, newFinding(kind, Tampering, place{line: 1, index: &r.first}, "%s", why))
	}
	last, first := before.commits.last, r.commits.first
	if last.Number > 0 && first.Number > 0 && first.Number != last.Number+1 {
		j.add(i, r, newFinding(CommitInvalid, Tampering, place{index: &r.first}, "the segment's first commit has the number %d, the last one before it %d", first.Number, last.Number))
	}
	if before.header != nil && r.header != nil && before.authority.newer == nil && r.authority.newer == nil {
		if why := checkPromise(before.header, r.header); why != "" {
			j.add(i, r, newFinding(RetentionBroken, Tampering, place{line: 1, index: &r.first}, "%s", why))
		}
	}
	if last.Number > 0 && r.header != nil && r.header.Created.Before(last.Time) {
		j.add(i, r, newFinding(kindTimeWentBack, Warning, place{line: 1, index: &r.first},
			"the header says that it is of %s, but the commit before it is of %s: the writer's clock went back", r.header.Created.Format(time.RFC3339), last.Time.Format(time.RFC3339)))
	}
}

// checkBeginning checks the first segment there is. What was not read may say what retention has
// deleted.
func (j *joined) checkBeginning(r *result, pruned *logevent.Event, unread string) {
	say := func(kind Kind, severity Severity, format string, args ...any) {
		j.add(0, r, newFinding(kind, severity, place{index: &r.first}, format, args...))
	}
	switch stated := pruned != nil && pruned.Before >= r.first; {
	case r.first == 0:
	case stated:
		j.report.PrunedBefore = r.first
		say(kindPruned, Info, "leaves 0 to %d have been pruned by retention, as the log says", r.first-1)
	case unread != "":
		say(SegmentMissing, Unchecked, "leaves 0 to %d are missing, and what could be read of the log does not say that they were pruned: %s may. %s", r.first-1, unread, compression.HowToDecompress(unread))
	default:
		say(SegmentMissing, Tampering, "leaves 0 to %d are missing, and the log does not say that they were pruned. %s", r.first-1, copyAgain)
	}
}

// agrees reports whether what the log says of a segment fits it, as far as is known.
func (j *joined) agrees(r *result, says *logevent.Segment) bool {
	if r.header == nil || r.end == nil || says.FirstIndex != r.first || says.TreeSize != r.end.size {
		return true // what is missing or changed there is found there
	}
	if says.RootHash != r.end.root {
		return false
	}
	if len(says.Range) == 0 {
		return true
	}
	tree, err := merkle.NewFrontier(r.header.FirstIndex, r.header.Frontier)
	if err != nil {
		return true // ParseHeader has checked it
	}
	return compactrange.Extend(&tree, says.TreeSize, says.Range) == nil && tree.Root() == r.end.root
}

// readLogEvents reads what the log says of itself, and returns the furthest pruning.
func (j *joined) readLogEvents(results []*result) (pruned *logevent.Event) {
	starts := map[uint64]merkle.Hash{}
	for _, r := range results {
		if r.start != nil {
			starts[r.start.size] = r.start.root
		}
	}
	for i, r := range results {
		for n := range r.logEvents {
			e := &r.logEvents[n]
			say := func(kind Kind, severity Severity, format string, args ...any) {
				j.add(i, r, newFinding(kind, severity, place{line: e.line, index: &e.index, eventID: e.id}, format, args...))
			}
			switch event := &e.event; event.Action {
			case logevent.Pruned:
				if pruned == nil || event.Before > pruned.Before {
					pruned = event
				}
				if root, ok := starts[event.Before]; ok && root != event.RootHash {
					say(RootMismatch, Tampering, "the log says that everything before leaf %d was pruned, but the segment that starts there follows another tree", event.Before)
				}
			case logevent.Contradicted: // see checkContradictions
			case logevent.Rotated:
				switch {
				case i > 0 && results[i-1].unread && event.Previous.FirstIndex != results[i-1].first:
					say(SegmentMissing, Tampering, "the log says that the segment before begins at leaf %d, but %s is in its place", event.Previous.FirstIndex, results[i-1].file.Name)
				case i > 0 && !j.agrees(results[i-1], event.Previous):
					say(RootMismatch, Tampering, "what the log says of the segment before does not fit that segment")
				}
			case logevent.Recovered:
				say(kindRecovered, Info, "the writer set aside or cut off %d bytes behind the last checkpoint of %s (%s)", event.Size, event.Segment, event.Reason)
			case logevent.Damaged:
				say(kindDamaged, Warning, "the writer found that acknowledged lines were changed or gone (segment %q): %s", event.Segment, event.Detail)
			}
		}
	}
	return pruned
}
