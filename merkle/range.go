// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle

import (
	"fmt"
	"iter"
	"math/bits"
)

// Range is the compact range of consecutive leaves of a tree: the hashes of the
// maximal perfect subtrees that hold these leaves and no others. With the ranges on
// both sides of it, any hash of the tree that crosses its bounds can be computed
// without the leaves. A copy is independent of its original; one value is for one
// goroutine at a time. [Range.Append] does not allocate memory.
type Range struct {
	begin, end uint64
	// Subtrees grow in size to the left and shrink to the right of the highest:
	// rising[h] and falling[h] are those of 2^h leaves, if bit h of the mask is set.
	risingMask, fallingMask uint64
	rising, falling         [64]Hash
}

// NewRange returns the empty range that begins at a leaf.
func NewRange(begin uint64) Range { return Range{begin: begin, end: begin} }

// Begin returns the index of the first leaf, End that behind the last.
func (r *Range) Begin() uint64 { return r.begin }

// End returns the index behind the last leaf.
func (r *Range) End() uint64 { return r.end }

// Append adds the next leaf, given its hash. The range must end below [MaxSize].
func (r *Range) Append(leaf Hash) {
	h := 0
	for ; r.end>>h&1 == 1; h++ {
		// The subtree is a right one; where does the left one beside it begin?
		if start := r.end >> h << h; start < r.begin+1<<h {
			r.rising[h] = leaf
			r.risingMask |= 1 << h
			r.end++
			return
		}
		leaf = NodeHash(r.falling[h], leaf)
		r.fallingMask &^= 1 << h
	}
	r.falling[h] = leaf
	r.fallingMask |= 1 << h
	r.end++
}

// Hashes returns the hashes of the subtrees, from left to right. [Subtrees] tells
// where they lie.
func (r *Range) Hashes() []Hash {
	hashes := make([]Hash, 0, bits.OnesCount64(r.risingMask)+bits.OnesCount64(r.fallingMask))
	for h := range 64 {
		if r.risingMask>>h&1 == 1 {
			hashes = append(hashes, r.rising[h])
		}
	}
	for h := 63; h >= 0; h-- {
		if r.fallingMask>>h&1 == 1 {
			hashes = append(hashes, r.falling[h])
		}
	}
	return hashes
}

// Subtrees yields the maximal perfect subtrees of the leaves from begin to end,
// without end, from left to right: the index of the first leaf and the height.
func Subtrees(begin, end uint64) iter.Seq2[uint64, int] {
	return func(yield func(uint64, int) bool) {
		for begin < end {
			// As high as the beginning is aligned, and as the end allows.
			h := min(bits.TrailingZeros64(begin), bits.Len64(end-begin)-1)
			if !yield(begin, h) {
				return
			}
			begin += 1 << h
		}
	}
}

// Extend adds the leaves up to end, given the hashes of a [Range] of them. If the number
// of hashes does not fit, or end is not behind the tree's size and at most [MaxSize],
// the error says so, and the tree is as it was.
func (f *Frontier) Extend(end uint64, hashes []Hash) error {
	if end < f.size || end > MaxSize {
		return fmt.Errorf("extend a tree of %d leaves to %d", f.size, end)
	}
	n := 0
	for range Subtrees(f.size, end) {
		n++
	}
	if n != len(hashes) {
		return fmt.Errorf("the leaves from %d to %d form %d subtrees, not %d", f.size, end, n, len(hashes))
	}
	for _, h := range Subtrees(f.size, end) {
		node := hashes[0]
		hashes = hashes[1:]
		added := uint64(1) << h
		for ; f.size>>h&1 == 1; h++ {
			node = NodeHash(f.hashes[h], node)
		}
		f.hashes[h] = node
		f.size += added
	}
	return nil
}
