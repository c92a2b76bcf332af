// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const (
	// MaxInSet is how many receipts a [Set] takes.
	MaxInSet = 1 << 20
	// maxNoteBytes bounds their checkpoints, of which those of a commit share one.
	maxNoteBytes = 512 << 20
	// maxBroken bounds the receipts that are named because they prove nothing.
	maxBroken = 1000
)

// Set is receipts that logs must honor. Of each it keeps little. It is for one goroutine at a
// time while it is read into, and not changed by checking logs with it.
type Set struct {
	files []string
	// logs are what there is of each log, in the order in which they came.
	logs     []*OfLog
	byOrigin map[string]*OfLog
	byNote   map[[sha256.Size]byte]*Promise
	byLeaf   map[leafKey]claimedEvent
	number   int
	bytes    int64 // of notes
	broken   int   // how many are named
}

// OfLog is the receipts of one log.
type OfLog struct {
	Origin string
	// Promises are the checkpoints that they hold.
	Promises []*Promise

	number int
	// broken says which do not prove what they say, more how many are not named.
	broken []string
	more   int
}

// Promise is a checkpoint that receipts hold, which the log must extend.
type Promise struct {
	// Checkpoint is the signed note.
	Checkpoint []byte
	// Receipts is how many receipts hold it, First says where the first of them was read.
	Receipts int
	First    string
	// Lowest is the lowest leaf index of theirs, Committed the time of their commit.
	Lowest    uint64
	Committed time.Time
}

// String is what findings call the checkpoint.
func (p *Promise) String() string {
	name := "the checkpoint of the receipt at " + p.First
	if p.Receipts > 1 {
		name = fmt.Sprintf("%s and %d more", name, p.Receipts-1)
	}
	return name
}

// place is where a receipt was read.
type place struct{ file, line int32 }

// leafKey is as much of a leaf's hash as tells it from all others.
type leafKey [16]byte

func keyOf(h merkle.Hash) leafKey { return leafKey(h[:16]) }

// claimedEvent is the event that a leaf is, as a receipt says.
type claimedEvent struct {
	id    uint64 // a hash of its id
	place place
}

// idSeed makes the hashes of event ids unpredictable, so that nobody can choose ids that
// collide.
var idSeed = maphash.MakeSeed()

func (s *Set) say(p place) string { return fmt.Sprintf("%s:%d", s.files[p.file], p.line) }

// Read reads a file of receipts, one on each line, and checks each by itself; name is
// what findings call the file. A last line that has no LF is passed over if it is not
// whole, since the file may still be written. The error names the line that is no receipt.
func (s *Set) Read(name string, r io.Reader) error {
	if s.byNote == nil {
		s.byOrigin, s.byNote, s.byLeaf = map[string]*OfLog{}, map[[sha256.Size]byte]*Promise{}, map[leafKey]claimedEvent{}
	}
	s.files = append(s.files, name)
	at := place{file: int32(len(s.files) - 1)}
	lines := bufio.NewReaderSize(r, MaxBytes+1)
	for blank := 0; ; {
		line, err := lines.ReadSlice('\n')
		at.line++
		ended := err == io.EOF
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%s:%d: not a receipt: it has more than %d bytes", name, at.line, MaxBytes)
		case err != nil && !ended:
			return fmt.Errorf("read the receipts in %s: %w", name, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			one, err := Parse(line)
			switch {
			case err == nil:
				if err := s.add(one, at); err != nil {
					return err
				}
			case !ended:
				return fmt.Errorf("%s:%d: %w", name, at.line, err)
			}
		} else if blank++; blank > MaxInSet {
			return fmt.Errorf("%s:%d: there are more than %d blank lines", name, at.line, MaxInSet)
		}
		if ended {
			return nil
		}
	}
}

func (s *Set) add(r *Receipt, at place) error {
	if s.number == MaxInSet {
		return fmt.Errorf("%s: there are more than %d receipts: check fewer files at a time", s.files[at.file], MaxInSet)
	}
	s.number++
	c, err := r.Check()
	of := s.byOrigin[c.Origin]
	if of == nil {
		of = &OfLog{Origin: strings.Clone(c.Origin)}
		s.byOrigin[of.Origin] = of
		s.logs = append(s.logs, of)
	}
	of.number++
	if err != nil {
		s.breaks(of, "the receipt at %s does not prove what it says, and has been changed since it was written: %v", s.say(at), err)
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
		promise = &Promise{Checkpoint: r.Checkpoint, First: s.say(at), Lowest: r.Index, Committed: commit.Time}
		of.Promises = append(of.Promises, promise)
		s.byNote[key] = promise
	}
	promise.Receipts++
	promise.Lowest = min(promise.Lowest, r.Index)
	return nil
}

func (s *Set) breaks(l *OfLog, format string, args ...any) {
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
func (s *Set) Logs() []*OfLog {
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
		one.logs, one.number = []*OfLog{l}, l.number
	}
	return one
}

// Broken says which of the receipts do not prove what they say.
func (l *OfLog) Broken() []string {
	if l.more == 0 {
		return l.broken
	}
	return append(slices.Clip(l.broken), fmt.Sprintf("%d more receipts do not prove what they say", l.more))
}

// OtherEvent reports whether a receipt names another event than the one with an id, which may
// be empty, for the leaf with a hash, and where that receipt was read.
func (s *Set) OtherEvent(leaf merkle.Hash, id []byte) (where string, other bool) {
	one, ok := s.byLeaf[keyOf(leaf)]
	if !ok || one.id == maphash.Bytes(idSeed, id) {
		return "", false
	}
	return s.say(one.place), true
}
