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
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// shower prints the events of a log in order, and goes on where it stopped.
type shower struct {
	fsys   fs.FS
	filter *filter
	out    *bufio.Writer
	warn   io.Writer
	json   bool
	limit  int
	shown  int

	// next is the place of the first line not shown: a segment, by its index, and
	// a number of lines in it.
	index   uint64
	lines   int
	started bool
	// seen is the size of that segment when it was read last.
	seen int64
}

// followInterval is how often a followed log is looked at.
const followInterval = 250 * time.Millisecond

func (s *shower) full() bool { return s.limit > 0 && s.shown >= s.limit }

// all prints what is there and has not been printed.
func (s *shower) all(ctx context.Context) error {
	listing, err := segment.List(s.fsys)
	if err != nil {
		return err
	}
	if len(listing.Segments) == 0 && !s.started {
		return errNoSegments
	}
	for i, f := range listing.Segments {
		twin := i > 0 && listing.Segments[i-1].Parsed.FirstIndex == f.Parsed.FirstIndex
		if twin || s.started && f.Parsed.FirstIndex < s.index {
			continue
		}
		if !s.started || f.Parsed.FirstIndex > s.index {
			s.index, s.lines, s.started, s.seen = f.Parsed.FirstIndex, 0, true, -1
		}
		if f.Size == s.seen {
			continue
		}
		s.seen = f.Size
		if err := s.segment(ctx, f); err != nil {
			return err
		}
		if s.full() {
			break
		}
	}
	return s.out.Flush()
}

var errNoSegments = errors.New("there is no audit log here: no file is named audit-….jsonl")

// segment prints the lines of a segment that come after those that have been
// looked at.
func (s *shower) segment(ctx context.Context, f segment.File) error {
	r, err := segment.Open(s.fsys, f.Name, f.Size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // compressed or pruned meanwhile; the next look finds it
	}
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
		if r.Line() <= s.lines {
			continue
		}
		s.lines = r.Line()
		if segment.KindOf(line) != segment.KindEvent {
			continue
		}
		canonical := eventOf(line)
		if canonical == nil || event.Scan(canonical, &sum) != nil {
			fmt.Fprintf(s.warn, "auditlog: %s line %d is malformed and not shown: run auditlog verify\n", f.Name, r.Line())
			continue
		}
		if !s.filter.match(&sum, canonical) {
			continue
		}
		s.shown++
		if err := s.print(canonical); err != nil {
			return err
		}
	}
	return nil
}

func (s *shower) print(canonical []byte) error {
	if s.json {
		if _, err := s.out.Write(canonical); err != nil {
			return err
		}
		return s.out.WriteByte('\n')
	}
	return printEvent(s.out, canonical)
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
