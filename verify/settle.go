// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
)

// settle ends a group; good says that a signed checkpoint covers all of it.
// Otherwise only what carries a signature of its own counts.
func (f *follower) settle(good bool) {
	g := &f.group
	for _, one := range slices.Concat(g.tornLines, g.objections) {
		f.add(one)
	}
	if !f.unread {
		for _, one := range g.ofOpenings {
			f.findings.add(f.c.perSegment, one)
		}
	}
	f.endCommit()
	if good {
		for _, one := range g.ofCommits {
			f.add(one)
		}
		f.commits.extend(g.first, g.last)
		f.logEvents = append(f.logEvents, g.logEvents...)
		for _, v := range g.cosignatures {
			f.cosignatures = addCosignature(f.cosignatures, v)
		}
		for _, m := range g.keptRoots {
			m.kept.Compare(m.root)
		}
	} else {
		g.counted.failPending(f.c.perSegment, false)
		for _, e := range g.logEvents {
			if e.signed {
				f.logEvents = append(f.logEvents, e)
			}
		}
	}
	g.counted.verified = g.counted.pending
	f.counts.add(&g.counted.counts)
	f.failedIDs = appendUpTo(f.failedIDs, g.counted.failedIDs, f.c.perSegment)
	f.reset()
}

// endCommit counts the events since the last commit line. Those out of range are not
// counted, unless they have been counted with their commit.
func (f *follower) endCommit() {
	g := &f.group
	g.counted.merge(&g.present, f.c.perSegment)
	g.late.clear()
	g.presentFrom = len(g.leaves)
}

// reset begins a group after the present line.
func (f *follower) reset() {
	g := &f.group
	g.counted.clear()
	g.present.clear()
	g.late.clear()
	*g = group{
		firstLine: f.line + 1, before: f.tree, compared: len(f.ids), counted: g.counted, present: g.present, late: g.late,
		leaves: g.leaves[:0], ids: g.ids[:0], logEvents: g.logEvents[:0], keptRoots: g.keptRoots[:0], cosignatures: g.cosignatures[:0], ofCommits: g.ofCommits[:0], tornLines: g.tornLines[:0], ofOpenings: g.ofOpenings[:0],
	}
}

// forget drops a group that was never acknowledged. Lines in it that no crash
// explains stay counted.
func (f *follower) forget() {
	f.endCommit()
	g := &f.group
	if failed := g.counted.failed - g.counted.torn; failed > 0 {
		f.total += failed
		f.failed += failed
		f.failedIDs = appendUpTo(f.failedIDs, g.counted.failedIDs, f.c.perSegment)
	}
	f.ids = f.ids[:g.compared]
	f.reset()
}
