// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// commit makes a group of calls durable, together with the log's own pending
// events; g may be nil. It runs with sem held. If it fails, the durable state
// is what it was.
func (l *Log) commit(g *group) error {
	if g == nil {
		g = &group{}
	}
	err := l.tryCommit(g)
	if err != nil {
		err = fail(ReasonIO, err)
		if n := g.batches(); n > 0 {
			l.opts.Observer.Refused(reasonOf(err), n, g.events())
		}
		if l.fault == nil {
			l.fault = err
			l.opts.Logger.Error("The audit log cannot be written; callers are told to try again", zap.Error(err))
			l.opts.Observer.Fault(err)
		}
		return err
	}
	if l.fault != nil {
		l.fault = nil
		l.opts.Logger.Info("The audit log can be written again")
		l.opts.Observer.Healthy()
	}
	return nil
}

// change is a commit that has been put together and not yet written.
type change struct {
	tree merkle.Frontier
	// mark is where the segment begins, marks those that are followed for proofs.
	mark  *merkle.Mark
	marks []*merkle.Mark
	note  []byte
	// head and end are the lines before and after those of the batches, each with its LF;
	// bytes are how many all of them have.
	head, end []byte
	batches   []*stage.Batch
	bytes     int64
	// number and time are those of the commit.
	number uint64
	time   time.Time
	// ids is the tree of the events' ids, if they are bound.
	ids merkle.Frontier
	// begins is set if the change starts a segment; header and name are then its.
	begins bool
	header segment.Header
	name   segment.Name
	// signer is the key of the segment, keyChange how the one before introduces its header,
	// nil if the change needs none.
	signer    *signing.Signer
	keyChange *keyChange
	// says is what the log has to say of itself, scratch its lines.
	says    []logevent.Event
	scratch *stage.Batch
	// events counts those of others than the log itself.
	events int
	times  timeRange
	// unsigned counts events that lack the signature the scope asks for.
	unsigned int
	degraded bool
}

func (l *Log) tryCommit(g *group) error {
	start := time.Now()
	if err := l.ready(g); err != nil {
		return err
	}
	if len(l.segments) > 0 && l.keys.changesNext() && l.due(g.bytes()) != "" && l.opts.Scope == segment.ScopeEvent && len(g.calls) > 0 {
		// The events have been signed with the key before: the segment under the new
		// one begins without them.
		if err := l.put(&group{}, nil, l.due(g.bytes()), start); err != nil {
			return err
		}
	}
	g.rejectStaleKey(l.keys.current().Public().ID())
	a, durable := l.admit(g), false
	defer func() { l.settle(a, durable) }()
	reason := l.due(g.bytes())
	for _, c := range g.calls {
		c.placement = Placement{FirstIndex: l.tree.Size(), TreeSize: l.tree.Size()}
		if l.active != nil {
			c.placement.Segment = l.active.name.String()
		}
	}
	before := l.refusals
	says := append(append(a.Said(), l.refuse(g)...), g.says...)
	if g.events()+len(says) == 0 && len(l.pending) == 0 && l.fault == nil && reason != "age" && reason != "key" {
		durable = true
		return nil
	}
	if err := l.put(g, says, reason, start); err != nil {
		l.refusals = before // the calls come again
		return err
	}
	durable = true
	return nil
}

// put writes a commit, in a new segment if there is a reason for one, and takes in
// what it changes. The log says in it what says holds.
func (l *Log) put(g *group, says []logevent.Event, reason string, start time.Time) error {
	durable, refusals := false, l.refusals
	defer func() {
		if !durable {
			l.refusals = refusals
		}
	}()
	c, err := l.assemble(g, says, reason)
	if err != nil {
		return err
	}
	defer c.scratch.Release()
	syncTime, err := l.write(c)
	if err != nil {
		return err
	}
	durable = true
	l.tree, l.mark, l.note, l.degraded, l.pending = c.tree, c.mark, c.note, c.degraded, nil
	l.commits, l.lastTime = c.number, c.time
	name := l.active.name.String()
	for _, call := range g.calls {
		call.placement.TreeSize = l.tree.Size()
		call.placement.Segment = name
	}
	l.agent.Published(l.tree.Size(), c.events, c.says)
	l.maintenance.committed()
	if c.keyChange != nil {
		l.keys.committed(c.keyChange, c.name)
	}
	if c.begins {
		l.keeper.due = true
		l.observeSegments()
	}
	l.opts.Observer.Committed(Commit{
		Calls:        len(g.calls),
		Batches:      g.batches(),
		Events:       c.events,
		Unsigned:     c.unsigned,
		Bytes:        c.bytes,
		Duration:     time.Since(start),
		SyncDuration: syncTime,
		TreeSize:     l.tree.Size(),
		Segment:      name,
		SegmentBytes: l.active.size,
	})
	return nil
}

