// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// shower prints the events of a log in order, and goes on where it stopped.
type shower struct {
	fsys   fs.FS
	filter *filter
	out    *bufio.Writer
	warn   io.Writer
	json   bool
	// follows says that what no checkpoint follows yet will be shown later.
	follows bool
	origin  originFlag
	shown   int

	// The first line not looked at: a segment, by its index, and an offset in its
	// content.
	index   uint64
	offset  int64
	started bool
	// seen is the size of that segment when it was read last.
	seen int64
}

// followInterval is how often a followed log is looked at.
const followInterval = 250 * time.Millisecond

func (s *shower) full() bool { return s.filter.limit > 0 && s.shown >= s.filter.limit }

// all prints what is there and has not been printed.
func (s *shower) all(ctx context.Context) error {
	listing, err := segment.List(s.fsys)
	if err != nil {
		return err
	}
	segments := listing.Segments
	if len(segments) == 0 {
		if !s.started {
			return verify.ErrNoLog
		}
		return nil
	}
	has := func(index uint64) bool {
		return slices.ContainsFunc(segments, func(f segment.File) bool { return f.Parsed.FirstIndex == index })
	}
	if s.started && !has(s.index) && segments[0].Parsed.FirstIndex < s.index {
		return nil // it is just being replaced by its compressed form
	}
	for next := 0; next < len(segments) && !s.full(); {
		// The first of several files that begin at the same leaf, and the one after them.
		f := segments[next]
		for next < len(segments) && segments[next].Parsed.FirstIndex == f.Parsed.FirstIndex {
			next++
		}
		if s.started && f.Parsed.FirstIndex < s.index {
			continue
		}
		if !s.started || f.Parsed.FirstIndex > s.index {
			s.index, s.offset, s.started, s.seen = f.Parsed.FirstIndex, 0, true, -1
		}
		if f.Size == s.seen {
			continue
		}
		newest := next == len(segments)
		if !newest && s.outside(f, segments[next]) {
			continue
		}
		err := s.segment(ctx, f, newest)
		if errors.Is(err, fs.ErrNotExist) {
			break // compressed or pruned meanwhile: the next look finds what there is
		}
		if err != nil {
			return err
		}
	}
	return s.out.Flush()
}

// segment prints the lines of a segment that come after those that have been
// looked at.
func (s *shower) segment(ctx context.Context, f segment.File, newest bool) error {
	committed, err := committedEnd(s.fsys, f)
	if err != nil {
		return err
	}
	var commits export.Commits
	if s.filter.timed() {
		if commits, err = export.ReadCommits(s.fsys, f.Name); err != nil {
			return err
		}
	}
	r, err := s.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	told := false
	for !s.full() {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			s.seen = f.Size
			return nil
		}
		if err != nil {
			return err
		}
		if r.End() <= s.offset {
			continue
		}
		if s.follows && newest && r.End() > committed {
			return nil // its checkpoint may be on its way
		}
		s.offset = r.End()
		if s.json && r.End() > committed && !told && segment.KindOf(line) == segment.KindEvent {
			told = true // the line itself is as it was signed
			fmt.Fprintf(s.warn, "auditlog: %s, byte %d: no checkpoint follows: the events from here on are uncommitted\n", f.Name, r.Offset())
		}
		if err := s.line(line, commits.At(r.Offset()), r.End() <= committed); errors.Is(err, errMalformed) {
			fmt.Fprintf(s.warn, "auditlog: %s, byte %d: an event is malformed and not shown: run auditlog verify\n", f.Name, r.Offset())
		} else if err != nil {
			return err
		}
	}
	return nil
}

var errMalformed = errors.New("malformed")

// line prints a line, if it is an event that is wanted.
func (s *shower) line(line []byte, at time.Time, committed bool) error {
	switch segment.KindOf(line) {
	case segment.KindEvent:
	case segment.KindHeader:
		h, err := segment.ParseHeader(line)
		if err != nil && !errors.Is(err, segment.ErrNewer) {
			return s.origin.check("")
		}
		return s.origin.check(h.Origin)
	default:
		return nil
	}
	parsed, err := segment.ParseEvent(line)
	if err != nil {
		return errMalformed
	}
	var sum event.Summary
	if event.Scan(parsed.Canonical, &sum) != nil {
		return errMalformed
	}
	if !s.filter.match(&sum, at, parsed.Canonical) {
		return nil
	}
	s.shown++
	if !s.json {
		return writeEvent(s.out, parsed.Canonical, &sum, committed)
	}
	if _, err := s.out.Write(parsed.Canonical); err != nil {
		return err
	}
	return s.out.WriteByte('\n')
}

// open opens a segment at the offset where the last look ended, or, if it is
// compressed, at its start.
func (s *shower) open(f segment.File) (*segment.Reader, error) {
	if f.Parsed.Compression != segment.None {
		return segment.Open(s.fsys, f.Name, f.Size)
	}
	// A restart of the writer may have cut off what was read as its tail.
	s.offset = min(s.offset, f.Size)
	return segment.OpenAt(s.fsys, f.Name, s.offset, f.Size)
}

// follow prints events as they are written, until the context ends.
func (s *shower) follow(ctx context.Context) error {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for !s.full() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.all(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	return nil
}
