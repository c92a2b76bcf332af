// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// What is read at a start, once for all stages: the newest segment, and others before it, up to
// so many and about so many bytes. What is older is not recalled, nor is anything if a single
// commit has more bytes.
const (
	maxRecalledSegments = 16
	maxRecalledBytes    = 256 << 20
)

// recall gives the stages what the newest segments hold: lines that lead to a checkpoint which a
// key of ours has signed. All of that counts only if it leads on to the tree that the log goes on
// from: a part of another history would have been signed, too.
func (r *recovery) recall(ctx context.Context) error {
	r.forget() // what they know of a log that was open before: its end may be gone
	if len(r.opts.Stages) == 0 || len(r.segments) == 0 {
		return nil
	}
	from := recent(len(r.segments), maxRecalledSegments, maxRecalledBytes, func(i int) (compression.Method, int64) {
		return r.segments[i].name.Compression, r.segments[i].bytes
	})
	recalled := r.segments[from:]
	c := logdir.NewChecked(r.opts.Origin, r.id, r.keys.since(recalled[0].name.FirstIndex), maxRecalledBytes)
	for i, s := range recalled {
		size := int64(-1)
		if i == len(recalled)-1 && r.active != nil {
			size = r.active.size
		}
		if err := r.recallSegment(ctx, c, s.name, size); err != nil {
			return r.cannotRecall(ctx, s.name, err)
		}
	}
	if tree := c.Tree(); tree.Size() != r.tree.Size() || tree.Root() != r.tree.Root() {
		return r.cannotRecall(ctx, recalled[len(recalled)-1].name, fmt.Errorf("%w: its %d leaves and those before it do not lead to the tree of %d that the log goes on from", logdir.ErrUnchecked, tree.Size(), r.tree.Size()))
	}
	return nil
}

// recallSegment gives the stages the events of a segment, of which so many bytes are read; all, if
// that is negative.
func (r *recovery) recallSegment(ctx context.Context, c *logdir.Checked, name segment.Name, size int64) (err error) {
	file := listed(name)
	file.Size = size
	lines, err := logfile.Open(ctx, r.dir, file, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	for line, err := range c.Segment(lines, name) {
		if err != nil {
			return err
		}
		if segment.KindOf(line.Bytes()) != segline.KindEvent {
			continue
		}
		for _, s := range r.opts.Stages {
			if err := s.Recall(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// cannotRecall has the stages forget what they were given before an error. Only the end of the
// context is one that a start ends with.
func (r *recovery) cannotRecall(ctx context.Context, in segment.Name, err error) error {
	if ctx.Err() != nil {
		return err
	}
	r.forget()
	r.opts.Logger.Error("What the audit log holds cannot be relied on to know records that are sent again, and where streams are: all of that is forgotten, and such records are written again", zap.Error(err))
	switch {
	case errors.Is(err, logdir.ErrLongCommit): // nobody's fault
	case fromSystem(err):
		r.pending = append(r.pending, logevent.Event{Action: logevent.Damaged, Reason: "unreadable", Detail: err.Error()})
	default:
		r.doNotDelete(&discrepancy{in.String(), err.Error()})
	}
	return nil
}

// doNotDelete ends all deleting, and has the next commit say why.
func (r *recovery) doNotDelete(d *discrepancy) {
	r.distrust(d)
	r.sayDamaged(d.file, d.Error())
}
