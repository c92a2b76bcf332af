// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package consistency makes consistency proofs (RFC 6962, section 2.1.2) for a tree that
// grows, without the leaves and the inner nodes that it had before: a [Mark] remembers an
// earlier state, and what leads from it to later ones.
package consistency

import (
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Mark remembers a tree while it grows, so that the growth can be proven later: that
// the larger tree extends the marked one. It takes constant memory, and next to no
// time. One value is for one goroutine at a time.
type Mark struct {
	at merkle.Frontier
	// right[h] is the perfect subtree of 2^h leaves after the mark that has been
	// merged with one that begins before it. There is at most one for each height,
	// and its place in the tree is fixed: so it does no harm if leaves are appended
	// to a copy of the frontier that is then dropped, as long as others take their
	// places before they count.
	right [64]merkle.Hash
}

// NewMark marks the present tree. From then on, leaves must be added with [Append].
func NewMark(f *merkle.Frontier) *Mark { return &Mark{at: *f} }

// Size returns the number of leaves of the marked tree.
func (m *Mark) Size() uint64 { return m.at.Size() }

// Append adds a leaf to a tree that some marks follow.
func Append(f *merkle.Frontier, leaf merkle.Hash, marks []*Mark) {
	size := f.Size()
	// The node of each height that the leaf completes is a right subtree. A mark keeps one
	// for each height at most, so they are computed here only when one is kept.
	var left []merkle.Hash
	node, height := leaf, 0
	for h := 0; size>>h&1 == 1; h++ {
		middle := size + 1 - 1<<h // where the right subtree begins
		for _, m := range marks {
			if middle-1<<h >= m.at.Size() || m.at.Size() > middle {
				continue
			}
			if left == nil && height < h {
				left = f.Hashes()
			}
			for ; height < h; height++ {
				node = tlog.NodeHash(left[len(left)-1-height], node)
			}
			m.right[h] = node
		}
	}
	f.Append(leaf)
}

// Proof returns the consistency proof (RFC 6962, section 2.1.2) from the marked tree
// to a tree that it has grown to since. It is empty if that is the same tree, or the
// marked one has no leaves.
func (m *Mark) Proof(to *merkle.Frontier) []merkle.Hash {
	if m.at.Size() == 0 || m.at.Size() >= to.Size() {
		return nil
	}
	return m.prove(to, 0, to.Size(), true)
}

// Range returns the hashes of the maximal perfect subtrees of the leaves from the mark
// on to a tree that it has grown to since, from left to right; [compactrange.Subtrees]
// tells where they lie. With those of the leaves on both sides, any hash of the tree that
// crosses the bounds can be computed without the leaves.
func (m *Mark) Range(to *merkle.Frontier) (hashes []merkle.Hash) {
	for first, h := range compactrange.Subtrees(m.at.Size(), to.Size()) {
		if to.Size()>>h&1 == 1 && first == to.Size()>>(h+1)<<(h+1) {
			hashes = append(hashes, subtree(to, h))
		} else {
			hashes = append(hashes, m.right[h])
		}
	}
	return hashes
}

// prove is SUBPROOF of RFC 6962 for the leaves from begin to end, between which the
// mark lies. known says that the verifier has the root of the marked tree itself.
func (m *Mark) prove(to *merkle.Frontier, begin, end uint64, known bool) []merkle.Hash {
	if m.at.Size() == end {
		if known {
			return nil
		}
		return []merkle.Hash{subtree(&m.at, bits.Len64(end-begin)-1)}
	}
	h := bits.Len64(end-begin-1) - 1 // of the left subtree
	middle := begin + 1<<h
	if m.at.Size() > middle {
		return append(m.prove(to, middle, end, false), subtree(&m.at, h))
	}
	proof := m.prove(to, begin, middle, known)
	if end-begin == 1<<(h+1) {
		return append(proof, m.right[h])
	}
	// What is left at the right edge of the larger tree has not been merged yet.
	return append(proof, rootBelow(to, h))
}

// subtree returns the maximal perfect subtree of 2^h leaves, of which a tree has one.
func subtree(f *merkle.Frontier, h int) merkle.Hash {
	return f.Hashes()[bits.OnesCount64(f.Size()>>(h+1))]
}

// rootBelow returns the root of the leaves in the maximal subtrees of less than 2^h leaves.
func rootBelow(f *merkle.Frontier, h int) merkle.Hash {
	hashes := f.Hashes()[bits.OnesCount64(f.Size()>>h):]
	root := hashes[len(hashes)-1]
	for _, left := range slices.Backward(hashes[:len(hashes)-1]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}
