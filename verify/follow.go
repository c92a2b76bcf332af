// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// follower follows the lines of a segment in order.
type follower struct {
	*result
	c *checker
	// claims is the header, or what takes its place if that is invalid.
	claims *segment.Header
	tree   merkle.Frontier
	// anchored says that the tree is known: all checkpoints so far fit, or could
	// be made to.
	anchored bool
	// group is what has been read since the last checkpoint that counts.
	group group
	// claimed is the size of the last checkpoint with a valid signature, seen the
	// number of leaves since.
	claimed, seen uint64
	line          int
	malformed     int
	// tried is the work that went into locating changes.
	tried int
	// objected are the ids of keys that findings have been made about; see watch.
	objected []string
	commit   committing
	// openings are those of withheld values; nil if there are none. failure is why they
	// could not be read.
	openings *openings
	failure  error
	// unknownAction says that a finding has been made about one.
	unknownAction bool
}

// follow takes the next line.
func (f *follower) follow(l *checked) {
	if f.authority.newer != nil {
		f.followNewer(l)
		return
	}
	if f.commit.line > 0 && l.kind != segline.KindCheckpoint {
		f.uncovered(l)
	}
	switch l.kind {
	case segline.KindCommit:
		f.commitLine(l)
	case segline.KindCheckpoint:
		f.checkpoint(l)
	case segline.KindEvent:
		f.event(l)
	default:
		// What is not known may have been an event, so it takes the place of one.
		f.mustRecheck(l, Finding{Kind: EventMalformed, Severity: Tampering, Line: f.line, Index: f.index(), Message: l.bad.Error()})
		if l.kind == segline.KindUnknown {
			f.group.unknown++
		}
		f.addLeaf(l, false, false)
	}
}

// followNewer takes the next line of a segment that a newer version has written: of what
// is not a checkpoint, only that it has not been changed can be checked.
func (f *follower) followNewer(l *checked) {
	event := l.kind == segline.KindEvent
	switch {
	case l.kind == segline.KindCheckpoint:
		f.checkpoint(l)
		return
	case event:
		f.group.present.total++
		f.group.present.pending++
	}
	f.addLeaf(l, event, false)
}

// add notes a finding about the present line, or the one it names.
func (f *follower) add(one Finding) {
	if one.Line == 0 {
		one.Line = f.line
	}
	one.Segment = f.file.Name
	f.findings.add(f.c.perSegment, one)
}

// mustRecheck notes a finding about a malformed line. In the newest segment, a line with
// a NUL is what a power cut leaves where data had not reached the disk: that
// is tampering only if a checkpoint follows. mustRecheck reports whether that is open.
func (f *follower) mustRecheck(l *checked, one Finding) bool {
	f.malformed++
	if l.nul && f.active() && len(f.group.doubts) < f.c.perSegment {
		f.group.doubts = append(f.group.doubts, one)
		return true
	}
	f.add(one)
	return false
}

// index is that of the next leaf, as it would be if nothing had been changed
// before.
func (f *follower) index() *uint64 {
	at := f.claimed + f.seen
	return &at
}

// addLeaf adds the line to the tree. counts says that it is a pending event, late that it is
// one if its commit is in range.
func (f *follower) addLeaf(l *checked, counts, late bool) {
	f.compareReceipt(l)
	f.seen++
	g := &f.group
	if !f.anchored {
		return
	}
	f.tree.Append(l.leaf)
	f.noteCheckpointRoots()
	if len(g.leaves) == maxLocate {
		g.lost = true
		return
	}
	start := len(g.ids)
	g.ids = append(g.ids, l.sum.ID[:min(len(l.sum.ID), maxID)]...)
	g.leaves = append(g.leaves, leaf{hash: l.leaf, line: f.line, id: [2]int{start, len(g.ids)}, counts: counts, late: late, signed: l.signed == sigValid, bad: l.bad != nil})
}

