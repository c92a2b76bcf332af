// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// again reads an export again, leaf by leaf, and holds each of its files against what the
// leaves below it lead to. It takes no log: the checkpoint of the export says what the
// leaves must hash to, and whether that is the log's has been checked.
type again struct {
	x    *export
	tree *logtree.Tree
	from signing.Checkpoint
	// before is the size of the export before this one, of which files are left.
	before uint64
	edge   edge
}

// readAgain checks all files of what was exported before. The error wraps ErrChanged if
// one is missing or is not what it was.
func (x *export) readAgain(tree *logtree.Tree, from signing.Checkpoint) error {
	before, err := x.previous()
	if err != nil {
		return err
	}
	a := &again{x: x, tree: tree, from: from, before: before}
	if err := a.skip(x.earlier); err != nil {
		return err
	}
	for a.edge.size < from.Size {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		if err := a.leaves(a.edge.size/width, int(min(from.Size-a.edge.size, width))); err != nil {
			return err
		}
	}
	if err := a.edge.partial(a.compare); err != nil {
		return err
	}
	got, err := a.edge.frontier()
	if err != nil {
		return err
	}
	if got.Root() != from.Root {
		return fmt.Errorf("%w: its tiles do not lead to its checkpoint over %d leaves", ErrChanged, from.Size)
	}
	return nil
}

// skip takes what is before the minimum index from the tiles that go on after it: from the
// top, each begins where the one above it ends.
func (a *again) skip(minimum uint64) error {
	for level := 63 / height; level > 0; level-- {
		count := sizeAt(level, minimum)
		w := int(count % width)
		if w == 0 {
			continue
		}
		n := count / width
		all := int(min(sizeAt(level, a.from.Size)-n*width, width))
		name := tilePath(level, n, all)
		b, err := a.read(name, all*len(merkle.Hash{}))
		if err != nil {
			return err
		}
		if err := a.edge.take(level, b, w); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrChanged, name, err)
		}
	}
	return nil
}

// leaves reads w leaves: the n-th tile of hashes, and the entries that have them.
func (a *again) leaves(n uint64, w int) error {
	name := tilePath(0, n, w)
	b, err := a.read(name, w*len(merkle.Hash{}))
	if err != nil {
		return err
	}
	if len(b) != w*len(merkle.Hash{}) {
		return fmt.Errorf("%w: %s has not the %d hashes that it had", ErrChanged, name, w)
	}
	hashes := split(b)
	if !a.x.o.HashesOnly {
		if err := a.entries(n, hashes); err != nil {
			return err
		}
	}
	for _, h := range hashes {
		if err := a.edge.add(0, h, a.compare); err != nil {
			return err
		}
	}
	return nil
}

// entries reads a bundle of entries and holds it against their hashes.
func (a *again) entries(n uint64, hashes []merkle.Hash) error {
	name := tilePath(entries, n, len(hashes))
	bundle, err := a.x.out.readAtMost(name, len(hashes)*(2+math.MaxUint16))
	if errors.Is(err, fs.ErrNotExist) {
		if err = a.x.missing(a.tree, n, hashes); errors.Is(err, errNoBundle) {
			err = fmt.Errorf("%w: %s is gone", ErrChanged, name)
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := checkBundle(name, bundle, hashes); err != nil {
		return err
	}
	w := a.earlier(entries, n)
	if w == 0 || w >= len(hashes) {
		return nil
	}
	end := 0
	for range w {
		end += 2 + int(binary.BigEndian.Uint16(bundle[end:]))
	}
	return a.compareEarlier(tilePath(entries, n, w), bundle[:end])
}

// compare holds the file of a tile against the hashes that it should have.
func (a *again) compare(level int, n uint64, hashes []merkle.Hash) error {
	name, want := tilePath(level, n, len(hashes)), join(hashes)
	if level > 0 { // else they were read from it
		there, err := a.read(name, len(want))
		if err != nil {
			return err
		}
		if !bytes.Equal(there, want) {
			return fmt.Errorf("%w: %s does not have the hashes of what is below it", ErrChanged, name)
		}
	}
	if w := a.earlier(level, n); w > 0 && w < len(hashes) {
		return a.compareEarlier(tilePath(level, n, w), join(hashes[:w]))
	}
	return nil
}

// earlier is how many hashes or entries the export before had in a tile, if that was its
// last one of the level; else 0.
func (a *again) earlier(level int, n uint64) int {
	if size := sizeAt(level, a.before); size/width == n {
		return int(size % width)
	}
	return 0
}

// compareEarlier holds what the export before has left against what it should be, if it
// is still there.
func (a *again) compareEarlier(name string, want []byte) error {
	there, err := a.x.out.readAtMost(name, len(want))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !bytes.Equal(there, want) {
		err = fmt.Errorf("%w: %s is not the beginning of the tile that took its place", ErrChanged, name)
	}
	return err
}

func (a *again) read(name string, most int) ([]byte, error) {
	b, err := a.x.out.readAtMost(name, most)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s is gone", ErrChanged, name)
	}
	return b, err
}

// checkBundle checks that a bundle holds the entries that have some hashes.
func checkBundle(name string, bundle []byte, hashes []merkle.Hash) error {
	for i, h := range hashes {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return fmt.Errorf("%w: %s ends within entry %d", ErrChanged, name, i)
		}
		n := 2 + int(binary.BigEndian.Uint16(bundle))
		if merkle.LeafHash(bundle[2:n]) != h {
			return fmt.Errorf("%w: entry %d of %s does not have its hash", ErrChanged, i, name)
		}
		bundle = bundle[n:]
	}
	if len(bundle) > 0 {
		return fmt.Errorf("%w: %s is too long", ErrChanged, name)
	}
	return nil
}

// nothingToCheck says why a directory without a checkpoint cannot be checked.
func (x *export) nothingToCheck() error {
	if _, err := x.out.root.Lstat(previousName); !errors.Is(err, fs.ErrNotExist) {
		if err == nil { // it is written after the checkpoint
			err = fmt.Errorf("%w: %s is gone", ErrChanged, checkpointName)
		}
		return err
	}
	return ErrNothing
}

// ErrNothing: there is nothing to check.
var ErrNothing = errors.New("there is no checkpoint of an export before, so that nothing can be checked: it is the first export, or one that was interrupted, or somebody has taken it away")

// checkSignature checks the signatures of what was exported before, if keys are given.
func (x *export) checkSignature(fsys fs.FS, text []byte, from, to signing.Checkpoint) error {
	_, err := proof.OpenCheckpoint(x.ctx, fsys, text, x.o.proofOptions())
	var invalid *note.InvalidSignatureError
	switch {
	case err == nil:
		return nil
	case from.Size == to.Size, errors.As(err, &invalid):
		// The log's own checkpoint of this size has passed, or a key that is good has not
		// made the signature that is there.
		return fmt.Errorf("%w: its checkpoint: %w", ErrChanged, err)
	case errors.Is(err, verify.ErrWrongKey):
		return fmt.Errorf("the checkpoint that was exported before: %w (if it is by an earlier key of the log, give that one)", err)
	default:
		return fmt.Errorf("the checkpoint that was exported before: %w", err)
	}
}
