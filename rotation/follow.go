// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import "github.com/otel-auditlog/auditlogexporter/logevent"

// Follower looks at what the log is about to write, in the order of its leaves. All its
// calls come from within commits, one at a time, and must be quick.
type Follower interface {
	// Follow is given the tags of a commit's batches, in order, and returns what the log
	// is to say of them, in the same commit.
	Follow(tags []any) []logevent.Event
	// Recall is given, at the start and before any other call, an event that the log has
	// held, in canonical JSON; they come in order. Forget says that none of those counts,
	// because the log does not lead to where it should.
	Recall(canonical []byte) error
	Forget()
	// Settled says whether the commit that Follow was called for, if it was, has become
	// durable.
	Settled(durable bool)
}

// follow returns what the follower has to say of a group's batches.
func (l *Log) follow(g *group) []logevent.Event {
	if l.opts.Follower == nil {
		return nil
	}
	var tags []any
	for _, call := range g.calls {
		for _, b := range call.batches {
			if tag := b.tagOfWritten(); tag != nil {
				tags = append(tags, tag)
			}
		}
	}
	return l.opts.Follower.Follow(tags)
}

// Selective is what a tag has to be if some of its batch's events may turn out to be in
// the log already (see Options.Index).
type Selective interface {
	// Without returns the tag of the batch without these events, numbered in the order in
	// which they were added; nil if nothing is left.
	Without(events []int) any
}

// tagOfWritten returns the tag of those events that are written.
func (b *Batch) tagOfWritten() any {
	if !b.repeated {
		return b.tag
	}
	if b.written().events == 0 {
		return nil
	}
	if s, ok := b.tag.(Selective); ok {
		return s.Without(b.repeats())
	}
	return b.tag
}

// settle tells the index and the follower what became of a commit.
func (l *Log) settle(durable bool) {
	if x := l.opts.Index; x != nil {
		if durable {
			x.Commit(l.opts.Now())
		} else {
			x.Unstage(0)
		}
	}
	if l.opts.Follower != nil {
		l.opts.Follower.Settled(durable)
	}
}

// SetTag sets what the log's follower is to be shown of the batch; nil, as at first, is
// nothing.
func (b *Batch) SetTag(tag any) { b.tag = tag }

// Tag returns what SetTag has set.
func (b *Batch) Tag() any { return b.tag }
