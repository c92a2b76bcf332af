// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// change is a commit that has been put together out of a snapshot, and not yet published.
type change struct {
	from *snapshot
	keys *keyring
	next tip // where the log ends with it
	// head and end are the lines before and after those of the batches, each with its LF;
	// bytes are how many all of them have.
	head, end []byte
	batches   []*stage.Batch
	bytes     int64
	// ids is the tree of the events' ids, if they are bound.
	ids merkle.Frontier
	// begins is set if the change starts a segment.
	begins bool
	// signer is the key of the segment, keyChange how the one before introduces its header,
	// nil if the change needs none.
	signer    *signing.Signer
	keyChange *keyChange
	// says is what the log has to say of itself, scratch its lines.
	says    []logevent.Event
	scratch *stage.Batch
	// events counts those of others than the log itself, the first of which has the index first.
	events int
	first  uint64
	times  timeRange
	// unsigned counts events that lack the signature the scope asks for.
	unsigned int
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
	var ids *segline.IDs
	if slices.Contains(c.next.header.Features, segline.FeatureIDs) {
		ids = &segline.IDs{Count: c.ids.Size(), Root: c.ids.Root()}
	}
	c.end = segline.AppendCommit(c.end, c.next.commits, c.next.lastTime, ids)
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

// grow appends leaves to the tree. What marks take in of a change that fails does no harm: see
// [consistency.Mark].
func (c *change) grow(leaves ...merkle.Hash) {
	marks := append(append(make([]*consistency.Mark, 0, 8), c.next.mark), c.from.followed...)
	for _, leaf := range leaves {
		consistency.Append(&c.next.tree, leaf, marks)
	}
}

// active returns the active segment as it is after the change, without a file if it is new.
func (c *change) active() *activeSegment {
	created := c.next.lastTime
	a := activeSegment{name: segment.Name{FirstIndex: c.from.tree.Size(), Created: created, Compression: compression.None}, opened: created}
	if !c.begins {
		a = *c.from.active
	} else {
		c.next.atStart = c.next.header.FirstIndex > 0 && slices.ContainsFunc(c.says, func(o logevent.Event) bool { return o.Action == logevent.Opened })
	}
	a.size += c.bytes
	a.events += c.events
	a.times.add(c.times)
	return &a
}

// segments returns the list of segments after a change that begins one. Of the one before
// everything is known now. It may be one that the start has found sealed: what is in it was
// checked, but not what its file takes, so it is read like the others that were found.
func (c *change) segments() []segmentInfo {
	s := c.from
	list := slices.Clone(s.segments)
	if s.active != nil {
		n := len(list) - 1
		list[n].bytes = s.active.size
		list[n].facts = &facts{header: s.header, before: s.treeBefore(n), last: s.lastTime, atStart: s.atStart}
	}
	return append(list, segmentInfo{name: c.next.active.name})
}
