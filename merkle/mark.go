// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle

import "math/bits"

// Mark remembers a tree while it grows, so that the growth can be proven later: that
// the larger tree extends the marked one. It takes constant memory, and next to no
// time. One value is for one goroutine at a time.
type Mark struct {
	at Frontier
	// right[h] is the perfect subtree of 2^h leaves behind the mark that has been
	// merged with one that begins before it. There is at most one for each height,
	// and its place in the tree is fixed: so it does no harm if leaves are appended
	// to a copy of the frontier that is then dropped, as long as others take their
	// places before they count.
	right [64]Hash
}

// NewMark marks the present tree. From then on, leaves must be added with
// [Frontier.AppendMarked].
func NewMark(f *Frontier) *Mark { return &Mark{at: *f} }

// Size returns the number of leaves of the marked tree.
func (m *Mark) Size() uint64 { return m.at.size }

// AppendMarked is [Frontier.Append] for a tree that some marks follow.
func (f *Frontier) AppendMarked(leaf Hash, marks []*Mark) {
	h := 0
	for ; f.size>>h&1 == 1; h++ {
		middle := f.size + 1 - 1<<h // where the right subtree begins
		for _, m := range marks {
			if middle-1<<h < m.at.size && m.at.size <= middle {
				m.right[h] = leaf
			}
		}
		leaf = NodeHash(f.hashes[h], leaf)
	}
	f.hashes[h] = leaf
	f.size++
}

// Proof returns the consistency proof (RFC 6962, section 2.1.2) from the marked tree
// to a tree that it has grown to since. It is empty if that is the same tree, or the
// marked one has no leaves.
func (m *Mark) Proof(to *Frontier) []Hash {
	if m.at.size == 0 || m.at.size >= to.size {
		return nil
	}
	return m.prove(to, 0, to.size, true)
}

// Range returns the hashes of the maximal perfect subtrees of the leaves from the mark
// on to a tree that it has grown to since, from left to right; [Subtrees] tells where
// they lie. With those of the leaves on both sides, any hash of the tree that crosses
// the bounds can be computed without the leaves.
func (m *Mark) Range(to *Frontier) (hashes []Hash) {
	for first, h := range Subtrees(m.at.size, to.size) {
		if to.size>>h&1 == 1 && first == to.size>>(h+1)<<(h+1) {
			hashes = append(hashes, to.hashes[h])
		} else {
			hashes = append(hashes, m.right[h])
		}
	}
	return hashes
}

// prove is SUBPROOF of RFC 6962 for the leaves from begin to end, between which the
// mark lies. known says that the verifier has the root of the marked tree itself.
func (m *Mark) prove(to *Frontier, begin, end uint64, known bool) []Hash {
	if m.at.size == end {
		if known {
			return nil
		}
		return []Hash{m.at.hashes[bits.Len64(end-begin)-1]}
	}
	h := bits.Len64(end-begin-1) - 1 // of the left subtree
	middle := begin + 1<<h
	if m.at.size > middle {
		return append(m.prove(to, middle, end, false), m.at.hashes[h])
	}
	proof := m.prove(to, begin, middle, known)
	if end-begin == 1<<(h+1) {
		return append(proof, m.right[h])
	}
	// What is left at the right edge of the larger tree has not been merged yet.
	return append(proof, to.rootOf(h))
}

// rootOf returns the root of the leaves in the subtrees below a height.
func (f *Frontier) rootOf(height int) Hash {
	rest := Frontier{size: f.size & (1<<height - 1), hashes: f.hashes}
	return rest.Root()
}
