// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
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

// pause is for how long retention deletes nothing, because the clock has jumped: retention goes
// by it, and whoever sets it ahead would have everything deleted. It stands in the newest segment,
// so a restart does not end it.
type pause struct {
	// until is when the last pause ends; zero if there was none. since and left say the same
	// by the monotonic clock.
	until, since time.Time
	left         time.Duration
}

// holds reports whether nothing is deleted at present.
func (p *pause) holds(now time.Time) bool { return p.left > 0 && now.Sub(p.since) < p.left }

// begin begins a pause.
func (p *pause) begin(now time.Time, d time.Duration) {
	p.since, p.left = now, d
	p.until = now.Round(0).Add(d)
}

// own is what the log says of it.
func (p *pause) own(detail string) logevent.Event {
	return logevent.Event{Action: logevent.ClockJumped, Detail: detail, Until: within(p.until)}
}

// again repeats, at the beginning of a segment, what the one before says.
func (p *pause) again(of *change) []logevent.Event {
	says := func(o logevent.Event) bool { return o.Action == logevent.ClockJumped }
	if !of.begins || !p.holds(of.next.lastTime) || slices.ContainsFunc(of.says, says) {
		return nil
	}
	return []logevent.Event{p.own("the hold that an earlier segment tells of goes on")}
}

// startClock looks at the clock at the start. A collector that was down for long cannot be
// told from a clock that was set ahead.
func (r *recovery) startClock(now time.Time) {
	if r.commits == 0 {
		return
	}
	if ahead := r.lastTime.Sub(now.Round(0)); ahead > aheadBy {
		r.opts.Logger.Warn("The last commit of the audit log is later than now: the clock is wrong, or was", zap.Time("last_commit", r.lastTime), zap.Duration("ahead", ahead))
	}
	if !r.opts.Retention.enabled() {
		return
	}
	if left := r.pause.until.Sub(now.Round(0)); !r.pause.until.IsZero() && left > 0 && left <= jumpHold {
		r.pause.begin(now, left)
	}
	if by := now.Round(0).Sub(r.lastTime); by.Abs() > maxJump {
		r.jumped(now, fmt.Sprintf("%s against the last commit: the collector was not running for that long, or the clock was set", by.Round(time.Second)))
	}
}

// watchClock compares the clock with the monotonic one.
func (u *upkeep) watchClock() {
	if !u.opts.Retention.enabled() {
		return
	}
	now := u.opts.Now()
	elapsed := now.Sub(u.clock)
	by := now.Round(0).Sub(u.clock.Round(0)) - elapsed
	if by.Abs() > maxJump {
		u.log.TakeIn(finding{jumped: fmt.Sprintf("%s against the time that has passed: the clock was set", by.Round(time.Second))})
	}
	if by.Abs() > maxJump || elapsed >= jumpHold {
		u.clock = now
	}
}

// sayClosed has an idle log that is closed tell the time, so that the next start does not take
// the time that nothing was logged for a jump: retention would never come to delete anything
// where a quiet collector is restarted each day.
func (w *writer) sayClosed() {
	if !w.opts.Retention.enabled() || w.commits == 0 || w.fault != nil {
		return
	}
	if w.opts.Now().Round(0).Sub(w.lastTime.Round(0)).Abs() <= maxJump/2 {
		return
	}
	w.pending = append(w.pending, logevent.Event{Action: logevent.Closed})
	if err := w.commit(nil); err != nil {
		w.opts.Logger.Warn("The audit log could not say that it is closed; the next start may hold retention back for a day", zap.Error(err))
	}
}

// jumped has nothing deleted for a day, and the next commit say so.
func (w *writer) jumped(now time.Time, detail string) {
	w.pause.begin(now, jumpHold)
	w.pending = append(w.pending, w.pause.own(detail))
	w.opts.Logger.Warn("The clock of the audit log has jumped; retention deletes nothing for a day", zap.String("by", detail))
}
