// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

const (
	// MaxReceipts is how many receipts a [ReceiptSet] takes.
	MaxReceipts = 1 << 20
	// maxNoteBytes bounds their checkpoints, of which those of a commit share one.
	maxNoteBytes = 512 << 20
	// maxBroken bounds the receipts that are named because they prove nothing.
	maxBroken = 1000
)

// ReceiptSet is receipts (package receipt) that logs must honour. Of each it keeps
// little. It is for one goroutine at a time while it is read into, and not changed by
// checking logs with it.
type ReceiptSet struct {
	files []string
	// logs are what there is of each log, in the order in which they came.
	logs     []*logReceipts
	byOrigin map[string]*logReceipts
	byNote   map[[sha256.Size]byte]*receiptNote
	byLeaf   map[leafKey]claimedEvent
	number   int
	bytes    int64 // of notes
	broken   int   // how many are named
}

// logReceipts are the receipts of a log.
type logReceipts struct {
	origin string
	number int
	notes  []*receiptNote
	// broken says which do not prove what they say, more how many are not named.
	broken []string
	more   int
}

// receiptNote is a checkpoint that receipts hold.
type receiptNote struct {
	note  []byte
	first place
	count int32
	// lowest is the lowest leaf index of theirs, committed the time of their commit.
	lowest    uint64
	committed time.Time
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

func (s *ReceiptSet) say(p place) string { return fmt.Sprintf("%s:%d", s.files[p.file], p.line) }

// Read takes in a file of receipts, one on each line, and checks each by itself; name is
// what findings call the file. A last line that has no LF is passed over if it is not
// whole, since the file may still be written. The error names the line that is no receipt.
func (s *ReceiptSet) Read(name string, r io.Reader) error {
	if s.byNote == nil {
		s.byOrigin, s.byNote, s.byLeaf = map[string]*logReceipts{}, map[[sha256.Size]byte]*receiptNote{}, map[leafKey]claimedEvent{}
	}
	s.files = append(s.files, name)
	at := place{file: int32(len(s.files) - 1)}
	lines := bufio.NewReaderSize(r, receipt.MaxBytes+1)
	for blank := 0; ; {
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
		} else if blank++; blank > MaxReceipts {
			return fmt.Errorf("%s:%d: there are more than %d blank lines", name, at.line, MaxReceipts)
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
	of := s.byOrigin[c.Origin]
	if of == nil {
		of = &logReceipts{origin: strings.Clone(c.Origin)}
		s.byOrigin[of.origin] = of
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
	note := s.byNote[key]
	if note == nil {
		if s.bytes += int64(len(r.Checkpoint)); s.bytes > maxNoteBytes {
			return fmt.Errorf("%s: the receipts have checkpoints of more than %d MiB: check fewer files at a time", s.files[at.file], maxNoteBytes>>20)
		}
		commit, err := segment.ParseCommit(r.Commit)
		if err != nil {
			return err // it has been checked
		}
		note = &receiptNote{note: r.Checkpoint, first: at, lowest: r.Index, committed: commit.Time}
		of.notes = append(of.notes, note)
		s.byNote[key] = note
	}
	note.count++
	note.lowest = min(note.lowest, r.Index)
	return nil
}

func (s *ReceiptSet) breaks(l *logReceipts, format string, args ...any) {
	if s.broken == maxBroken {
		l.more++
		return
	}
	s.broken++
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// said are the broken ones, and how many more there are.
func (l *logReceipts) said() []string {
	if l.more == 0 {
		return l.broken
	}
	return append(slices.Clip(l.broken), fmt.Sprintf("%d more receipts do not prove what they say", l.more))
}

// of returns the receipts of one log.
func (s *ReceiptSet) of(origin string) *ReceiptSet {
	if s == nil {
		return nil
	}
	one := &ReceiptSet{files: s.files, byLeaf: s.byLeaf}
	if l := s.byOrigin[origin]; l != nil {
		one.logs, one.number = []*logReceipts{l}, l.number
	}
	return one
}

// missing says what receipts there are of logs other than those found. accuses says why a
// checkpoint is no evidence, or nil.
func (s *ReceiptSet) missing(found map[string]bool, accuses func(note []byte) error) (said []TreeFinding) {
	if s == nil {
		return nil
	}
	for _, l := range s.logs {
		if found[l.origin] {
			continue
		}
		var unsigned error
		signed := slices.IndexFunc(l.notes, func(n *receiptNote) bool {
			err := accuses(n.note)
			if unsigned == nil {
				unsigned = err
			}
			return err == nil
		})
		switch {
		case signed >= 0:
			said = append(said, TreeFinding{Kind: ReceiptUnfulfilled, Severity: Tampering,
				Message: fmt.Sprintf("the receipt at %s is of the log %q, but there is no log of that origin: it is missing", s.say(l.notes[signed].first), l.origin)})
		case len(l.notes) > 0:
			said = append(said, TreeFinding{Kind: CheckpointUnchecked, Severity: Unchecked,
				Message: fmt.Sprintf("the receipt at %s is of the log %q, of which there is none here, and no key that was given has signed its checkpoint as it is (%v)", s.say(l.notes[0].first), l.origin, unsigned)})
		}
		for _, why := range l.said() {
			said = append(said, TreeFinding{Kind: ReceiptInvalid, Severity: Unchecked, Message: why})
		}
	}
	return said
}

// kept returns the receipts' checkpoints as such that the log must extend.
func (s *ReceiptSet) kept() (all []*keptCheckpoint) {
	if s == nil {
		return nil
	}
	for _, l := range s.logs {
		for _, n := range l.notes {
			all = append(all, &keptCheckpoint{note: n.note, receipts: n})
		}
	}
	return all
}

// sayNote is what findings call the checkpoint of receipts.
func (s *ReceiptSet) sayNote(n *receiptNote) string {
	name := "the checkpoint of the receipt at " + s.say(n.first)
	if n.count > 1 {
		name = fmt.Sprintf("%s and %d more", name, n.count-1)
	}
	return name
}

// judgeReceipts says what is wrong with receipts by themselves, which is none of the log's
// doing, and how many the log honours.
func (c *checker) judgeReceipts(r *Report) {
	s := c.o.Receipts
	if s == nil {
		return
	}
	r.Receipts = s.number
	for _, k := range c.kept {
		if k.receipts != nil && k.err == nil && k.Origin == r.Origin && k.same.Load() && !k.other.Load() {
			r.ReceiptsHonored += int(k.receipts.count)
		}
	}
	for _, l := range s.logs {
		for _, why := range l.said() {
			c.log.add(c.o.MaxFindings, Finding{Kind: ReceiptInvalid, Severity: Unchecked, Message: why})
		}
	}
}

// compareReceipt says so if a receipt names another event than the one that its leaf,
// which is next, is; it may be none.
func (f *follower) compareReceipt(l *checked) {
	s := f.c.o.Receipts
	if s == nil {
		return
	}
	one, ok := s.byLeaf[keyOf(l.leaf)]
	if !ok || one.id == maphash.Bytes(idSeed, l.sum.ID) {
		return
	}
	f.add(Finding{
		Kind: ReceiptInvalid, Severity: Tampering, Index: f.index(), EventID: clip(l.sum.ID, maxID),
		Message: fmt.Sprintf("the receipt at %s is for this leaf, but names another event: it has been changed, or whoever wrote it deceived its holder", s.say(one.place)),
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
// the log has changed its key: the log leads from one key to the next, a receipt does not.
// Bounds in time are held against that of the commit. What revoked keys alone have signed shows
// nothing. Witnesses do not count here: a receipt is there before one has cosigned its
// checkpoint.
func (s *ReceiptSet) Check(o ProofOptions) (*ReceiptsProven, error) {
	trusts := o.options()
	if err := trusts.checkKeys(); err != nil {
		return nil, fmt.Errorf("check receipts: %w", err)
	}
	keys := trusts.trusted()
	if len(keys) == 0 {
		return nil, errors.New("check receipts: no trusted key given")
	}
	if s.number == 0 {
		return nil, errors.New("check receipts: there are none")
	}
	for _, l := range s.logs {
		if err := trusts.checkOrigin(l.origin); err != nil {
			return nil, err
		}
	}
	for _, l := range s.logs {
		for _, why := range l.said() {
			return nil, fmt.Errorf("%w: %s", ErrProofFails, why)
		}
	}
	var origins []string
	signers := map[string]bool{}
	var unchecked error
	for _, l := range s.logs {
		origins = append(origins, l.origin)
		for _, n := range l.notes {
			c, err := signing.ParseCheckpoint(n.note)
			if err != nil {
				return nil, err // it has been checked
			}
			by, others, err := openSigned(n.note, l.origin, keys, trusts.trustedForCheckpoints())
			if err == nil {
				by, err = permitted(o.Trust, by, n.lowest, c.Size-1, n.committed)
			}
			switch {
			case errors.Is(err, signing.ErrNoTrustedSignature):
				err = fmt.Errorf("%w: the receipt at %s: %w", ErrWrongKey, s.say(n.first), err)
			case err != nil:
				return nil, fmt.Errorf("%w: the receipt at %s: %w", ErrProofFails, s.say(n.first), err)
			default:
				err = trusts.judgeSigned(c.Size, by, others, n.committed, func(*signing.PublicKey) bool { return false })
				if errors.Is(err, ErrProofFails) {
					return nil, fmt.Errorf("the receipt at %s: %w", s.say(n.first), err)
				}
				if err != nil {
					err = fmt.Errorf("the receipt at %s: %w", s.say(n.first), err)
				}
			}
			if err != nil && unchecked == nil {
				unchecked = err // unless another receipt fails whatever the key
			}
			for _, k := range append(by, others...) {
				signers[k.ID()] = true
			}
		}
	}
	if unchecked != nil {
		return nil, unchecked
	}
	slices.Sort(origins)
	return &ReceiptsProven{s.number, origins, slices.Sorted(maps.Keys(signers))}, nil
}
