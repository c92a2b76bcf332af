// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/committimes"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Event is one event of a log. Its bytes are valid until the function that it was
// passed to returns.
type Event struct {
	// LogID is the identity of its log, which the event's signature covers.
	LogID signing.LogID
	// Index is the index of its leaf.
	Index uint64
	// Line is its line, without LF: the leaf.
	Line []byte
	// LeafHash is the hash of the leaf (RFC 6962, section 2.1).
	LeafHash [32]byte
	// EventLine is the line's parts.
	segment.EventLine
	// Summary is what filters look at. Its Log is not nil if the event is one of the log's own:
	// what it says of itself.
	Summary eventjson.Summary
	// Committed is when its commit was made, by the writer's clock; zero if that is not
	// known, or was not asked for.
	Committed time.Time
}

// parse decodes the event.
func (e *Event) parse() (*event.Event, error) {
	parsed, err := event.Parse(e.Canonical)
	if err != nil {
		return nil, fmt.Errorf("%w: leaf %d: %w", logdir.ErrDamaged, e.Index, err)
	}
	return parsed, nil
}

// Options say what to read.
type Options struct {
	// Checkpoint says where the log ends, and what it must hash to.
	Checkpoint signing.Checkpoint
	// From is the index of the first leaf to pass on. Segments that end before it are
	// not read.
	From uint64
	// Keep says which events are wanted; nil means all. What it is passed is valid
	// until it returns.
	Keep func(*Event) bool
	// CommitTimes has each event told when its commit was made, for which each segment is
	// read twice.
	CommitTimes bool
}

