// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What retention has deleted before it was exported is gone, but of its part of the tree the
// log has kept the subtrees between checkpoints (the file of pruned ranges), or at least
// those that the oldest header has. Tiles above it are made of these. A log may leave out
// what ends at or before its minimum index (c2sp.org/tlog-tiles, "Pruning"), and nothing
// else: so the minimum index is the smallest that covers all that cannot be made.

// ErrTooShort: the log's first leaves have been deleted, and it does not reach far enough
// beyond them for an export.
var ErrTooShort = errors.New("too little is left of the log for an export")

// prunedTree calls add with the subtrees of the pruned leaves from a size on, and returns the
// tree of all that are pruned. Each is what the log has committed to, because together they
// give the tree that the oldest segment follows.
func (x *export) prunedTree(fsys fs.FS, oldest merkle.Frontier, from signing.Checkpoint, add func(h int, hash merkle.Hash) error) error {
	var begin uint64
	met := from.Size == 0
	err := pruned.Read(x.ctx, fsys, oldest.Size(), oldest.Root(), func(r sidefile.PrunedRange, after *merkle.Frontier) error {
		if begin >= from.Size {
			i := 0
			for _, h := range compactrange.Subtrees(begin, r.Size) {
				if err := add(h, r.Subtrees[i]); err != nil {
					return err
				}
				i++
			}
		}
		if begin = r.Size; begin == from.Size {
			if met = true; after.Root() != from.Root {
				return fmt.Errorf("%w: their trees of %d leaves differ", ErrForked, from.Size)
			}
		}
		return nil
	})
	var wrong *logfile.LineError
	switch {
	case errors.Is(err, pruned.ErrNone):
		return x.oldestTree(oldest, from, add)
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: its file %w", ErrTampered, wrong)
	case err != nil:
		return err
	case !met:
		return unconnected(from, oldest)
	}
	return nil
}

// oldestTree is prunedTree where the oldest header alone says what was before it.
func (x *export) oldestTree(oldest merkle.Frontier, from signing.Checkpoint, add func(h int, hash merkle.Hash) error) error {
	if from.Size > 0 {
		return unconnected(from, oldest)
	}
	hashes := oldest.Hashes()
	for _, h := range compactrange.Subtrees(0, oldest.Size()) {
		if err := add(h, hashes[0]); err != nil {
			return err
		}
		hashes = hashes[1:]
	}
	return nil
}

func unconnected(from signing.Checkpoint, oldest merkle.Frontier) error {
	return fmt.Errorf("leaves %d to %d of the log: %w, and its file %s does not lead from the checkpoint that was exported before to what is left: export to another directory", from.Size, oldest.Size()-1, logtree.ErrPruned, sidefile.PrunedRangesName)
}

// plan decides, before anything is written, what becomes of leaves that have been deleted
// before they were exported: from where on leaves are exported, and which minimum index that
// gives.
func (x *export) plan(fsys fs.FS, tree *logtree.Tree, from, to signing.Checkpoint) error {
	x.start, x.earlier = max(from.Size, tree.Base()), x.minimum
	if x.minimum > 0 && tree.Base() == 0 {
		return fmt.Errorf("%w: it begins at leaf %d, and the log has all its leaves: export to another directory", ErrChanged, x.minimum)
	}
	if x.start == from.Size {
		if x.minimum > from.Size {
			return fmt.Errorf("%w: %s says %d, and %d leaves were exported", ErrChanged, minimumName, x.minimum, from.Size)
		}
		return nil
	}
	if x.o.Check && x.minimum > from.Size {
		return errors.New("what was exported before cannot be checked, since an export was interrupted: run it without --check first")
	}
	oldest, err := tree.Before(x.ctx, tree.Base())
	if err != nil {
		return err
	}
	if to.Size < tree.Base() {
		return fmt.Errorf("leaves %d to %d of the log: %w, and its checkpoint file covers %d", from.Size, tree.Base()-1, logtree.ErrPruned, to.Size)
	}
	ahead := &edge{}
	if from.Size > 0 {
		if ahead, err = loadEdge(from.Size, x.out.read); err != nil {
			return err
		}
	}
	err = x.prunedTree(fsys, oldest, from, func(h int, hash merkle.Hash) error {
		return ahead.add(h, hash, func(int, uint64, []merkle.Hash) error { return nil })
	})
	if err != nil {
		return err
	}
	// The entries of the tile that the log begins within are not all there.
	minimum := max((tree.Base()+width-1)/width*width, ahead.whole())
	if minimum > to.Size {
		return fmt.Errorf("leaves %d to %d of the log: %w; %w: it has %d leaves, and what tlog-tiles demands can be made once it has %d: run it again then, and from a timer, so that it exports before retention deletes", from.Size, tree.Base()-1, logtree.ErrPruned, ErrTooShort, to.Size, minimum)
	}
	x.minimum, x.pruned = minimum, true
	return nil
}

// addPruned adds the part of the tree whose leaves are gone.
func (x *export) addPruned(fsys fs.FS, tree *logtree.Tree, from signing.Checkpoint) error {
	if !x.pruned {
		return nil
	}
	oldest, err := tree.Before(x.ctx, tree.Base())
	if err != nil {
		return err
	}
	err = x.prunedTree(fsys, oldest, from, func(h int, hash merkle.Hash) error { return x.edge.add(h, hash, x.writeTile) })
	if err != nil {
		return err
	}
	// The bundle that the first leaf falls in, if not at its beginning, cannot be made.
	x.bundle, x.count = x.bundle[:0], int(x.start%width)
	x.spoiled, x.headless = x.count > 0, x.count > 0
	return x.out.replace(minimumName, strconv.AppendUint(nil, x.minimum, 10))
}

// minimumName is the file with the minimum index, if that is not 0. tlog-tiles has no place
// for it.
const minimumName = ".minimum-index"

func (x *export) loadMinimum() error {
	b, err := x.out.readAtMost(minimumName, 20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	x.minimum, err = strconv.ParseUint(string(b), 10, 64)
	if err != nil || x.minimum == 0 || x.minimum%width > 0 || x.minimum > segline.MaxIndex {
		return fmt.Errorf("%w: %s is not what was written", ErrChanged, minimumName)
	}
	return nil
}
