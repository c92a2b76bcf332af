// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// result is what checking one segment gave.
type result struct {
	file   segment.File
	newest bool
	header *segment.Header // nil if it is invalid
	// start is the tree before the segment, end the one of its last checkpoint
	// with a valid signature: nil if it has none.
	start, end *point

	findings []Finding
	omitted  int

	total, verified, failed, unsigned, own, counted uint64
	failedIDs                                       []string
	first, last                                     *time.Time
	signers                                         []string // key ids, of checkpoints
	logEvents                                       []ownEvent
	ids                                             []uint64 // hashes of event ids
	gone                                            bool     // pruned while the log was being checked
}

// point is a tree.
type point struct {
	size uint64
	root merkle.Hash
}

// ownEvent is what the log says of itself on some line.
type ownEvent struct {
	detail []byte
	line   int
	index  uint64
	id     string
}

func (r *result) summary() Segment {
	s := Segment{Name: r.file.Name, FirstIndex: r.file.Parsed.FirstIndex, Events: r.total, Bytes: r.file.Size, Active: r.newest && r.file.Parsed.Compression == segment.None}
	if r.header != nil {
		s.Scope = string(r.header.Scope)
	}
	if r.end != nil {
		s.TreeSize, s.RootHash = r.end.size, r.end.root[:]
	}
	return s
}

// follower follows the lines of a segment in order.
type follower struct {
	*result
	c    *checker
	tree merkle.Frontier
	// anchored says that the tree is known: all checkpoints so far fit, or could
	// be made to.
	anchored bool
	// group is what has been read since the last checkpoint that counts.
	group group
	// claimed is the size of the last checkpoint with a valid signature.
	claimed uint64
	seen    uint64 // leaves since then
	kept    []*keptCheckpoint
	line    int
}

// group is the lines that the next checkpoint is to cover.
type group struct {
	before merkle.Frontier
	leaves []leaf
	// lost says that there are more leaves than are kept.
	lost bool
	// pending counts events in range whose line is good but for the tree.
	pending, pendingSigned uint64
	pendingIDs             []string
	firstLine              int
}

// leaf is a line of a group.
type leaf struct {
	hash merkle.Hash
	line int
	id   string
}

// segment checks one segment. The error says that it could not be read.
func (c *checker) segment(ctx context.Context, file segment.File, newest bool) (*result, error) {
	res := &result{file: file, newest: newest}
	r, err := c.open(res)
	if err != nil {
		if isForm(err) {
			res.find(c.o.MaxFindings, Finding{Kind: SegmentUnreadable, Severity: Tampering, Message: err.Error()})
			return res, nil
		}
		return nil, err
	}
	if res.gone {
		return res, nil
	}
	defer r.Close()
	defer c.progress(res.file.Size)
	f := &follower{result: res, c: c}
	if err := f.begin(r); err != nil {
		return nil, err
	}
	if res.header == nil {
		return res, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan *chunk, 2)
	go c.read(ctx, r, res.header, chunks)
	// The reader is not closed before the goroutine has ended.
	defer func() {
		cancel()
		for k := range chunks {
			<-k.done
			c.budget.give(k.cost)
		}
	}()
	for k := range chunks {
		<-k.done
		for i := range k.lines {
			f.line = k.first + i
			if k.err != nil && i == len(k.lines)-1 && errors.Is(k.err, segment.ErrPartialLine) {
				break // the line is not complete; see end
			}
			f.follow(&k.lines[i])
		}
		c.budget.give(k.cost)
		if k.err != nil {
			return res, f.finish(k.err)
		}
	}
	return nil, context.Cause(ctx)
}

// open opens the segment's file. On a live log it may have been compressed or
// pruned since the directory was listed.
func (c *checker) open(res *result) (*segment.Reader, error) {
	for tries := 0; ; tries++ {
		r, err := segment.Open(c.fsys, res.file.Name, res.file.Size)
		if !errors.Is(err, fs.ErrNotExist) || tries == 3 {
			return r, err
		}
		listing, lerr := segment.List(c.fsys)
		if lerr != nil {
			return nil, lerr
		}
		i := slices.IndexFunc(listing.Segments, func(f segment.File) bool { return f.Parsed.Plain() == res.file.Parsed.Plain() })
		switch {
		case i >= 0:
			// Sealed and compressed meanwhile: all of it is there to be checked.
			res.file = listing.Segments[i]
		case len(listing.Segments) > 0 && res.file.Parsed.FirstIndex < listing.Segments[0].Parsed.FirstIndex:
			res.gone = true
			return nil, nil
		default:
			return nil, err
		}
	}
}

