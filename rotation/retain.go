// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// prune deletes the oldest segments that the retention limits no longer keep. An
// event that names them, and the root of the tree up to their end, is durable
// before the first of them is deleted: so a verifier can tell retention from
// deletion, and check what is left without them.
func (l *Log) prune(ctx context.Context) error {
	if !l.opts.Retention.enabled() {
		return nil
	}
	if err := l.checkFound(ctx); err != nil {
		return fmt.Errorf("apply the retention limits: %w", err)
	}
	var oldest []segmentInfo    // those that go, and the one after them
	var trees []merkle.Frontier // before each of them
	l.hold(func() {
		if n, _ := l.expired(0); n > 0 {
			oldest = slices.Clone(l.segments[:n+1])
			for i := range oldest {
				trees = append(trees, l.treeBefore(i))
			}
		}
	})
	if len(oldest) == 0 {
		return ctx.Err()
	}
	if err := l.beginning(oldest[0].name); err != nil {
		return fmt.Errorf("apply the retention limits: %w", l.distrust(ctx, err))
	}
	for i, s := range oldest[:len(oldest)-1] {
		if err := l.keepRangesOf(ctx, s, s.facts.before, trees[i+1]); err != nil {
			return fmt.Errorf("apply the retention limits: %w", l.distrust(ctx, err))
		}
	}
	var err error
	l.hold(func() {
		// Only what has been taken in above.
		n, _ := l.expired(0)
		if n = min(n, len(oldest)-1); n == 0 || l.segments[0].name != oldest[0].name {
			return
		}
		err = l.pruneOldest(n)
		l.observeSegments()
	})
	if err != nil {
		return fmt.Errorf("apply the retention limits: %w", err)
	}
	return ctx.Err()
}

// beginning refuses a log whose first segments are gone though it does not say that they were
// to be deleted: what retention deletes next would cover them. All segments have been read.
func (l *Log) beginning(first segment.Name) error {
	var said uint64
	l.hold(func() {
		said = l.pruned
		for _, s := range l.segments {
			if s.facts != nil {
				said = max(said, s.facts.pruned)
			}
		}
	})
	if first.FirstIndex <= said {
		return nil
	}
	return &discrepancy{first.String(), fmt.Sprintf("the log begins with it, at leaf %d, and does not say that retention has deleted what was before", first.FirstIndex)}
}

// keepRangesOf keeps what stands for a segment that is to go.
func (l *Log) keepRangesOf(ctx context.Context, s segmentInfo, before, after merkle.Frontier) error {
	err := l.maintenance.ranges.keep(ctx, s.name, before, after)
	if err != nil {
		l.missGone(err, []segmentInfo{s})
	}
	return err
}

// missGone takes those of some sealed segments off the list that are not there, if that is
// why something has failed.
func (l *Log) missGone(err error, list []segmentInfo) {
	if !errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, s := range list {
		if l.isGone(s.name) {
			l.hold(func() { l.miss(s.name) })
		}
	}
}

// expired returns how many of the oldest segments are beyond the limits, if so many bytes
// more are written, and whether more are but are to be kept longer. The newest segment never
// is, nor is any that has not been checked.
func (l *Log) expired(more int64) (n int, held bool) {
	r, now := l.opts.Retention, l.opts.Now()
	if l.unsound != nil || l.clock.holds(now) {
		return 0, false
	}
	total, counted := more, 0
	for _, s := range l.segments {
		total += s.bytes
		if s.facts == nil || !s.facts.atStart {
			counted++
		}
	}
	if l.active != nil {
		total += l.active.size
	}
	if l.atStart && l.segments[len(l.segments)-1].facts == nil {
		counted--
	}
	oldest := l.ages(now)
	for ; n < len(l.segments)-1; n++ {
		f := l.segments[n].facts
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
		if !l.mayGo(n, now) {
			return n, many || large
		}
		total -= l.segments[n].bytes
		if !f.atStart {
			counted--
		}
	}
	return n, false
}

// ages returns the age of each segment, which is that of its last commit. No segment is
// younger than one that follows it, whatever a clock said that was ahead for a while.
func (l *Log) ages(now time.Time) []time.Duration {
	ages := make([]time.Duration, len(l.segments))
	age := now.Round(0).Sub(l.lastTime.Round(0)) // of the newest one
	for i, s := range slices.Backward(l.segments) {
		if s.facts != nil {
			age = max(age, now.Round(0).Sub(s.facts.last.Round(0)))
		}
		ages[i] = age
	}
	return ages
}

