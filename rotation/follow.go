// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"strconv"
	"strings"
)

// Follower looks at what the log is about to write, in the order of its leaves. All its
// calls come from within commits, one at a time, and must be quick.
type Follower interface {
	// Follow is given the tags of a commit's batches, in order, and returns what the log
	// is to say of them, in the same commit.
	Follow(tags []any) []Remark
	// Recall is given, at the start and before any other call, an event that the log has
	// held, in canonical JSON; they come in order. Forget says that none of those counts,
	// because the log does not lead to where it should.
	Recall(canonical []byte) error
	Forget()
	// Settled says whether the commit that Follow was called for, if it was, has become
	// durable.
	Settled(durable bool)
}

// Remark is what the log says of a stream of a producer's, in an event of its own.
type Remark struct {
	// Action is what happened: a word that begins with "sequence_".
	Action string
	// Stream, RecordID and Producer say of which record; what is not known is empty.
	Stream, RecordID, Producer string
	// Number, Expected, Missing and Count are left out if they are 0.
	Number, Expected, Missing, Count uint64
}

// sequenceActions begins the actions of remarks.
const sequenceActions = "sequence_"

// ownSequence is a remark as an event has it. Numbers are texts, because those of
// producers may be larger than what JSON holds.
type ownSequence struct {
	Count    string `json:"count,omitempty"`
	Expected string `json:"expected,omitempty"`
	Missing  string `json:"missing,omitempty"`
	Number   string `json:"number,omitempty"`
	Producer string `json:"producer,omitempty"`
	RecordID string `json:"record_id,omitempty"`
	Stream   string `json:"stream,omitempty"`
}

func (r Remark) own() own {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	return own{Action: r.Action, Sequence: &ownSequence{
		Count: number(r.Count), Expected: number(r.Expected), Missing: number(r.Missing), Number: number(r.Number),
		Producer: harmless(r.Producer), RecordID: harmless(r.RecordID), Stream: harmless(r.Stream),
	}}
}

// harmless replaces what encoding/json would write in another form than RFC 8785 demands:
// invalid UTF-8 and the two separators that JavaScript once choked on. It cuts what is too
// long.
func harmless(s string) string {
	if len(s) > maxSaid {
		s = s[:maxSaid] + "…"
	}
	return strings.NewReplacer("\u2028", " ", "\u2029", " ").Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

// follow returns what the follower has to say of a group's batches.
func (l *Log) follow(g *group) (says []own) {
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
	for _, r := range l.opts.Follower.Follow(tags) {
		says = append(says, r.own())
	}
	return says
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
