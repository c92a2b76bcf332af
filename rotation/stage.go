// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"iter"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// A Stage looks at the events of a commit before they are written. It may keep an event out of
// the log, refuse a record, and have the log say something in the same commit. A log asks its
// stages in order, and each sees what those before it have left. The log calls them one at a
// time, with its writer held, so they must be quick.
type Stage interface {
	// Recall is given, at the start and before any other call, what the newest segments hold:
	// each event in canonical JSON, in order. Forget says that none of that counts, because
	// it does not lead to the log's checkpoint, or is no longer there.
	Recall(canonical []byte) error
	Forget()
	// Admit looks at a commit. What it does is tentative until Settle.
	Admit(*Admission)
	// Settle says whether what was admitted last has become durable. It is called once for
	// each Admit, in order. A commit that turns out to have nothing to write is durable.
	Settle(commit uint64, durable bool)
}

// Admission is a commit as its stages see it.
type Admission struct {
	// Commit is the number that the commit will have, Time when it was begun.
	Commit uint64
	Time   time.Time

	calls []*call
	says  []logevent.Event
}

// NewAdmission returns an admission as a log makes it, for tests of stages: of a commit in which
// one call brings these batches.
func NewAdmission(commit uint64, at time.Time, batches ...*Batch) *Admission {
	c := &call{batches: batches}
	for _, b := range batches {
		c.events += b.Len()
	}
	return &Admission{Commit: commit, Time: at, calls: []*call{c}}
}

// Say has the log say something of itself in the commit.
func (a *Admission) Say(e logevent.Event) { a.says = append(a.says, e) }

// Said returns what the log is to say of itself so far.
func (a *Admission) Said() []logevent.Event { return a.says }

// Batches returns the batches of the commit, in order.
func (a *Admission) Batches() iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		for _, c := range a.calls {
			for _, b := range c.batches {
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
			for _, b := range c.batches {
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

	call  *call
	batch *Batch
	at    *identity
}

// Drop keeps the event out of the commit, because the log has it: its call succeeds as if the
// event had been written.
func (e Identified) Drop() {
	e.at.dropped, e.batch.drops = true, true
	e.call.events--
}

// Refuse keeps the event out of the log for good, while the others of its call are written.
// The log says so in the same commit, and so does [Append]'s result; Place is filled in. Of
// more than [MaxNamedRefusals] in a call, describe is not asked: they are counted.
func (e Identified) Refuse(describe func() Refusal) {
	e.Drop()
	refused := &e.call.refused
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
	parsed, err := segment.ParseEvent(e.batch.buf[e.at.start : e.at.end-1])
	if err != nil {
		return nil, ""
	}
	var sum eventjson.Summary
	if err := eventjson.Scan(parsed.Canonical, &sum); err != nil {
		return parsed.Canonical, ""
	}
	return parsed.Canonical, cutID(string(sum.ID))
}

// admit asks the stages about a group, and keeps what they have the log say.
func (l *Log) admit(g *group) *Admission {
	a := &Admission{Commit: l.commits + 1, Time: l.opts.Now(), calls: g.calls}
	for b := range a.Batches() {
		b.restore()
	}
	for _, s := range l.opts.Stages {
		s.Admit(a)
	}
	return a
}

// settle tells the stages what became of what they have admitted.
func (l *Log) settle(a *Admission, durable bool) {
	for _, s := range l.opts.Stages {
		s.Settle(a.Commit, durable)
	}
}

// forget has the stages forget what they know of the log.
func (l *Log) forget() {
	for _, s := range l.opts.Stages {
		s.Forget()
	}
}
