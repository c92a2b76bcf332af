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
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Line is a line of a segment and where it stands. [segment.KindOf] says what kind of line it is.
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

// LinesOptions say which lines [Lines] yields. The zero value is all there are.
type LinesOptions struct {
	// Follow, if not 0, is how often to look for lines that have been added, until the context
	// ends.
	Follow time.Duration
	// Committed holds back, in the newest segment, what no checkpoint follows yet: it may be
	// on its way.
	Committed bool
	// Skip, if not nil, reports that nothing in a segment is wanted, which next follows.
	Skip func(s, next Segment) bool
	// Enter, if not nil, is called before lines of a segment are yielded.
	Enter func(Segment) error
	// Idle, if not nil, is called when all that is there has been yielded, before waiting.
	Idle func() error
}

// Lines yields the lines of the log in the root of fsys in order, the oldest segment first,
// without having checked any. The log may grow meanwhile, be rotated, compressed and pruned: each
// line that is still there when its segment's turn comes is yielded once. An error ends the
// sequence; it wraps [ErrNoLog] if there is no segment. The end of the context is an error, too,
// unless the log is followed.
func Lines(ctx context.Context, fsys fs.FS, o LinesOptions) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		t := &tail{fsys: fsys, o: o}
		err := t.look(ctx, yield)
		if err == nil && !t.started {
			err = ErrNoLog
		}
		if err == nil && o.Follow > 0 {
			err = t.follow(ctx, yield)
		}
		if err != nil && !errors.Is(err, errStopped) && (o.Follow == 0 || ctx.Err() == nil) {
			yield(Line{}, err)
		}
	}
}

// tail reads the lines of a log, and goes on where it stopped.
type tail struct {
	fsys fs.FS
	o    LinesOptions

	// The first line that has not been yielded: a segment, by its first leaf, and an offset in
	// its content.
	begin   uint64
	offset  int64
	started bool
	// seen is the size of that segment when it was last read to its end.
	seen int64
}

// errStopped: no more lines are wanted.
var errStopped = errors.New("stopped")

// follow yields what is added.
func (t *tail) follow(ctx context.Context, yield func(Line, error) bool) error {
	tick := time.NewTicker(t.o.Follow)
	defer tick.Stop()
	for {
		if t.o.Idle != nil {
			if err := t.o.Idle(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := ctx.Err(); err != nil {
			return err // both may have been there
		}
		if err := t.look(ctx, yield); err != nil {
			return err
		}
	}
}

// look yields what is new.
func (t *tail) look(ctx context.Context, yield func(Line, error) bool) error {
	segments, err := Segments(t.fsys)
	if err != nil {
		return err
	}
	has := func(begin uint64) bool {
		return slices.ContainsFunc(segments, func(s Segment) bool { return s.Parsed.FirstIndex == begin })
	}
	if t.started && len(segments) > 0 && !has(t.begin) && segments[0].Parsed.FirstIndex < t.begin {
		return nil // it is just being replaced by its compressed form
	}
	for i, s := range segments {
		if t.started && s.Parsed.FirstIndex < t.begin {
			continue
		}
		if !t.started || s.Parsed.FirstIndex > t.begin {
			t.begin, t.offset, t.started, t.seen = s.Parsed.FirstIndex, 0, true, -1
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
func (t *tail) segment(ctx context.Context, s Segment, newest bool, yield func(Line, error) bool) error {
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
	r, err := logfile.Open(ctx, t.fsys, s.File, t.offset)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		begin := r.End()
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
		t.offset = r.End()
		if !yield(Line{Segment: s, Offset: begin, End: r.End(), Bytes: line, Committed: r.End() <= committed}, nil) {
			return errStopped
		}
	}
}

// committedEnd returns the offset in a segment's content after its last checkpoint; 0 if it
// has none.
func committedEnd(ctx context.Context, fsys fs.FS, s Segment) (int64, error) {
	if end, err := committedEndBackward(ctx, fsys, s); err == nil || ctx.Err() != nil {
		return end, err
	}
	r, err := logfile.Open(ctx, fsys, s.File, 0)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for end := int64(0); ; {
		line, err := r.Next()
		switch {
		case err == io.EOF || errors.Is(err, segline.ErrPartial):
			return end, nil
		case err != nil:
			return 0, err
		case segment.KindOf(line) == segline.KindCheckpoint:
			end = r.End()
		}
	}
}

// committedEndBackward is committedEnd for a segment that can be read from its end.
func committedEndBackward(ctx context.Context, fsys fs.FS, s Segment) (int64, error) {
	r, err := logfile.OpenBackward(ctx, fsys, s.File)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		line, end, err := r.Previous()
		switch {
		case err == io.EOF:
			return 0, nil
		case err != nil:
			return 0, err
		case segment.KindOf(line) == segline.KindCheckpoint:
			return end, nil
		}
	}
}
