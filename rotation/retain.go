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

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// prune deletes the oldest segments that the retention limits no longer keep. An
// event that names them, and the root of the tree up to their end, is durable
// before the first of them is deleted: so a verifier can tell retention from
// deletion, and check what is left without them.
func (u *upkeep) prune(ctx context.Context) error {
	if !u.opts.Retention.enabled() {
		return nil
	}
	if err := u.pruneExpired(ctx); err != nil {
		return fmt.Errorf("apply the retention limits: %w", err)
	}
	return ctx.Err()
}

func (u *upkeep) pruneExpired(ctx context.Context) error {
	if err := u.checkFound(ctx); err != nil {
		return err
	}
	s := u.log.Snapshot()
	n, _ := s.expired(0)
	if n == 0 {
		return nil
	}
	if err := u.beginning(&s); err != nil {
		return u.distrust(ctx, err)
	}
	for i, one := range s.segments[:n] {
		// What stands for the segment, which does not change.
		if err := u.ranges.keep(ctx, one.name, s.treeBefore(i), s.treeBefore(i+1)); err != nil {
			u.missGone(err, s.segments[i:i+1])
			return u.distrust(ctx, err)
		}
	}
	// That may have taken long: the clock may have jumped since. Nobody else deletes anything.
	s = u.log.Snapshot()
	now, _ := s.expired(0)
	if n = min(n, now); n == 0 {
		return nil
	}
	return u.pruneOldest(&s, n)
}

// checkFound reads the segments that the start has found and that have not been read yet.
// They do not change.
func (u *upkeep) checkFound(ctx context.Context) error {
	s := u.log.Snapshot()
	if s.unsound != nil {
		return s.unsound
	}
	n := slices.IndexFunc(s.segments, func(one segmentInfo) bool { return one.facts != nil })
	if n < 0 {
		n = len(s.segments) - 1 // the start has checked the newest
	}
	if n <= 0 || !s.mayBeDue() {
		return nil
	}
	to := s.treeBefore(n)
	found, err := newTracer(u.dir, &s).trace(ctx, slices.Clone(s.segments[:n]), &to, -1)
	if err != nil {
		u.missGone(err, s.segments[:n])
		return u.distrust(ctx, err)
	}
	u.log.TakeIn(finding{segments: found})
	warnOfFuture(u.opts, found)
	return nil
}

// beginning refuses a log whose first segments are gone though it does not say that they were
// to be deleted: what retention deletes next would cover them. All segments have been read.
func (u *upkeep) beginning(s *snapshot) error {
	said := u.pruned
	for _, one := range s.segments {
		if one.facts != nil {
			said = max(said, one.facts.pruned)
		}
	}
	first := s.segments[0].name
	if first.FirstIndex <= said {
		return nil
	}
	return &discrepancy{first.String(), fmt.Sprintf("the log begins with it, at leaf %d, and does not say that retention has deleted what was before", first.FirstIndex)}
}

// missGone takes those of some sealed segments off the list that are not there, if that is
// why something has failed.
func (u *upkeep) missGone(err error, list []segmentInfo) {
	if !errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, s := range list {
		if u.isGone(s.name) {
			u.miss(s.name)
		}
	}
}

// pruneOldest records and deletes the n oldest segments, of which there are facts. What an
// earlier attempt has recorded and could not delete is not recorded again.
func (u *upkeep) pruneOldest(s *snapshot, n int) error {
	o := logevent.Event{Action: logevent.Pruned}
	for i, one := range s.segments[:n] {
		end := s.treeBefore(i + 1)
		if end.Size() <= u.pruned {
			continue
		}
		root := end.Root()
		o.Segments = append(o.Segments, logevent.Segment{
			FirstIndex: one.name.FirstIndex, RootHash: root, Segment: segname.Plain(one.name).String(), TreeSize: end.Size(),
		})
		o.Before, o.RootHash = end.Size(), root
	}
	var says []logevent.Event
	if len(o.Segments) > 0 {
		says = append(says, o)
	}
	// Even if there is nothing to say, the changes of the key have to be filed.
	if err := u.log.Say(says...); err != nil {
		return fmt.Errorf("record what retention deletes: %w", err)
	}
	u.pruned = max(u.pruned, o.Before)
	for _, one := range s.segments[:n] {
		// Each removal is durable before the next, so that no crash leaves a hole: one is
		// always somebody else's.
		if err := u.removeSegment(one.name); err != nil {
			return err
		}
		u.log.TakeIn(finding{gone: []segment.Name{one.name}})
		u.opts.Logger.Info("A segment of the audit log has been pruned", zap.Stringer("segment", one.name))
	}
	return nil
}

// removeSegment deletes one sealed segment's file, or both where a fault has kept
// its compression from being finished. Removing a name removes a link, never what
// it leads to.
func (u *upkeep) removeSegment(name segment.Name) error {
	names := []string{name.String()}
	if packed := name; name.Compression == compression.None && u.opts.Compression != compression.None {
		packed.Compression = u.opts.Compression
		names = []string{packed.String(), name.String()} // the plain one is what the log goes by
	}
	return durable.Remove(u.dir, names...)
}
