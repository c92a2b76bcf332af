// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence

import "container/list"

// Kind says, in a word fit for a metric, what does not fit.
type Kind string

// The kinds.
const (
	// Gap: numbers are missing before the record's.
	Gap Kind = "gap"
	// Repeat: the record's number is not above the last one.
	Repeat Kind = "repeat"
	// BrokenLink: the record follows another than the one before it.
	BrokenLink Kind = "broken_link"
	// AfterEnd: the stream had ended.
	AfterEnd Kind = "after_end"
	// Malformed: an attribute is not of its type, or there twice.
	Malformed Kind = "malformed"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Gap, Repeat, BrokenLink, AfterEnd, Malformed} }

// Finding is what does not fit in a stream. Its texts are the record's.
type Finding struct {
	Kind Kind
	// Stream, RecordID and Producer are those of the record that does not fit.
	Stream, RecordID, Producer string
	// Number is the record's number and Expected the one that would have fitted, of a
	// gap and a repeat.
	Number, Expected uint64
}

// Missing returns how many records a gap has room for.
func (f Finding) Missing() uint64 {
	if f.Kind != Gap {
		return 0
	}
	return f.Number - f.Expected
}

// state is what is remembered of a stream: its last record.
type state struct {
	key      hash
	number   int64
	id, hash hash
	has      attributes
	ended    bool
}

// Tracker remembers the last record of each stream, of so many streams: where there are
// more, those that were quiet longest are forgotten. It is for one goroutine at a time.
type Tracker struct {
	max     int
	streams map[hash]*list.Element // of *state
	recent  *list.List             // the latest first

	// What has been staged, by stream, in the order in which streams came first.
	staged map[hash]*state
	order  []*state
}

// New makes a tracker for so many streams, at least one.
func New(maxStreams int) *Tracker {
	return &Tracker{max: max(maxStreams, 1), streams: map[hash]*list.Element{}, recent: list.New(), staged: map[hash]*state{}}
}

// Len returns how many streams are remembered.
func (t *Tracker) Len() int { return len(t.streams) }

// Stage shows the tracker records that are about to be written, in their order, and
// returns what does not fit. Commit or Abort says what became of them.
func (t *Tracker) Stage(records []Record) (findings []Finding) {
	for i := range records {
		findings = t.stage(&records[i], findings)
	}
	return findings
}

// Commit says that all that was staged has been written. It returns how many streams had
// to be forgotten for it.
func (t *Tracker) Commit() (forgotten int) {
	for _, s := range t.order {
		if e, known := t.streams[s.key]; known {
			e.Value = s
			t.recent.MoveToFront(e)
			continue
		}
		t.streams[s.key] = t.recent.PushFront(s)
		if len(t.streams) > t.max {
			oldest := t.recent.Remove(t.recent.Back()).(*state)
			delete(t.streams, oldest.key)
			forgotten++
		}
	}
	t.Abort()
	return forgotten
}

// Abort says that nothing that was staged has been written.
func (t *Tracker) Abort() {
	clear(t.staged)
	t.order = t.order[:0]
	if cap(t.order) > t.max {
		t.order = nil
	}
}

// find returns the state of a record's stream, to be changed, or nil if it is not known.
func (t *Tracker) find(r *Record) *state {
	if s := t.staged[r.stream]; s != nil {
		return s
	}
	e, known := t.streams[r.stream]
	if !known {
		return nil
	}
	s := *e.Value.(*state)
	return t.add(&s)
}

func (t *Tracker) add(s *state) *state {
	t.staged[s.key] = s
	t.order = append(t.order, s)
	return s
}

func (t *Tracker) stage(r *Record, findings []Finding) []Finding {
	find := func(k Kind, number, expected uint64) {
		findings = append(findings, Finding{k, r.Stream, r.ID, r.Producer, number, expected})
	}
	s := t.find(r)
	switch {
	case r.malformed:
		find(Malformed, 0, 0)
		return findings
	case s == nil:
		t.add(&state{key: r.stream}).take(r)
		return findings
	case s.ended:
		find(AfterEnd, 0, 0)
	}
	numbered := s.has&r.has&hasNumber != 0
	switch {
	case numbered && r.number <= s.number:
		// What comes again does not turn the stream back.
		if !s.ended {
			find(Repeat, uint64(r.number), uint64(s.number)+1)
		}
		return findings
	case numbered && r.number-s.number > 1:
		// What it links to is missing.
		if !s.ended {
			find(Gap, uint64(r.number), uint64(s.number)+1)
		}
	case !s.ended && !s.linked(r):
		find(BrokenLink, 0, 0)
	}
	s.take(r)
	return findings
}

// linked reports whether the links of a record, as far as they can be followed, lead to
// the last one of its stream.
func (s *state) linked(r *Record) bool {
	if r.has&hasPreviousID != 0 && s.has&hasID != 0 && r.previousID != s.id {
		return false
	}
	return r.has&hasPreviousHash == 0 || s.has&hasHash == 0 || r.previousHash == s.hash
}

// take makes a record the last one of the stream.
func (s *state) take(r *Record) {
	if r.has&hasNumber != 0 {
		s.number = r.number
	}
	s.id, s.hash = r.id, r.hash
	s.has = s.has&hasNumber | r.has
	s.ended = s.ended || r.end
}
