// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// commitLine takes a commit line.
func (f *follower) commitLine(l *checked) {
	g, index := &f.group, f.nextIndex()
	f.addLeaf(l, false, false)
	f.commit.line = f.line
	if l.bad != nil {
		f.mustRecheck(l, newFinding(CommitInvalid, Tampering, place{line: f.line, index: index}, "%v", l.bad))
		f.commit.number = 0
	} else {
		f.checkCommitTime(l, *index)
		f.checkCommitNumber(l.commit.Number)
		f.checkCommitIDs(&l.commit)
		f.checkTime(l.commit.Time, "the commit")
		f.commit.number = l.commit.Number
		if g.first.Number == 0 {
			g.first = l.commit
		}
		g.last = l.commit
	}
	f.endCommit()
	f.commit.ids, f.commit.idsUnknown = merkle.Frontier{}, false
}

// checkCommitTime reads the time of the commit of the events before: it decides whether
// they are in range, and whether the keys may have signed then.
func (f *follower) checkCommitTime(l *checked, index uint64) {
	g, at := &f.group, l.commit.Time
	if g.late.total > 0 && f.inRange(at) {
		g.late.byCommit = g.late.total
		g.present.merge(&g.late, f.c.perSegment)
		for i := g.presentFrom; i < len(g.leaves); i++ {
			g.leaves[i].counts = g.leaves[i].counts || g.leaves[i].late
		}
	}
	f.checkOtherSigners(index, at)
	kind, why := f.authority.objection(index, at)
	if kind == "" {
		return
	}
	f.add(newFinding(kind, Tampering, place{line: f.line, index: &index}, "%s", why))
	if kind, _ := f.authority.objectionToEvent(l, index); kind != "" {
		return // for its index, against which each event has been held
	}
	g.present.failPending(f.c.perSegment, true)
	for i := g.presentFrom; i < len(g.leaves); i++ {
		g.leaves[i].counts = false
	}
}

// checkCommitNumber checks that commits are numbered without a gap.
func (f *follower) checkCommitNumber(number uint64) {
	switch before := f.commit.number; {
	case before > 0 && number != before+1:
		f.addOfCommit(CommitInvalid, Tampering, "the commit has the number %d, the one before it %d", number, before)
	case before == 0 && f.end == nil && f.group.last.Number == 0 && f.header != nil && f.first == 0 && number != 1:
		f.addOfCommit(CommitInvalid, Tampering, "the log's first commit has the number %d", number)
	}
}

// checkCommitIDs compares what the commit binds of its events' ids with them.
func (f *follower) checkCommitIDs(c *segment.Commit) {
	switch ids := &f.commit.ids; {
	case f.header == nil || f.commit.idsUnknown:
	case slices.Contains(f.header.Features, segline.FeatureIDs) != (c.IDs != nil):
		f.addOfCommit(CommitInvalid, Tampering, "the commit binds ids of its events, or not, against what the segment's header says")
	case c.IDs != nil && (c.IDs.Count != ids.Size() || c.IDs.Root != ids.Root()):
		f.addOfCommit(CommitInvalid, Tampering, "the ids that the commit binds are not those of its events")
	}
}

// checkTime warns of a clock that went back, or is ahead, once for each segment.
func (f *follower) checkTime(at time.Time, what string) {
	say := func(reported *bool, kind Kind, format string, args ...any) {
		if !*reported {
			*reported = true
			f.addOfCommit(kind, Warning, format, args...)
		}
	}
	if before := f.commit.latest; at.Before(before) {
		say(&f.commit.wentBack, kindTimeWentBack, "%s says that it is of %s, but what comes before it is of %s: the writer's clock went back", what, at.Format(time.RFC3339), before.Format(time.RFC3339))
	}
	if at.After(f.c.now.Add(maxClockLead)) {
		say(&f.commit.ahead, kindTimeInFuture, "%s says that it is of %s, which is ahead of the clock here: one of the two is wrong", what, at.Format(time.RFC3339))
	}
	f.commit.latest = at
}

// uncovered reports a commit line that another line than a checkpoint follows.
func (f *follower) uncovered(l *checked) {
	index := f.claimed + f.seen - 1
	f.mustRecheck(l, newFinding(CommitInvalid, Tampering, place{line: f.commit.line, index: &index}, "no checkpoint follows the commit on this line: it has been removed, or something was put before it"))
	f.commit.line = 0
}
