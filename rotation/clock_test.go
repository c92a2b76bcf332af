// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// The clock is set back and forth, by moments and by years, while the log is open and
// while it is not; segments are sealed by age, compressed and deleted meanwhile. The
// order is that of the appends, names are unique, and the log verifies.
func TestClockIsSetAtRandom(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			c := newClock()
			o := options(t)
			o.Now, o.MaxSegmentBytes, o.MaxSegmentAge = c.Now, 6_000, time.Hour
			if seed%2 == 1 {
				o.Compression = compression.Gzip
			}
			l := open(t, o)
			var want []string
			for i := range 60 {
				id := fmt.Sprint("id-", i)
				mustAppend(t, l, o, id)
				want = append(want, id)
				by := time.Duration(r.Int64N(int64(4*time.Hour))) - 2*time.Hour
				switch r.IntN(10) {
				case 0:
					by *= 24 * 365 * 5
				case 1:
					c.set(time.Unix(0, 0).UTC())
				case 2:
					closeLog(t, l)
					l = open(t, o)
				}
				c.advance(by)
			}
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, want)
			checkGood(t, o.Directory, o.Signer)
			names := segmentNames(t, o.Directory)
			if len(names) < 5 {
				t.Errorf("only %d segments", len(names))
			}
			if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
				t.Errorf("names %q", names)
			}
		})
	}
}

// Retention by age never deletes the newest segment, wherever the clock stands, and
// nothing at all while the clock says that all of it is yet to come.
func TestRetentionAndTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		c, w := newClock(), newWatcher()
		o.Now, o.Observer, o.MaxSegmentBytes = c.Now, w, 1
		o.Retention = rotation.Retention{MaxAge: 24 * time.Hour}
		l := open(t, o)
		for _, id := range numbered("id", 5) {
			mustAppend(t, l, o, id)
		}
		closeLog(t, l)
		c.advance(-10 * 365 * 24 * time.Hour)
		l = open(t, o)
		mustAppend(t, l, o, "years before")
		closeLog(t, l) // upkeep has looked at least once, or is cut short; nothing is due
		if got := read(t, o.Directory).ids; len(got) != 6 {
			t.Errorf("%q are left", got)
		}
		c.advance(30 * 365 * 24 * time.Hour)
		u := failing(t, o.Directory, func(string, string) bool { return false })
		o.FS = u
		l = open(t, o)
		passes := 0
		u.await(t, l, o, "three passes of upkeep", func() bool { passes++; return passes == 3 })
		closeLog(t, l)
		if got := read(t, o.Directory).ids; len(got) != 6+3 {
			t.Errorf("%q are left, though the clock has jumped within the last day", got)
		}
		for range 25 { // restarts do not end the hold, and do not begin another
			c.advance(time.Hour)
			l = open(t, o)
			if l.Checkpoint() == nil {
				t.Error("no checkpoint")
			}
			closeLog(t, l)
		}
		l = open(t, o)
		mustAppend(t, l, o, "at last")
		w.await(t, "retention", func() bool { return w.segments <= 3 })
		closeLog(t, l)
		sameIDs(t, read(t, o.Directory).ids, []string{"at last"})
		checkGood(t, o.Directory, o.Signer)
	})
}

// A log that was idle for long, and is closed and opened again each day, is no clock that
// jumps: retention goes on.
func TestQuietLogIsRestartedEachDay(t *testing.T) {
	o := options(t)
	c, w := newClock(), newWatcher()
	o.Now, o.Observer, o.MaxSegmentBytes, o.Retention.MaxAge = c.Now, w, 1, 48*time.Hour
	for i := range 5 {
		l := open(t, o)
		mustAppend(t, l, o, fmt.Sprint("day-", i))
		c.advance(24 * time.Hour)
		closeLog(t, l)
		c.advance(5 * time.Minute)
	}
	l := open(t, o)
	w.await(t, "pruning", func() bool { return w.segments <= 4 })
	closeLog(t, l)
	got := read(t, o.Directory)
	if slices.Contains(got.ids, "day-0") || slices.Contains(got.actions, "clock_jumped") {
		t.Errorf("events %q, and the log says %q", got.ids, got.actions)
	}
	checkGood(t, o.Directory, o.Signer)
}
