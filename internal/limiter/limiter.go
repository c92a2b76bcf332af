// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package limiter bounds how much a log says of what hostile clients can make happen with
// each record.
package limiter

import "time"

// Limiter says which findings are worth a line of their own. So many may come at once, and
// from then on one in each interval; of the others only their number is kept. It is for one
// goroutine at a time; a copy of it is what it was.
type Limiter struct {
	burst    int
	interval time.Duration
	spent    int       // of the burst
	since    time.Time // when spent was right
	// suppressed counts findings that had no line and have not been told of.
	suppressed uint64
}

// New makes a limiter.
func New(burst int, interval time.Duration) Limiter {
	return Limiter{burst: burst, interval: interval}
}

// Allow reports whether another finding has room. Where it has not, it is counted.
func (l *Limiter) Allow(now time.Time) bool {
	if l.take(now) {
		return true
	}
	l.suppressed++
	return false
}

// Suppressed returns how many findings had no room and have not been told of yet, if
// there is room to tell of them now; otherwise 0.
func (l *Limiter) Suppressed(now time.Time) uint64 {
	if l.suppressed == 0 || !l.take(now) {
		return 0
	}
	n := l.suppressed
	l.suppressed = 0
	return n
}

// Suppress counts findings that are to have no line.
func (l *Limiter) Suppress(n uint64) { l.suppressed += n }

// Tell returns what Suppressed does, whether or not there is room.
func (l *Limiter) Tell() uint64 {
	n := l.suppressed
	l.suppressed = 0
	return n
}

func (l *Limiter) take(now time.Time) bool {
	if regained := int64(now.Sub(l.since) / l.interval); regained > 0 {
		l.spent -= int(min(regained, int64(l.spent)))
		l.since = now
	} else if regained < 0 { // the clock was set back
		l.since = now
	}
	if l.spent >= l.burst {
		return false
	}
	l.spent++
	return true
}
