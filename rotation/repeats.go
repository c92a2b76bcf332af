// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// ConflictError says that the log holds another event with the id of one that was to be
// appended. That one was not written, and will not be if it is tried again.
type ConflictError struct {
	// ID is the id, cut to 128 bytes.
	ID string
	// Logged and Given are the hashes of what the two events say: see event.Identify.
	Logged, Given idempotency.Content
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the log holds another event with the id %q: what it says has the SHA-256 %x, what was sent now %x: give each record an id of its own, or leave idempotency::on_conflict at record", e.ID, e.Logged, e.Given)
}

// identity is an event of a batch whose id is its record's own.
type identity struct {
	event      int // number in the batch
	start, end int // of its line, with the LF, in the batch's buffer
	id         idempotency.ID
	content    idempotency.Content
	unsigned   bool
	place      Place // of its record in the call
	repeat     bool  // it is not written: the log has it, or another one with its id
}

// Identify says that the id of the event added last is its record's own, and where that
// stands in the call.
func (b *Batch) Identify(id idempotency.ID, content idempotency.Content, place Place) {
	b.ids = append(b.ids, identity{
		event: len(b.leaves) - 1, start: b.last, end: len(b.buf),
		id: id, content: content, place: place, unsigned: b.lastUnsigned,
	})
}

// repeats returns the numbers of those events that are not written again.
func (b *Batch) repeats() (events []int) {
	for i := range b.ids {
		if b.ids[i].repeat {
			events = append(events, b.ids[i].event)
		}
	}
	return events
}

// written is what a commit takes of a batch.
type written struct {
	events, unsigned int
	bytes            int64
}

func (b *Batch) written() written {
	w := written{len(b.leaves), b.unsigned, int64(len(b.lines()))}
	if !b.repeated {
		return w
	}
	for i := range b.ids {
		if id := &b.ids[i]; id.repeat {
			w.events--
			w.bytes -= int64(id.end - id.start)
			if id.unsigned {
				w.unsigned--
			}
		}
	}
	return w
}

// runs calls take with the lines that are written, with their leaves and, if they are
// bound, with the leaves of their ids.
func (b *Batch) runs(take func(lines []byte, leaves, ids []merkle.Hash)) {
	line, leaf := 1, 0 // see Batch.buf
	run := func(lineEnd, leafEnd int) {
		var ids []merkle.Hash
		if b.binds {
			ids = b.idLeaves[leaf:leafEnd]
		}
		take(b.buf[line:lineEnd], b.leaves[leaf:leafEnd], ids)
	}
	if b.repeated {
		for i := range b.ids {
			if id := &b.ids[i]; id.repeat {
				run(id.start, id.event)
				line, leaf = id.end, id.event+1
			}
		}
	}
	run(len(b.buf), len(b.leaves))
}

// setApart finds the events of a group that the log has, which are not written again, and
// those with the ids of others, which may not be, either. What is left is staged.
func (l *Log) setApart(g *group) {
	if l.opts.Index == nil {
		return
	}
	now := l.opts.Now()
	for _, c := range g.calls {
		n := 0
		for _, b := range c.batches {
			before := b.written().events
			for i := range b.ids {
				l.setApartEvent(g, c, b, &b.ids[i], now)
			}
			n += before - b.written().events
		}
		c.events -= n
		g.repeats += n - c.refused.Len()
	}
}

func (l *Log) setApartEvent(g *group, c *call, b *Batch, id *identity, now time.Time) {
	verdict, logged := l.opts.Index.Check(id.id, id.content, now)
	switch {
	case verdict == idempotency.Same:
		id.repeat, b.repeated = true, true
		return
	case verdict == idempotency.Other && !l.opts.RecordConflicts:
		id.repeat, b.repeated = true, true
		if len(c.refused.Named) == MaxNamedRefusals {
			c.refused.More++
			return
		}
		canonical, text := b.said(id)
		sum := sha256.Sum256(canonical)
		c.refused.Named = append(c.refused.Named, Refusal{
			Place: id.place, Reason: ReasonConflict, SHA256: sum[:], EventID: text,
			Err: &ConflictError{ID: text, Logged: logged, Given: id.content},
		})
		return
	case verdict == idempotency.Other:
		_, text := b.said(id)
		g.conflicts = append(g.conflicts, logevent.Event{Action: logevent.IDConflict, Conflict: &logevent.Conflict{
			ContentHash: hex.EncodeToString(id.content[:]),
			EventID:     text,
			LoggedHash:  hex.EncodeToString(logged[:]),
		}})
	}
	l.opts.Index.Stage(id.id, id.content, verdict)
}

// said returns an event in canonical JSON, and its id, cut short.
func (b *Batch) said(id *identity) (canonical []byte, text string) {
	parsed, err := segment.ParseEvent(b.buf[id.start : id.end-1])
	if err != nil {
		return nil, ""
	}
	var sum event.Summary
	if err := event.Scan(parsed.Canonical, &sum); err != nil {
		return parsed.Canonical, ""
	}
	return parsed.Canonical, cutID(string(sum.ID))
}

// What is read at a start to know ids and streams again: the newest segment, and others
// before it, up to so many and about so many bytes. What is older is not known again.
const (
	maxRecalledSegments = 16
	maxRecalledBytes    = 256 << 20
)

// recallID takes in the id of an event that the log holds, if it is its record's own.
func (l *Log) recallID(canonical []byte) error {
	id, ok, err := event.Identify(canonical)
	if err != nil || !ok {
		return err
	}
	producer := ""
	if l.opts.ProducerOf != nil {
		if producer, err = l.opts.ProducerOf(canonical); err != nil {
			return err
		}
	}
	key := idempotency.IDOf(producer, id.ID)
	if v, _ := l.opts.Index.Check(key, id.Content, l.opts.Now()); v != idempotency.Same {
		l.opts.Index.Stage(key, id.Content, v)
	}
	return nil
}
