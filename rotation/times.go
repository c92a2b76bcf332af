// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import "time"

// timeRange is between which times events lie, in nanoseconds since the Unix epoch. The
// zero value is of no events. Events come in any order: the times are theirs, not the
// log's.
type timeRange struct {
	first, last uint64
	some        bool
}

// at is the range of one event.
func at(time uint64) timeRange { return timeRange{time, time, true} }

// timeOf returns a time in nanoseconds since the Unix epoch, all of which an event can hold.
func timeOf(ns uint64) time.Time { return time.Unix(int64(ns/1e9), int64(ns%1e9)) }

// add makes it the range of both.
func (r *timeRange) add(more timeRange) {
	switch {
	case !more.some:
	case !r.some:
		*r = more
	default:
		r.first, r.last = min(r.first, more.first), max(r.last, more.last)
	}
}