// begin reads the header.
func (f *follower) begin(r *segment.Reader) error {
	f.line = 1
	line, err := r.Next()
	bad := func(format string, args ...any) {
		f.find(f.c.o.MaxFindings, Finding{Kind: HeaderInvalid, Severity: Tampering, Line: 1, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case err == io.EOF:
		f.torn("the segment is empty")
		return nil
	case errors.Is(err, segment.ErrPartialLine):
		f.torn("the header is cut off")
		return nil
	case err != nil && isForm(err):
		f.find(f.c.o.MaxFindings, Finding{Kind: SegmentUnreadable, Severity: Tampering, Line: 1, Message: err.Error()})
		return nil
	case err != nil:
		return err
	}
	h, err := segment.ParseHeader(line)
	if err != nil {
		bad("%v", err)
		return nil
	}
	if h.FirstIndex != f.file.Parsed.FirstIndex {
		bad("the header says that the segment starts at leaf %d, the file's name %d", h.FirstIndex, f.file.Parsed.FirstIndex)
	}
	if got, want := h.Created.UTC().Truncate(time.Second), f.file.Parsed.Created; !got.Equal(want) {
		bad("the header says that the segment was created at %s, the file's name %s", got.Format(time.RFC3339), want.Format(time.RFC3339))
	}
	f.header = &h
	if f.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
		return err // ParseHeader has checked it
	}
	f.start = &point{f.tree.Size(), f.tree.Root()}
	f.kept = f.c.kept
	f.anchored = true
	f.claimed = f.tree.Size()
	f.group = group{before: f.tree, firstLine: 1}
	f.compareKept()
	f.addLeaf(merkle.LeafHash(line), "")
	return nil
}

// torn reports a segment whose first commit is not there.
func (f *follower) torn(what string) {
	if f.newest && f.file.Parsed.Compression == segment.None {
		f.find(f.c.o.MaxFindings, Finding{Kind: TornTail, Severity: Warning, Line: 1, Message: what + ": a write in progress, or what a crash left"})
		return
	}
	f.find(f.c.o.MaxFindings, Finding{Kind: SegmentTruncated, Severity: Tampering, Line: 1, Message: what})
}

func (f *follower) addLeaf(h merkle.Hash, id string) {
	f.tree.Append(h)
	f.seen++
	if len(f.group.leaves) < maxLocate {
		f.group.leaves = append(f.group.leaves, leaf{h, f.line, id})
	} else {
		f.group.lost = true
	}
	if f.anchored {
		f.compareKept()
	}
}

// follow takes the next line.
func (f *follower) follow(l *checked) {
	switch {
	case l.kind == segment.KindCheckpoint:
		f.checkpoint(l)
	case l.kind == segment.KindEvent:
		f.event(l)
	default:
		f.add(Finding{Kind: EventMalformed, Severity: Tampering, Message: l.bad.Error()})
		if l.kind == segment.KindHeader {
			f.addLeaf(l.leaf, "")
		}
	}
}

// add notes a finding about the present line.
func (f *follower) add(one Finding) {
	if one.Line == 0 {
		one.Line = f.line
	}
	f.find(f.c.o.MaxFindings, one)
}

func (r *result) find(most int, one Finding) {
	one.Segment = r.file.Name
	if len(r.findings) >= most {
		r.omitted++
		return
	}
	r.findings = append(r.findings, one)
}

func (f *follower) event(l *checked) {
	// The index is what it would be if nothing had been changed before.
	index := f.tree.Size()
	id := string(l.sum.ID)
	f.addLeaf(l.leaf, id)
	f.remember(l.sum.ID)
	counted := f.inRange(l.sum.Time) || l.bad != nil
	if counted {
		f.count(l)
	}
	fail := func(kind Kind, severity Severity, message string) {
		f.add(Finding{Kind: kind, Severity: severity, Index: &index, EventID: id, Message: message})
		if counted && severity == Tampering {
			f.fail(id)
		}
	}
	switch {
	case l.bad != nil:
		fail(EventMalformed, Tampering, l.bad.Error())
	case l.signed == sigInvalid:
		fail(EventSignatureInvalid, Tampering, "the event's signature does not fit the event: one of the two has been changed")
	case l.signed == sigUnknownKey:
		fail(UnknownKey, Tampering, fmt.Sprintf("the event is signed with the key %s, which is not trusted", l.keyID))
	case l.form == segment.FormBare && f.header.Scope == segment.ScopeEvent:
		fail(UnsignedEvent, Tampering, "the event has no signature, but every event of this segment must have one")
	default:
		if l.form == segment.FormUnsigned {
			fail(UnsignedEvent, Warning, "the event was written without a signature of its own, because signing failed; the checkpoint covers it")
			if counted {
				f.unsigned++
			}
		}
		if l.sum.Log != nil && (l.signed == sigValid || f.header.Scope == segment.ScopeCheckpoint || l.form == segment.FormUnsigned) {
			f.logEvents = append(f.logEvents, ownEvent{slices.Clone(l.sum.Log), f.line, index, id})
		}
		if !counted {
			return
		}
		f.group.pending++
		if l.signed == sigValid {
			f.group.pendingSigned++
		} else if len(f.group.pendingIDs) < f.c.o.MaxFindings {
			f.group.pendingIDs = append(f.group.pendingIDs, id)
		}
	}
}

func (f *follower) inRange(t time.Time) bool {
	o := &f.c.o
	return (o.Since.IsZero() || !t.Before(o.Since)) && (o.Until.IsZero() || t.Before(o.Until))
}

func (f *follower) count(l *checked) {
	f.total++
	if l.sum.Log != nil {
		f.own++
	}
	if l.bad != nil {
		return
	}
	t := l.sum.Time
	if f.first == nil || t.Before(*f.first) {
		f.first = &t
	}
	if f.last == nil || t.After(*f.last) {
		f.last = &t
	}
}

func (f *follower) fail(id string) {
	f.failed++
	if len(f.failedIDs) < f.c.o.MaxFindings {
		f.failedIDs = append(f.failedIDs, id)
	}
}

// idSeed makes the hashes of event ids unpredictable, so that nobody can choose
// ids that collide.
var idSeed = maphash.MakeSeed()

func (f *follower) remember(id []byte) {
	if len(id) > 0 && len(f.ids) < maxCompared {
		f.ids = append(f.ids, maphash.Bytes(idSeed, id))
	}
}

func (f *follower) checkpoint(l *checked) {
	if l.bad != nil {
		f.add(Finding{Kind: CheckpointMalformed, Severity: Tampering, Message: l.bad.Error()})
		return
	}
	if l.sigErr != nil {
		kind := CheckpointSignatureInvalid
		f.add(Finding{Kind: kind, Severity: Tampering, Message: l.sigErr.Error()})
		return
	}
	for _, k := range l.signers {
		if !slices.Contains(f.signers, k.ID()) {
			f.signers = append(f.signers, k.ID())
		}
	}
	switch {
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

// settle ends a group; good says that the checkpoint covers all of it.
func (f *follower) settle(good bool) {
	g := &f.group
	if good {
		f.verified += g.pending
	} else {
		f.verified += g.pendingSigned
		f.failed += g.pending - g.pendingSigned
		if room := f.c.o.MaxFindings - len(f.failedIDs); room > 0 {
			f.failedIDs = append(f.failedIDs, g.pendingIDs[:min(room, len(g.pendingIDs))]...)
		}
	}
	f.group = group{before: f.tree, firstLine: f.line + 1, leaves: g.leaves[:0], pendingIDs: g.pendingIDs[:0]}
}

// mismatch handles a signed checkpoint that does not fit the lines above it.
func (f *follower) mismatch(l *checked) {
	if repaired, findings := f.locate(l.checkpoint.Size, l.checkpoint.Root); findings != nil {
		for _, one := range findings {
			f.add(one)
		}
		f.tree = repaired
		f.settle(true)
		return
	}
	g := &f.group
	from, to := f.line, f.line
	if len(g.leaves) > 0 {
		from, to = g.leaves[0].line, f.line-1
	}
	index := g.before.Size()
	f.add(Finding{Kind: RootMismatch, Severity: Tampering, Line: from, LastLine: to, Index: &index, Message: f.mismatchMessage(l.checkpoint.Size, from, to)})
	f.anchored = false
	f.settle(false)
}

func (f *follower) mismatchMessage(size uint64, from, to int) string {
	where := fmt.Sprintf("lines %d to %d", from, to)
	if from == to {
		where = fmt.Sprintf("line %d", from)
	}
	said := fmt.Sprintf("the signed checkpoint on line %d", f.line)
	switch have := f.tree.Size(); {
	case have < size:
		return fmt.Sprintf("%s covers %d more than there are: %s missing at %s", said, size-have, plural(size-have, "line is", "lines are"), where)
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

// unanchored handles a checkpoint behind one that did not fit: its root cannot be
// computed before the next segment's header, but the number of leaves can be
// compared, and it has a valid signature.
func (f *follower) unanchored(l *checked) {
	if have, want := f.seen, l.checkpoint.Size-f.claimed; have != want || l.checkpoint.Size < f.claimed {
		index := f.claimed
		f.add(Finding{Kind: RootMismatch, Severity: Tampering, Line: f.group.firstLine, LastLine: f.line, Index: &index,
			Message: fmt.Sprintf("the signed checkpoints before and on line %d are %d leaves apart, but %d lines lie between", f.line, int64(want), have)})
	}
	f.settle(false)
}

// finish handles the end of the file.
func (f *follower) finish(err error) error {
	partial := errors.Is(err, segment.ErrPartialLine)
	switch {
	case err == io.EOF, partial:
	case isForm(err):
		f.add(Finding{Kind: SegmentUnreadable, Severity: Tampering, Line: f.line + 1, Message: err.Error()})
		f.settle(false)
		return nil
	default:
		return err
	}
	g := &f.group
	if !partial && len(g.leaves) == 0 && f.end != nil {
		return nil
	}
	one := Finding{Line: g.firstLine}
	if partial {
		one.LastLine = f.line
	}
	if f.newest && f.file.Parsed.Compression == segment.None {
		// Never acknowledged, so it does not count.
		f.total -= g.pending
		f.add(Finding{Kind: TornTail, Severity: Warning, Line: one.Line, LastLine: f.line,
			Message: "no checkpoint covers what follows: a write in progress, or what a crash left; it was never acknowledged and is not counted"})
		return nil
	}
	one.Kind, one.Severity = SegmentTruncated, Tampering
	one.Message = "the segment is sealed, but does not end in a checkpoint: its end has been cut off or changed"
	f.add(one)
	f.settle(false)
	return nil
}
