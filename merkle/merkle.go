// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package merkle computes the Merkle tree of an append-only log as RFC 6962,
// section 2.1, defines it.
//
// A [Frontier] is the compact state of a tree: the hashes of its maximal perfect
// subtrees, one for each bit set in its size. It is all that is needed to append
// leaves and to compute the root, so a log of any size is followed in constant
// memory, and a file that records the frontier it starts from can be checked
// without the files before it.
package merkle

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 hash of a leaf, a node or a tree. As text, in JSON too, it is in base64.
type Hash = tlog.Hash

// maxSize is the largest number of leaves of a tree: RFC 6962 has no limit, but checkpoints
// are read by software that counts in signed 64-bit integers.
const maxSize = 1<<63 - 1

// emptyRoot is the root hash of the tree without leaves.
var emptyRoot = Hash(sha256.Sum256(nil))

// LeafHash returns the hash of a leaf: SHA-256(0x00 ‖ data).
func LeafHash(data []byte) Hash {
	// Small leaves, the common case, are hashed in one call and without an
	// allocation.
	var small [1024]byte
	if len(data) < len(small) {
		n := copy(small[1:], data)
		return sha256.Sum256(small[:n+1])
	}
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(data)
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

// Frontier is the state of a tree. The zero value is the empty tree. A copy is
// independent of its original; one value is for one goroutine at a time. Neither
// [Frontier.Append] nor [Frontier.Root] allocates memory.
type Frontier struct {
	size uint64
	// hashes[h] is the root of the perfect subtree of 2^h leaves, if bit h of
	// size is set.
	hashes [64]Hash
}

// NewFrontier returns the state of a tree of size leaves from the hashes of its
// maximal perfect subtrees, the largest first, as [Frontier.Hashes] returns them.
// It is an error if their number does not fit the size, or the size is above
// 2^63-1; whether the hashes are right, only the root can show.
func NewFrontier(size uint64, hashes []Hash) (Frontier, error) {
	if size > maxSize {
		return Frontier{}, fmt.Errorf("a tree of %d leaves: at most %d are supported", size, uint64(maxSize))
	}
	if want := bits.OnesCount64(size); len(hashes) != want {
		return Frontier{}, fmt.Errorf("the frontier of a tree of %d leaves has %d hashes, not %d", size, want, len(hashes))
	}
	f := Frontier{size: size}
	for rest := size; rest != 0; hashes = hashes[1:] {
		h := bits.Len64(rest) - 1
		f.hashes[h] = hashes[0]
		rest &^= 1 << h
	}
	return f, nil
}

// Append adds a leaf, given its hash. The tree must have fewer than 2^63-1
// leaves.
func (f *Frontier) Append(leaf Hash) {
	h := 0
	for ; f.size>>h&1 == 1; h++ {
		leaf = tlog.NodeHash(f.hashes[h], leaf)
	}
	f.hashes[h] = leaf
	f.size++
}

// Size returns the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Root returns the tree's root hash.
func (f *Frontier) Root() Hash {
	if f.size == 0 {
		return emptyRoot
	}
	h := bits.TrailingZeros64(f.size)
	root := f.hashes[h]
	for h++; h < 64; h++ {
		if f.size>>h&1 == 1 {
			root = tlog.NodeHash(f.hashes[h], root)
		}
	}
	return root
}

// Hashes returns the hashes of the maximal perfect subtrees, the largest first.
func (f *Frontier) Hashes() []Hash {
	hashes := make([]Hash, 0, bits.OnesCount64(f.size))
	for h := 63; h >= 0; h-- {
		if f.size>>h&1 == 1 {
			hashes = append(hashes, f.hashes[h])
		}
	}
	return hashes
}
