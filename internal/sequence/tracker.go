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
	producer string
	number   int64
	id, hash hash
	has      attributes
	ended    bool
}

// Tracker remembers the last record of each stream, of so many streams. Where there are
// more, those without a proof make way, for anybody can make up any number of them; if
// there are none, those of the producer that has the most. Of them the one that was quiet
// longest is forgotten. It is for one goroutine at a time.
type Tracker struct {
	max     int
	streams map[hash]*list.Element // of *state
	recent  map[string]*list.List  // of each producer, the latest first; none is empty

	// What has been staged, by stream, in the order in which streams came first.
	staged map[hash]*state
	order  []*state
}

// maxKept keeps one call with a great many streams from holding its memory for ever.
const maxKept = 1024

// New makes a tracker for so many streams, at least one.
func New(maxStreams int) *Tracker {
	return &Tracker{max: max(maxStreams, 1), streams: map[hash]*list.Element{}, recent: map[string]*list.List{}, staged: map[hash]*state{}}
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
		recent := t.recent[s.producer]
		if e, known := t.streams[s.key]; known {
			e.Value = s
			recent.MoveToFront(e)
			continue
		}
		if recent == nil {
			recent = list.New()
			t.recent[s.producer] = recent
		}
		t.streams[s.key] = recent.PushFront(s)
		if len(t.streams) > t.max {
			t.forget(t.crowd())
			forgotten++
		}
	}
	t.Abort()
	return forgotten
}

// crowd returns whose streams make way.
func (t *Tracker) crowd() (producer string) {
	const unproven = ""
	if t.recent[unproven] != nil {
		return unproven
	}
	most := 0
	for name, recent := range t.recent {
		if n := recent.Len(); n > most || n == most && name < producer {
			most, producer = n, name
		}
	}
	return producer
}

// forget forgets the producer's stream that was quiet longest.
func (t *Tracker) forget(producer string) {
	recent := t.recent[producer]
	delete(t.streams, recent.Remove(recent.Back()).(*state).key)
	if recent.Len() == 0 {
		delete(t.recent, producer)
	}
}

// Abort says that nothing that was staged has been written.
func (t *Tracker) Abort() {
	if len(t.staged) > maxKept {
		t.staged, t.order = map[hash]*state{}, nil
		return
	}
	clear(t.staged)
	clear(t.order)
	t.order = t.order[:0]
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
		t.add(&state{key: r.stream, producer: r.Producer}).take(r)
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
