// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// activeSegment is the segment that commits append to.
type activeSegment struct {
	name   segment.Name
	file   durable.File
	size   int64 // bytes that are durable and end with a checkpoint
	events int   // of others than the log itself
	times  timeRange
	opened time.Time
}

// segmentInfo is a segment in the log's list.
type segmentInfo struct {
	name  segment.Name // as stored
	bytes int64        // as stored; of the active segment, see activeSegment
	// facts are nil of the newest segment, and of one that the start has found and that
	// has not been read: its name and size are claims then.
	facts *facts
}

// ready makes sure, before a commit writes, that the directory and the active
// segment are what the log believes them to be, and that there is room.
func (l *Log) ready(g *group) error {
	if err := l.dir.Present(); errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrReplaced) {
		return fail(ReasonInterference, err)
	} else if err != nil {
		return fail(ReasonIO, err)
	}
	if err := l.clear(); err != nil {
		return fail(ReasonIO, err)
	}
	if err := l.setAsideTail(); err != nil {
		return fail(ReasonIO, err)
	}
	if l.doubt == nil && l.active != nil {
		l.doubt = l.inspect()
	}
	if l.doubt != nil {
		if err := l.repair(); err != nil {
			return err
		}
	}
	return l.room(g)
}

// clear removes a new segment that could not be finished, durably: after a power cut
// it would otherwise be back, beside what was written in its place.
func (l *Log) clear() error {
	if l.debris == "" {
		return nil
	}
	if err := durable.Remove(l.dir, l.debris); err != nil {
		return fmt.Errorf("remove the unfinished segment %s: %w", l.debris, err)
	}
	l.debris = ""
	return nil
}

// errInterfered: somebody else has changed the active segment.
var errInterfered = errors.New("it was changed from outside")

// inspect compares the active segment's file with what the log has written.
func (l *Log) inspect() error {
	a := l.active
	name := a.name.String()
	at, err := l.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the active segment %s is gone: %w", name, errInterfered)
	}
	if err != nil {
		return fmt.Errorf("look at the active segment: %w", err)
	}
	open, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the active segment: %w", err)
	}
	switch {
	case !l.dir.Same(at, open):
		return fmt.Errorf("the active segment %s has been replaced: %w", name, errInterfered)
	case at.Size() < a.size:
		return fmt.Errorf("the active segment %s has %d bytes, but %d were written: %w", name, at.Size(), a.size, errInterfered)
	case at.Size() > a.size:
		return fmt.Errorf("the active segment %s has %d bytes, but only %d were written: %w", name, at.Size(), a.size, errInterfered)
	}
	return nil
}

// room refuses a commit that would leave less free space than it should.
func (l *Log) room(g *group) error {
	free, err := l.dir.Free()
	if err != nil {
		return fail(ReasonIO, err)
	}
	l.opts.Observer.FreeSpace(free)
	if l.pruning {
		// What is about to make room may use what is kept in reserve.
		return nil
	}
	if err := l.promised(g.bytes()); err != nil {
		return err
	}
	need := uint64(l.opts.MinFreeBytes)
	for _, c := range g.calls {
		for _, b := range c.Batches {
			need += uint64(b.Bytes())
		}
	}
	if free < need {
		return &Error{Reason: ReasonDiskFull, Err: fmt.Errorf("the file system of the audit log has %d bytes left, and %d are needed with the configured reserve: make room, or lower min_free_space_mib", free, need)}
	}
	return nil
}

// write makes a change durable, and the active segment what it is then.
func (l *Log) write(c *change) (syncTime time.Duration, err error) {
	if c.begins {
		return l.writeNew(c)
	}
	a := l.active
	if err := l.writeLines(a.file, a.size, c); err != nil {
		err = fail(ReasonIO, fmt.Errorf("append to %s: %w", a.name, err))
		// What was written in part is cut off at once, so that even a reader
		// sees nothing of it, and durably, so that a crash never leaves parts of
		// two commits behind the last checkpoint. If the disk was merely full
		// the file is then as good as before.
		cut := a.file.Truncate(a.size)
		if cut == nil {
			_, cut = l.syncFile(a.file)
		}
		if cut != nil || reasonOf(err) != ReasonDiskFull {
			l.doubt = errors.Join(err, cut)
		}
		return 0, err
	}
	if syncTime, err = l.syncFile(a.file); err != nil {
		l.doubt = fail(ReasonSyncFailed, err)
		return 0, l.doubt
	}
	a.size += c.bytes
	a.events += c.events
	a.times.add(c.times)
	return syncTime, nil
}

