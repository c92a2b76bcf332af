// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = errors.New("there is no audit log here: no file is named audit-….jsonl")
	// ErrNoCheckpoint: nothing has been committed to the log, or nothing of it is there.
	ErrNoCheckpoint = errors.New("the log holds no checkpoint: nothing has been committed to it yet, or it is damaged: run auditlog verify")
	// ErrNotDurable: the log's only commit may not be on stable storage yet.
	ErrNotDurable = errors.New("the log's only checkpoint is not known to be on stable storage yet: try again in a second, or, if no collector writes to the log, start one, which makes sure of it")
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
	if !Malformed(err) {
		return err
	}
	if e.Damage == nil {
		e.Damage = err
	}
	return nil
}

// FindEnd finds the end of a log, of whose file checkpoint filed is the content, read before
// the segments were listed; nil if there is none.
//
// The writer syncs a commit before it begins the next one, and before it puts its checkpoint
// into the file checkpoint. So a commit is durable if its checkpoint is in that file, or if the
// log goes on after it, in the same segment or in the next. What a failed sync has left in a
// segment beyond the place where the next one begins is no part of the log.
func FindEnd(ctx context.Context, fsys fs.FS, segments []Segment, filed []byte) (End, error) {
	e := End{At: len(segments), LastAt: len(segments)}
	var copied signing.Checkpoint
	if c, err := signing.ParseCheckpoint(filed); err == nil {
		copied = c
	}
	next := uint64(segline.MaxIndex) + 1 // where the segment after this one begins
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
		durable, last, err := commitsOf(ctx, fsys, s, next, copied)
		if err := e.damaged(err); err != nil {
			return e, err
		}
		switch {
		case durable.Size > 0:
			e.At, e.Durable, e.Last, e.LastAt = i, durable, last, i
			return e, nil
		case last.Size > 0:
			e.Last, e.LastAt = last, i
		}
		next = s.Begin()
	}
	return e, nil
}

// commitsOf returns the last commit of a segment that is known to be durable, and the last
// one, also with an error. next is where the segment after it begins.
func commitsOf(ctx context.Context, fsys fs.FS, s Segment, next uint64, filed signing.Checkpoint) (durable, last Commit, _ error) {
	err := eachCommit(ctx, fsys, s, func(c Commit) {
		if c.Size > next {
			return
		}
		durable, last = last, c
		if filed.Note != nil && c.Origin == filed.Origin && c.Size == filed.Size && c.Root == filed.Root {
			last.Note = filed.Note // it may bear cosignatures
			durable = last
		} else if c.Size == next {
			durable = last
		}
	})
	return durable, last, err
}

// eachCommit passes the well-formed checkpoints of a segment to each.
func eachCommit(ctx context.Context, fsys fs.FS, s Segment, each func(Commit)) error {
	r, err := Open(ctx, fsys, s)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		switch {
		case err == io.EOF || errors.Is(err, segline.ErrPartial):
			return nil
		case err != nil:
			return err
		case segment.KindOf(line) != segline.KindCheckpoint:
			continue
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		if c, err := signing.ParseCheckpoint(note); err == nil {
			each(Commit{c, r.End()})
		}
	}
}

// DurableCheckpoint returns the newest checkpoint of a log that is known to be on stable
// storage (see [FindEnd]), with the cosignatures that the file checkpoint has on it. The error
// wraps [ErrNoCheckpoint] or [ErrNotDurable] if there is none.
func DurableCheckpoint(ctx context.Context, fsys fs.FS) ([]byte, error) {
	return lookForCheckpoint(ctx, fsys, func(e End) (note []byte, whole bool) { return e.Durable.Note, e.Whole })
}

// NewestCheckpoint returns the newest checkpoint of a log, which a power cut may take back. The
// error wraps [ErrNoCheckpoint] if there is none.
func NewestCheckpoint(ctx context.Context, fsys fs.FS) ([]byte, error) {
	return lookForCheckpoint(ctx, fsys, func(e End) (note []byte, whole bool) { return e.Last.Note, e.Whole && e.Last.Size == 0 })
}

// lookForCheckpoint returns the checkpoint that want takes of the log's end or, if that is the
// end of a whole segment, the last one of that.
func lookForCheckpoint(ctx context.Context, fsys fs.FS, want func(End) (note []byte, whole bool)) (note []byte, _ error) {
	err := Retry(ctx, func() error {
		filed, err := Checkpoint(fsys)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !Malformed(err) {
			return err
		}
		segments, err := Segments(fsys)
		if err != nil {
			return err
		}
		if len(segments) == 0 {
			return ErrNoLog
		}
		e, err := FindEnd(ctx, fsys, segments, filed)
		if err == nil {
			err = e.Damage
		}
		if err != nil {
			return err
		}
		var whole bool
		if note, whole = want(e); note == nil && whole {
			note, err = lastCheckpoint(ctx, fsys, segments, e, filed)
		}
		if note != nil || err != nil {
			return err
		}
		if e.Last.Size > 0 {
			return ErrNotDurable
		}
		return ErrNoCheckpoint
	})
	return note, err
}

// lastCheckpoint returns the last checkpoint of a log that ends with a whole segment.
func lastCheckpoint(ctx context.Context, fsys fs.FS, segments []Segment, e End, filed []byte) ([]byte, error) {
	copied, err := signing.ParseCheckpoint(filed)
	if err != nil {
		copied = signing.Checkpoint{}
	}
	next := uint64(segline.MaxIndex)
	if e.Durable.Size > 0 {
		next = e.Durable.Size
	}
	for _, s := range slices.Backward(segments[:e.At+1]) {
		_, last, err := commitsOf(ctx, fsys, s, next, copied)
		if err != nil {
			return nil, err
		}
		if last.Size > 0 {
			return last.Note, nil
		}
		next = s.Begin()
	}
	return nil, nil
}

// tailBytes is how much of a segment's end is looked at first for its last checkpoint, which
// it almost always holds.
const tailBytes = 64 << 10

// committedEnd returns the offset in a segment's content after its last checkpoint; 0 if it
// has none.
func committedEnd(ctx context.Context, fsys fs.FS, s Segment) (int64, error) {
	if s.Parsed.Compression == compression.None && s.Size > tailBytes {
		end, err := lastCheckpointEnd(ctx, fsys, s, s.Size-tailBytes)
		if err != nil || end > 0 {
			return end, err
		}
	}
	return lastCheckpointEnd(ctx, fsys, s, 0)
}

// lastCheckpointEnd is committedEnd for what follows an offset.
func lastCheckpointEnd(ctx context.Context, fsys fs.FS, s Segment, offset int64) (end int64, err error) {
	r, err := OpenAt(ctx, fsys, s, offset)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rest := offset > 0 // of a line
	for {
		line, err := r.Next()
		switch {
		case err == io.EOF || errors.Is(err, segline.ErrPartial):
			return end, nil
		case err != nil:
			return end, err
		case segment.KindOf(line) == segline.KindCheckpoint && !rest:
			end = r.End()
		}
		rest = false
	}
}
