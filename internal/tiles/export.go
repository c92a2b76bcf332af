// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// Options say what to export.
type Options struct {
	// Keys are the trusted public keys, with which the log's newest checkpoint must be
	// signed. With none, its signature is not checked.
	Keys []*signing.PublicKey
	// CheckpointKeys must have signed it next to one of those.
	CheckpointKeys []*signing.PublicKey
	// Trust are more of them, with what bounds them.
	Trust trust.Keys
	// HashesOnly leaves out the leaves: the tree can be checked, and what somebody shows
	// proven, but the content stays here.
	HashesOnly bool
	// Check has all that was exported before read again: see [ErrChanged]. It fails if nothing
	// was.
	Check bool
	// Progress is called now and then with the number of stored bytes read so far and
	// in all. It may be nil.
	Progress func(done, total int64)
}

func (o Options) proofOptions() proof.Options {
	return proof.Options{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Trust: o.Trust}
}

// Result says what an export has done.
type Result struct {
	Origin string
	// From and To are the sizes of the tree that was there, and that is there now.
	From, To uint64
	// Added is the number of leaves that have been added.
	Added uint64
	// Checked is the minimum index that it had before: the leaf from which on, up to From, it
	// has been read again with Check.
	Checked uint64
	// Minimum is the minimum index of what is there now (c2sp.org/tlog-tiles, "Pruning"): tiles
	// and entries that end at or before it may be missing, since the log had lost their leaves.
	Minimum uint64
	// TooLong are the leaves that no bundle of entries can hold, among those that are new or
	// in the last bundle: the bundles with them are not exported, their hashes are.
	TooLong []Leaf
}

// Errors of [Export], beside those of packages proof and verify.
var (
	// ErrForked: what was exported before is not a beginning of this log.
	ErrForked = errors.New("what was exported before is not the beginning of this log: one of the two has been rolled back or rewritten")
	// ErrTampered: the log's lines do not lead to its own checkpoint.
	ErrTampered = errors.New("the log does not fit its own checkpoint: run auditlog verify")
	// ErrChanged: what was exported before is not what its own checkpoint says.
	ErrChanged = errors.New("what was exported before has been changed since")
)

