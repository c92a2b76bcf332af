// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package compactrange represents a range of a log's leaves by the hashes of its maximal
// perfect subtrees: what it takes to go on computing roots without the leaves.
package compactrange

import (
	"fmt"
	"iter"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
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

// Extend adds the leaves up to end to a tree, given the hashes of their [Subtrees]. If the
// number of hashes does not fit, or end is below the tree's size or above that of any tree,
// the error says so, and the tree is as it was.
func Extend(f *merkle.Frontier, end uint64, hashes []merkle.Hash) error {
	size := f.Size()
	if end < size {
		return fmt.Errorf("extend a tree of %d leaves to %d", size, end)
	}
	n := 0
	for range Subtrees(size, end) {
		n++
	}
	if n != len(hashes) {
		return fmt.Errorf("the leaves from %d to %d form %d subtrees, not %d", size, end, n, len(hashes))
	}
	edge := f.Hashes() // the largest first
	for first, h := range Subtrees(size, end) {
		node := hashes[0]
		hashes = hashes[1:]
		for ; first>>h&1 == 1; h++ {
			node = tlog.NodeHash(edge[len(edge)-1], node)
			edge = edge[:len(edge)-1]
		}
		edge = append(edge, node)
	}
	extended, err := merkle.NewFrontier(end, edge)
	if err != nil {
		return fmt.Errorf("extend a tree of %d leaves to %d: %w", size, end, err)
	}
	*f = extended
	return nil
}
