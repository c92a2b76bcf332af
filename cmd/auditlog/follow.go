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

	"github.com/otel-auditlog/auditlogexporter/internal/committimes"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// shower prints the events of a log in order.
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

	// commits are those of the segment at hand, if times decide; told says that the first
	// uncommitted event in it has been spoken of.
	commits committimes.Times
	told    bool
}

// followInterval is how often a followed log is looked at.
const followInterval = 250 * time.Millisecond

func (s *shower) full() bool { return s.filter.limit > 0 && s.shown >= s.filter.limit }

// show prints what there is and, if the log is followed, events as they are written, until the
// context ends.
func (s *shower) show(ctx context.Context) error {
	o := logdir.LinesOptions{
		Committed: s.follows,
		Skip:      func(f, next logdir.Segment) bool { return s.outside(ctx, f, next) },
		Enter:     func(f logdir.Segment) error { return s.enter(ctx, f) },
		Idle:      s.out.Flush,
	}
	if s.follows {
		o.Follow = followInterval
	}
	for l, err := range logdir.Lines(ctx, s.fsys, o) {
		if err == nil && !s.follows {
			err = ctx.Err()
		}
		if err == nil {
			err = s.printLine(l)
		}
		if err != nil {
			return err
		}
		if s.full() || ctx.Err() != nil {
			break
		}
	}
	return s.out.Flush()
}

// enter is called before lines of a segment are printed.
func (s *shower) enter(ctx context.Context, f logdir.Segment) (err error) {
	if s.told = false; s.filter.timed() {
		s.commits, err = committimes.Read(ctx, s.fsys, f.File)
	}
	return err
}

// printLine prints a line as it comes, and says so if it is not as it should be.
func (s *shower) printLine(l logdir.Line) error {
	if s.json && !l.Committed && !s.told && segment.KindOf(l.Bytes) == segline.KindEvent {
		s.told = true // the line itself is as it was signed
		fmt.Fprintf(s.warn, "auditlog: %s, byte %d: no checkpoint follows: the events from here on are uncommitted\n", l.Segment.Name, l.Offset)
	}
	err := s.line(l.Bytes, s.commits.At(l.Offset), l.Committed)
	if errors.Is(err, errMalformed) {
		fmt.Fprintf(s.warn, "auditlog: %s, byte %d: an event is malformed and not shown: run auditlog verify\n", l.Segment.Name, l.Offset)
		return nil
	}
	return err
}

var errMalformed = errors.New("malformed")

// line prints a line, if it is an event that is wanted.
func (s *shower) line(line []byte, at time.Time, committed bool) error {
	switch segment.KindOf(line) {
	case segline.KindEvent:
	case segline.KindHeader:
		h, err := segment.ParseHeader(line)
		if err != nil && !errors.Is(err, segment.ErrNewer) {
			return s.origin.check("")
		}
		return s.origin.check(h.Origin)
	default:
		return nil
	}
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return errMalformed
	}
	var sum eventjson.Summary
	if eventjson.Scan(parsed.Canonical, &sum) != nil {
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