// maxWriteBytes is how much of a commit is written at a time. A commit of more takes several
// writes: a crash between them leaves what one that cuts a write short leaves, and a copy of
// the whole, next to the batches that hold it, would be as large as they are.
const maxWriteBytes = 1 << 20

// writeLines writes a change's lines to a file, from a place on.
func (l *Log) writeLines(f durable.File, at int64, c *change) (err error) {
	buf := slices.Grow(l.buf[:0], int(min(c.bytes, maxWriteBytes)))
	l.buf = buf // for the next commit
	flush := func() {
		if err == nil {
			_, err = f.WriteAt(buf, at)
			at += int64(len(buf))
		}
		buf = buf[:0]
	}
	c.lines(func(lines []byte) {
		for len(lines) > 0 && err == nil {
			n := min(len(lines), maxWriteBytes-len(buf))
			buf, lines = append(buf, lines[:n]...), lines[n:]
			if len(buf) == maxWriteBytes {
				flush()
			}
		}
	})
	if len(buf) > 0 {
		flush()
	}
	return err
}

func (l *Log) syncFile(f durable.File) (time.Duration, error) {
	if !l.opts.Sync {
		return 0, nil
	}
	start := time.Now()
	err := f.Sync()
	return time.Since(start), err
}

// writeNew writes the first commit of a new segment, which seals the one
// before.
func (l *Log) writeNew(c *change) (syncTime time.Duration, err error) {
	name := c.name.String()
	f, err := l.dir.Create(name)
	if err != nil {
		return 0, fail(ReasonIO, fmt.Errorf("create segment %s: %w", name, err))
	}
	defer func() {
		if err == nil {
			return
		}
		if cerr := f.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
		// If that fails, the next commit tries again before anything else.
		l.debris = name
		_ = l.clear()
	}()
	if err := l.writeLines(f, 0, c); err != nil {
		return 0, fail(ReasonIO, fmt.Errorf("write segment %s: %w", name, err))
	}
	// The key before may be destroyed as soon as another has taken its place, and the file
	// of key changes never leads.
	if l.opts.Sync || c.keyChange != nil {
		start := time.Now()
		if err := durable.Sync(l.dir, f); err != nil {
			return 0, fail(ReasonSyncFailed, err)
		}
		syncTime = time.Since(start)
	}
	l.sealActive()
	l.atStart = c.header.FirstIndex > 0 && slices.ContainsFunc(c.says, func(o logevent.Event) bool { return o.Action == logevent.Opened })
	l.active = &activeSegment{name: c.name, file: f, size: c.bytes, events: c.events, times: c.times, opened: c.name.Created}
	l.header = c.header
	l.segments = append(l.segments, segmentInfo{name: c.name})
	return syncTime, nil
}

// sealActive closes the active segment's file, whose content is durable, and takes in what
// is known of it. The newest segment may be one that the start has found sealed: what is in it
// was checked, but not what its file takes, so it is read like the others that were found.
func (l *Log) sealActive() {
	a := l.active
	if a == nil {
		return
	}
	var err error
	if !l.opts.Sync {
		err = a.file.Sync()
	}
	if err = errors.Join(err, a.file.Close()); err != nil {
		l.opts.Logger.Warn("Sealing a segment of the audit log", zap.Stringer("segment", a.name), zap.Error(err))
	}
	n := len(l.segments) - 1
	l.segments[n].bytes = a.size
	l.segments[n].facts = &facts{header: l.header, before: l.treeBefore(n), last: l.lastTime, atStart: l.atStart}
	l.active = nil
}

// observeSegments reports the number of segments and their size.
func (l *Log) observeSegments() {
	total := int64(0)
	for _, s := range l.segments {
		total += s.bytes
	}
	if l.active != nil {
		total += l.active.size
	}
	l.opts.Observer.SegmentsChanged(len(l.segments), total)
}
