// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// head is what the first lines of a segment tell of the tree.
type head struct {
	log      signing.LogID
	frontier subtrees // of all leaves before it
	before   subtrees // of the segment before it; without hashes if it does not say
}

// saidOn returns what the log says of itself on an event line; its action is empty if it says
// nothing that can be read.
func saidOn(line []byte) (said logevent.Event) {
	if parsed, err := segment.ParseEvent(nil, line); err == nil {
		said, _ = ownevent.In(parsed.Canonical)
	}
	return said
}

// head returns the head of the i-th segment.
func (t *Tree) head(ctx context.Context, i int) (*head, error) {
	s := t.spans[i]
	if h := t.heads[s.begin]; h != nil {
		return h, nil
	}
	read, err := logdir.ReadHead(ctx, t.fsys, s.file)
	if logfile.Malformed(err) && !errors.Is(err, rootfs.ErrNotRegular) {
		return nil, fmt.Errorf("%w: %w", logdir.ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	t.stats.Heads++
	h := &head{}
	if err := h.takeHeader(&read.Header, s); err != nil {
		return nil, err
	}
	if read.Rotated != nil {
		h.takeRotated(read.Rotated, s)
	}
	t.heads[s.begin] = h
	return h, nil
}

// take takes a line of the segment in.
func (h *head) take(number int, line []byte, s span) error {
	if number == 1 {
		header, err := segment.ParseHeader(line)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", logdir.ErrDamaged, s.file.Name, err)
		}
		return h.takeHeader(&header, s)
	}
	if number <= logevent.HeadLines && segment.KindOf(line) == segline.KindEvent && ownevent.MayBeOn(line, logevent.Rotated) {
		if said := saidOn(line); said.Action == logevent.Rotated {
			h.takeRotated(&said, s)
		}
	}
	return nil
}

func (h *head) takeHeader(header *segment.Header, s span) error {
	if header.FirstIndex != s.begin {
		return fmt.Errorf("%w: the header of %s says that it begins at leaf %d", logdir.ErrDamaged, s.file.Name, header.FirstIndex)
	}
	h.log, h.frontier = header.Log, subtrees{0, header.FirstIndex, header.Frontier}
	return nil
}

func (h *head) takeRotated(said *logevent.Event, s span) {
	p := said.Previous
	if p == nil || p.TreeSize != s.begin || p.FirstIndex > s.begin {
		return
	}
	if before := (subtrees{p.FirstIndex, s.begin, p.Range}); before.fits() {
		h.before = before
	}
}

// rangeOf returns the subtrees of the i-th segment's leaves, without hashes if only
// its lines can tell.
func (t *Tree) rangeOf(ctx context.Context, i int) (subtrees, error) {
	if i == len(t.spans)-1 {
		return t.newest.leaves, nil
	}
	h, err := t.head(ctx, i+1)
	if err != nil {
		return subtrees{}, err
	}
	if h.before.begin != t.spans[i].begin {
		return subtrees{}, nil
	}
	return h.before, nil
}

// newest is what reading the newest segment tells.
type newest struct {
	leaves   subtrees // up to its last checkpoint
	cosigned []byte
}

// readNewest reads a segment to its last checkpoint that fits.
func (t *Tree) readNewest(ctx context.Context, s *span) error {
	r, err := logfile.Open(ctx, t.fsys, s.file.File, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	t.stats.Segments++
	t.stats.Bytes += r.Stored()
	h := &head{}
	var tree merkle.Frontier
	var mark *consistency.Mark
	var cosigned []byte
	refuted := false
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.file.Name, err)
		}
		if err := h.take(r.Line(), line, *s); err != nil {
			if r.Line() == 1 && t.note == nil && len(t.spans) > 1 {
				// Not finished, perhaps: then the one before will tell, and no checkpoint
				// follows.
				return t.lookForCheckpoint(s, r)
			}
			return err
		}
		if r.Line() == 1 {
			if tree, err = merkle.NewFrontier(h.frontier.end, h.frontier.hashes); err != nil {
				return fmt.Errorf("%w: %s: %w", logdir.ErrDamaged, s.file.Name, err)
			}
			mark = consistency.NewMark(&tree)
			t.heads[s.begin] = h
		}
		if segment.KindOf(line) != segline.KindCheckpoint {
			consistency.Append(&tree, merkle.LeafHash(line), []*consistency.Mark{mark})
			if ownevent.MayBeOn(line, logevent.Witnessed) {
				if said := saidOn(line); said.Action == logevent.Witnessed {
					cosigned = []byte(said.Checkpoint)
				}
			}
			continue
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		c, err := signing.ParseCheckpoint(note)
		if err != nil || c.Size != tree.Size() || c.Root != tree.Root() {
			refuted = true
			continue
		}
		refuted = false
		t.note, t.size, t.log = bytes.Clone(note), c.Size, h.log
		t.newest = newest{subtrees{s.begin, c.Size, mark.Range(&tree)}, cosigned}
	}
	t.refuted = t.refuted || refuted
	if end := max(s.begin, t.size); tree.Size() > end {
		t.behind += tree.Size() - end
	}
	return nil
}

// lookForCheckpoint looks at what follows a header that is none: a crash leaves no
// checkpoint there.
func (t *Tree) lookForCheckpoint(s *span, r *logfile.Reader) error {
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.file.Name, err)
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		if _, err := signing.ParseCheckpoint(note); err == nil {
			t.refuted = true
			return nil
		}
	}
}
