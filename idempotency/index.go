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

// IDOf returns what stands for an id.
func IDOf(id string) ID {
	sum := sha256.Sum256([]byte(id))
	return ID(sum[:16])
}

// Content is what the event with an id says: see event.Identify.
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

	contents map[ID]Content
	// kept are the ids in the order in which they came, from first on.
	kept   []remembered
	first  int
	staged []ID
}

type remembered struct {
	id ID
	at time.Time
}

// NewIndex returns an index of so many events, 1 or more, each kept for maxAge, or, if
// that is 0, until others take its place.
func NewIndex(maxEvents int, maxAge time.Duration) *Index {
	return &Index{maxEvents: maxEvents, maxAge: maxAge, contents: map[ID]Content{}}
}

// Len returns the number of events that are remembered, those staged among them.
func (x *Index) Len() int { return len(x.contents) }

// MaxEvents returns how many are remembered at the most.
func (x *Index) MaxEvents() int { return x.maxEvents }

// Check says whether an event is known. If another one with its id is, first is what that
// says.
func (x *Index) Check(id ID, content Content) (v Verdict, first Content) {
	first, known := x.contents[id]
	switch {
	case !known:
		return New, Content{}
	case first == content:
		return Same, first
	}
	if _, known := x.contents[variant(id, content)]; known {
		return Same, first
	}
	return Other, first
}

// Stage takes in an event that is about to be written, after Check. Of several with one
// id the first goes on being the one that others are compared with.
func (x *Index) Stage(id ID, content Content) {
	if _, known := x.contents[id]; known {
		id = variant(id, content)
	}
	x.contents[id] = content
	x.staged = append(x.staged, id)
}

// variant stands for a later event with an id.
func variant(id ID, content Content) ID {
	sum := sha256.Sum256(append(append(make([]byte, 0, len(id)+len(content)), id[:]...), content[:]...))
	return ID(sum[:16])
}

// Staged returns how many events are staged.
func (x *Index) Staged() int { return len(x.staged) }

// Unstage forgets what has been staged since Staged returned n.
func (x *Index) Unstage(n int) {
	for _, id := range x.staged[n:] {
		delete(x.contents, id)
	}
	x.staged = x.staged[:n]
}

// Commit keeps what is staged; now is when it was written. What there is no more room for
// is forgotten, and what is too old.
func (x *Index) Commit(now time.Time) {
	for _, id := range x.staged {
		x.kept = append(x.kept, remembered{id, now})
	}
	x.staged = x.staged[:0]
	for x.first < len(x.kept) && (len(x.kept)-x.first > x.maxEvents || x.maxAge > 0 && now.Sub(x.kept[x.first].at) > x.maxAge) {
		delete(x.contents, x.kept[x.first].id)
		x.first++
	}
	// What was forgotten gives its place back before it takes more than what is kept.
	if x.first > len(x.kept)-x.first {
		x.kept = append(x.kept[:0], x.kept[x.first:]...)
		x.first = 0
	}
}

// Clear forgets everything: the log no longer holds what it held.
func (x *Index) Clear() {
	clear(x.contents)
	x.kept, x.first, x.staged = nil, 0, nil
}
