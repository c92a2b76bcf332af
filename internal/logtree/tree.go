// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logtree reads the hashes of a log's Merkle tree that it takes to prove something of the
// log: that a leaf is in it, that a tree extends a smaller one.
//
// A [Tree] has a [tlog.HashReader] over a log directory, so that golang.org/x/mod/sumdb/tlog makes
// the proofs. It reads as little as possible: the frontier in a segment's header has the hashes of
// all larger subtrees before it, the log's own event rotated those that the segment before
// contributes, and only hashes of subtrees within a segment take reading that segment. What it
// returns is not checked: a proof must be, against a root that somebody signed.
//
// Errors wrap [logdir.ErrDamaged] if a segment does not hold what it should, [logdir.ErrNoLog] or
// [logdir.ErrNoCheckpoint] if there is no tree, and [ErrPruned].
package logtree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// ErrPruned: a hash lies in segments that have been deleted.
var ErrPruned = errors.New("the segments that it would take have been pruned")

// Tree is a log's tree, up to its newest checkpoint when it was opened. It is for one
// goroutine at a time.
type Tree struct {
	fsys fs.FS
	// spans are the segments that are left, by index.
	spans []span
	note  []byte
	size  uint64
	log   signing.LogID
	// behind is the number of leaves behind that checkpoint, and refuted says that there
	// is one among them that does not fit.
	behind  uint64
	refuted bool
	// newest is what the newest segments' own lines have told.
	newest newest

	heads map[uint64]*head
	known map[node]tlog.Hash
	stats Stats
}

// span is a segment and the leaves it holds.
type span struct {
	file       logdir.Segment
	begin, end uint64
}

// node is a perfect subtree: its first leaf and its height.
type node struct {
	first  uint64
	height int
}

func (n node) end() uint64 { return n.first + 1<<n.height }

// Stats says what has been read of a log.
type Stats struct {
	// Heads is the number of segments of which only the first lines were read,
	// Segments of those that were read to the end.
	Heads, Segments int
	// Bytes is the size, as stored, of the segments read to the end.
	Bytes int64
}

// Open finds the log's newest checkpoint, for which it reads the newest segment, and
// prepares to read hashes of the tree. If the log is in use, a segment may be pruned
// meanwhile: then errors of the tree wrap [fs.ErrNotExist], and opening the tree again helps.
func Open(ctx context.Context, fsys fs.FS) (*Tree, error) {
	segments, err := logdir.Segments(fsys)
	if err != nil {
		return nil, err
	}
	t := &Tree{fsys: fsys, heads: map[uint64]*head{}, known: map[node]tlog.Hash{}}
	for i, f := range segments {
		if i > 0 {
			t.spans[i-1].end = f.Parsed.FirstIndex
		}
		t.spans = append(t.spans, span{file: f, begin: f.Parsed.FirstIndex})
	}
	if len(t.spans) == 0 {
		return nil, logdir.ErrNoLog
	}
	// The newest segment may have been begun and not committed.
	for n := len(t.spans) - 1; n >= 0; n-- {
		s := &t.spans[n]
		if s.file.Size == 0 {
			continue
		}
		if err := t.readNewest(ctx, s); err != nil {
			return nil, err
		}
		if t.note != nil {
			t.spans = t.spans[:n+1]
			s.end = t.size
			return t, nil
		}
	}
	return nil, logdir.ErrNoCheckpoint
}

// Checkpoint returns the newest checkpoint, whose signature has not been checked.
func (t *Tree) Checkpoint() []byte { return t.note }

// Log returns the log's id, as the newest header says.
func (t *Tree) Log() signing.LogID { return t.log }

// Size returns the number of leaves under it.
func (t *Tree) Size() uint64 { return t.size }

// Behind returns the number of leaves that follow the newest checkpoint that fits, and
// whether there are checkpoints behind it, which then do not fit.
func (t *Tree) Behind() (leaves uint64, refuted bool) { return t.behind, t.refuted }

// Base returns the index of the first leaf that has not been pruned.
func (t *Tree) Base() uint64 { return t.spans[0].begin }

// Cosigned returns the newest checkpoint with cosignatures of witnesses that the
// newest segment tells of, or nil.
func (t *Tree) Cosigned() []byte { return t.newest.cosigned }

// Stats returns what has been read so far.
func (t *Tree) Stats() Stats { return t.stats }

// Hashes returns a reader of stored hashes (see [tlog.StoredHashIndex]) for one proof, whose
// interface has no context.
func (t *Tree) Hashes(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) { return t.readHashes(ctx, indexes) })
}

