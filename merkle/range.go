// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle

import (
	"fmt"
	"iter"
	"math/bits"
)

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

// Extend adds the leaves up to end, given the hashes of their [Subtrees]. If the number
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