// assemble puts together the lines that the commit appends, and the tree
// behind them.
func (l *Log) assemble(g *group, says []logevent.Event, reason string) (c *change, err error) {
	c = &change{
		number: l.commits + 1, time: l.now(), header: l.header,
		tree: l.tree, mark: l.mark, marks: l.followed, scratch: l.newOwnBatch(), signer: l.keys.current(),
	}
	defer func() {
		if err != nil {
			c.scratch.Release()
		}
	}()
	for _, call := range g.calls {
		for _, b := range call.Batches {
			c.unsigned += b.Totals().Unsigned
		}
	}
	if reason != "" {
		if err := l.begin(c, reason); err != nil {
			return c, err
		}
	}
	if err := l.permitted(c, l.tree.Size()); err != nil {
		return c, err
	}
	if err := l.addOwnEvents(c, g, says); err != nil {
		return c, err
	}
	c.take(c.scratch)
	for _, call := range g.calls {
		call.placement.FirstIndex = c.tree.Size()
		for _, b := range call.Batches {
			c.take(b)
			c.events += b.Totals().Events
		}
	}
	c.close()
	if c.tree.Size() > segment.MaxIndex {
		return c, fmt.Errorf("the log is full: it has %d leaves", l.tree.Size())
	}
	if err := l.permitted(c, c.tree.Size()-1); err != nil {
		return c, err
	}
	if c.note, err = signing.SignCheckpoint(l.opts.Origin, c.tree.Size(), c.tree.Root(), l.keys.checkpointSigners(c.signer, c.keyChange)...); err != nil {
		return c, &Error{Reason: ReasonSigning, Err: fmt.Errorf("sign a checkpoint: %w", err)}
	}
	c.end = append(segment.AppendCheckpoint(c.end, c.note), '\n')
	c.bytes += int64(len(c.head) + len(c.end))
	return c, nil
}

// permitted asks whether the keys of a commit's segment may sign a leaf of it.
func (l *Log) permitted(c *change, index uint64) error {
	if err := l.keys.permitted(c.signer, index, l.opts.Now()); err != nil {
		return &Error{Reason: ReasonSigning, Err: err}
	}
	return nil
}

// take appends a batch's lines and leaves. The lines stay where they are until they are
// written: see lines.
func (c *change) take(b *stage.Batch) {
	c.batches = append(c.batches, b)
	b.Runs(func(lines []byte, leaves, ids []merkle.Hash) {
		c.bytes += int64(len(lines))
		c.grow(leaves...)
		for _, id := range ids {
			c.ids.Append(id)
		}
	})
	if first, last, ok := b.Times(); ok {
		c.times.add(timeRange{first, last, true})
	}
}

// close appends the commit line, which is the last leaf.
func (c *change) close() {
	line := segment.Commit{Number: c.number, Time: c.time}
	if c.header.Has(segment.FeatureIDs) {
		line.IDs = &segment.IDs{Count: c.ids.Size(), Root: c.ids.Root()}
	}
	c.end = segment.AppendCommit(c.end, line)
	c.grow(merkle.LeafHash(c.end))
	c.end = append(c.end, '\n')
}

// lines calls take with all that the change writes, in order.
func (c *change) lines(take func(lines []byte)) {
	take(c.head)
	for _, b := range c.batches {
		b.Runs(func(lines []byte, _, _ []merkle.Hash) { take(lines) })
	}
	take(c.end)
}

// grow appends leaves to the tree.
func (c *change) grow(leaves ...merkle.Hash) {
	marks := append(append(make([]*merkle.Mark, 0, 8), c.mark), c.marks...)
	for _, leaf := range leaves {
		c.tree.AppendMarked(leaf, marks)
	}
}

