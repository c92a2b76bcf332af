// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"cmp"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// identity is an event of a batch whose id is its record's own.
type identity struct {
	event      int // number in the batch
	start, end int // of its line, with the LF, in the batch's buffer
	id         [16]byte
	content    [32]byte
	unsigned   bool
	place      Place // of its record in the call
	dropped    bool  // a stage keeps it out of the commit
}

// Identify says that the id of the event added last is its record's own, and where that
// stands in the call. Stages tell by id and content whether the log has the event: both are
// theirs to define.
func (b *Batch) Identify(id [16]byte, content [32]byte, place Place) {
	b.ids = append(b.ids, identity{
		event: len(b.leaves) - 1, start: b.last, end: len(b.buf),
		id: id, content: content, place: place, unsigned: b.lastUnsigned,
	})
}

// Written reports whether the event with this number, of those added, is to be written: not
// so if a stage has kept it out of the commit.
func (b *Batch) Written(event int) bool {
	if !b.drops {
		return true
	}
	i, found := slices.BinarySearchFunc(b.ids, event, func(id identity, event int) int { return cmp.Compare(id.event, event) })
	return !found || !b.ids[i].dropped
}

// restore undoes what stages have kept out, in a batch that has been appended before.
func (b *Batch) restore() {
	if !b.drops {
		return
	}
	for i := range b.ids {
		b.ids[i].dropped = false
	}
	b.drops = false
}

// Totals are what a commit takes of a batch.
type Totals struct {
	Events int
	// Unsigned is how many of the events lack the signature that the scope asks for.
	Unsigned int
	Bytes    int64
}

// Totals returns what is to be written of the batch.
func (b *Batch) Totals() Totals {
	t := Totals{len(b.leaves), b.unsigned, int64(b.Bytes())}
	if !b.drops {
		return t
	}
	for i := range b.ids {
		if id := &b.ids[i]; id.dropped {
			t.Events--
			t.Bytes -= int64(id.end - id.start)
			if id.unsigned {
				t.Unsigned--
			}
		}
	}
	return t
}

// Runs calls take with the lines that are to be written, with their leaves and, if they are
// bound, with the leaves of their ids.
func (b *Batch) Runs(take func(lines []byte, leaves, ids []merkle.Hash)) {
	line, leaf := 1, 0 // see Batch.buf
	run := func(lineEnd, leafEnd int) {
		var ids []merkle.Hash
		if b.form.BindIDs {
			ids = b.idLeaves[leaf:leafEnd]
		}
		take(b.buf[line:lineEnd], b.leaves[leaf:leafEnd], ids)
	}
	if b.drops {
		for i := range b.ids {
			if id := &b.ids[i]; id.dropped {
				run(id.start, id.event)
				line, leaf = id.end, id.event+1
			}
		}
	}
	run(len(b.buf), len(b.leaves))
}
