// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var (
	// ErrUnchecked: lines do not lead to a checkpoint of the log that one of its keys has signed.
	ErrUnchecked = errors.New("no checkpoint that the log has signed covers this")
	// ErrLongCommit: a commit has more bytes than [NewChecked] was told to keep of one.
	ErrLongCommit = errors.New("a commit has too many bytes for its lines to be kept until they are checked")
)

// CheckedLine is a line that a checkpoint covers which a key of the log has signed: a header, an
// event or a commit, which are leaves. Only [Checked] makes one.
type CheckedLine struct{ bytes []byte }

// Bytes returns the line without its LF, valid until the next one is read. [segment.KindOf] says
// what kind of line it is.
func (l CheckedLine) Bytes() []byte { return l.bytes }

// Checked reads the lines of segments that follow one another, and yields only such as lead
// to a signed checkpoint. It yields leaves alone: nothing covers the checkpoints between them,
// to which anybody can add signatures. It is for one goroutine at a time.
//
// Lines are kept until a checkpoint covers them whose signature has been checked, which is
// that of the last one in about a megabyte: it is over all before it.
//
// The first segment's header is believed about what was before it, once a checkpoint covers that
// header. Those of the segments after it have to go on with the tree.
type Checked struct {
	who   authority
	most  int64
	tree  merkle.Frontier // of the lines that have been read
	good  merkle.Frontier // of those that have been checked
	begun bool
	// buf holds the lines that have been read and not checked, ends where each of them ends.
	buf  []byte
	ends []int
}

// keptAtOnce is how many bytes of lines are read before a signature is checked.
const keptAtOnce = 1 << 20

// authority says which log is read, and whose signatures count.
type authority struct {
	origin string
	log    signing.LogID
	keys   []*signing.PublicKey
}

// NewChecked returns a Checked for the log of that origin and id, of which these are public keys.
// It keeps at most so many bytes of a commit's lines, and ends with [ErrLongCommit] where a commit
// has more.
func NewChecked(origin string, log signing.LogID, keys []*signing.PublicKey, maxCommitBytes int64) *Checked {
	return &Checked{who: authority{origin, log, keys}, most: maxCommitBytes}
}

// Tree returns the tree of all lines that have been yielded, and those that the first segment
// follows.
func (c *Checked) Tree() merkle.Frontier { return c.good }

// Segment yields the lines of the next segment, which is named so and r reads from its
// beginning. An error comes last: it is one of r, or wraps [ErrUnchecked] if what follows is
// not as the log has written it, or [ErrLongCommit]. It is an error if the segment does not end
// with a checkpoint.
func (c *Checked) Segment(r interface {
	Next() ([]byte, error)
	Line() int
}, name segment.Name) iter.Seq2[CheckedLine, error] {
	return func(yield func(CheckedLine, error) bool) {
		s := &checkedSegment{Checked: c, name: name}
		c.forget(c.good)
		for {
			line, err := r.Next()
			if err == io.EOF {
				if err = s.end(); err == nil {
					s.flush(yield)
					return
				}
			}
			if err == nil {
				err = s.line(line, r.Line())
			}
			if err != nil {
				// What a checkpoint covers is good all the same.
				if s.flush(yield) {
					yield(CheckedLine{}, err)
				}
				return
			}
			if s.note != nil && s.since == 0 && len(c.buf) >= keptAtOnce && !s.flush(yield) {
				return
			}
		}
	}
}

// forget drops lines that have been read and not checked.
func (c *Checked) forget(to merkle.Frontier) {
	c.tree, c.buf, c.ends = to, c.buf[:0], c.ends[:0]
	if cap(c.buf) > 4*keptAtOnce {
		c.buf, c.ends = nil, nil
	}
}

// checkedSegment is the segment at hand.
type checkedSegment struct {
	*Checked
	name   segment.Name
	header *segment.Header
	keys   []*signing.PublicKey
	// commit says that the last line is a commit, and any that there has been a checkpoint.
	commit, any bool
	since       int // bytes kept since the last checkpoint
	// covered is how many of the lines kept note covers, the last checkpoint, whose
	// signature has not been checked; after is its tree.
	covered int
	note    []byte
	after   merkle.Frontier
}

func (s *checkedSegment) unchecked(format string, args ...any) error {
	return fmt.Errorf("%s: %w: %w", s.name, ErrUnchecked, fmt.Errorf(format, args...))
}