// mayGo reports whether no promise keeps a segment: the one in force now, that of its own
// header, and that of the header after it.
func (l *Log) mayGo(n int, now time.Time) bool {
	f, next := l.segments[n].facts, &l.header
	if after := l.segments[n+1].facts; after != nil {
		next = &after.header
	}
	promised := max(l.opts.Retention.MinAge, f.header.MinAge)
	kept := promised == 0 || now.Round(0).Sub(f.last.Round(0)) >= promised
	return kept && !now.Before(next.Retain)
}

// promised refuses what would need room that only a broken promise could make.
func (l *Log) promised(bytes int64) error {
	r := l.opts.Retention
	if r.MaxSegments == 0 && r.MaxTotalBytes == 0 || len(l.segments) < 2 {
		return nil
	}
	// All but a moment of the time this is all there is to look at.
	if f := l.segments[0].facts; f == nil || l.mayGo(0, l.opts.Now()) {
		return nil
	}
	if _, held := l.expired(bytes); held {
		return &Error{Reason: ReasonRetentionHeld, Err: fmt.Errorf("the limits of retention (max_segments, max_total_size_mib) are reached, and what they would delete is to be kept longer: raise them, or wait; a lower min_age holds only for what is written from then on")}
	}
	return nil
}

// pruneOldest records and deletes the n oldest segments, of which there are facts. What an
// earlier attempt has recorded and could not delete is not recorded again.
func (l *Log) pruneOldest(n int) error {
	// The file must know the key changes of the segments that are to go.
	if err := l.keys.changes.write(); err != nil {
		return err
	}
	o := logevent.Event{Action: logevent.Pruned}
	for i, s := range l.segments[:n] {
		end := l.treeBefore(i + 1)
		if end.Size() <= l.pruned {
			continue
		}
		root := end.Root()
		o.Segments = append(o.Segments, logevent.Segment{
			FirstIndex: s.name.FirstIndex, RootHash: root, Segment: segname.Plain(s.name).String(), TreeSize: end.Size(),
		})
		o.Before, o.RootHash = end.Size(), root
	}
	if len(o.Segments) > 0 {
		if err := l.recordPruning(o); err != nil {
			return err
		}
	}
	for range n {
		s := l.segments[0]
		// Each removal is durable before the next, so that no crash leaves a hole: one is
		// always somebody else's.
		if err := l.removeSegment(s.name); err != nil {
			return err
		}
		l.segments = l.segments[1:]
		l.opts.Logger.Info("A segment of the audit log has been pruned", zap.Stringer("segment", s.name))
	}
	return nil
}

// recordPruning makes the event durable that says which segments go.
func (l *Log) recordPruning(o logevent.Event) error {
	waiting := l.pending
	l.pending = append(waiting[:len(waiting):len(waiting)], o)
	l.pruning = true
	err := l.commit(nil)
	l.pruning = false
	if err != nil {
		l.pending = waiting
		return err
	}
	l.pruned = o.Before
	if !l.opts.Sync {
		// The log does not wait for the disk, but what is about to be deleted must.
		if err := durable.Sync(l.dir, l.active.file); err != nil {
			return fmt.Errorf("record what retention deletes: %w", err)
		}
	}
	return nil
}

// removeSegment deletes one sealed segment's file, or both where a fault has kept
// its compression from being finished. Removing a name removes a link, never what
// it leads to.
func (l *Log) removeSegment(name segment.Name) error {
	names := []string{name.String()}
	if packed := name; name.Compression == compression.None && l.opts.Compression != compression.None {
		packed.Compression = l.opts.Compression
		names = []string{packed.String(), name.String()} // the plain one is what the log goes by
	}
	return durable.Remove(l.dir, names...)
}

// isGone reports whether a segment's file is not there, though its directory is.
func (l *Log) isGone(name segment.Name) bool {
	_, err := l.dir.Lstat(name.String())
	return errors.Is(err, fs.ErrNotExist) && l.dir.Present() == nil
}

// miss takes a sealed segment off the list that somebody has removed, and has the next
// commit say so. The newest segment stays: what follows it refers to it.
func (l *Log) miss(name segment.Name) {
	for i, s := range l.segments[:len(l.segments)-1] {
		if s.name == name {
			l.segments = slices.Delete(l.segments, i, i+1)
			detail := fmt.Sprintf("the sealed segment %s is gone, and it was not retention", name)
			if l.unsound == nil {
				l.unsound = &discrepancy{name.String(), detail}
			}
			l.pending = append(l.pending, logevent.Event{Action: logevent.Damaged, Reason: "interference", Segment: segname.Plain(name).String(), Detail: detail})
			l.opts.Logger.Error("A sealed segment of the audit log has been removed by somebody", zap.Stringer("segment", name))
			return
		}
	}
}
