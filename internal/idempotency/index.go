// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package idempotency

import (
	"crypto/sha256"
	"time"
)

// ID stands for an event's id, however long that is: the first 128 bits of its SHA-256.
// Whoever finds two ids that share them has two that conflict, and nothing else: what
// decides is Content.
type ID [16]byte

// IDOf returns what stands for an id. Ids belong to the producer whose proof their record
// bears, those of all records without one to nobody, which is empty: so nobody without the
// key can use up the id of a record that is yet to come.
func IDOf(producer, id string) ID {
	var room [128]byte                               // most ids need no memory of their own
	text := append(append(room[:0], producer...), 0) // no producer's name holds a zero byte
	sum := sha256.Sum256(append(text, id...))
	return ID(sum[:16])
}

// Content is what the event with an id says: see eventjson.Identify.
type Content [sha256.Size]byte

// Verdict is what an index says of an event.
type Verdict int

const (
	// New: the id is not known.
	New Verdict = iota
	// Same: the event is in the log, or staged to be.
	Same
	// Other: another event with this id is.
	Other
)

// Index remembers ids, at most so many and for so long. What is staged counts at once and
// stays if the commit that it is staged for does. It is for one goroutine at a time.
type Index struct {
	maxEvents int
	maxAge    time.Duration

	// events are those remembered, in the order in which they came, from first on; those
	// behind kept are staged.
	events      []remembered
	first, kept int
	places      places
	// began is when the index was asked first: ages are counted from there, so that a clock
	// that is set back or ahead changes none where times carry the monotonic one.
	began time.Time
}

type remembered struct {
	id      ID
	content Content
	at      time.Duration // since Index.began
}

// NewIndex returns an index of so many events, 1 or more, each kept for maxAge, or, if
// that is 0, until others take its place.
func NewIndex(maxEvents int, maxAge time.Duration) *Index {
	return &Index{maxEvents: maxEvents, maxAge: maxAge, places: newPlaces()}
}

// Len returns the number of events that are remembered, those staged among them.
func (x *Index) Len() int { return len(x.events) - x.first }

// Check says whether an event is known now: what is too old by then is forgotten. If
// another one with its id is known, first is what that says.
func (x *Index) Check(id ID, content Content, now time.Time) (v Verdict, first Content) {
	x.age(now)
	known := x.find(id)
	switch {
	case known == nil:
		return New, Content{}
	case known.content == content, x.find(variant(id, content)) != nil:
		return Same, known.content
	default:
		return Other, known.content
	}
}

// find returns what is remembered of an id, or nil.
func (x *Index) find(id ID) *remembered {
	h := x.places.hash(id)
	for i := h; ; i++ {
		at, like := x.places.at(i, h)
		if at == nowhere {
			return nil
		}
		// A place may be of an event that has been forgotten, or never came to be.
		if like && at >= x.first && at < len(x.events) && x.events[at].id == id {
			return &x.events[at]
		}
	}
}

// Stage takes in an event that is about to be written, and of which Check has said that it
// is new, or has the id of another one. Of several with one id the first goes on being the
// one that others are compared with.
func (x *Index) Stage(id ID, content Content, v Verdict) {
	if v == Other {
		id = variant(id, content)
	}
	x.events = append(x.events, remembered{id: id, content: content})
	if x.places.full() {
		x.index()
	} else {
		x.places.add(x.places.hash(id), len(x.events)-1)
	}
}

// variant stands for a later event with an id.
func variant(id ID, content Content) ID {
	sum := sha256.Sum256(append(append(make([]byte, 0, len(id)+len(content)), id[:]...), content[:]...))
	return ID(sum[:16])
}

// Unstage forgets what is staged.
func (x *Index) Unstage() { x.events = x.events[:x.kept] }

// age forgets what is too old.
func (x *Index) age(now time.Time) time.Duration {
	if x.began.IsZero() {
		x.began = now
	}
	since := now.Sub(x.began)
	if x.maxAge > 0 {
		for x.first < x.kept && since-x.events[x.first].at > x.maxAge {
			x.first++
		}
	}
	return since
}

// Commit keeps what is staged; now is when it was written. What there is no more room for
// is forgotten, and what is too old.
func (x *Index) Commit(now time.Time) {
	since := x.age(now)
	for i := x.kept; i < len(x.events); i++ {
		x.events[i].at = since
	}
	x.kept = len(x.events)
	x.first = max(x.first, x.kept-x.maxEvents)
	// What was forgotten gives its room back before it takes more than what is kept.
	if x.first > x.kept-x.first {
		x.events = append(x.events[:0], x.events[x.first:]...)
		x.first, x.kept = 0, len(x.events)
		x.index()
	}
}

// Clear forgets everything: the log no longer holds what it held.
func (x *Index) Clear() {
	x.events, x.first, x.kept = nil, 0, 0
	x.index()
}

// index finds all events their places anew.
func (x *Index) index() {
	x.places.reset(len(x.events) - x.first)
	for i := x.first; i < len(x.events); i++ {
		x.places.add(x.places.hash(x.events[i].id), i)
	}
}
