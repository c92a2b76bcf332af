// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// readNodes computes the hashes of subtrees that lie within segments, reading each of
// these once.
func (t *Tree) readNodes(ctx context.Context, wanted []node) error {
	slices.SortFunc(wanted, func(a, b node) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.height, a.height))
	})
	wanted = slices.Compact(wanted)
	for len(wanted) > 0 {
		s := t.spans[t.spanOf(wanted[0].first)]
		n := 0
		for n < len(wanted) && wanted[n].first < s.end {
			n++
		}
		if err := t.readWithin(ctx, s, wanted[:n]); err != nil {
			return err
		}
		wanted = wanted[n:]
	}
	return nil
}

// open is a subtree that is being computed.
type open struct {
	node
	tree merkle.Frontier // of its leaves alone
}

// readWithin computes the hashes of subtrees of one segment, sorted by where they
// begin, the larger first.
func (t *Tree) readWithin(ctx context.Context, s span, wanted []node) error {
	var under []*open // the subtrees around the present leaf
	last := slices.MaxFunc(wanted, func(a, b node) int { return cmp.Compare(a.end(), b.end()) }).end()
	err := t.eachLeaf(ctx, s, func(index uint64, line []byte) bool {
		for len(wanted) > 0 && wanted[0].first == index {
			under = append(under, &open{node: wanted[0]})
			wanted = wanted[1:]
		}
		if len(under) > 0 {
			leaf := merkle.LeafHash(line)
			for _, o := range under {
				o.tree.Append(leaf)
			}
		}
		under = slices.DeleteFunc(under, func(o *open) bool {
			if index+1 == o.end() {
				t.known[o.node] = o.tree.Root()
			}
			return index+1 == o.end()
		})
		return index+1 < last
	})
	if err == nil && len(wanted)+len(under) > 0 {
		err = fmt.Errorf("%w: %s ends before leaf %d", logdir.ErrDamaged, s.file.Name, last-1)
	}
	return err
}

// eachLeaf calls f with the index and the line of each leaf of a segment, until it
// returns false.
func (t *Tree) eachLeaf(ctx context.Context, s span, f func(index uint64, line []byte) bool) error {
	r, err := logfile.Open(ctx, t.fsys, s.file.File, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	t.stats.Segments++
	t.stats.Bytes += s.file.Size
	for index := s.begin; index < s.end; {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.file.Name, err)
		}
		if segment.KindOf(line) == segline.KindCheckpoint {
			continue
		}
		if !f(index, line) {
			return nil
		}
		index++
	}
	return nil
}

// Line returns the line of a leaf, which may be a header.
func (t *Tree) Line(ctx context.Context, index uint64) (line []byte, err error) {
	at := t.spanOf(index)
	switch {
	case at < 0 && index < t.Base():
		return nil, fmt.Errorf("leaf %d: %w", index, ErrPruned)
	case at < 0:
		return nil, fmt.Errorf("there is no leaf %d: the log has %d", index, t.size)
	}
	err = t.eachLeaf(ctx, t.spans[at], func(i uint64, l []byte) bool {
		if i == index {
			line = slices.Clone(l)
		}
		return i < index
	})
	if err == nil && line == nil {
		err = fmt.Errorf("%w: leaf %d is not in %s", logdir.ErrDamaged, index, t.spans[at].file.Name)
	}
	return line, err
}

// Commit returns the line of the commit that a leaf is part of, and its index.
func (t *Tree) Commit(ctx context.Context, index uint64) (at uint64, line []byte, err error) {
	i := t.spanOf(index)
	if i < 0 {
		return 0, nil, fmt.Errorf("leaf %d: %w", index, ErrPruned)
	}
	err = t.eachLeaf(ctx, t.spans[i], func(n uint64, l []byte) bool {
		if n > index && segment.KindOf(l) == segline.KindCommit {
			at, line = n, slices.Clone(l)
		}
		return line == nil
	})
	if err == nil && line == nil {
		err = fmt.Errorf("%w: no commit in %s covers leaf %d", logdir.ErrDamaged, t.spans[i].file.Name, index)
	}
	return at, line, err
}

// Leaves calls f with the index and the line of each leaf, in their order, until it
// returns an error; progress, if not nil, with the bytes read so far and in all. It
// begins with the first leaf that is left of the segment that holds from.
func (t *Tree) Leaves(ctx context.Context, from uint64, progress func(done, total int64), f func(index uint64, line []byte) error) error {
	spans := t.spans[max(0, t.spanOf(from)):]
	var total, done int64
	for _, s := range spans {
		total += s.file.Size
	}
	for _, s := range spans {
		var failed error
		err := t.eachLeaf(ctx, s, func(index uint64, line []byte) bool {
			failed = f(index, line)
			return failed == nil
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		if done += s.file.Size; progress != nil {
			progress(done, total)
		}
	}
	return nil
}
