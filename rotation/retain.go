// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"

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
	var oldest []segment.Name // those that go, and the one behind them
	l.hold(func() {
		if n := l.expired(); n > 0 {
			for _, s := range l.segments[:n+1] {
				oldest = append(oldest, s.name)
			}
		}
	})
	if len(oldest) == 0 {
		return ctx.Err()
	}
	for i, name := range oldest[:len(oldest)-1] {
		if err := l.keepRangesOf(ctx, name, oldest[i+1]); err != nil {
			return fmt.Errorf("apply the retention limits: %w", err)
		}
	}
	var err error
	l.hold(func() {
		// Only what has been taken in above.
		n := min(l.expired(), len(oldest)-1)
		if n == 0 || l.segments[0].name != oldest[0] {
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

// keepRangesOf keeps what stands for a segment that is to go, unless it is gone.
func (l *Log) keepRangesOf(ctx context.Context, name, next segment.Name) error {
	before, err := l.treeBefore(name)
	if err == nil {
		var after merkle.Frontier
		if after, err = l.treeBefore(next); err == nil {
			err = l.keepRanges(ctx, name, before, after)
		}
	}
	if errors.Is(err, fs.ErrNotExist) && (l.isGone(name) || l.isGone(next)) {
		return nil // pruning finds that out
	}
	return err
}

// expired returns how many of the oldest segments are beyond the limits. The
// newest segment never is.
func (l *Log) expired() int {
	r := l.opts.Retention
	total := int64(0)
	for _, s := range l.segments {
		total += s.bytes
	}
	if l.active != nil {
		total += l.active.size
	}
	n := 0
	for ; n < len(l.segments)-1; n++ {
		// The next segment was created when this one's last event had been
		// written.
		old := r.MaxAge > 0 && l.opts.Now().Sub(l.segments[n+1].name.Created) >= r.MaxAge
		many := r.MaxSegments > 0 && len(l.segments)-n > r.MaxSegments
		large := r.MaxTotalBytes > 0 && total > r.MaxTotalBytes
		if !old && !many && !large {
			break
		}
		total -= l.segments[n].bytes
	}
	return n
}

// pruneOldest records and deletes the n oldest segments. What an earlier attempt has
// recorded and could not delete is not recorded again.
func (l *Log) pruneOldest(n int) error {
	// The file must know the key changes of the segments that are to go.
	if err := l.fileKeyChanges(); err != nil {
		return err
	}
	o := own{Action: actionPruned}
	for i, s := range l.segments[:n] {
		next := l.segments[i+1].name
		end, err := l.treeBefore(next)
		if errors.Is(err, fs.ErrNotExist) && l.isGone(next) {
			l.miss(next)
			return nil // the next look finds what follows it
		}
		if err != nil {
			return err
		}
		if end.Size() <= l.pruned {
			continue
		}
		root := end.Root()
		o.Segments = append(o.Segments, ownSegment{
			FirstIndex: s.name.FirstIndex, RootHash: hashBytes(root), Segment: s.name.Plain().String(), TreeSize: end.Size(),
		})
		o.Before, o.RootHash = end.Size(), hashBytes(root)
	}
	if len(o.Segments) > 0 {
		if err := l.recordPruning(o); err != nil {
			return err
		}
	}
	for range n {
		s := l.segments[0]
		if err := l.removeSegment(s.name); err != nil {
			return err
		}
		l.segments = l.segments[1:]
		l.opts.Logger.Info("A segment of the audit log has been pruned", zap.Stringer("segment", s.name))
	}
	return l.dir.Sync()
}

// recordPruning makes the event durable that says which segments go.
func (l *Log) recordPruning(o own) error {
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
	return nil
}

// removeSegment deletes one sealed segment's file, or both where a fault has kept
// its compression from being finished. Removing a name removes a link, never what
// it leads to.
func (l *Log) removeSegment(name segment.Name) error {
	names := []segment.Name{name}
	if packed := name; name.Compression == segment.None && l.opts.Compression != segment.None {
		packed.Compression = l.opts.Compression
		names = []segment.Name{packed, name} // the plain one is what the log goes by
	}
	for _, n := range names {
		if err := l.dir.Remove(n.String()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
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
			l.pending = append(l.pending, own{
				Action: actionDamaged, Reason: "interference", Segment: name.Plain().String(),
				Detail: fmt.Sprintf("the sealed segment %s is gone, and it was not retention", name),
			})
			l.opts.Logger.Error("A sealed segment of the audit log has been removed by somebody", zap.Stringer("segment", name))
			return
		}
	}
}

// treeBefore returns the tree that precedes a segment, as its header has it.
func (l *Log) treeBefore(name segment.Name) (merkle.Frontier, error) {
	h, err := l.readHeader(name)
	if err != nil {
		return merkle.Frontier{}, err
	}
	return merkle.NewFrontier(h.FirstIndex, h.Frontier)
}
