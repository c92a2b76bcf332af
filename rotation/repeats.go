// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/idempotency"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// ConflictError says that the log holds another event with the id of one that was to be
// appended. Nothing of the call was written, and nothing will be if it is tried again.
type ConflictError struct {
	// ID is the id, cut to 128 bytes.
	ID string
	// Logged and Given are the hashes of what the two events say: see event.Identify.
	Logged, Given idempotency.Content
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the log holds another event with the id %q: what it says has the SHA-256 %x, what was sent now %x: give each record an id of its own, or set idempotency::on_conflict to record", e.ID, e.Logged, e.Given)
}

// maxSaidID is how many bytes of an id are repeated in errors and in events.
const maxSaidID = 128

// identity is an event of a batch whose id is its record's own.
type identity struct {
	event      int // number in the batch
	start, end int // of its line, with the LF, in the batch's buffer
	id         idempotency.ID
	content    idempotency.Content
	unsigned   bool
	repeat     bool // the log has it, so it is not written again
}

// Identify says that the id of the event added last is its record's own.
func (b *Batch) Identify(id idempotency.ID, content idempotency.Content) {
	b.ids = append(b.ids, identity{
		event: len(b.leaves) - 1, start: b.last, end: len(b.buf),
		id: id, content: content, unsigned: b.lastUnsigned,
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
// turns away calls whose events have the ids of others. What is left is staged.
func (l *Log) setApart(g *group) {
	if l.opts.Index == nil {
		return
	}
	g.calls = slices.DeleteFunc(g.calls, func(c *call) bool {
		staged, conflicts := l.opts.Index.Staged(), len(g.conflicts)
		if c.err = l.setApartCall(g, c); c.err != nil {
			l.opts.Index.Unstage(staged)
			g.conflicts = g.conflicts[:conflicts]
			return true
		}
		for _, b := range c.batches {
			n := len(b.leaves) - b.written().events
			c.events -= n
			g.repeats += n
		}
		return false
	})
}

func (l *Log) setApartCall(g *group, c *call) error {
	for _, b := range c.batches {
		for i := range b.ids {
			id := &b.ids[i]
			verdict, logged := l.opts.Index.Check(id.id, id.content)
			switch {
			case verdict == idempotency.Same:
				id.repeat, b.repeated = true, true
				continue
			case verdict == idempotency.Other && !l.opts.RecordConflicts:
				return &ConflictError{ID: b.saidID(id), Logged: logged, Given: id.content}
			case verdict == idempotency.Other:
				g.conflicts = append(g.conflicts, own{Action: actionIDConflict, Conflict: &ownConflict{
					ContentHash: hex.EncodeToString(id.content[:]),
					EventID:     harmless(b.saidID(id)),
					LoggedHash:  hex.EncodeToString(logged[:]),
				}})
			}
			l.opts.Index.Stage(id.id, id.content, verdict)
		}
	}
	return nil
}

// saidID returns the id itself, cut short.
func (b *Batch) saidID(id *identity) string {
	parsed, err := segment.ParseEvent(b.buf[id.start : id.end-1])
	if err != nil {
		return ""
	}
	var sum event.Summary
	if err := event.Scan(parsed.Canonical, &sum); err != nil {
		return ""
	}
	return string(sum.ID[:min(len(sum.ID), maxSaidID)])
}

// ownConflict says of an event in the same commit that the log holds another one with its
// id.
type ownConflict struct {
	ContentHash string `json:"content_hash"`
	EventID     string `json:"event_id"`
	LoggedHash  string `json:"logged_hash"`
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
	if v, _ := l.opts.Index.Check(key, id.Content); v != idempotency.Same {
		l.opts.Index.Stage(key, id.Content, v)
	}
	return nil
}
