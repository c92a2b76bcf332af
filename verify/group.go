// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// group is the lines that the next checkpoint is to cover. What they say counts
// once it is known whether it does.
type group struct {
	firstLine int
	before    merkle.Frontier
	leaves    []leaf
	ids       []byte // of the leaves' events
	// lost says that there are more leaves than are kept.
	lost bool
	// compared is the number of ids before the group.
	compared int
	// counted are the events of commits, present those since the last commit line. late
	// are those that are out of range, unless their commit is in it.
	counted, present, late tally
	// presentFrom is the number of the first leaf behind the last commit line.
	presentFrom int
	own         []ownEvent
	met         []metRoot
	vouches     []cosignature
	// first and last are the group's commits, ofCommits what is wrong with what they say.
	first, last segment.Commit
	ofCommits   []Finding
	// objections are findings about keys that sign the checkpoint.
	objections []Finding
	// doubts are findings about lines that a crash may explain.
	doubts []Finding
	// ofOpenings are findings about openings of the group's events.
	ofOpenings []Finding
	unknown    uint64 // lines of no known kind
}

// leaf is a line of a group.
type leaf struct {
	hash merkle.Hash
	line int
	id   [2]int
	// counts says that it is among the pending events, late that it is if its commit is
	// in range, signed that it has a valid signature of its own, bad that it has been
	// reported as malformed.
	counts, late, signed, bad bool
}

func (g *group) id(l leaf) string { return string(g.ids[l.id[0]:l.id[1]]) }

// tally is what events come to.
type tally struct {
	counts
	failedIDs []string
	// pending counts events that are good but for the tree. Some ids are kept of those
	// without a signature of their own, and of those with one, where the time of their
	// commit may speak against them.
	pending, pendingSigned uint64
	pendingIDs, signedIDs  []string
	// doubted is how many of the lines that a crash may explain were counted as failed
	// events.
	doubted uint64
}

// clear makes the tally empty, but for its memory.
func (t *tally) clear() {
	*t = tally{failedIDs: t.failedIDs[:0], pendingIDs: t.pendingIDs[:0], signedIDs: t.signedIDs[:0]}
}

// take moves another tally into this one, which keeps as many ids as most.
func (t *tally) take(o *tally, most int) {
	if t.total == 0 {
		*t, *o = *o, *t
		o.clear()
		return
	}
	t.counts.add(&o.counts)
	t.failedIDs = appendUpTo(t.failedIDs, o.failedIDs, most)
	t.pending += o.pending
	t.pendingSigned += o.pendingSigned
	t.pendingIDs = appendUpTo(t.pendingIDs, o.pendingIDs, most)
	t.signedIDs = appendUpTo(t.signedIDs, o.signedIDs, most)
	t.doubted += o.doubted
	o.clear()
}

func appendUpTo(to, from []string, most int) []string {
	return append(to, from[:min(max(0, most-len(to)), len(from))]...)
}

// await takes in an event that is good but for the tree, or, if bound is set, for the time
// of its commit.
func (t *tally) await(most int, l *checked, bound bool) {
	t.pending++
	ids := &t.pendingIDs
	if l.signed == sigValid {
		t.pendingSigned++
		if ids = &t.signedIDs; !bound {
			return
		}
	}
	if len(*ids) < most {
		*ids = append(*ids, visible.Clip(l.sum.ID, maxID))
	}
}

func (t *tally) fail(most int, id string) {
	t.failed++
	if id != "" && len(t.failedIDs) < most {
		t.failedIDs = append(t.failedIDs, id)
	}
}

// failPending counts what is pending as failed, or only what has no signature of its own.
func (t *tally) failPending(most int, signedToo bool) {
	if signedToo {
		t.pendingSigned = 0
		t.failedIDs = appendUpTo(t.failedIDs, t.signedIDs, most)
	}
	t.failed += t.pending - t.pendingSigned
	t.failedIDs = appendUpTo(t.failedIDs, t.pendingIDs, most)
	t.pending, t.pendingIDs = t.pendingSigned, t.pendingIDs[:0]
}

// ownEvent is what the log says of itself on some line.
type ownEvent struct {
	said   logevent.Event
	line   int
	index  uint64
	id     string
	signed bool
}

