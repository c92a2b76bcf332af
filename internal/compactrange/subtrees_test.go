// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package compactrange_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

func numberedLeaf(i uint64) merkle.Hash {
	return merkle.LeafHash(binary.BigEndian.AppendUint64(nil, i))
}

// ranged is a tree that grows, and marks where a range of its leaves begins.
type ranged struct {
	tree merkle.Frontier
	mark *consistency.Mark
}

func (r *ranged) begin() { r.mark = consistency.NewMark(&r.tree) }

func (r *ranged) growTo(size uint64) {
	for r.tree.Size() < size {
		consistency.Append(&r.tree, numberedLeaf(r.tree.Size()), []*consistency.Mark{r.mark})
	}
}

func (r *ranged) hashes() []merkle.Hash { return r.mark.Range(&r.tree) }

// subtree computes the root of 2^h leaves as RFC 6962, section 2.1, defines it.
func subtree(begin uint64, h int) merkle.Hash {
	if h == 0 {
		return numberedLeaf(begin)
	}
	return tlog.NodeHash(subtree(begin, h-1), subtree(begin+1<<(h-1), h-1))
}

func TestRangeHasTheMaximalSubtrees(t *testing.T) {
	for begin := range uint64(40) {
		var r ranged
		r.begin()
		r.growTo(begin)
		r.begin()
		for end := begin; end < 80; end++ {
			r.growTo(end)
			var want []merkle.Hash
			at := begin
			for first, h := range compactrange.Subtrees(begin, end) {
				require.Equal(t, at, first, "[%d, %d): subtree of height %d", begin, end, h)
				require.Zero(t, first%(1<<h), "[%d, %d): subtree of height %d", begin, end, h)
				// Neither half of what holds it and as much again lies within.
				if parent := first >> (h + 1) << (h + 1); parent >= begin && parent+2<<h <= end {
					t.Fatalf("[%d, %d): the subtree of height %d at %d is not maximal", begin, end, h, first)
				}
				want = append(want, subtree(first, h))
				at += 1 << h
			}
			require.Equal(t, end, at, "[%d", begin)
			require.Equal(t, want, r.hashes(), "[%d", begin)
		}
	}
}

// Ranges put together make the tree that their leaves make one by one.
func TestFrontierExtendedByRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.Uint64Range(0, 300), 1, 10).Draw(t, "cuts")
		slices.Sort(cuts)
		var one ranged
		var other merkle.Frontier
		for _, end := range cuts {
			one.begin()
			one.growTo(end)
			require.NoError(t, compactrange.Extend(&other, end, one.hashes()))
			require.Equal(t, other.Root(), one.tree.Root(), "the trees of %d leaves differ", end)
			require.Equal(t, other.Hashes(), one.tree.Hashes(), "the trees of %d leaves differ", end)
		}
	})
}

// The check that nothing of ours takes part in.
func TestRangesGiveTheRootOfSumDB(t *testing.T) {
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, _ error) {
		for _, i := range indexes {
			all = append(all, hashes[i])
		}
		return all, nil
	})
	const size = 700
	for i := range int64(size) {
		stored, err := tlog.StoredHashes(i, binary.BigEndian.AppendUint64(nil, uint64(i)), reader)
		require.NoError(t, err)
		hashes = append(hashes, stored...)
	}
	want, err := tlog.TreeHash(size, reader)
	require.NoError(t, err)
	var r ranged
	var f merkle.Frontier
	for _, end := range []uint64{1, 2, 77, 300, 511, 512, 513, size} {
		r.begin()
		r.growTo(end)
		require.NoError(t, compactrange.Extend(&f, end, r.hashes()))
	}
	assert.Equal(t, want, f.Root(), "another root")
}

func TestExtendRefuses(t *testing.T) {
	var f merkle.Frontier
	require.NoError(t, compactrange.Extend(&f, 3, make([]merkle.Hash, 2)))
	before := f
	for _, c := range []struct {
		end    uint64
		hashes int
	}{{2, 0}, {4, 0}, {4, 2}, {3, 1}, {1 << 63, 1}, {1<<64 - 1, 63}} {
		assert.Error(t, compactrange.Extend(&f, c.end, make([]merkle.Hash, c.hashes)), "extended to %d with %d hashes", c.end, c.hashes)
	}
	assert.Equal(t, before, f, "a refusal has changed the tree")
}