func (f *follower) event(l *checked) {
	index := f.index()
	// What is not in order is counted whatever time it says. Another event that is out of
	// range is counted if its commit is not.
	ranged := l.bad != nil || f.inRange(l.sum.Time)
	tally := &f.group.present
	if !ranged {
		tally = &f.group.late
	}
	kind, message := f.checkEventLine(l, *index)
	good := kind == ""
	f.watch(*index, time.Time{})
	f.addLeaf(l, good && ranged, good && !ranged)
	f.remember(l.sum.ID)
	if f.commit.unknown = f.commit.unknown || l.bad != nil; slices.Contains(f.claims.Features, segline.FeatureIDs) && !f.commit.unknown {
		f.commit.ids.Append(l.idLeaf)
	}
	tally.count(l)
	if !good {
		one := Finding{Kind: kind, Severity: Tampering, Line: f.line, Index: index, EventID: visible.Clip(l.sum.ID, maxID), Message: message}
		tally.fail(f.c.perSegment, one.EventID)
		switch {
		case l.bad == nil:
			f.add(one)
		case f.mustRecheck(l, one):
			tally.doubted++
		}
		return
	}
	if l.unsigned {
		f.add(Finding{Kind: UnsignedEvent, Severity: Warning, Index: index, EventID: visible.Clip(l.sum.ID, maxID), Message: "the event was written without a signature of its own, because signing failed; the checkpoint covers it"})
		tally.unsigned++
	}
	if l.sum.Log != nil {
		f.readLogEvent(l, *index)
	}
	if len(l.withheld) > 0 || f.openings != nil {
		opened, withheld, err := f.open(*index, l.withheld)
		tally.opened += opened
		tally.withheld += withheld
		f.failure = err
	}
	tally.await(f.c.perSegment, l, f.authority.bound())
}

// checkEventLine says what is wrong with an event line by itself.
func (f *follower) checkEventLine(l *checked, index uint64) (Kind, string) {
	switch {
	case l.bad != nil:
		return EventMalformed, l.bad.Error()
	case l.signed == sigInvalid:
		return EventSignatureInvalid, "the event's signature does not fit the event: one of the two has been changed"
	case l.signed == sigUnknownKey:
		return UnknownKey, fmt.Sprintf("the event is signed with the key %s, which is not the segment's, or not trusted", l.keyID)
	case l.keyID == "" && !l.unsigned && f.claims.Scope == segline.ScopeEvent:
		return UnsignedEvent, "the event has no signature, but every event of this segment must have one"
	default:
		return f.authority.objectionToEvent(l, index)
	}
}

func (f *follower) inRange(t time.Time) bool {
	o := &f.c.o
	return (o.Since.IsZero() || !t.Before(o.Since)) && (o.Until.IsZero() || t.Before(o.Until))
}

func (t *tally) count(l *checked) {
	t.total++
	if l.sum.Log != nil {
		t.ours++
	}
	if l.bad == nil {
		t.span(l.sum.Time)
	}
}

// remember keeps a hash of an event's id, to find those that occur twice.
func (f *follower) remember(id []byte) {
	if len(id) > 0 && f.claimed+f.seen-f.c.base < maxCompared {
		f.ids = append(f.ids, maphash.Bytes(idSeed, id))
	}
}

func (f *follower) checkpoint(l *checked) {
	committed := f.commit.line > 0
	f.commit.line = 0
	if l.bad != nil {
		f.mustRecheck(l, Finding{Kind: CheckpointMalformed, Severity: Tampering, Line: f.line, Message: l.bad.Error()})
		return
	}
	if l.sigErr != nil {
		kind := CheckpointSignatureInvalid
		if errors.Is(l.sigErr, signing.ErrNoTrustedSignature) {
			kind = UnknownKey
		}
		f.add(Finding{Kind: kind, Severity: Tampering, Message: l.sigErr.Error()})
		return
	}
	if p := f.authority.previous; p != nil && f.end == nil && !slices.ContainsFunc(l.signers, p.Equal) {
		f.add(Finding{Kind: CheckpointSignatureInvalid, Severity: Tampering, Message: fmt.Sprintf("the first checkpoint after a change of the key lacks the signature of the key before, %s", p.ID())})
		return
	}
	if kind, why := f.checkSigners(l); kind != "" {
		f.add(Finding{Kind: kind, Severity: Tampering, Message: why})
		return
	}
	for _, k := range l.signers {
		if !slices.Contains(f.signers, k.ID()) {
			f.signers = append(f.signers, k.ID())
		}
	}
	f.endCommit()
	if !committed && f.seen > 0 && f.authority.newer == nil {
		f.ofCommit(CommitInvalid, Tampering, "no commit stands directly before the checkpoint")
	}
	switch {
	case f.seen == 0 && l.checkpoint.Size == f.claimed:
		f.add(Finding{Kind: LineInserted, Severity: Tampering, Message: "the checkpoint repeats the one before it: no line lies between them"})
	case f.anchored && l.checkpoint.Size == f.tree.Size() && merkle.Hash(l.checkpoint.Root) == f.tree.Root():
		f.settle(true)
	case f.anchored:
		f.mismatch(l)
	default:
		f.unanchored(l)
	}
	f.end = &point{l.checkpoint.Size, l.checkpoint.Root}
	f.claimed, f.seen = l.checkpoint.Size, 0
}