func (t *Tree) readHashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	wanted := make([]node, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		wanted[i] = node{uint64(n) << level, level}
		if wanted[i].end() > t.size {
			return nil, fmt.Errorf("a hash of the leaves up to %d, of %d", wanted[i].end(), t.size)
		}
	}
	// First all that takes reading a segment is found, so that none is read twice.
	var within []node
	for _, n := range wanted {
		if err := t.plan(ctx, n, &within); err != nil {
			return nil, err
		}
	}
	if err := t.readNodes(ctx, within); err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, len(wanted))
	for i, n := range wanted {
		hashes[i] = t.hash(n)
	}
	return hashes, nil
}

// Before returns the tree of all leaves before the segment that holds a leaf, as that
// segment's header says.
func (t *Tree) Before(ctx context.Context, index uint64) (merkle.Frontier, error) {
	at := t.spanOf(index)
	if at < 0 {
		return merkle.Frontier{}, fmt.Errorf("leaf %d: %w", index, ErrPruned)
	}
	h, err := t.head(ctx, at)
	if err != nil {
		return merkle.Frontier{}, err
	}
	return merkle.NewFrontier(h.frontier.end, h.frontier.hashes)
}

// Root returns the root hash of the tree of the first size leaves.
func (t *Tree) Root(ctx context.Context, size uint64) (tlog.Hash, error) {
	return tlog.TreeHash(int64(size), t.Hashes(ctx))
}

// plan makes sure that the hash of a subtree is known once those in within are.
func (t *Tree) plan(ctx context.Context, n node, within *[]node) error {
	if _, ok := t.known[n]; ok {
		return nil
	}
	if n.end() <= t.Base() {
		// Nothing is left of it but what the first frontier has.
		h, err := t.head(ctx, 0)
		if err != nil {
			return err
		}
		if t.take(h.frontier, n) {
			return nil
		}
		return fmt.Errorf("leaves %d to %d: %w", n.first, n.end()-1, ErrPruned)
	}
	at := t.spanOf(n.first)
	if at >= 0 && n.end() <= t.spans[at].end {
		// It lies within one segment.
		whole, err := t.rangeOf(ctx, at)
		if err != nil {
			return err
		}
		if !t.take(whole, n) {
			*within = append(*within, n)
		}
		return nil
	}
	// A frontier has it, if it is a left subtree and a segment begins in the right one
	// beside it.
	if n.first>>n.height&1 == 0 {
		beside, _ := slices.BinarySearchFunc(t.spans, n.end(), func(s span, index uint64) int {
			if s.begin < index {
				return -1
			}
			return 1
		})
		if beside < len(t.spans) && t.spans[beside].begin < n.end()+1<<n.height {
			h, err := t.head(ctx, beside)
			if err != nil {
				return err
			}
			if t.take(h.frontier, n) {
				return nil
			}
		}
	}
	if n.height == 0 {
		return fmt.Errorf("%w: leaf %d is in no segment", logdir.ErrDamaged, n.first)
	}
	if err := t.plan(ctx, node{n.first, n.height - 1}, within); err != nil {
		return err
	}
	return t.plan(ctx, node{n.first + 1<<(n.height-1), n.height - 1}, within)
}

// hash returns a hash that has been planned for.
func (t *Tree) hash(n node) tlog.Hash {
	if h, ok := t.known[n]; ok {
		return h
	}
	h := tlog.NodeHash(t.hash(node{n.first, n.height - 1}), t.hash(node{n.first + 1<<(n.height-1), n.height - 1}))
	t.known[n] = h
	return h
}

// take takes a subtree's hash in, if the subtrees of some leaves have it.
func (t *Tree) take(from subtrees, n node) bool {
	h, ok := from.find(n)
	if ok {
		t.known[n] = h
	}
	return ok
}

// spanOf returns the number of the segment that holds a leaf, or -1.
func (t *Tree) spanOf(index uint64) int {
	i, found := slices.BinarySearchFunc(t.spans, index, func(s span, index uint64) int {
		switch {
		case s.begin < index:
			return -1
		case s.begin > index:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 || index >= t.spans[i].end {
		return -1
	}
	return i
}

// subtrees are the hashes of the maximal perfect subtrees of some leaves.
type subtrees struct {
	begin, end uint64
	hashes     []merkle.Hash
}

func (s subtrees) find(n node) (merkle.Hash, bool) {
	if n.first < s.begin || n.end() > s.end {
		return merkle.Hash{}, false
	}
	i := 0
	for first, height := range compactrange.Subtrees(s.begin, s.end) {
		if i == len(s.hashes) {
			break
		}
		if first == n.first && height == n.height {
			return s.hashes[i], true
		}
		i++
	}
	return merkle.Hash{}, false
}

// fits reports whether there are as many hashes as subtrees.
func (s subtrees) fits() bool {
	n := 0
	for range compactrange.Subtrees(s.begin, s.end) {
		n++
	}
	return n == len(s.hashes) && bits.Len64(s.end) <= 63
}
