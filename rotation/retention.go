// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"fmt"
	"slices"
	"time"
)

// What the limits of retention say of a log, and what promises keep from them. Commits refuse
// what only a broken promise could make room for, and upkeep deletes what may go.

// expired returns how many of the oldest segments are beyond the limits, if so many bytes
// more are written, and whether more are but are to be kept longer. The newest segment never
// is, nor is any that has not been checked.
func (s *snapshot) expired(more int64) (n int, held bool) {
	r, now := s.opts.Retention, s.opts.Now()
	if s.unsound != nil || s.pause.holds(now) {
		return 0, false
	}
	total, counted := s.bytes()+more, 0
	for _, one := range s.segments {
		if one.facts == nil || !one.facts.atStart {
			counted++
		}
	}
	if s.atStart && s.segments[len(s.segments)-1].facts == nil {
		counted--
	}
	oldest := s.ages(now)
	for ; n < len(s.segments)-1; n++ {
		f := s.segments[n].facts
		if f == nil {
			break
		}
		old := r.MaxAge > 0 && oldest[n] >= r.MaxAge
		// Or else whoever makes the collector start again and again would have everything
		// deleted.
		many := r.MaxSegments > 0 && counted > r.MaxSegments
		large := r.MaxTotalBytes > 0 && total > r.MaxTotalBytes
		if !old && !many && !large {
			break
		}
		if !s.mayGo(n, now) {
			return n, many || large
		}
		total -= s.segments[n].bytes
		if !f.atStart {
			counted--
		}
	}
	return n, false
}

// ages returns the age of each segment, which is that of its last commit. No segment is
// younger than one that follows it, whatever a clock said that was ahead for a while.
func (s *snapshot) ages(now time.Time) []time.Duration {
	ages := make([]time.Duration, len(s.segments))
	age := now.Round(0).Sub(s.lastTime.Round(0)) // of the newest one
	for i, one := range slices.Backward(s.segments) {
		if one.facts != nil {
			age = max(age, now.Round(0).Sub(one.facts.last.Round(0)))
		}
		ages[i] = age
	}
	return ages
}

// mayGo reports whether no promise keeps a segment: the one in force now, that of its own
// header, and that of the header after it.
func (s *snapshot) mayGo(n int, now time.Time) bool {
	f, next := s.segments[n].facts, &s.header
	if after := s.segments[n+1].facts; after != nil {
		next = &after.header
	}
	promised := max(s.opts.Retention.MinAge, f.header.MinAge)
	kept := promised == 0 || now.Round(0).Sub(f.last.Round(0)) >= promised
	return kept && !now.Before(next.Retain)
}

// promised refuses what would need room that only a broken promise could make.
func (s *snapshot) promised(bytes int64) error {
	r := s.opts.Retention
	if r.MaxSegments == 0 && r.MaxTotalBytes == 0 || len(s.segments) < 2 {
		return nil
	}
	// All but a moment of the time this is all there is to look at.
	if f := s.segments[0].facts; f == nil || s.mayGo(0, s.opts.Now()) {
		return nil
	}
	if _, held := s.expired(bytes); held {
		return &Error{Reason: reasonRetentionHeld, Err: fmt.Errorf("the limits of retention (max_segments, max_total_size_mib) are reached, and what they would delete is to be kept longer: raise them, or wait; a lower min_age holds only for what is written from then on")}
	}
	return nil
}

// mayBeDue reports whether a limit of retention may be reached, going by what names and sizes
// claim: so a large log is not read at each start. Claims that lie can only have it read too
// early, or have nothing deleted.
func (s *snapshot) mayBeDue() bool {
	r, total := s.opts.Retention, s.bytes()
	oldest := s.lastTime
	for i, one := range s.segments {
		if i > 0 && one.name.Created.Before(oldest) {
			oldest = one.name.Created // when the one before was sealed
		}
	}
	return r.MaxSegments > 0 && len(s.segments) > r.MaxSegments || r.MaxTotalBytes > 0 && total > r.MaxTotalBytes ||
		r.MaxAge > 0 && s.opts.Now().Sub(oldest) >= r.MaxAge
}
