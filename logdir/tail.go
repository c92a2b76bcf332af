// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// Line is a line of a segment and where it stands.
type Line struct {
	// Segment is the segment, and Offset and End where in its content the line begins, and
	// the one after it.
	Segment     Segment
	Offset, End int64
	// Bytes are the line without its LF, valid until the next one is read.
	Bytes []byte
	// Committed says that a checkpoint follows in the segment, or is the line itself.
	Committed bool
}

// TailOptions say what a Tail reads. The zero value reads all there is.
type TailOptions struct {
	// Committed holds back, in the newest segment, what no checkpoint follows yet: it may be
	// on its way.
	Committed bool
	// Skip, if not nil, reports that nothing in a segment is wanted, which next follows.
	Skip func(s, next Segment) bool
	// Enter, if not nil, is called before lines of a segment are yielded.
	Enter func(Segment) error
	// Idle, if not nil, is called before Follow waits.
	Idle func() error
}

// Tail reads the lines of a log in order, and goes on where it stopped. It is for one
// goroutine at a time.
type Tail struct {
	fsys fs.FS
	o    TailOptions

	// The first line that has not been yielded: a segment, by its first leaf, and an offset in
	// its content.
	begin   uint64
	offset  int64
	started bool
	// seen is the size of that segment when it was last read to its end.
	seen int64
}

// NewTail returns a Tail that begins with the oldest segment of the log in the root of fsys.
func NewTail(fsys fs.FS, o TailOptions) *Tail { return &Tail{fsys: fsys, o: o} }

// Started reports whether the log has had a segment.
func (t *Tail) Started() bool { return t.started }

// errStopped: no more lines are wanted.
var errStopped = errors.New("stopped")

// Lines yields what is there and has not been yielded. An error ends the sequence.
func (t *Tail) Lines(ctx context.Context) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if err := t.look(ctx, yield); err != nil && !errors.Is(err, errStopped) {
			yield(Line{}, err)
		}
	}
}

// Follow yields what is there and what is added, for which it looks in each interval, until
// the context ends.
func (t *Tail) Follow(ctx context.Context, interval time.Duration) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			err := t.look(ctx, yield)
			if err == nil && t.o.Idle != nil {
				err = t.o.Idle()
			}
			switch {
			case ctx.Err() != nil, errors.Is(err, errStopped):
				return
			case err != nil:
				yield(Line{}, err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// look yields what is new.
func (t *Tail) look(ctx context.Context, yield func(Line, error) bool) error {
	segments, err := Segments(t.fsys)
	if err != nil {
		return err
	}
	has := func(begin uint64) bool {
		return slices.ContainsFunc(segments, func(s Segment) bool { return s.Begin() == begin })
	}
	if t.started && len(segments) > 0 && !has(t.begin) && segments[0].Begin() < t.begin {
		return nil // it is just being replaced by its compressed form
	}
	for i, s := range segments {
		if t.started && s.Begin() < t.begin {
			continue
		}
		if !t.started || s.Begin() > t.begin {
			t.begin, t.offset, t.started, t.seen = s.Begin(), 0, true, -1
		}
		if s.Size == t.seen {
			continue
		}
		newest := i == len(segments)-1
		if !newest && t.o.Skip != nil && t.o.Skip(s, segments[i+1]) {
			continue
		}
		err := t.segment(ctx, s, newest, yield)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile: the next look finds what there is
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// segment yields the lines of a segment that have not been yielded.
func (t *Tail) segment(ctx context.Context, s Segment, newest bool, yield func(Line, error) bool) error {
	committed, err := committedEnd(ctx, t.fsys, s)
	if err != nil {
		return err
	}
	if t.o.Enter != nil {
		if err := t.o.Enter(s); err != nil {
			return err
		}
	}
	if s.Parsed.Compression == compression.None {
		// A restart of the writer may have cut off what was read as its tail.
		t.offset = min(t.offset, s.Size)
	}
	r, err := OpenAt(ctx, t.fsys, s, t.offset)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			t.seen = s.Size
			return nil
		}
		if err != nil {
			return err
		}
		if t.o.Committed && newest && r.End() > committed {
			return nil
		}
		begin := t.offset
		t.offset = r.End()
		if !yield(Line{Segment: s, Offset: begin, End: r.End(), Bytes: line, Committed: r.End() <= committed}, nil) {
			return errStopped
		}
	}
}