// checkSigners says why none of the keys that signed a checkpoint may have done so,
// where no header says which had to.
func (f *follower) checkSigners(l *checked) (kind Kind, why string) {
	if f.authority.header != nil {
		return "", "" // all had to; each leaf is held against those that count
	}
	for _, k := range f.authority.trustedSigners {
		if !slices.ContainsFunc(l.signers, k.Equal) {
			continue
		}
		if kind, why = k.objection(l.checkpoint.Size-1, f.commit.at); kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// watch notes keys that sign checkpoints over a leaf beside those for whose sake the
// segment counts, and may not. It is told once of each key. A zero time is that of no
// commit: only the index is looked at.
func (f *follower) watch(index uint64, at time.Time) {
	for _, k := range f.authority.besideSigners {
		if slices.Contains(f.objected, k.ID()) {
			continue
		}
		kind, why := k.objection(index, at)
		if at.IsZero() {
			kind, why = objection(k.byIndex, index, at)
		}
		if kind == "" {
			continue
		}
		f.objected = append(f.objected, k.ID())
		f.group.objections = append(f.group.objections, Finding{Kind: kind, Severity: Tampering, Line: f.line, Index: &index,
			Message: "a key signs the checkpoints from here on beside the others, and may not: " + why})
	}
}

// mismatch handles a signed checkpoint that does not fit the lines above it.
func (f *follower) mismatch(l *checked) {
	// What the commits say has been changed, or is not known to be theirs.
	g := &f.group
	g.ofCommits, g.first, g.last = g.ofCommits[:0], segment.Commit{}, segment.Commit{}
	f.commit.number = 0
	if f.locate(l.checkpoint.Size, l.checkpoint.Root) {
		f.settle(true)
		return
	}
	from, to := g.firstLine, max(g.firstLine, f.line-1)
	index := g.before.Size()
	f.add(Finding{Kind: RootMismatch, Severity: Tampering, Line: from, LastLine: to, Index: &index, Message: f.mismatchMessage(l.checkpoint.Size, from, to)})
	f.noteSignedRoot(l.checkpoint)
	if f.tree.Size() == l.checkpoint.Size {
		f.countUnknown()
	}
	f.anchored = false
	f.settle(false)
}

// countUnknown counts lines of no known kind that take the place of events.
func (f *follower) countUnknown() {
	f.total += f.group.unknown
	f.failed += f.group.unknown
}

func (f *follower) mismatchMessage(size uint64, from, to int) string {
	where := fmt.Sprintf("lines %d to %d", from, to)
	if from == to {
		where = fmt.Sprintf("line %d", from)
	}
	said := fmt.Sprintf("the signed checkpoint on line %d", f.line)
	switch have := f.tree.Size(); {
	case have < size:
		return fmt.Sprintf("%s covers %d more than there are: %s missing at %s", said, size-have, plural(size-have, "a line is", "lines are"), where)
	case have > size:
		return fmt.Sprintf("%s covers %d fewer than there are: %s inserted at %s", said, have-size, plural(have-size, "a line was", "lines were"), where)
	default:
		return fmt.Sprintf("%s does not fit: %s changed since it was signed", said, plural(uint64(to-from+1), where+" was", "one or more of "+where+" were"))
	}
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// unanchored handles a checkpoint behind one that did not fit, or without a header:
// its root cannot be computed before the next segment's header, but the number of
// leaves can be compared, and it has a valid signature.
func (f *follower) unanchored(l *checked) {
	f.noteSignedRoot(l.checkpoint)
	if have, want := f.seen, l.checkpoint.Size-f.claimed; have != want || l.checkpoint.Size < f.claimed {
		index := f.claimed
		f.add(Finding{Kind: RootMismatch, Severity: Tampering, Line: f.group.firstLine, LastLine: f.line, Index: &index,
			Message: fmt.Sprintf("the signed checkpoints before and on line %d are %d leaves apart, but there are %d lines between them", f.line, int64(want), have)})
	} else {
		f.countUnknown()
		for _, one := range f.group.ofCommits {
			f.add(one)
		}
		f.commits.extend(f.group.first, f.group.last)
	}
	f.settle(false)
}
