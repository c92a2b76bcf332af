// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

func numberedLeaf(i uint64) merkle.Hash {
	return merkle.LeafHash(binary.BigEndian.AppendUint64(nil, i))
}

func rangeOf(begin, end uint64) merkle.Range {
	r := merkle.NewRange(begin)
	for i := begin; i < end; i++ {
		r.Append(numberedLeaf(i))
	}
	return r
}

// subtree computes the root of 2^h leaves as RFC 6962, section 2.1, defines it.
func subtree(begin uint64, h int) merkle.Hash {
	if h == 0 {
		return numberedLeaf(begin)
	}
	return merkle.NodeHash(subtree(begin, h-1), subtree(begin+1<<(h-1), h-1))
}

func TestRangeHasTheMaximalSubtrees(t *testing.T) {
	for begin := range uint64(40) {
		r := merkle.NewRange(begin)
		for end := begin; end < 80; end++ {
			if r.Begin() != begin || r.End() != end {
				t.Fatalf("the range is [%d, %d), want [%d, %d)", r.Begin(), r.End(), begin, end)
			}
			var want []merkle.Hash
			at := begin
			for first, h := range merkle.Subtrees(begin, end) {
				if first != at || first%(1<<h) != 0 {
					t.Fatalf("[%d, %d): subtree of height %d at %d", begin, end, h, first)
				}
				// Neither half of what holds it and as much again lies within.
				if parent := first >> (h + 1) << (h + 1); parent >= begin && parent+2<<h <= end {
					t.Fatalf("[%d, %d): the subtree of height %d at %d is not maximal", begin, end, h, first)
				}
				want = append(want, subtree(first, h))
				at += 1 << h
			}
			if at != end || !slices.Equal(r.Hashes(), want) {
				t.Fatalf("[%d, %d): the hashes are not those of the subtrees", begin, end)
			}
			r.Append(numberedLeaf(end))
		}
	}
}

// Ranges put together make the tree that their leaves make one by one.
func TestFrontierExtendedByRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.Uint64Range(0, 300), 1, 10).Draw(t, "cuts")
		slices.Sort(cuts)
		var one, other merkle.Frontier
		for _, end := range cuts {
			r := rangeOf(one.Size(), end)
			if err := other.Extend(end, r.Hashes()); err != nil {
				t.Fatal(err)
			}
			for one.Size() < end {
				one.Append(numberedLeaf(one.Size()))
			}
			if one != other && one.Root() != other.Root() || !slices.Equal(one.Hashes(), other.Hashes()) {
				t.Fatalf("the trees of %d leaves differ", end)
			}
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
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
	}
	want, err := tlog.TreeHash(size, reader)
	if err != nil {
		t.Fatal(err)
	}
	var f merkle.Frontier
	for _, end := range []uint64{1, 2, 77, 300, 511, 512, 513, size} {
		r := rangeOf(f.Size(), end)
		if err := f.Extend(end, r.Hashes()); err != nil {
			t.Fatal(err)
		}
	}
	if f.Root() != merkle.Hash(want) {
		t.Error("another root")
	}
}

func TestExtendRefuses(t *testing.T) {
	var f merkle.Frontier
	if err := f.Extend(3, make([]merkle.Hash, 2)); err != nil {
		t.Fatal(err)
	}
	before := f
	for _, c := range []struct {
		end    uint64
		hashes int
	}{{2, 0}, {4, 0}, {4, 2}, {3, 1}, {merkle.MaxSize + 1, 1}, {1<<64 - 1, 63}} {
		if err := f.Extend(c.end, make([]merkle.Hash, c.hashes)); err == nil {
			t.Errorf("extended to %d with %d hashes", c.end, c.hashes)
		}
	}
	if f != before {
		t.Error("a refusal has changed the tree")
	}
}

func TestRangeDoesNotAllocate(t *testing.T) {
	r, leaf := merkle.NewRange(12345), numberedLeaf(0)
	if n := testing.AllocsPerRun(1000, func() { r.Append(leaf) }); n != 0 {
		t.Errorf("%v allocations for each leaf", n)
	}
}