// Export writes the log in the root of fsys to a directory, or adds to what is there what
// has come since: up to the log's checkpoint file, which holds what is durable. The
// checkpoint is written last, so that the directory holds a whole log at any time, and
// nothing is written before the log has been found to fit it. Only one export may write
// to a directory at a time; another one fails.
func Export(ctx context.Context, fsys fs.FS, root *os.Root, o Options) (r Result, err error) {
	unlock, err := durable.NewTree(root).Lock()
	if errors.Is(err, durable.ErrLocked) {
		return r, fmt.Errorf("another export is writing to the directory: wait for it to end: %w", err)
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	err = logfile.Retry(ctx, func() (err error) { r, err = exportOnce(ctx, fsys, root, o); return err })
	for _, form := range []error{compression.ErrDamaged, compression.ErrTrailingData, segline.ErrTooLong, logdir.ErrDamaged} {
		if errors.Is(err, form) {
			return r, fmt.Errorf("%w: %w", ErrTampered, err)
		}
	}
	return r, err
}

func exportOnce(ctx context.Context, fsys fs.FS, root *os.Root, o Options) (r Result, err error) {
	tree, err := logtree.Open(ctx, fsys)
	if err != nil {
		return r, err
	}
	if _, refuted := tree.Behind(); refuted {
		return r, fmt.Errorf("%w: the newest checkpoint that fits covers %d leaves, and others follow it", ErrTampered, tree.Size())
	}
	note, err := durableCheckpoint(ctx, fsys, tree)
	if err != nil {
		return r, err
	}
	to, err := proof.OpenCheckpoint(ctx, fsys, note, o.proofOptions())
	if err != nil {
		return r, err
	}
	x := &export{ctx: ctx, out: &out{durable.NewTree(root), root}, o: o}
	if err := x.loadMinimum(); err != nil {
		return r, err
	}
	from, exported, err := x.load(tree, to)
	if err != nil {
		return r, err
	}
	if err := x.plan(fsys, tree, from, to); err != nil {
		return r, err
	}
	r = Result{Origin: to.Origin, From: from.Size, To: to.Size, Checked: x.earlier, Minimum: x.minimum}
	switch {
	case exported == nil && o.Check:
		err = x.nothingToCheck()
	case exported == nil:
		err = x.adoptRemains(tree, to.Size)
	case o.Check:
		if err = x.checkSignature(fsys, exported, from, to); err == nil {
			err = x.readAgain(tree, from)
		}
	}
	if err != nil {
		return r, err
	}
	if from.Size > to.Size {
		// The log's checkpoint file lags behind what was exported, of the same log.
		r.To = from.Size
		return r, nil
	}
	if err := x.check(tree, from, to); err != nil {
		return r, err
	}
	if err := x.addPruned(fsys, tree, from); err != nil {
		return r, err
	}
	if err := x.add(tree, from, to); err != nil {
		return r, err
	}
	if err := x.finish(); err != nil {
		return r, err
	}
	if err := x.out.Sync(); err != nil {
		return r, err
	}
	// All that the checkpoint covers is durable.
	if err := x.out.replace(checkpointName, note); err != nil {
		return r, err
	}
	if err := x.out.Sync(); err != nil {
		return r, err
	}
	r.TooLong, r.Added = x.tooLong, to.Size-x.start
	return r, x.clean(from.Size, to.Size)
}

// durableCheckpoint returns the checkpoint to export: what the log's checkpoint file holds, with
// its cosignatures, or, without one, the newest that is known to be on stable storage. A power cut
// may take back what follows that in the segments.
func durableCheckpoint(ctx context.Context, fsys fs.FS, tree *logtree.Tree) ([]byte, error) {
	note, err := logfile.Checkpoint(fsys)
	if errors.Is(err, fs.ErrNotExist) {
		return logdir.DurableCheckpoint(ctx, fsys)
	}
	if err != nil {
		return nil, err
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return nil, fmt.Errorf("%w: its checkpoint file: %w", ErrTampered, err)
	}
	if c.Size > tree.Size() {
		return nil, fmt.Errorf("%w: its checkpoint file covers %d leaves, and the segments hold %d", ErrTampered, c.Size, tree.Size())
	}
	return note, nil
}

// export is one run.
type export struct {
	ctx  context.Context
	out  *out
	o    Options
	edge *edge
	// bundle holds the entries of the leaves at the right edge, count their number.
	bundle []byte
	count  int
	// spoiled says that these leaves have no bundle: one does not fit into it or, if it is
	// headless, the first of them are gone.
	spoiled, headless bool
	tooLong           []Leaf
	// start is the first leaf to export, minimum the minimum index, and earlier what it was
	// before. pruned says that leaves before start have neither been exported nor are they
	// there.
	start, minimum, earlier uint64
	pruned                  bool
}

// load reads what was exported before: its checkpoint, of which the note is nil if there is
// none.
func (x *export) load(tree *logtree.Tree, to signing.Checkpoint) (from signing.Checkpoint, note []byte, err error) {
	x.edge = &edge{}
	note, err = x.out.readAtMost(checkpointName, logfile.MaxCheckpointBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return signing.Checkpoint{Origin: to.Origin, Root: new(merkle.Frontier).Root()}, nil, nil
	}
	if err != nil {
		return from, note, err
	}
	if from, err = signing.ParseCheckpoint(note); err != nil {
		return from, nil, fmt.Errorf("what was exported before: %w", err)
	}
	if from.Origin != to.Origin {
		return from, nil, fmt.Errorf("the directory holds the log %q, not %q: choose another directory", from.Origin, to.Origin)
	}
	if from.Size > to.Size {
		if from.Size > tree.Size() {
			return from, nil, fmt.Errorf("%w: %d leaves were exported, and the log has %d", ErrForked, from.Size, tree.Size())
		}
		root, err := tree.Root(x.ctx, from.Size)
		if err == nil && root != from.Root {
			err = fmt.Errorf("%w: their trees of %d leaves differ; the log has %d", ErrForked, from.Size, tree.Size())
		}
		return from, note, err
	}
	x.edge, err = loadEdge(from.Size, x.out.read)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return from, nil, fmt.Errorf("%w: a tile is gone: %s", ErrChanged, err)
	case err != nil:
		return from, nil, fmt.Errorf("read what was exported before: %w", err)
	}
	exported, err := x.edge.frontier()
	if err != nil {
		return from, nil, fmt.Errorf("what was exported before: %w", err)
	}
	if exported.Root() != from.Root {
		return from, nil, fmt.Errorf("%w: its tiles do not lead to its checkpoint over %d leaves", ErrChanged, from.Size)
	}
	return from, note, x.loadBundle(tree, from.Size)
}