// maxOwn bounds the events of the log's own that are kept for each group.
const maxOwn = 1000

// readLogEvent takes in what the log says of itself.
func (f *follower) readLogEvent(l *checked, index uint64) {
	if l.claim != nil {
		f.claim(l.claim, index, visible.Clip(l.sum.ID, maxID))
		return
	}
	e := ownEvent{line: f.line, index: index, id: visible.Clip(l.sum.ID, maxID), signed: l.signed == sigValid}
	said, err := logevent.Parse(l.sum.Log)
	if err != nil {
		f.add(Finding{Kind: EventMalformed, Severity: Tampering, Index: &index, EventID: e.id, Message: "what the log says of itself is malformed: " + err.Error()})
		return
	}
	switch said.Action {
	case logevent.Rotated:
		// A writer says it once, at the head of a segment.
		if said.Previous != nil && f.line <= logevent.HeadLines {
			e.said = logevent.Event{Action: said.Action, Previous: said.Previous}
			f.group.own = append(f.group.own, e)
		}
	case logevent.KeyChanged:
		f.checkKeyChangeLine(&e)
	case logevent.Pruned, logevent.Recovered, logevent.Damaged, logevent.Contradicted:
		if len(f.group.own) < maxOwn {
			e.said = logevent.Event{
				Action: said.Action, Before: said.Before, RootHash: said.RootHash, Size: said.Size,
				Segment: visible.Clip(said.Segment, maxID), Reason: visible.Clip(said.Reason, maxID), Witness: visible.Clip(said.Witness, maxID), Detail: visible.Clip(said.Detail, maxMessage),
			}
			f.group.own = append(f.group.own, e)
		}
	default:
		if !said.Action.Known() && !f.unknownAction {
			f.unknownAction = true // once for each segment
			f.add(Finding{Kind: kindUnknownAction, Severity: Info, Index: &index, EventID: e.id,
				Message: fmt.Sprintf("the log says %.100q of itself, which this version does not know: a newer one may have written it", said.Action)})
		}
	}
}

// settle ends a group; good says that a signed checkpoint covers all of it.
// Otherwise only what carries a signature of its own is believed.
func (f *follower) settle(good bool) {
	g := &f.group
	for _, one := range slices.Concat(g.doubts, g.objections) {
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
		f.own = append(f.own, g.own...)
		for _, v := range g.vouches {
			f.vouches = addCosignature(f.vouches, v)
		}
		for _, m := range g.met {
			m.kept.Compare(m.root)
		}
	} else {
		g.counted.failPending(f.c.perSegment, false)
		for _, e := range g.own {
			if e.signed {
				f.own = append(f.own, e)
			}
		}
	}
	g.counted.verified = g.counted.pending
	f.counts.add(&g.counted.counts)
	f.failedIDs = appendUpTo(f.failedIDs, g.counted.failedIDs, f.c.perSegment)
	f.reset()
}

// endCommit takes in the events since the last commit line. Those out of range are not
// counted, unless they have been taken in with their commit.
func (f *follower) endCommit() {
	g := &f.group
	g.counted.take(&g.present, f.c.perSegment)
	g.late.clear()
	g.presentFrom = len(g.leaves)
}

// reset begins a group behind the present line.
func (f *follower) reset() {
	g := &f.group
	g.counted.clear()
	g.present.clear()
	g.late.clear()
	*g = group{
		firstLine: f.line + 1, before: f.tree, compared: len(f.ids), counted: g.counted, present: g.present, late: g.late,
		leaves: g.leaves[:0], ids: g.ids[:0], own: g.own[:0], met: g.met[:0], vouches: g.vouches[:0], ofCommits: g.ofCommits[:0], doubts: g.doubts[:0], ofOpenings: g.ofOpenings[:0],
	}
}

// forget drops a group that was never acknowledged. Lines in it that no crash
// explains stay counted.
func (f *follower) forget() {
	f.endCommit()
	g := &f.group
	if failed := g.counted.failed - g.counted.doubted; failed > 0 {
		f.total += failed
		f.failed += failed
		f.failedIDs = appendUpTo(f.failedIDs, g.counted.failedIDs, f.c.perSegment)
	}
	f.ids = f.ids[:g.compared]
	f.reset()
}
