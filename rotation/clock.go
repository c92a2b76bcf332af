// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/logevent"
)

const (
	// maxJump is how far the clock may move against the last commit, at a start, or against
	// the monotonic clock, before it is said to have jumped.
	maxJump = time.Hour
	// jumpHold is how long nothing is deleted then, so that somebody has a day to see it.
	jumpHold = 24 * time.Hour
	// aheadBy is how far ahead of the clock a commit may be without a word.
	aheadBy = 5 * time.Minute
)

// clock watches the clock, because retention goes by it: whoever sets it ahead would have
// everything deleted. That the log deletes nothing for a while stands in its newest segment,
// so a restart does not end it.
type clock struct {
	// base is a reading to compare with, which is renewed once a day.
	base time.Time
	// until is when the last hold ends; zero if there is none. since and left say the same
	// by the monotonic clock.
	until, since time.Time
	left         time.Duration
}

// holds reports whether nothing is deleted at present.
func (c *clock) holds(now time.Time) bool { return c.left > 0 && now.Sub(c.since) < c.left }

// hold begins a hold.
func (c *clock) hold(now time.Time, d time.Duration) {
	c.since, c.left = now, d
	c.until = now.Round(0).Add(d)
}

// own is what the log says of it.
func (c *clock) own(detail string) logevent.Event {
	return logevent.Event{Action: logevent.ClockJumped, Detail: detail, Until: within(c.until)}
}

// again repeats, at the beginning of a segment, what the one before says.
func (c *clock) again(of *change) []logevent.Event {
	says := func(o logevent.Event) bool { return o.Action == logevent.ClockJumped }
	if !of.begins || !c.holds(of.time) || slices.ContainsFunc(of.says, says) {
		return nil
	}
	return []logevent.Event{c.own("the hold that an earlier segment tells of goes on")}
}

// startClock looks at the clock at the start. A collector that was down for long cannot be
// told from a clock that was set ahead.
func (l *Log) startClock() {
	c, now := &l.clock, l.opts.Now()
	c.base = now
	if l.commits == 0 {
		return
	}
	if ahead := l.lastTime.Sub(now.Round(0)); ahead > aheadBy {
		l.opts.Logger.Warn("The last commit of the audit log is later than now: the clock is wrong, or was", zap.Time("last_commit", l.lastTime), zap.Duration("ahead", ahead))
	}
	if !l.opts.Retention.enabled() {
		return
	}
	if left := c.until.Sub(now.Round(0)); !c.until.IsZero() && left > 0 && left <= jumpHold {
		c.hold(now, left)
	}
	if by := now.Round(0).Sub(l.lastTime); by.Abs() > maxJump {
		l.jumped(now, fmt.Sprintf("%s against the last commit: the collector was not running for that long, or the clock was set", by.Round(time.Second)))
	}
}

// watchClock compares the clock with the monotonic one.
func (l *Log) watchClock(context.Context) error {
	if !l.opts.Retention.enabled() {
		return nil
	}
	l.hold(func() {
		c, now := &l.clock, l.opts.Now()
		elapsed := now.Sub(c.base)
		if by := now.Round(0).Sub(c.base.Round(0)) - elapsed; by.Abs() > maxJump {
			l.jumped(now, fmt.Sprintf("%s against the time that has passed: the clock was set", by.Round(time.Second)))
			c.base = now
		}
		if elapsed >= jumpHold {
			c.base = now
		}
	})
	return nil
}

// sayClosed has an idle log that is closed tell the time, so that the next start does not take
// the time that nothing was logged for a jump: retention would never come to delete anything
// where a quiet collector is restarted each day.
func (l *Log) sayClosed() {
	if !l.opts.Retention.enabled() || l.commits == 0 || l.fault != nil {
		return
	}
	if l.opts.Now().Round(0).Sub(l.lastTime.Round(0)).Abs() <= maxJump/2 {
		return
	}
	l.pending = append(l.pending, logevent.Event{Action: logevent.Closed})
	if err := l.commit(nil); err != nil {
		l.opts.Logger.Warn("The audit log could not say that it is closed; the next start may hold retention back for a day", zap.Error(err))
	}
}

// jumped has nothing deleted for a day, and the next commit say so.
func (l *Log) jumped(now time.Time, detail string) {
	l.clock.hold(now, jumpHold)
	l.pending = append(l.pending, l.clock.own(detail))
	l.opts.Logger.Warn("The clock of the audit log has jumped; retention deletes nothing for a day", zap.String("by", detail))
}
