// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// outside reports whether a segment holds no event within the times that are wanted, by
// what the one behind it says of it. Whoever can change the log can lie there, but could
// remove the events as well: it takes verify to tell.
func (s *shower) outside(f, next segment.File) bool {
	if s.filter.since.IsZero() && s.filter.until.IsZero() {
		return false
	}
	// Its commits were made between its beginning and the next one's, whose names say when
	// that was, to the second.
	if s.between(f.Parsed.Created, next.Parsed.Created.Add(time.Second)) {
		return false
	}
	first, last, ok := s.timesOf(f, next)
	return ok && !s.between(first, last)
}

// between reports whether a time that is wanted may lie between two.
func (s *shower) between(first, last time.Time) bool {
	return (s.filter.since.IsZero() || !last.Before(s.filter.since)) && (s.filter.until.IsZero() || first.Before(s.filter.until))
}

// timesOf returns between which times the events of a segment lie, if the one behind
// it says so. What is wrong with that one is told when it is read itself.
func (s *shower) timesOf(f, next segment.File) (first, last time.Time, ok bool) {
	r, err := segment.Open(s.fsys, next.Name, next.Size)
	if err != nil {
		return first, last, false
	}
	defer r.Close()
	for range logevent.HeadLines {
		line, err := r.Next()
		if err != nil {
			break
		}
		if segment.KindOf(line) != segment.KindEvent || !logevent.Rotated.MayBeOn(line) {
			continue
		}
		parsed, err := segment.ParseEvent(line)
		if err != nil {
			break
		}
		said, ok := logevent.In(parsed.Canonical)
		if !ok || said.Action != logevent.Rotated {
			continue // a client's, which looks the same
		}
		p := said.Previous
		if p == nil || p.FirstIndex != f.Parsed.FirstIndex || p.Segment != f.Parsed.Plain().String() || p.LastTime.IsZero() {
			break
		}
		return p.FirstTime, p.LastTime, true
	}
	return first, last, false
}
