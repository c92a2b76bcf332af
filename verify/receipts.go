// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// MaxReceipts is how many receipts a [ReceiptSet] takes.
const MaxReceipts = 1 << 20

// ReceiptSet is receipts (package receipt) that logs must honour. Of each it keeps
// little. It is for one goroutine at a time while it is read into, and not changed by
// checking logs with it.
type ReceiptSet struct {
	files  []string
	notes  []*receiptNote
	byNote map[string]*receiptNote
	byLeaf map[merkle.Hash]claimedEvent
	number int
	// broken are those that do not prove what they say.
	broken []brokenReceipt
}

// receiptNote is a checkpoint that receipts hold.
type receiptNote struct {
	signing.Checkpoint
	first place
	count int
	// lowest is the lowest leaf index of theirs.
	lowest uint64
}

// place is where a receipt was read.
type place struct{ file, line int }

// claimedEvent is the event that a leaf is, as a receipt says.
type claimedEvent struct {
	id    uint64 // a hash of its id
	place place
}

type brokenReceipt struct {
	origin, why string
	place       place
}

func (s *ReceiptSet) say(p place) string { return fmt.Sprintf("%s:%d", s.files[p.file], p.line) }

// Len returns the number of receipts.
func (s *ReceiptSet) Len() int { return s.number }

// Read takes in a file of receipts, one on each line, and checks each by itself; name is
// what findings call the file. A last line that has no LF is passed over if it is not
// whole, since the file may still be written. The error names the line that is no receipt.
func (s *ReceiptSet) Read(name string, r io.Reader) error {
	if s.byNote == nil {
		s.byNote, s.byLeaf = map[string]*receiptNote{}, map[merkle.Hash]claimedEvent{}
	}
	s.files = append(s.files, name)
	at := place{file: len(s.files) - 1}
	lines := bufio.NewReaderSize(r, receipt.MaxBytes+1)
	for {
		line, err := lines.ReadSlice('\n')
		at.line++
		ended := err == io.EOF
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%s:%d: not a receipt: it has more than %d bytes", name, at.line, receipt.MaxBytes)
		case err != nil && !ended:
			return fmt.Errorf("read the receipts in %s: %w", name, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			one, err := receipt.Parse(line)
			switch {
			case err == nil:
				if err := s.add(one, at); err != nil {
					return err
				}
			case !ended:
				return fmt.Errorf("%s:%d: %w", name, at.line, err)
			}
		}
		if ended {
			return nil
		}
	}
}

func (s *ReceiptSet) add(r *receipt.Receipt, at place) error {
	if s.number == MaxReceipts {
		return fmt.Errorf("%s: there are more than %d receipts: check fewer files at a time", s.files[at.file], MaxReceipts)
	}
	s.number++
	c, err := r.Check()
	if err != nil {
		s.broken = append(s.broken, brokenReceipt{c.Origin, fmt.Sprintf("the receipt at %s does not prove what it says, and has been changed since it was written: %v", s.say(at), err), at})
		return nil
	}
	if r.EventID != "" {
		one := claimedEvent{maphash.String(idSeed, r.EventID), at}
		if other, ok := s.byLeaf[r.LeafHash]; ok && other.id != one.id {
			s.broken = append(s.broken, brokenReceipt{c.Origin, fmt.Sprintf("the receipt at %s names another event for leaf %d than that at %s", s.say(at), r.Index, s.say(other.place)), at})
		} else if !ok {
			s.byLeaf[r.LeafHash] = one
		}
	}
	note := s.byNote[string(r.Checkpoint)]
	if note == nil {
		note = &receiptNote{Checkpoint: c, first: at, lowest: r.Index}
		s.notes = append(s.notes, note)
		s.byNote[string(r.Checkpoint)] = note
	}
	note.count++
	note.lowest = min(note.lowest, r.Index)
	return nil
}

// of returns the receipts of one log.
func (s *ReceiptSet) of(origin string) *ReceiptSet {
	if s == nil {
		return nil
	}
	one := &ReceiptSet{files: s.files, byLeaf: s.byLeaf}
	for _, n := range s.notes {
		if n.Origin == origin {
			one.notes = append(one.notes, n)
			one.number += n.count
		}
	}
	for _, b := range s.broken {
		if b.origin == origin {
			one.broken = append(one.broken, b)
			one.number++
		}
	}
	return one
}