// Read passes the events of the log in the root of fsys to each, in order, until one
// call fails, whose error it returns. The log may be in use. The error wraps [logdir.ErrDamaged] if
// its lines do not lead to the checkpoint, as far as they were read.
func Read(ctx context.Context, fsys fs.FS, o Options, each func(*Event) error) error {
	r := &reader{ctx: ctx, fsys: fsys, o: o, each: each}
	for !r.done() {
		err := logfile.Retry(ctx, func() error {
			next, err := r.next()
			if err == nil {
				err = r.segment(next)
			}
			if errors.Is(err, fs.ErrNotExist) {
				r.segments = nil // listed again, it may tell why
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if r.tree.Root() != merkle.Hash(o.Checkpoint.Root) {
		return fmt.Errorf("%w: the %d leaves up to it hash to another root", logdir.ErrDamaged, o.Checkpoint.Size)
	}
	return nil
}

// reader goes through a log.
type reader struct {
	ctx  context.Context
	fsys fs.FS
	o    Options
	each func(*Event) error
	// segments are as they were listed last.
	segments []logdir.Segment
	// tree is of the leaves up to where reading has come; it begins with the first
	// segment that is read.
	tree    merkle.Frontier
	started bool
	commits committimes.Times // of the segment at hand, if they are asked for
	event   Event
	buf     []byte // for a signature
}

func (r *reader) done() bool {
	return r.o.Checkpoint.Size == 0 || r.started && r.tree.Size() == r.o.Checkpoint.Size
}

// next returns the segment to read. The error wraps fs.ErrNotExist if another look at
// the directory may find it.
func (r *reader) next() (logdir.Segment, error) {
	listed := r.segments == nil
	if listed {
		var err error
		if r.segments, err = logdir.Segments(r.fsys); err != nil {
			return logdir.Segment{}, err
		}
	}
	if len(r.segments) == 0 {
		return logdir.Segment{}, fmt.Errorf("%w: there are no segments", logdir.ErrDamaged)
	}
	oldest := r.segments[0].Parsed.FirstIndex
	begin := r.tree.Size()
	if !r.started {
		begin = oldest
		for _, s := range r.segments {
			if s.Parsed.FirstIndex <= min(r.o.From, r.o.Checkpoint.Size-1) {
				begin = s.Parsed.FirstIndex
			}
		}
	}
	i, found := slices.BinarySearchFunc(r.segments, begin, func(s logdir.Segment, begin uint64) int { return cmp.Compare(s.Parsed.FirstIndex, begin) })
	switch {
	case found:
		next := r.segments[i]
		next.Size = -1 // the checkpoint says where reading ends
		return next, nil
	case listed && r.started && oldest > r.tree.Size():
		return logdir.Segment{}, fmt.Errorf("leaves %d to %d were deleted while the log was being read, as retention does: read on behind them, or read a copy", r.tree.Size(), oldest-1)
	case listed:
		return logdir.Segment{}, fmt.Errorf("%w: no segment begins at leaf %d", logdir.ErrDamaged, r.tree.Size())
	default:
		return logdir.Segment{}, fs.ErrNotExist
	}
}

// segment reads a segment up to its end or that of the checkpoint.
func (r *reader) segment(s logdir.Segment) error {
	if r.commits = nil; r.o.CommitTimes {
		commits, err := committimes.Read(r.ctx, r.fsys, s.File)
		if err != nil {
			return err
		}
		r.commits = commits
	}
	lines, err := logfile.Open(r.ctx, r.fsys, s.File, 0)
	if err != nil {
		return err
	}
	defer lines.Close()
	header, err := lines.Next()
	if err == nil {
		err = r.header(header)
	}
	for err == nil && !r.done() {
		if err = r.ctx.Err(); err != nil {
			return err
		}
		var line []byte
		offset := lines.End()
		line, err = lines.Next()
		if err == io.EOF {
			return nil // the next segment goes on, if one does
		}
		if err == nil {
			err = r.line(offset, line)
		}
	}
	var refused refusedError
	switch {
	case err == nil || errors.As(err, &refused):
		return refused.err
	case isIO(err), r.ctx.Err() != nil:
		return err
	default:
		return fmt.Errorf("%w: %s, line %d: %w", logdir.ErrDamaged, lines.Name(), lines.Line(), err)
	}
}

// refusedError is an error of the function that events are passed to.
type refusedError struct{ err error }

func (e refusedError) Error() string { return e.err.Error() }

// isIO tells errors of the file system from what is wrong with a file's content.
func isIO(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path)
}

func (r *reader) header(line []byte) error {
	h, err := segment.ParseHeader(line)
	if err != nil {
		return err
	}
	switch {
	case h.Origin != r.o.Checkpoint.Origin:
		return fmt.Errorf("the segment is of the log %q, the checkpoint of %q", h.Origin, r.o.Checkpoint.Origin)
	case !r.started:
		if r.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
			return err
		}
		r.started = true
	case h.FirstIndex != r.tree.Size() || !slices.Equal(h.Frontier, r.tree.Hashes()):
		return fmt.Errorf("it does not go on where the segment before it ended, at leaf %d", r.tree.Size())
	}
	r.event.LogID = h.Log
	r.tree.Append(merkle.LeafHash(line))
	return nil
}

// line takes in the line at an offset of its segment.
func (r *reader) line(offset int64, line []byte) (err error) {
	switch segment.KindOf(line) {
	case segline.KindCheckpoint:
		return nil // it is no leaf, and what it says is of no use here
	case segline.KindCommit:
		r.tree.Append(merkle.LeafHash(line))
		return nil
	case segline.KindEvent:
	default:
		return errors.New("a line of an unknown kind")
	}
	e := &r.event
	e.Committed = r.commits.At(offset)
	e.Index, e.Line = r.tree.Size(), line
	e.LeafHash = merkle.LeafHash(line)
	r.tree.Append(e.LeafHash)
	if e.EventLine, err = segment.ParseEvent(r.buf, line); err != nil {
		return err
	}
	r.buf = e.Signature
	if err := eventjson.Scan(e.Canonical, &e.Summary); err != nil {
		return err
	}
	if e.Index < r.o.From || r.o.Keep != nil && !r.o.Keep(e) {
		return nil
	}
	if err := r.each(e); err != nil {
		return refusedError{err}
	}
	return nil
}
