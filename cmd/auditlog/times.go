// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

// outside reports whether a segment holds no event within the times that are wanted, by
// what the one behind it says of it. Whoever can change the log can lie there, but could
// remove the events as well: it takes verify to tell.
func (s *shower) outside(ctx context.Context, f, next logdir.Segment) bool {
	if s.filter.since.IsZero() && s.filter.until.IsZero() {
		return false
	}
	// Its commits were made between its beginning and the next one's, whose names say when
	// that was, to the second.
	if s.between(f.Parsed.Created, next.Parsed.Created.Add(time.Second)) {
		return false
	}
	first, last, ok := s.timesOf(ctx, f, next)
	return ok && !s.between(first, last)
}

// between reports whether a time that is wanted may lie between two.
func (s *shower) between(first, last time.Time) bool {
	return (s.filter.since.IsZero() || !last.Before(s.filter.since)) && (s.filter.until.IsZero() || first.Before(s.filter.until))
}

// timesOf returns between which times the events of a segment lie, if the one behind
// it says so. What is wrong with that one is told when it is read itself.
func (s *shower) timesOf(ctx context.Context, f, next logdir.Segment) (first, last time.Time, ok bool) {
	head, err := logdir.ReadHead(ctx, s.fsys, next)
	if err != nil {
		return first, last, false
	}
	if head.Rotated == nil {
		return first, last, false
	}
	p := head.Rotated.Previous
	if p == nil || p.FirstIndex != f.Parsed.FirstIndex || p.Segment != segname.Plain(f.Parsed).String() || p.LastTime.IsZero() {
		return first, last, false
	}
	return p.FirstTime, p.LastTime, true
}