// origins returns the logs that the receipts are of, each with a receipt's place.
func (s *ReceiptSet) origins() map[string]string {
	all := map[string]string{}
	if s == nil {
		return all
	}
	for _, n := range s.notes {
		if all[n.Origin] == "" {
			all[n.Origin] = s.say(n.first)
		}
	}
	for _, b := range s.broken {
		if all[b.origin] == "" {
			all[b.origin] = s.say(b.place)
		}
	}
	return all
}

// kept returns the receipts' checkpoints as such that the log must extend.
func (s *ReceiptSet) kept() (all []*keptCheckpoint) {
	if s == nil {
		return nil
	}
	for _, n := range s.notes {
		name := "the checkpoint of the receipt at " + s.say(n.first)
		if n.count > 1 {
			name = fmt.Sprintf("%s and %d more", name, n.count-1)
		}
		all = append(all, &keptCheckpoint{note: n.Note, name: name, receipts: n.count})
	}
	return all
}

// judgeReceipts says what is wrong with receipts by themselves, and how many the log
// honours.
func (c *checker) judgeReceipts(r *Report) (said []Finding) {
	s := c.o.Receipts
	if s == nil {
		return nil
	}
	r.Receipts = s.number
	for _, k := range c.kept {
		if k.receipts > 0 && k.err == nil && k.Origin == r.Origin && k.same.Load() && !k.other.Load() {
			r.ReceiptsHonored += k.receipts
		}
	}
	for _, b := range s.broken {
		said = append(said, Finding{Kind: ReceiptInvalid, Severity: Tampering, Message: b.why})
	}
	return said
}

// compareReceipt says so if a receipt names another event than the one that its leaf is.
func (f *follower) compareReceipt(l *checked) {
	s := f.c.o.Receipts
	if s == nil {
		return
	}
	one, ok := s.byLeaf[l.leaf]
	if !ok || one.id == maphash.Bytes(idSeed, l.sum.ID) {
		return
	}
	f.add(Finding{
		Kind: ReceiptInvalid, Severity: Tampering, Index: f.index(), EventID: clip(l.sum.ID, maxID),
		Message: fmt.Sprintf("the receipt at %s is for this leaf, but names another event than it is, if it is one: it has been changed, or whoever wrote it deceived its holder", s.say(one.place)),
	})
}

// ReceiptsProven is what receipts show by themselves.
type ReceiptsProven struct {
	// Receipts is how many there are.
	Receipts int
	// Origins are the logs that they are of, SignedBy the ids of the trusted keys that
	// signed their checkpoints; both are sorted.
	Origins, SignedBy []string
}

// Check checks the receipts by themselves, without a log: that each leads from its leaf to
// a checkpoint that a trusted key has signed. The error wraps [ErrProofFails] if one does
// not, and [ErrWrongKey] if the key of one is not among those given, as it may be where
// the log has changed its key: the log leads from one key to the next, a receipt does not. Nor
// does it say when it was signed: a key with a bound in time that it may have passed does not
// count.
func (s *ReceiptSet) Check(keys []*signing.PublicKey, bounded trust.Keys) (*ReceiptsProven, error) {
	if keys = trustedKeys(keys, bounded); len(keys) == 0 {
		return nil, errors.New("check receipts: no trusted key given")
	}
	if s.number == 0 {
		return nil, errors.New("check receipts: there are none")
	}
	for _, b := range s.broken {
		return nil, fmt.Errorf("%w: %s", ErrProofFails, b.why)
	}
	origins, signers := map[string]bool{}, map[string]bool{}
	for _, n := range s.notes {
		_, by, err := signing.OpenCheckpoint(n.Note, n.Origin, keys)
		if err == nil {
			by, err = permitted(bounded, by, n.lowest, n.Size-1, time.Time{})
		}
		switch {
		case errors.Is(err, signing.ErrNoTrustedSignature):
			return nil, fmt.Errorf("%w: the receipt at %s: %w", ErrWrongKey, s.say(n.first), err)
		case err != nil:
			return nil, fmt.Errorf("%w: the receipt at %s: %w", ErrProofFails, s.say(n.first), err)
		}
		origins[n.Origin] = true
		for _, k := range by {
			signers[k.ID()] = true
		}
	}
	return &ReceiptsProven{s.number, slices.Sorted(maps.Keys(origins)), slices.Sorted(maps.Keys(signers))}, nil
}