// loadBundle loads the entries at the right edge.
func (x *export) loadBundle(tree *logtree.Tree, size uint64) (err error) {
	if x.count = int(size % width); x.o.HashesOnly {
		if _, err := x.out.root.Lstat("tile/entries"); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(errors.New("entries were exported before: go on with them, or export the hashes only to another directory"), err)
		}
		return nil
	}
	if size/width*width > x.minimum {
		if err := x.hasBundle(tree, size/width-1); err != nil {
			return fmt.Errorf("what was exported before: %w", err)
		}
	}
	if x.count == 0 {
		return nil
	}
	name := tilePath(entries, size/width, x.count)
	x.bundle, err = x.out.readAtMost(name, x.count*(2+math.MaxUint16))
	if errors.Is(err, fs.ErrNotExist) {
		x.bundle, x.spoiled = nil, true
		return x.orHashesOnly(x.missing(tree, size/width, x.edge.rows[0].hashes), name)
	}
	if err != nil {
		return fmt.Errorf("what was exported before: %w", err)
	}
	return checkBundle(name, x.bundle, x.edge.rows[0].hashes)
}

// hasBundle makes sure that a bundle of entries that was full is there, if it has an encoding.
func (x *export) hasBundle(tree *logtree.Tree, n uint64) error {
	name := tilePath(entries, n, width)
	if _, err := x.out.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := tilePath(0, n, width)
	b, err := x.out.read(above, width*len(merkle.Hash{}))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is gone", ErrChanged, above)
	}
	if err != nil {
		return err
	}
	return x.orHashesOnly(x.missing(tree, n, split(b)), name)
}

// check makes sure that the log extends what was exported before, and leads to its own
// checkpoint.
func (x *export) check(tree *logtree.Tree, from, to signing.Checkpoint) error {
	if from.Size == to.Size {
		if from.Root != to.Root {
			return fmt.Errorf("%w: both have %d leaves, and other root hashes", ErrForked, to.Size)
		}
		return nil
	}
	if x.start == to.Size { // which the oldest header says alone
		before, err := tree.Before(x.ctx, x.start)
		if err == nil && before.Root() != to.Root {
			err = fmt.Errorf("%w: its first segment does not begin with the checkpoint over %d leaves", ErrTampered, to.Size)
		}
		return err
	}
	before, err := tree.Before(x.ctx, x.start)
	if err != nil {
		return err
	}
	forked := func() error {
		if before.Size() == from.Size && before.Root() != from.Root {
			return fmt.Errorf("%w: their trees of %d leaves differ; the log has %d", ErrForked, from.Size, to.Size)
		}
		return nil
	}
	for n, err := range x.leaves(tree, x.start, to.Size) {
		if err != nil {
			return err
		}
		if err := forked(); err != nil {
			return err
		}
		before.Append(merkle.LeafHash(n.line))
	}
	if err := forked(); err != nil {
		return err
	}
	if before.Size() != to.Size || before.Root() != to.Root {
		return fmt.Errorf("%w: the lines do not lead to the checkpoint over %d leaves", ErrTampered, to.Size)
	}
	return nil
}

// add adds the leaves from one checkpoint up to another.
func (x *export) add(tree *logtree.Tree, from, to signing.Checkpoint) error {
	if from.Size == to.Size {
		return nil
	}
	for n, err := range x.leaves(tree, x.start, to.Size) {
		if err != nil {
			return err
		}
		if n.index < x.start {
			continue
		}
		if err := x.leaf(merkle.LeafHash(n.line), n.line); err != nil {
			return fmt.Errorf("leaf %d: %w", n.index, err)
		}
	}
	got, err := x.edge.frontier()
	if err != nil {
		return err
	}
	if got.Root() != to.Root {
		return fmt.Errorf("%w: it was changed while it was being exported", ErrTampered)
	}
	return nil
}

