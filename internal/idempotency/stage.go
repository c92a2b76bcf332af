// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package idempotency

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// ReasonConflict is why a record is refused that has the id of another one.
const ReasonConflict = "conflict"

// ConflictError says that the log holds another event with the id of one that was to be
// appended. That one was not written, and will not be if it is tried again.
type ConflictError struct {
	// ID is the id, cut to 128 bytes.
	ID string
	// Logged and Given are the hashes of what the two events say: see eventjson.Identify.
	Logged, Given Content
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the log holds another event with the id %q: what it says has the SHA-256 %x, what was sent now %x: give each record an id of its own, or leave idempotency::on_conflict at record", e.ID, e.Logged, e.Given)
}

// Options say what a stage remembers and what it does with an event that has the id of
// another one.
type Options struct {
	// MaxEvents and MaxAge are those of [NewIndex].
	MaxEvents int
	MaxAge    time.Duration
	// RecordConflicts has such an event written, with an event id_conflict; otherwise it is
	// refused with a [*ConflictError].
	RecordConflicts bool
	// ProducerOf says which producer an event's id belongs to, given the event in canonical
	// JSON: empty if it is nobody's. If it is nil, all are.
	ProducerOf func(canonical []byte) (string, error)
	// Observe, if it is not nil, is told after each commit of how many events the log had
	// already, and how many it has now with the ids of others. It is not told of none.
	Observe func(repeats, conflicts int)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Stage keeps events that the log has out of its commits. An event is known by its id and by
// what it says.
type Stage struct {
	o                  Options
	index              *Index
	repeats, conflicts int // of the commit that was admitted last
}

var _ stage.Stage = (*Stage)(nil)

// NewStage returns a stage for one log.
func NewStage(o Options) *Stage {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Stage{o: o, index: NewIndex(o.MaxEvents, o.MaxAge)}
}

// Len returns the number of events that are remembered. It is not for use while the log is
// open.
func (s *Stage) Len() int { return s.index.Len() }

// Recall implements [stage.Stage].
func (s *Stage) Recall(line logdir.CheckedLine) error {
	parsed, err := segment.ParseEvent(nil, line.Bytes())
	if err != nil {
		return err
	}
	id, ok, err := eventjson.Identify(parsed.Canonical)
	if err != nil || !ok {
		return err
	}
	producer := ""
	if s.o.ProducerOf != nil {
		if producer, err = s.o.ProducerOf(parsed.Canonical); err != nil {
			return err
		}
	}
	now := s.o.Now()
	key := IDOf(producer, id.ID)
	if v, _ := s.index.Check(key, id.Content, now); v != Same {
		s.index.Stage(key, id.Content, v)
		s.index.Commit(now)
	}
	return nil
}

// Forget implements [stage.Stage].
func (s *Stage) Forget() { s.index.Clear() }

// Admit implements [stage.Stage].
func (s *Stage) Admit(a *stage.Admission) {
	for e := range a.Identified() {
		id, content := ID(e.ID), Content(e.Content)
		verdict, logged := s.index.Check(id, content, a.Time)
		switch {
		case verdict == Same:
			s.repeats++
			e.Drop()
			continue
		case verdict == Other && !s.o.RecordConflicts:
			e.Refuse(func() stage.Refusal { return refusal(e, logged) })
			continue
		case verdict == Other:
			s.conflicts++
			_, text := e.Text()
			a.Say(logevent.Event{Action: logevent.IDConflict, Conflict: &logevent.Conflict{
				EventID:     text,
				ContentHash: hex.EncodeToString(content[:]),
				LoggedHash:  hex.EncodeToString(logged[:]),
			}})
		}
		s.index.Stage(id, content, verdict)
	}
}

func refusal(e stage.Identified, logged Content) stage.Refusal {
	canonical, text := e.Text()
	sum := sha256.Sum256(canonical)
	return stage.Refusal{
		Reason: ReasonConflict, SHA256: sum[:], EventID: text,
		Err: &ConflictError{ID: text, Logged: logged, Given: e.Content},
	}
}

// Settle implements [stage.Stage].
func (s *Stage) Settle(_ uint64, durable bool) {
	if durable {
		s.index.Commit(s.o.Now())
	} else {
		s.index.Unstage()
	}
	if durable && s.repeats+s.conflicts > 0 && s.o.Observe != nil {
		s.o.Observe(s.repeats, s.conflicts)
	}
	s.repeats, s.conflicts = 0, 0
}
