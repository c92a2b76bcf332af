// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// maxAhead is how far ahead of the verifier's clock a writer's may be.
const maxAhead = 5 * time.Minute

// committing is where a follower is within the commits of a segment.
type committing struct {
	// line is that of the commit line, if it is the line before; otherwise 0.
	line int
	// number is that of the last commit, 0 if it is not known. at is the latest time that
	// a commit or the header has said.
	number uint64
	at     time.Time
	// ids is the tree over the ids of the events since, unless one is not known.
	ids     merkle.Frontier
	unknown bool
	// wentBack and ahead say that this has been told of the segment.
	wentBack, ahead bool
}

// commits are the first and the last commit of a segment that a checkpoint covers. Their
// numbers are 0 if they are not known.
type commits struct {
	first, last segment.Commit
	begun       bool // first is decided, be it that it is not known
}

// extend takes in the first and the last commit of what a checkpoint covers.
func (c *commits) extend(first, last segment.Commit) {
	if !c.begun {
		c.first, c.begun = first, true
	}
	c.last = last
}

// commitLine takes a commit line.
func (f *follower) commitLine(l *checked) {
	g, index := &f.group, f.index()
	f.addLeaf(l, false, false)
	f.commit.line = f.line
	if l.bad != nil {
		f.mustRecheck(l, Finding{Kind: CommitInvalid, Severity: Tampering, Line: f.line, Index: index, Message: l.bad.Error()})
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
	f.commit.ids, f.commit.unknown = merkle.Frontier{}, false
}

// ofCommit notes what is wrong with a commit. It counts once a signed checkpoint covers it.
func (f *follower) ofCommit(kind Kind, severity Severity, format string, args ...any) {
	at := f.claimed + f.seen - 1
	f.group.ofCommits = append(f.group.ofCommits, Finding{Kind: kind, Severity: severity, Line: f.line, Index: &at, Message: fmt.Sprintf(format, args...)})
}

// checkCommitTime takes in the time of the commit of the events before: it decides whether
// they are in range, and whether the keys may have signed then.
func (f *follower) checkCommitTime(l *checked, index uint64) {
	g, at := &f.group, l.commit.Time
	if g.late.total > 0 && f.inRange(at) {
		g.late.byCommit = g.late.total
		g.present.take(&g.late, f.c.perSegment)
		for i := g.presentFrom; i < len(g.leaves); i++ {
			g.leaves[i].counts = g.leaves[i].counts || g.leaves[i].late
		}
	}
	f.watch(index, at)
	kind, why := f.authority.objection(index, at)
	if kind == "" {
		return
	}
	f.add(Finding{Kind: kind, Severity: Tampering, Line: f.line, Index: &index, Message: why})
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
		f.ofCommit(CommitInvalid, Tampering, "the commit has the number %d, the one before it %d", number, before)
	case before == 0 && f.end == nil && f.group.last.Number == 0 && f.header != nil && f.first == 0 && number != 1:
		f.ofCommit(CommitInvalid, Tampering, "the log's first commit has the number %d", number)
	}
}

// checkCommitIDs compares what the commit binds of its events' ids with them.
func (f *follower) checkCommitIDs(c *segment.Commit) {
	switch ids := &f.commit.ids; {
	case f.header == nil || f.commit.unknown:
	case slices.Contains(f.header.Features, segline.FeatureIDs) != (c.IDs != nil):
		f.ofCommit(CommitInvalid, Tampering, "the commit binds ids of its events, or not, against what the segment's header says")
	case c.IDs != nil && (c.IDs.Count != ids.Size() || c.IDs.Root != ids.Root()):
		f.ofCommit(CommitInvalid, Tampering, "the ids that the commit binds are not those of its events")
	}
}

// checkTime warns of a clock that went back, or is ahead, once for each segment.
func (f *follower) checkTime(at time.Time, what string) {
	say := func(said *bool, kind Kind, format string, args ...any) {
		if !*said {
			*said = true
			f.ofCommit(kind, Warning, format, args...)
		}
	}
	if before := f.commit.at; at.Before(before) {
		say(&f.commit.wentBack, kindTimeWentBack, "%s says that it is of %s, but what comes before it is of %s: the writer's clock went back", what, at.Format(time.RFC3339), before.Format(time.RFC3339))
	}
	if at.After(f.c.now.Add(maxAhead)) {
		say(&f.commit.ahead, kindTimeInFuture, "%s says that it is of %s, which is ahead of the clock here: one of the two is wrong", what, at.Format(time.RFC3339))
	}
	f.commit.at = at
}

// uncovered reports a commit line that another line than a checkpoint follows.
func (f *follower) uncovered(l *checked) {
	index := f.claimed + f.seen - 1
	f.mustRecheck(l, Finding{Kind: CommitInvalid, Severity: Tampering, Line: f.commit.line, Index: &index, Message: "no checkpoint follows the commit on this line: it has been removed, or something was put before it"})
	f.commit.line = 0
}
