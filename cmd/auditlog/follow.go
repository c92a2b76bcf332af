// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
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
	shown  int

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
	for i, f := range segments {
		twin := i > 0 && segments[i-1].Parsed.FirstIndex == f.Parsed.FirstIndex
		if twin || s.started && f.Parsed.FirstIndex < s.index {
			continue
		}
		if !s.started || f.Parsed.FirstIndex > s.index {
			s.index, s.offset, s.started, s.seen = f.Parsed.FirstIndex, 0, true, -1
		}
		if f.Size == s.seen {
			continue
		}
		if behind := slices.IndexFunc(segments, func(n segment.File) bool { return n.Parsed.FirstIndex > f.Parsed.FirstIndex }); behind >= 0 && s.outside(f, segments[behind]) {
			continue
		}
		err := s.segment(ctx, f)
		if errors.Is(err, fs.ErrNotExist) {
			break // compressed or pruned meanwhile: the next look finds what there is
		}
		if err != nil {
			return err
		}
		s.seen = f.Size
		if s.full() {
			break
		}
	}
	return s.out.Flush()
}

// segment prints the lines of a segment that come after those that have been
// looked at.
func (s *shower) segment(ctx context.Context, f segment.File) error {
	r, err := s.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	var sum event.Summary
	for !s.full() {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.End() <= s.offset {
			continue
		}
		s.offset = r.End()
		if segment.KindOf(line) != segment.KindEvent {
			continue
		}
		parsed, err := segment.ParseEvent(line)
		if err == nil {
			err = event.Scan(parsed.Canonical, &sum)
		}
		var text []byte
		if err == nil {
			if !s.filter.match(&sum, parsed.Canonical) {
				continue
			}
			text, err = s.text(parsed.Canonical)
		}
		if err != nil {
			fmt.Fprintf(s.warn, "auditlog: %s, byte %d: an event is malformed and not shown: run auditlog verify\n", f.Name, r.Offset())
			continue
		}
		s.shown++
		if _, err := s.out.Write(text); err != nil {
			return err
		}
	}
	return nil
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

// text is how an event is printed.
func (s *shower) text(canonical []byte) ([]byte, error) {
	if s.json {
		return append(bytes.Clone(canonical), '\n'), nil
	}
	return eventText(canonical)
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
