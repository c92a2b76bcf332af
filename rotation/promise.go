// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// earliest and latest bound the times that the format can hold.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// within returns the time, or the nearest that the format can hold.
func within(t time.Time) time.Time {
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	default:
		return t
	}
}

// noPromise is what a header says that promises to keep nothing of what is before it.
var noPromise = time.Unix(0, 0).UTC()

// retain returns how long a header that follows another promises to keep
// what is before it. A promise once made is never shortened. Where no minimum age asks for
// one none is made, so that a clock that is ahead for a while binds nobody.
func retain(before, h *segment.Header) time.Time {
	if h.FirstIndex == 0 {
		return noPromise
	}
	until := before.Retain
	if age := max(h.MinAge, before.MinAge); age > 0 {
		if t := within(h.Created.Add(age)); t.After(until) {
			until = t
		}
	}
	return until
}
