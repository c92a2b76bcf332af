// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logend finds where a log ends: at its last commit, and at the last one that is known to
// be on stable storage. [Find] is the only definition of that. No signature is checked.
package logend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Commit is a commit of a log, by the checkpoint that ends it.
type Commit struct {
	signing.Checkpoint
	// End is the offset after the checkpoint in the content of its segment.
	End int64
}

// End is where a log ends, by what its files say: no signature has been checked.
type End struct {
	// At is the number of the last segment that counts, and Whole says that it counts to its
	// end, because the log goes on after it. At is the number of segments if none counts.
	At    int
	Whole bool
	// Durable is the last commit that is known to be on stable storage. Of a whole segment it
	// is just its size, if that, since the segment is not read.
	Durable Commit
	// Last is the last commit there is, in the segment LastAt. Its size is 0 if there is none,
	// or if it is that of a whole segment.
	Last   Commit
	LastAt int
	// Damage says why not all of those segments could be read to its end, as far as they were
	// looked at: a log that was cut short there may look like this. What was read counts.
	Damage error
}

// damaged notes what keeps a segment from being read to its end, and passes on other errors.
func (e *End) damaged(err error) error {
	if !logfile.Malformed(err) {
		return err
	}
	if e.Damage == nil {
		e.Damage = err
	}
	return nil
}

// Find finds the end of a log, of whose file checkpoint filed is the content, read before
// the segments were listed; nil if there is none.
//
// The writer syncs a commit before it begins the next one, and before it puts its checkpoint
// into the file checkpoint. So a commit is durable if its checkpoint is in that file, or if the
// log goes on after it, in the same segment or in the next. What a failed sync has left in a
// segment beyond the place where the next one begins is no part of the log.
func Find(ctx context.Context, fsys fs.FS, segments []segment.File, filed []byte) (End, error) {
	e := End{At: len(segments), LastAt: len(segments)}
	next := noSegment
	for i, s := range slices.Backward(segments) {
		if !s.Mode.IsRegular() {
			_ = e.damaged(fmt.Errorf("%s: %w but %s", s.Name, rootfs.ErrNotRegular, s.Mode.Type()))
			continue
		}
		if s.Size == 0 {
			continue // begun, perhaps; there is nothing in it
		}
		if e.Last.Size > 0 || s.Parsed.Compression != compression.None {
			e.At, e.Whole = i, true
			if next <= segline.MaxIndex {
				e.Durable.Size = next
			}
			return e, nil
		}
		in := search{next: next, filed: parsed(filed)}
		if err := e.damaged(in.read(ctx, fsys, s)); err != nil {
			return e, err
		}
		switch {
		case in.durable.Size > 0:
			e.At, e.Durable, e.Last, e.LastAt = i, in.durable, in.last, i
			return e, nil
		case in.last.Size > 0:
			e.Last, e.LastAt = in.last, i
		}
		next = s.Parsed.FirstIndex
	}
	return e, nil
}

// noSegment is where the segment after the last one begins.
const noSegment = uint64(segline.MaxIndex) + 1

// LastOfWhole returns the last commit of a log that ends with a whole segment, which [Find] does
// not read; its size is 0 if there is none.
func LastOfWhole(ctx context.Context, fsys fs.FS, segments []segment.File, e End, filed []byte) (Commit, error) {
	next := noSegment
	if e.Durable.Size > 0 {
		next = e.Durable.Size
	}
	for _, f := range slices.Backward(segments[:e.At+1]) {
		s := search{next: next, filed: parsed(filed)}
		if err := s.read(ctx, fsys, f); err != nil {
			return Commit{}, err
		}
		if s.last.Size > 0 {
			return s.last, nil
		}
		next = f.Parsed.FirstIndex
	}
	return Commit{}, nil
}

// parsed returns the checkpoint that the file of that name holds, an empty one if it holds none.
func parsed(filed []byte) signing.Checkpoint {
	c, err := signing.ParseCheckpoint(filed)
	if err != nil {
		return signing.Checkpoint{}
	}
	return c
}

// search looks for the last commits of a segment.
type search struct {
	next  uint64 // where the segment after it begins
	filed signing.Checkpoint
	// durable is the last commit that is known to be durable, and last the last one, also if
	// reading fails.
	durable, last Commit
}

// read reads a segment: from its end, if that can be, because its last two commits tell; else
// from its beginning. The answer is the same, but for what is malformed before those two, which
// is not looked at.
func (s *search) read(ctx context.Context, fsys fs.FS, f segment.File) error {
	if err := s.backward(ctx, fsys, f); err == nil || ctx.Err() != nil {
		return err
	}
	s.durable, s.last = Commit{}, Commit{}
	return s.forward(ctx, fsys, f)
}

func (s *search) backward(ctx context.Context, fsys fs.FS, f segment.File) error {
	r, err := logfile.OpenBackward(ctx, fsys, f)
	if err != nil {
		return err
	}
	defer r.Close()
	for found := false; ; {
		line, end, err := r.Previous()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		c, known, ok := s.commit(line, end)
		if !ok {
			continue
		}
		if !found {
			s.last, found = c, true
			if !known {
				continue
			}
		}
		s.durable = c // if it is not known to be durable, the log goes on after it
		return nil
	}
}

func (s *search) forward(ctx context.Context, fsys fs.FS, f segment.File) error {
	r, err := logfile.Open(ctx, fsys, f, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			return nil
		}
		if err != nil {
			return err
		}
		if c, known, ok := s.commit(line, r.End()); ok {
			s.durable, s.last = s.last, c
			if known {
				s.durable = c
			}
		}
	}
}

// commit returns the commit that a line ends, if it does and is part of the log, and whether it
// is known to be durable whatever follows it.
func (s *search) commit(line []byte, end int64) (c Commit, known, ok bool) {
	if segment.KindOf(line) != segline.KindCheckpoint {
		return c, false, false
	}
	note, err := segment.ParseCheckpoint(line)
	if err != nil {
		return c, false, false
	}
	one, err := signing.ParseCheckpoint(note)
	if err != nil || one.Size > s.next {
		return c, false, false
	}
	c = Commit{one, end}
	if s.filed.Note != nil && c.Origin == s.filed.Origin && c.Size == s.filed.Size && c.Root == s.filed.Root {
		c.Note = s.filed.Note // it may bear cosignatures
		return c, true, true
	}
	return c, c.Size == s.next, true
}