// line takes in a line.
func (s *checkedSegment) line(line []byte, number int) error {
	kind := segment.KindOf(line)
	switch {
	case s.header == nil:
		if err := s.begin(line); err != nil {
			return err
		}
	case kind == segline.KindCheckpoint:
		return s.checkpoint(line, number)
	case s.commit:
		return s.unchecked("line %d: no checkpoint follows the commit before it", number)
	case kind != segline.KindEvent && kind != segline.KindCommit:
		return s.unchecked("line %d is neither an event nor a commit", number)
	}
	if s.since += len(line); int64(s.since) > s.most {
		return fmt.Errorf("%s: line %d: %w: more than %d", s.name, number, ErrLongCommit, s.most)
	}
	s.buf = append(s.buf, line...)
	s.ends = append(s.ends, len(s.buf))
	s.tree.Append(merkle.LeafHash(line))
	s.commit = kind == segline.KindCommit
	return nil
}

// begin takes in the header.
func (s *checkedSegment) begin(line []byte) error {
	h, err := segment.ParseHeader(line)
	if err != nil {
		return s.unchecked("%w", err)
	}
	before, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	switch {
	case err != nil:
		return s.unchecked("%w", err)
	case h.Origin != s.who.origin || h.Log != s.who.log:
		return s.unchecked("its header is of the log %s of %q, which is another", h.Log, h.Origin)
	case h.FirstIndex != s.name.FirstIndex || !h.Created.Truncate(time.Second).Equal(s.name.Created):
		return s.unchecked("it has not the name that its header gives it")
	case s.begun && (h.FirstIndex != s.tree.Size() || !slices.Equal(h.Frontier, s.tree.Hashes())):
		return s.unchecked("its header does not go on with the tree of %d leaves before it", s.tree.Size())
	}
	for _, k := range s.who.keys {
		if slices.ContainsFunc(h.Keys, func(named segline.Key) bool { return bytes.Equal(named.PublicKey, k.SPKI()) }) {
			s.keys = append(s.keys, k)
		}
	}
	if len(s.keys) == 0 {
		return s.unchecked("it is signed with %s, which is no key of the log", h.Keys[0].ID)
	}
	s.header, s.tree = &h, before
	return nil
}

// checkpoint takes in a checkpoint, which has to be over the lines before it.
func (s *checkedSegment) checkpoint(line []byte, number int) error {
	if !s.commit {
		return s.unchecked("line %d: a checkpoint that follows no commit", number)
	}
	note, err := segment.ParseCheckpoint(line)
	var one signing.Checkpoint
	if err == nil {
		one, err = signing.ParseCheckpoint(note)
	}
	switch {
	case err != nil:
		return s.unchecked("line %d: %w", number, err)
	case len(note) > logfile.MaxCheckpointBytes:
		return s.unchecked("line %d: a checkpoint of %d bytes", number, len(note))
	case one.Origin != s.who.origin || one.Size != s.tree.Size() || one.Root != s.tree.Root():
		return s.unchecked("line %d: the lines do not lead to the checkpoint after them", number)
	}
	s.commit, s.any, s.since = false, true, 0
	s.covered, s.note, s.after = len(s.ends), note, s.tree
	return nil
}

// end says whether the segment may end here.
func (s *checkedSegment) end() error {
	if s.since > 0 || !s.any {
		return s.unchecked("it does not end with a checkpoint")
	}
	return nil
}

// flush checks the signature of the last checkpoint, and yields what that covers. It reports
// whether to go on.
func (s *checkedSegment) flush(yield func(CheckedLine, error) bool) bool {
	if s.note == nil {
		s.forget(s.good)
		return true
	}
	if _, _, err := signing.OpenCheckpoint(s.note, s.who.origin, s.keys); err != nil {
		err = s.unchecked("the checkpoint over %d leaves: %w", s.after.Size(), err)
		s.forget(s.good)
		s.note, s.covered = nil, 0
		yield(CheckedLine{}, err)
		return false
	}
	good, from := s.ends[:s.covered], 0
	s.good, s.begun = s.after, true
	s.note, s.covered = nil, 0
	for _, end := range good {
		if !yield(CheckedLine{s.buf[from:end:end]}, nil) {
			s.forget(s.good)
			return false
		}
		from = end
	}
	s.forget(s.good)
	return true
}
