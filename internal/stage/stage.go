// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"iter"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// A Stage looks at the events of a commit before they are written. It may keep an event out of
// the log, refuse a record, and have the log say something in the same commit. A log asks its
// stages in order, and each sees what those before it have left. The log calls them one at a
// time, with its writer held, so they must be quick.
//
// What a stage does in Admit is tentative until Settle, and undone if the commit fails. A repeat
// of an event whose commit is under way waits for that commit: it succeeds with it, and where it
// fails, the repeat fails with it if they share the commit, and otherwise has the event written by
// a commit of its own. Nobody is told that the log has an event before it has.
type Stage interface {
	// Recall is given, when the log is opened and before Admit, the events of the newest segments
	// in order, as lines that lead to a checkpoint which a key of the log has signed.
	Recall(logdir.CheckedLine) error
	// Forget says that nothing counts which the stage knows: the log is about to be opened, what
	// it was given to recall does not lead to the end of the log, or lines that the log had
	// acknowledged are gone.
	Forget()
	// Admit looks at a commit.
	Admit(*Admission)
	// Settle says whether what was admitted last has become durable. It is called once for
	// each Admit, in order. A commit that turns out to have nothing to write is durable.
	Settle(commit uint64, durable bool)
}

// Call is what one caller brings to a commit.
type Call struct {
	Batches []*Batch
	// Refused are those of its events that stages have refused.
	Refused Refused
}

// Events returns how many events of the call are to be written.
func (c *Call) Events() (n int) {
	for _, b := range c.Batches {
		n += b.Totals().Events
	}
	return n
}

// Admission is a commit as its stages see it.
type Admission struct {
	// Commit is the number that the commit will have, Time when it was begun.
	Commit uint64
	Time   time.Time

	calls []*Call
	says  []logevent.Event
}

// NewAdmission returns the admission of calls that share a commit. What stages have kept out of
// an earlier one, which failed, is in it again.
func NewAdmission(commit uint64, at time.Time, calls ...*Call) *Admission {
	for _, c := range calls {
		for _, b := range c.Batches {
			b.restore()
		}
	}
	return &Admission{Commit: commit, Time: at, calls: calls}
}

// Say has the log say something of itself in the commit.
func (a *Admission) Say(e logevent.Event) { a.says = append(a.says, e) }

// Said returns what the log is to say of itself so far.
func (a *Admission) Said() []logevent.Event { return a.says }

// Batches returns the batches of the commit, in order.
func (a *Admission) Batches() iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		for _, c := range a.calls {
			for _, b := range c.Batches {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// Identified returns those events of the commit that have ids of their own (see
// [Batch.Identify]) and are still to be written, in order.
func (a *Admission) Identified() iter.Seq[Identified] {
	return func(yield func(Identified) bool) {
		for _, c := range a.calls {
			for _, b := range c.Batches {
				for i := range b.ids {
					if id := &b.ids[i]; !id.dropped && !yield(Identified{ID: id.id, Content: id.content, call: c, batch: b, at: id}) {
						return
					}
				}
			}
		}
	}
}

// Identified is an event that has an id of its own.
type Identified struct {
	// ID and Content are what [Batch.Identify] was given.
	ID      [16]byte
	Content [32]byte

	call  *Call
	batch *Batch
	at    *identity
}

// Drop keeps the event out of the commit, because the log has it: its call succeeds as if the
// event had been written.
func (e Identified) Drop() { e.at.dropped, e.batch.drops = true, true }

// Refuse keeps the event out of the log for good, while the others of its call are written.
// The log says so in the same commit, and so does the result of the call; Place is filled in.
// Of more than [MaxNamedRefusals] in a call, describe is not asked: they are counted.
func (e Identified) Refuse(describe func() Refusal) {
	e.Drop()
	refused := &e.call.Refused
	if len(refused.Named) == MaxNamedRefusals {
		refused.More++
		return
	}
	r := describe()
	r.Place = e.at.place
	refused.Named = append(refused.Named, r)
}

// Text returns the event in canonical JSON, and its id, cut to 128 bytes.
func (e Identified) Text() (canonical []byte, id string) {
	parsed, err := segment.ParseEvent(nil, e.batch.buf[e.at.start:e.at.end-1])
	if err != nil {
		return nil, ""
	}
	var sum eventjson.Summary
	if err := eventjson.Scan(parsed.Canonical, &sum); err != nil {
		return parsed.Canonical, ""
	}
	return parsed.Canonical, string(sum.ID[:min(len(sum.ID), maxSaidID)])
}