// numbered is a leaf.
type numbered struct {
	index uint64
	line  []byte
}

var errEnough = errors.New("enough")

// leaves yields the leaves from the beginning of the segment that holds one, up to
// another.
func (x *export) leaves(tree *logtree.Tree, from, to uint64) func(yield func(numbered, error) bool) {
	return func(yield func(numbered, error) bool) {
		err := tree.Leaves(x.ctx, from, x.o.Progress, func(index uint64, line []byte) error {
			if index >= to || !yield(numbered{index, line}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(numbered{}, err)
		}
	}
}

// leaf adds a leaf.
func (x *export) leaf(hash merkle.Hash, line []byte) error {
	if !x.o.HashesOnly {
		if err := x.entry(line); err != nil {
			return err
		}
		if x.count == width {
			if err := x.writeBundle(); err != nil {
				return err
			}
			x.bundle, x.count, x.spoiled, x.headless = x.bundle[:0], 0, false, false
		}
	}
	return x.edge.add(0, hash, x.writeTile)
}

func (x *export) writeTile(level int, n uint64, hashes []merkle.Hash) error {
	return x.out.write(tilePath(level, n, len(hashes)), join(hashes))
}

// entry adds a leaf to the bundle at the right edge. Its length has 16 bits there: what is
// longer leaves its bundle without an encoding.
func (x *export) entry(line []byte) error {
	x.count++
	if len(line) > math.MaxUint16 && !x.headless {
		x.tooLong = append(x.tooLong, Leaf{x.edge.size, len(line)})
		if !x.spoiled {
			if err := x.keepTooLong(x.edge.size/width, line); err != nil {
				return err
			}
		}
		x.spoiled = true
	}
	if x.spoiled {
		x.bundle = x.bundle[:0]
		return nil
	}
	x.bundle = binary.BigEndian.AppendUint16(x.bundle, uint16(len(line)))
	x.bundle = append(x.bundle, line...)
	return nil
}

// writeBundle writes the bundle at the right edge, if it has an encoding.
func (x *export) writeBundle() error {
	if x.spoiled {
		return nil
	}
	return x.out.write(tilePath(entries, x.edge.size/width, x.count), x.bundle)
}

// finish writes the tiles that are not full.
func (x *export) finish() error {
	if !x.o.HashesOnly && x.count > 0 {
		if err := x.writeBundle(); err != nil {
			return err
		}
	}
	return x.edge.partial(x.writeTile)
}

// clean removes the partial tiles of the tree before the one that was there before: who
// has fetched that one's checkpoint may still want its tiles.
func (x *export) clean(from, to uint64) error {
	if from == to {
		return nil
	}
	before, err := x.previous()
	if err != nil {
		return err
	}
	for level := entries; level == entries || sizeAt(level, before) > 0; level++ {
		if n := sizeAt(level, before) / width; sizeAt(level, before)%width > 0 && n < sizeAt(level, from)/width {
			if err := x.out.forget(tilePath(level, n, width)); err != nil {
				return err
			}
		}
	}
	return x.out.replace(previousName, strconv.AppendUint(nil, from, 10))
}

// sizeAt returns the number of hashes, or entries, at a level of a tree.
func sizeAt(level int, size uint64) uint64 {
	for ; level > 0; level-- {
		size /= width
	}
	return size
}

// previousName is the file that says how large the tree was before the last export; it
// is not part of the log.
const previousName = ".previous"

func (x *export) previous() (uint64, error) {
	b, err := x.out.readAtMost(previousName, 20)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0, nil // made anew
	}
	return size, nil
}

func join(hashes []merkle.Hash) []byte {
	b := make([]byte, 0, len(hashes)*len(merkle.Hash{}))
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

func split(tile []byte) []merkle.Hash {
	hashes := make([]merkle.Hash, len(tile)/len(merkle.Hash{}))
	for i := range hashes {
		hashes[i] = merkle.Hash(tile[i*len(merkle.Hash{}):])
	}
	return hashes
}
