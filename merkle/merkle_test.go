// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

func leaf(i int) merkle.Hash { return merkle.LeafHash(fmt.Appendf(nil, "leaf %d", i)) }

func TestHashes(t *testing.T) {
	for _, size := range []int{0, 1, 500, 1022, 1023, 1024, 1025, 100_000} {
		data := make([]byte, size)
		if got, want := merkle.LeafHash(data), merkle.Hash(tlog.RecordHash(data)); got != want {
			t.Errorf("leaf of %d bytes: %x, want %x", size, got, want)
		}
	}
	a, b := leaf(1), leaf(2)
	if got, want := merkle.NodeHash(a, b), merkle.Hash(tlog.NodeHash(tlog.Hash(a), tlog.Hash(b))); got != want {
		t.Errorf("node: %x, want %x", got, want)
	}
	if merkle.EmptyRoot != sha256.Sum256(nil) {
		t.Error("the root of the empty tree is not SHA-256 of nothing")
	}
}

// The naive definition of RFC 6962, section 2.1.
func naive(leaves []merkle.Hash) merkle.Hash {
	switch len(leaves) {
	case 0:
		return merkle.EmptyRoot
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return merkle.NodeHash(naive(leaves[:k]), naive(leaves[k:]))
}

func TestFrontierAgainstOthers(t *testing.T) {
	var f merkle.Frontier
	var leaves []merkle.Hash
	other := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i := range 300 {
		if f.Root() != naive(leaves) || f.Size() != uint64(i) {
			t.Fatalf("size %d: root %x, want %x", i, f.Root(), naive(leaves))
		}
		if i > 0 {
			root, err := other.GetRootHash(nil)
			if err != nil || merkle.Hash(root) != f.Root() {
				t.Fatalf("size %d: compact range has root %x, %v", i, root, err)
			}
		}
		if !slices.EqualFunc(f.Hashes(), other.Hashes(), func(a merkle.Hash, b []byte) bool { return a == merkle.Hash(b) }) {
			t.Fatalf("size %d: the frontiers differ", i)
		}
		l := leaf(i)
		f.Append(l)
		leaves = append(leaves, l)
		if err := other.Append(l[:], nil); err != nil {
			t.Fatal(err)
		}
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
		if err != nil {
			t.Fatal(err)
		}
		if resumed.Root() != whole.Root() || !slices.Equal(resumed.Hashes(), whole.Hashes()) {
			t.Fatal("the frontier does not come back")
		}
		copied := whole
		for i := range m {
			whole.Append(leaf(n + i))
			resumed.Append(leaf(n + i))
		}
		if whole.Root() != resumed.Root() {
			t.Fatal("the roots differ")
		}
		if m > 0 && copied.Size() != uint64(n) {
			t.Fatal("a copy changed with its original")
		}
	})
}

func TestNewFrontierRefuses(t *testing.T) {
	for size, hashes := range map[uint64]int{0: 1, 1: 0, 3: 1, 4: 2, 7: 2, 1<<63 + 1: 1} {
		if _, err := merkle.NewFrontier(size, make([]merkle.Hash, hashes)); err == nil {
			t.Errorf("size %d with %d hashes was taken", size, hashes)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	var f merkle.Frontier
	data := make([]byte, 600)
	if n := testing.AllocsPerRun(100, func() {
		f.Append(merkle.LeafHash(data))
		f.Root()
	}); n != 0 {
		t.Errorf("%v allocations", n)
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
