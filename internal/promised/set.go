// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package promised has what receipts promise of logs: that each extends the checkpoints that they
// hold, and has the events that they name at their leaves.
package promised

import (
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const (
	// MaxReceipts is how many receipts a [Set] takes.
	MaxReceipts = 1 << 20
	// maxNoteBytes bounds their checkpoints, of which those of a commit share one.
	maxNoteBytes = 512 << 20
	// maxBroken bounds the receipts that are named because they prove nothing.
	maxBroken = 1000
)

// Set is what receipts promise. Of each it keeps little. A nil Set promises nothing. It is for one
// goroutine at a time while receipts are added, and not changed by checking logs with it.
type Set struct {
	files []string
	// logs are what there is of each log, in the order in which they came.
	logs     []*Log
	byOrigin map[string]*Log
	byNote   map[[sha256.Size]byte]*Checkpoint
	byLeaf   map[leafKey]claimedEvent
	number   int
	bytes    int64 // of notes
	broken   int   // how many are named
}

// Log is what receipts promise of one log.
type Log struct {
	Origin string
	// Promises are the checkpoints that they hold.
	Promises []*Checkpoint

	number int
	// broken says which do not prove what they say, more how many are not named.
	broken []string
	more   int
}

// Checkpoint is one that receipts hold, which the log must extend.
type Checkpoint struct {
	// Note is the signed note (c2sp.org/tlog-checkpoint).
	Note []byte
	// Receipts is how many receipts hold it, First says where the first of them was read.
	Receipts int
	First    string
	// Lowest is the lowest leaf index of theirs, Committed the time of their commit.
	Lowest    uint64
	Committed time.Time
}

// String is what findings call the checkpoint.
func (p *Checkpoint) String() string {
	name := "the checkpoint of the receipt at " + p.First
	if p.Receipts > 1 {
		name = fmt.Sprintf("%s and %d more", name, p.Receipts-1)
	}
	return name
}

// Place is where a receipt was read.
type Place struct{ file, Line int32 }

// leafKey is as much of a leaf's hash as tells it from all others.
type leafKey [16]byte

func keyOf(h merkle.Hash) leafKey { return leafKey(h[:16]) }

// claimedEvent is the event that a leaf is, as a receipt says.
type claimedEvent struct {
	id    uint64 // a hash of its id
	place Place
}

// idSeed makes the hashes of event ids unpredictable, so that nobody can choose ids that
// collide.
var idSeed = maphash.MakeSeed()

func (s *Set) say(p Place) string { return fmt.Sprintf("%s:%d", s.files[p.file], p.Line) }

// File begins a file of receipts; name is what findings call it. It returns the place before its
// first line.
func (s *Set) File(name string) Place {
	if s.byNote == nil {
		s.byOrigin, s.byNote, s.byLeaf = map[string]*Log{}, map[[sha256.Size]byte]*Checkpoint{}, map[leafKey]claimedEvent{}
	}
	s.files = append(s.files, name)
	return Place{file: int32(len(s.files) - 1)}
}

// Receipt is what a receipt says, as far as logs are held to it.
type Receipt struct {
	Origin     string // of its checkpoint
	EventID    string
	Index      uint64
	LeafHash   merkle.Hash
	Commit     []byte // the line
	Checkpoint []byte // the signed note
	// Broken is why the receipt does not prove what it says; nil if it does.
	Broken error
}

// Add adds the receipt at a place. It fails if there are too many.
func (s *Set) Add(at Place, r *Receipt) error {
	if s.number == MaxReceipts {
		return fmt.Errorf("%s: there are more than %d receipts: check fewer files at a time", s.files[at.file], MaxReceipts)
	}
	s.number++
	of := s.byOrigin[r.Origin]
	if of == nil {
		of = &Log{Origin: strings.Clone(r.Origin)}
		s.byOrigin[of.Origin] = of
		s.logs = append(s.logs, of)
	}
	of.number++
	if r.Broken != nil {
		s.breaks(of, "the receipt at %s does not prove what it says, and has been changed since it was written: %v", s.say(at), r.Broken)
		return nil
	}
	if r.EventID != "" {
		one := claimedEvent{maphash.String(idSeed, r.EventID), at}
		if other, ok := s.byLeaf[keyOf(r.LeafHash)]; ok && other.id != one.id {
			s.breaks(of, "the receipt at %s names another event for leaf %d than that at %s", s.say(at), r.Index, s.say(other.place))
		} else if !ok {
			s.byLeaf[keyOf(r.LeafHash)] = one
		}
	}
	key := sha256.Sum256(r.Checkpoint)
	promise := s.byNote[key]
	if promise == nil {
		if s.bytes += int64(len(r.Checkpoint)); s.bytes > maxNoteBytes {
			return fmt.Errorf("%s: the receipts have checkpoints of more than %d MiB: check fewer files at a time", s.files[at.file], maxNoteBytes>>20)
		}
		commit, err := segment.ParseCommit(r.Commit)
		if err != nil {
			return err // it has been checked
		}
		promise = &Checkpoint{Note: r.Checkpoint, First: s.say(at), Lowest: r.Index, Committed: commit.Time}
		of.Promises = append(of.Promises, promise)
		s.byNote[key] = promise
	}
	promise.Receipts++
	promise.Lowest = min(promise.Lowest, r.Index)
	return nil
}

func (s *Set) breaks(l *Log, format string, args ...any) {
	if s.broken == maxBroken {
		l.more++
		return
	}
	s.broken++
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// Len returns how many receipts there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.number
}

// Logs returns the receipts of each log, in the order in which they came.
func (s *Set) Logs() []*Log {
	if s == nil {
		return nil
	}
	return s.logs
}

// Of returns the receipts of the log with an origin.
func (s *Set) Of(origin string) *Set {
	if s == nil {
		return nil
	}
	one := &Set{files: s.files, byLeaf: s.byLeaf}
	if l := s.byOrigin[origin]; l != nil {
		one.logs, one.number = []*Log{l}, l.number
	}
	return one
}

// Broken says which of the receipts do not prove what they say.
func (l *Log) Broken() []string {
	if l.more == 0 {
		return l.broken
	}
	return append(slices.Clip(l.broken), fmt.Sprintf("%d more receipts do not prove what they say", l.more))
}

// OtherEvent reports whether a receipt names another event than the one with an id, which may
// be empty, for the leaf with a hash, and where that receipt was read.
func (s *Set) OtherEvent(leaf merkle.Hash, id []byte) (where string, other bool) {
	if s == nil {
		return "", false
	}
	one, ok := s.byLeaf[keyOf(leaf)]
	if !ok || one.id == maphash.Bytes(idSeed, id) {
		return "", false
	}
	return s.say(one.place), true
}