// begin appends the header of a new segment.
func (l *Log) begin(c *change, reason string) (err error) {
	c.begins = true
	if len(l.segments) > 0 {
		if c.signer, err = l.keys.next(); err != nil {
			return &Error{Reason: ReasonSigning, Err: fmt.Errorf("begin a segment with another key: %w", err)}
		}
	}
	c.name = segment.Name{FirstIndex: l.tree.Size(), Created: c.time, Compression: segment.None}
	c.header = l.nextHeader(c)
	c.head = segment.AppendHeader(c.head, c.header)
	leaf := merkle.LeafHash(c.head)
	c.mark = merkle.NewMark(&c.tree)
	c.grow(leaf)
	c.head = append(c.head, '\n')
	if len(l.segments) > 0 && changesKeys(&l.header, &c.header) {
		if c.keyChange, err = l.keys.signKeyChange(&l.header, &c.header, c.signer, l.tree.Root(), leaf); err != nil {
			return &Error{Reason: ReasonSigning, Err: err}
		}
		c.says = append(c.says, c.keyChange.said)
	}
	if n := len(l.segments); n > 0 {
		last := l.segments[n-1]
		root := l.tree.Root()
		previous := &logevent.Segment{
			FirstIndex: last.name.FirstIndex, Range: l.mark.Range(&l.tree), RootHash: root,
			Segment: last.name.Plain().String(), TreeSize: l.tree.Size(),
		}
		if a := l.active; a != nil && a.times.some {
			previous.FirstTime, previous.LastTime = timeOf(a.times.first), timeOf(a.times.last)
		}
		c.says = append(c.says, logevent.Event{Action: logevent.Rotated, Reason: reason, Previous: previous})
	}
	return nil
}

// nextHeader returns the header of a segment that a change begins.
func (l *Log) nextHeader(c *change) segment.Header {
	h := segment.Header{
		Origin:     l.opts.Origin,
		Log:        l.id,
		FirstIndex: l.tree.Size(),
		Frontier:   l.tree.Hashes(),
		Created:    c.time,
		Scope:      l.opts.Scope,
		Features:   l.opts.features(),
		MinAge:     l.opts.Retention.MinAge,
		Keys:       l.keys.headerKeys(c.signer),
	}
	if len(l.segments) == 0 {
		h.Succeeds = l.succeeds
	}
	h.Retain = l.retain(&h)
	return h
}

// addOwnEvents puts into the change what the log has to say of itself.
func (l *Log) addOwnEvents(c *change, g *group, says []logevent.Event) error {
	c.says = append(c.says, l.pending...)
	if l.fault != nil {
		// If this commit succeeds, it shows that the fault has passed.
		c.says = append(c.says, logevent.Event{Action: logevent.Resumed, Reason: string(reasonOf(l.fault)), Detail: l.fault.Error()})
	}
	c.says = append(c.says, l.clock.again(c)...)
	c.says = append(append(c.says, says...), l.suppressed()...)
	c.degraded = l.degraded
	if g.events() > 0 && (c.unsigned > 0) != l.degraded {
		c.degraded = c.unsigned > 0
		action := logevent.SigningRestored
		if c.degraded {
			action = logevent.SigningDegraded
		}
		c.says = append(c.says, logevent.Event{Action: action})
	}
	for _, o := range c.says {
		if o.Action == logevent.Witnessed {
			o.Proof = l.followed.prove(o.Size, &l.tree)
		}
		if err := l.addOwn(c.scratch, o, c.signer, c.degraded); err != nil {
			return &Error{Reason: ReasonSigning, Err: fmt.Errorf("add the log's own event %s: %w", o.Action, err)}
		}
	}
	c.unsigned += c.scratch.Totals().Unsigned
	return nil
}

// due says why the next commit of so many bytes must start a segment, or "".
func (l *Log) due(size int64) string {
	a := l.active
	switch {
	case a == nil:
		return l.sealed
	case l.header.Scope != l.opts.Scope:
		return "scope"
	case l.keys.due(l.header.Keys):
		return "key"
	case !slices.Equal(l.header.Features, l.opts.features()):
		return "features"
	case l.opts.MaxSegmentBytes > 0 && a.size+size > l.opts.MaxSegmentBytes && a.events > 0:
		return "size"
	case l.aged():
		return "age"
	default:
		return ""
	}
}

// aged reports whether the active segment holds events and has reached its
// age. A clock that was set back does not make it younger than it has been
// open here: both times carry the monotonic clock.
func (l *Log) aged() bool {
	a := l.active
	if l.opts.MaxSegmentAge <= 0 || a == nil || a.events == 0 {
		return false
	}
	now := l.opts.Now()
	return now.Sub(a.name.Created) >= l.opts.MaxSegmentAge || now.Sub(a.opened) >= l.opts.MaxSegmentAge
}
