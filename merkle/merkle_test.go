// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// maxSize is the largest size of a tree.
const maxSize = 1<<63 - 1

func leaf(i int) merkle.Hash { return merkle.LeafHash(fmt.Appendf(nil, "leaf %d", i)) }

func TestHashes(t *testing.T) {
	for _, size := range []int{0, 1, 500, 1022, 1023, 1024, 1025, 100_000} {
		data := make([]byte, size)
		got, want := merkle.LeafHash(data), tlog.RecordHash(data)
		assert.Equal(t, want, got, "leaf of %d bytes", size)
	}
	if new(merkle.Frontier).Root() != sha256.Sum256(nil) {
		t.Error("the root of the empty tree is not SHA-256 of nothing")
	}
}

// The naive definition of RFC 6962, section 2.1.
func naive(leaves []merkle.Hash) merkle.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return tlog.NodeHash(naive(leaves[:k]), naive(leaves[k:]))
}

func TestFrontierAgainstOthers(t *testing.T) {
	var f merkle.Frontier
	var leaves []merkle.Hash
	other := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i := range 300 {
		require.Equal(t, naive(leaves), f.Root(), "size %d: root", i)
		require.Equal(t, uint64(i), f.Size(), "size %d: root", i)
		if i > 0 {
			root, err := other.GetRootHash(nil)
			require.NoError(t, err, "size %d: compact range has root %v", i, root)
			require.Equal(t, f.Root(), merkle.Hash(root), "size %d: compact range has root %v", i, root)
		}
		require.True(t, slices.EqualFunc(f.Hashes(), other.Hashes(), func(a merkle.Hash, b []byte) bool { return a == merkle.Hash(b) }), "size %d: the frontiers differ", i)
		l := leaf(i)
		f.Append(l)
		leaves = append(leaves, l)
		require.NoError(t, other.Append(l[:], nil))
	}
}

// A tree continued from its frontier is the same tree.
func TestFrontierCanBeContinued(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(0, 200).Draw(t, "n"), rapid.IntRange(0, 200).Draw(t, "m")
		var whole merkle.Frontier
		for i := range n {
			whole.Append(leaf(i))
		}
		resumed, err := merkle.NewFrontier(whole.Size(), whole.Hashes())
		require.NoError(t, err)
		require.Equal(t, whole.Root(), resumed.Root(), "the frontier does not come back")
		require.Equal(t, whole.Hashes(), resumed.Hashes(), "the frontier does not come back")
		copied := whole
		for i := range m {
			whole.Append(leaf(n + i))
			resumed.Append(leaf(n + i))
		}
		require.Equal(t, resumed.Root(), whole.Root(), "the roots differ")
		if m > 0 && copied.Size() != uint64(n) {
			t.Fatal("a copy changed with its original")
		}
	})
}

// Trees far larger than can be built are what the library of others makes of them.
func TestLargeFrontiers(t *testing.T) {
	factory := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, maxSize-1).Draw(t, "size")
		hashes := make([]merkle.Hash, bits.OnesCount64(size))
		theirs := make([][]byte, len(hashes))
		for i := range hashes {
			hashes[i] = leaf(i)
			theirs[i] = slices.Clone(hashes[i][:])
		}
		f, err := merkle.NewFrontier(size, hashes)
		require.NoError(t, err)
		other, err := factory.NewRange(0, size, theirs)
		require.NoError(t, err)
		l := leaf(1000)
		f.Append(l)
		require.NoError(t, other.Append(l[:], nil))
		root, err := other.GetRootHash(nil)
		if err != nil || merkle.Hash(root) != f.Root() || f.Size() != size+1 {
			t.Fatalf("size %d: root %v, want %v, %v", size, f.Root(), root, err)
		}
	})
}

// The roots are those of the Go team's library, which stores every hash.
func TestRootsAgainstTlog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 60).Draw(t, "records")
		var f merkle.Frontier
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			hashes := make([]tlog.Hash, len(indexes))
			for i, x := range indexes {
				hashes[i] = stored[x]
			}
			return hashes, nil
		})
		for i, r := range records {
			f.Append(merkle.LeafHash(r))
			more, err := tlog.StoredHashes(int64(i), r, read)
			require.NoError(t, err)
			stored = append(stored, more...)
		}
		want, err := tlog.TreeHash(int64(len(records)), read)
		require.NoError(t, err, "%d records: root", len(records))
		require.Equal(t, want, f.Root(), "%d records: root", len(records))
	})
}

// A file may claim any size, so the largest allowed must be safe to append to.
func TestNewFrontierAtTheLimit(t *testing.T) {
	f, err := merkle.NewFrontier(maxSize, make([]merkle.Hash, 63))
	require.NoError(t, err)
	f.Append(leaf(0))
	if f.Size() != maxSize+1 || len(f.Hashes()) != 1 || f.Root() != f.Hashes()[0] {
		t.Errorf("size %d, %d hashes", f.Size(), len(f.Hashes()))
	}
}

func TestNewFrontierRefuses(t *testing.T) {
	for size, hashes := range map[uint64]int{0: 1, 1: 0, 3: 1, 4: 2, 7: 2, 1<<63 + 1: 2, 1 << 63: 1, math.MaxUint64: 64} {
		_, err := merkle.NewFrontier(size, make([]merkle.Hash, hashes))
		assert.Error(t, err, "size %d with %d hashes was taken", size, hashes)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, size := range []int{0, 600, 5_000, 100_000} {
		var f merkle.Frontier
		data := make([]byte, size)
		assert.Equal(t, float64(0), testing.AllocsPerRun(100, func() {
			f.Append(merkle.LeafHash(data))
			f.Root()
		}), "leaves of %d bytes", size)
	}
}

func BenchmarkAppend(b *testing.B) {
	var f merkle.Frontier
	data := make([]byte, 500)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f.Append(merkle.LeafHash(data))
	}
}
